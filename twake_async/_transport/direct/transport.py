"""One attempt for `transport="fast"`: the same facts as over httpx, for a quarter of the CPU.

On a connection of our own, so that what was written is known first hand. httptools reads the
answers; it is an extra, imported when a session asks for it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.exchange import CLOSED, LOST, Answer, Failure
from twake_async._transport.connect import Dial
from twake_async._transport.http_library import httpx_library
from twake_async._transport.httpx.transport import fixed_headers, parse_url
from twake_async._transport.pool import IDLE_LIMIT, Lanes
from twake_async._transport.tls import lazy_context
from twake_async._transport.trace import detail_of, refine
from twake_async.errors import ConfigurationError

from .connection import Line, Link

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from twake_async._arguments import Credentials
    from twake_async._protocol.exchange import Judges
    from twake_async._protocol.v1.requests import Prepared
    from twake_async._transport.pool import Lane
    from twake_async._transport.tls import Verify

__all__ = ["FastCarrier", "fast_carrier"]


@attrs.define(eq=False)
class FastWitness:
    """What was seen of one attempt: how far it came before its bytes began to leave."""

    stage: str = "connect"
    """The word for what it had not come beyond."""
    wrote: bool = False
    """Whether the first of its bytes may have left."""

    def proof(self) -> str | None:
        """Return the word for a request that provably never left, or None."""
        return None if self.wrote else self.stage

    def unsent(self, wrong: BaseException | None = None) -> Failure:
        """Return the fact of a request that never left."""
        reason = refine(self.stage, wrong)
        return Failure(sent=False, reason=reason, detail=detail_of(reason, wrong))


@attrs.define(eq=False)
class FastCarrier:
    """Carries one attempt after another to one server."""

    base_url: str
    credentials: Credentials = attrs.field(repr=False)
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    max_connections: int
    proxy: str = attrs.field(default="", init=False)
    """Through a proxy lanes go."""
    lanes: Lanes[Line] = attrs.field(init=False)
    _dial: Dial = attrs.field(factory=Dial, init=False)
    _url: Any = attrs.field(init=False)
    _heads: dict[str, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._url = parse_url(self.base_url, httpx_library())
        self.lanes = Lanes(Line, self.max_connections, self.connect)

    def witness(self) -> FastWitness:
        """Return an observer for one attempt."""
        return FastWitness()

    async def attempt(
        self,
        lane: Lane[Line],
        prepared: Prepared,
        witness: FastWitness,
        seconds: float,
        judge: Judges,
    ) -> Any:
        """Make one attempt within a number of seconds and return the result of its verdict.

        Raises:
            asyncio.CancelledError: As ever; `witness` then knows how far it came.

        """
        ends = asyncio.get_running_loop().time() + seconds
        seen, lane.named = lane.named, None
        try:
            link = _good_link(lane)
            seen = seen if link is not None else None
            fact = await self._exchange(link, lane.transport, prepared, witness, ends)
            verdict = judge(fact, seen)
            link = lane.transport.link
            if verdict.names is not None and link is not None and link.is_reusable():
                lane.named = verdict.names
        except asyncio.CancelledError as stop:
            # The frames below hold the request's headers, and so the key: not for tracebacks.
            raise stop.with_traceback(None)  # noqa: B904 - itself
        else:
            return verdict.result
        finally:
            self.lanes.give_back(lane, reusable=lane.named is not None)

    async def _exchange(
        self,
        link: Link | None,
        line: Line,
        prepared: Prepared,
        witness: FastWitness,
        ends: float,
    ) -> Answer | Failure:
        if link is None:
            connected = await self._connect(line, witness, ends)
            if isinstance(connected, Failure):
                return connected
            link = connected
        witness.wrote = True
        try:
            return await link.ask(self._request(prepared), prepared.answer_limit, ends)
        except Exception:  # noqa: BLE001 - some loops refuse to write to what has ended
            return LOST

    async def _connect(self, line: Line, witness: FastWitness, ends: float) -> Link | Failure:
        """Return a new connection, opened in turn with those of other sends."""
        try:
            async with asyncio.timeout_at(_or_none(ends)) as line.connecting:
                await self.lanes.limiter.enter()
                try:
                    line.link = await self._open_in_time(witness, ends)
                finally:
                    self.lanes.limiter.leave()
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            return CLOSED if line.closed else witness.unsent(exc)
        finally:
            line.connecting = None
        if line.closed:  # while the connection was on its way to this task
            line.link.transport.abort()
            return CLOSED
        return line.link

    async def _open_in_time(self, witness: FastWitness, ends: float) -> Link:
        # Connecting may take a third of what is left, so that one that hangs leaves time for
        # another.
        third = (ends - asyncio.get_running_loop().time()) / 3
        try:
            seconds = _or_none(third)
            async with asyncio.timeout(seconds):
                link = await self._open(witness, seconds)
        except Exception as exc:
            self.lanes.failed(witness.unsent(exc), exc)
            raise
        except BaseException:
            self.lanes.unfinished()
            raise
        self.lanes.connected()
        return link

    async def _open(self, witness: FastWitness, seconds: float | None = None) -> Link:
        """Return a new connection; all addresses get their turn in so many seconds."""
        witness.stage = "tls"
        context = self.context()
        witness.stage = "connect"
        host, tls = self._url.raw_host.decode(), self._url.scheme == "https"
        port = self._url.port or (443 if tls else 80)
        link = await self._dial(Link, host, port, seconds=seconds)
        if tls:
            witness.stage = "tls"
            try:
                await link.start_tls(context, host)
            except BaseException:
                link.transport.abort()
                raise
        return link

    async def connect(self, lane: Lane[Line]) -> Failure | None:
        """Open the connection that the lane's next request will find; return what went wrong."""
        witness = FastWitness()
        try:
            lane.transport.link = await self._open(witness)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            return witness.unsent(exc)
        return None

    def _request(self, prepared: Prepared) -> bytes:
        head = self._heads.get(prepared.path)
        if head is None:
            head = self._heads[prepared.path] = self._head(prepared.path)
        length = b"\r\nContent-Length: %d\r\n\r\n" % len(prepared.body)
        return b"".join((head, self.credentials.header(), length, prepared.body))

    def _head(self, path: str) -> bytes:
        """Return what is the same in every request to a path, up to the value that is secret."""
        first = b"POST %b HTTP/1.1" % parse_url(self.base_url + path, httpx_library()).raw_path
        headers = (b"%b: %b" % header for header in fixed_headers(self.base_url, httpx_library()))
        return b"\r\n".join((first, *headers, b"Authorization: "))

    async def aclose(self) -> None:
        """Turn away whoever waits, and close every connection, those in use included."""
        await self.lanes.aclose()


def _or_none(seconds: float) -> float | None:
    return seconds if seconds < math.inf else None


def _good_link(lane: Lane[Line]) -> Link | None:
    """Return the lane's connection if a request may go over it; close it if not."""
    line = lane.transport
    if line.link is None:
        return None
    idle = asyncio.get_running_loop().time() - lane.free_since
    if idle < IDLE_LIMIT and line.link.is_good():
        return line.link
    line.link.transport.abort()
    line.link = None
    return None


def fast_carrier(
    base_url: str,
    credentials: Credentials,
    max_connections: int,
    verify: Verify,
) -> FastCarrier:
    """Return a carrier over connections of our own.

    Raises:
        ConfigurationError: httptools or orjson is not installed.

    """
    for name in ("httptools", "orjson"):
        if importlib.util.find_spec(name) is None:
            raise ConfigurationError(
                'transport="fast" needs other packages: pip install "twake-async[fast]"',
                field="transport",
            )
    needed = base_url.startswith("https:")
    context = lazy_context(verify, httpx_library(), needed=needed)
    return FastCarrier(base_url, credentials, context, max_connections)

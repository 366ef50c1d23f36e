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

from ._dial import Dial
from ._facts import CLOSED, LOST, Answer, Failure
from ._lanes import IDLE_LIMIT, Closed, Gate, Lanes
from ._link import Line, Link
from ._tls import lazy_context
from ._transport import fixed_headers, parse_url
from ._witness import detail_of, refine
from .errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ._facts import Judges
    from ._lanes import Lane
    from ._settings import Credentials
    from ._tls import Verify
    from ._wire import Prepared

__all__ = ["FastCarrier", "fast_carrier"]


@attrs.define(eq=False)
class FastWitness:
    """What was seen of one attempt: how far it came before its bytes began to leave."""

    stage: str = "no_lane"
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
    lanes: Lanes[Line]
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    proxy: str = attrs.field(default="", init=False)
    """Through a proxy lanes go."""
    _gate: Gate = attrs.field(factory=Gate, init=False)
    _dial: Dial = attrs.field(factory=Dial, init=False)
    _url: Any = attrs.field(init=False)
    _heads: dict[str, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._url = parse_url(self.base_url)

    def witness(self) -> FastWitness:
        """Return an observer for one attempt."""
        return FastWitness()

    async def attempt(
        self, prepared: Prepared, witness: FastWitness, seconds: float, judge: Judges
    ) -> Any:
        """Make one attempt within a number of seconds and return the result of its verdict.

        Raises:
            asyncio.CancelledError: As ever; `witness` then knows how far it came.

        """
        ends = asyncio.get_running_loop().time() + seconds
        try:
            about = prepared.target
            lane = self.lanes.take_free(about) or await self._wait_for_lane(ends, about)
            witness.stage = "connect"
            seen, lane.named = lane.named, None
            try:
                link = _good_link(lane)
                seen = seen if link is not None else None
                fact = await self._exchange(link, lane.transport, prepared, witness, ends)
                verdict = judge(fact, seen)
                link = lane.transport.link
                if verdict.names is not None and link is not None and link.is_reusable():
                    lane.named = verdict.names
                return verdict.result
            finally:
                self.lanes.give_back(lane, reusable=lane.named is not None)
        except TimeoutError:  # in the line for a lane
            return judge(witness.unsent(), None).result
        except Closed:
            return judge(CLOSED, None).result
        except asyncio.CancelledError as stop:
            # The frames below hold the request's headers, and so the key: not for tracebacks.
            raise stop.with_traceback(None)  # noqa: B904 - itself

    async def _wait_for_lane(self, ends: float, about: str | None) -> Lane[Line]:
        async with asyncio.timeout_at(_or_none(ends)):
            return await self.lanes.take(about)

    async def _exchange(
        self,
        link: Link | None,
        line: Line,
        prepared: Prepared,
        witness: FastWitness,
        ends: float,
    ) -> Answer | Failure:
        if link is None:
            try:
                link = await self._connect(line, witness, ends)
            except Exception as wrong:  # noqa: BLE001 - whatever it is, nothing has left
                if line.closed:
                    raise Closed from None
                return witness.unsent(wrong)
        witness.wrote = True
        try:
            return await link.ask(self._request(prepared), prepared.answer_limit, ends)
        except Exception:  # noqa: BLE001 - some loops refuse to write to what has ended
            return LOST

    async def _connect(self, line: Line, witness: FastWitness, ends: float) -> Link:
        witness.stage = "tls"
        context = self.context()
        witness.stage = "connect"
        try:
            async with asyncio.timeout_at(_or_none(ends)) as line.connecting:
                await self._gate.enter()
                line.link = await self._open(witness, context, ends)
        finally:
            line.connecting = None
        if line.closed:  # while the connection was on its way to this task
            line.link.transport.abort()
            raise Closed
        return line.link

    async def _open(self, witness: FastWitness, context: ssl.SSLContext, ends: float) -> Link:
        """Return a new connection, having entered the gate, which it leaves."""
        connected: bool | None = False
        link = None
        loop, host = asyncio.get_running_loop(), self._url.raw_host.decode()
        tls = self._url.scheme == "https"
        try:
            # Connecting may take a third of what is left, so that one that hangs leaves time for
            # another.
            seconds = _or_none((ends - loop.time()) / 3)
            async with asyncio.timeout(seconds):
                port = self._url.port or (443 if tls else 80)
                link = await self._dial(Link, host, port, seconds=seconds)
                if tls:
                    witness.stage = "tls"
                    await link.start_tls(context, host)
            connected = True
        except asyncio.CancelledError:
            connected = None
            raise
        finally:
            self._gate.leave(connected=connected)
            if link is not None and not connected:
                link.transport.abort()
        assert link is not None  # noqa: S101 - a time limit hides no failure
        return link

    def _request(self, prepared: Prepared) -> bytes:
        head = self._heads.get(prepared.path)
        if head is None:
            head = self._heads[prepared.path] = self._head(prepared.path)
        length = b"\r\nContent-Length: %d\r\n\r\n" % len(prepared.body)
        return b"".join((head, self.credentials.header(), length, prepared.body))

    def _head(self, path: str) -> bytes:
        """Return what is the same in every request to a path, up to the value that is secret."""
        first = b"POST %b HTTP/1.1" % parse_url(self.base_url + path).raw_path
        headers = (b"%b: %b" % header for header in fixed_headers(self.base_url))
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
    context = lazy_context(verify, needed=base_url.startswith("https:"))
    return FastCarrier(base_url, credentials, Lanes(Line, max_connections), context)

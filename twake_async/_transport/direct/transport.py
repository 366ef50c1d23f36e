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
from twake_async._transport.connect import TcpConnector
from twake_async._transport.http_library import httpx_library
from twake_async._transport.httpx.transport import fixed_headers, parse_url
from twake_async._transport.pool import IDLE_LIMIT, ConnectionPool
from twake_async._transport.tls import lazy_context
from twake_async._transport.trace import detail_of, refine
from twake_async.errors import ConfigurationError

from .connection import DirectConnection, Slot

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from twake_async._arguments import Credentials
    from twake_async._protocol.exchange import Judge
    from twake_async._protocol.v1.requests import Prepared
    from twake_async._transport.pool import PooledConnection
    from twake_async._transport.tls import Verify

__all__ = ["DirectTransport", "direct_transport"]


@attrs.define(eq=False)
class DirectTrace:
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
class DirectTransport:
    """Carries one attempt after another to one server."""

    base_url: str
    credentials: Credentials = attrs.field(repr=False)
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    max_connections: int
    proxy: str = attrs.field(default="", init=False)
    """Through a proxy pooled connections go."""
    pool: ConnectionPool[Slot] = attrs.field(init=False)
    _connector: TcpConnector = attrs.field(factory=TcpConnector, init=False)
    _url: Any = attrs.field(init=False)
    _heads: dict[str, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._url = parse_url(self.base_url, httpx_library())
        self.pool = ConnectionPool(Slot, self.max_connections, self.connect)

    def start_trace(self) -> DirectTrace:
        """Return an observer for one attempt."""
        return DirectTrace()

    async def attempt(
        self,
        connection: PooledConnection[Slot],
        prepared: Prepared,
        trace: DirectTrace,
        seconds: float,
        judge: Judge,
    ) -> Any:
        """Make one attempt within a number of seconds and return the result of its verdict.

        Raises:
            asyncio.CancelledError: As ever; `trace` then knows how far it came.

        """
        ends = asyncio.get_running_loop().time() + seconds
        seen, connection.named = connection.named, None
        try:
            direct = _good_connection(connection)
            seen = seen if direct is not None else None
            fact = await self._exchange(direct, connection.raw, prepared, trace, ends)
            verdict = judge(fact, seen)
            direct = connection.raw.connection
            if verdict.names is not None and direct is not None and direct.is_reusable():
                connection.named = verdict.names
        except asyncio.CancelledError as stop:
            # The frames below hold the request's headers, and so the key: not for tracebacks.
            raise stop.with_traceback(None)  # noqa: B904 - itself
        else:
            return verdict.result
        finally:
            self.pool.release(connection, reusable=connection.named is not None)

    async def _exchange(
        self,
        connection: DirectConnection | None,
        slot: Slot,
        prepared: Prepared,
        trace: DirectTrace,
        ends: float,
    ) -> Answer | Failure:
        if connection is None:
            connected = await self._connect(slot, trace, ends)
            if isinstance(connected, Failure):
                return connected
            connection = connected
        trace.wrote = True
        try:
            return await connection.ask(self._request(prepared), prepared.answer_limit, ends)
        except Exception:  # noqa: BLE001 - some loops refuse to write to what has ended
            return LOST

    async def _connect(
        self, slot: Slot, trace: DirectTrace, ends: float
    ) -> DirectConnection | Failure:
        """Return a new connection, opened in turn with those of other sends."""
        try:
            async with asyncio.timeout_at(_or_none(ends)) as slot.connecting:
                await self.pool.limiter.enter()
                try:
                    slot.connection = await self._open_in_time(trace, ends)
                finally:
                    self.pool.limiter.leave()
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            return CLOSED if slot.closed else trace.unsent(exc)
        finally:
            slot.connecting = None
        if slot.closed:  # while the connection was on its way to this task
            slot.connection.transport.abort()
            return CLOSED
        return slot.connection

    async def _open_in_time(self, trace: DirectTrace, ends: float) -> DirectConnection:
        # Connecting may take a third of what is left, so that one that hangs leaves time for
        # another.
        third = (ends - asyncio.get_running_loop().time()) / 3
        try:
            seconds = _or_none(third)
            async with asyncio.timeout(seconds):
                connection = await self._open(trace, seconds)
        except Exception as exc:
            self.pool.failed(trace.unsent(exc), exc)
            raise
        except BaseException:
            self.pool.unfinished()
            raise
        self.pool.connected()
        return connection

    async def _open(self, trace: DirectTrace, seconds: float | None = None) -> DirectConnection:
        """Return a new connection; all addresses get their turn in so many seconds."""
        trace.stage = "tls"
        context = self.context()
        trace.stage = "connect"
        host, tls = self._url.raw_host.decode(), self._url.scheme == "https"
        port = self._url.port or (443 if tls else 80)
        connection = await self._connector(DirectConnection, host, port, seconds=seconds)
        if tls:
            trace.stage = "tls"
            try:
                await connection.start_tls(context, host)
            except BaseException:
                connection.transport.abort()
                raise
        return connection

    async def connect(self, pooled: PooledConnection[Slot]) -> Failure | None:
        """Open the connection that the pooled's next request will find; return what went wrong."""
        trace = DirectTrace()
        try:
            pooled.raw.connection = await self._open(trace)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            return trace.unsent(exc)
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
        await self.pool.aclose()


def _or_none(seconds: float) -> float | None:
    return seconds if seconds < math.inf else None


def _good_connection(pooled: PooledConnection[Slot]) -> DirectConnection | None:
    """Return the pooled's connection if a request may go over it; close it if not."""
    slot = pooled.raw
    if slot.connection is None:
        return None
    idle = asyncio.get_running_loop().time() - pooled.free_since
    if idle < IDLE_LIMIT and slot.connection.is_good():
        return slot.connection
    slot.connection.transport.abort()
    slot.connection = None
    return None


def direct_transport(
    base_url: str,
    credentials: Credentials,
    max_connections: int,
    verify: Verify,
) -> DirectTransport:
    """Return a transport over connections of our own.

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
    return DirectTransport(base_url, credentials, context, max_connections)

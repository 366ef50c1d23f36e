"""Attempts of `transport="fast"`: the same outcomes as over httpx, for a quarter of the CPU time.

It has its own connections, so it knows what was written. httptools reads the answers. It is an
extra, and it is imported when a session asks for it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._protocol.exchange import CLOSED, EXPIRED, LOST, Answer, Failure
from twake_async._transport.connect import TcpConnector
from twake_async._transport.http_library import httpx_library
from twake_async._transport.pool import IDLE_LIMIT, ConnectionPool
from twake_async._transport.request_parts import fixed_headers, parse_url
from twake_async._transport.tls import lazy_context
from twake_async._transport.trace import Trace
from twake_async.errors import ConfigurationError

from .connection import DirectConnection, Slot

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from twake_async._protocol.exchange import Judge, Request
    from twake_async._transport.pooled_connection import PooledConnection
    from twake_async._transport.tls import Verify
    from twake_async.errors import TwakeError

__all__ = ["DirectTransport", "direct_transport"]

T = TypeVar("T")

#: How many request heads are kept.
_MOST_HEADS = 64


@attrs.define(eq=False)
class DirectTransport:
    """Sends requests to one server over connections of its own.

    Args:
        base_url: The server's address, checked.
        context: Returns the TLS context.
        max_connections: How many connections there may be.

    """

    base_url: str
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    max_connections: int
    proxy: str = attrs.field(default="", init=False)
    """Always empty: it does not go through proxies."""
    pool: ConnectionPool[Slot] = attrs.field(init=False)
    _connector: TcpConnector = attrs.field(factory=TcpConnector, init=False)
    _url: Any = attrs.field(init=False)
    _heads: dict[tuple[str, str], bytes] = attrs.field(factory=dict, init=False, repr=False)
    """The start of a request, by method and path; it holds no secret."""

    def __attrs_post_init__(self) -> None:
        self._url = parse_url(self.base_url, httpx_library())
        self.pool = ConnectionPool(Slot, self.max_connections, self.connect, self.base_url)

    def start_trace(self) -> Trace:
        """Return the trace of an attempt."""
        return Trace(unsent="connect")

    async def attempt(
        self,
        connection: PooledConnection[Slot],
        request: Request[T],
        trace: Trace,
        seconds: float,
        judge: Judge[T],
    ) -> T | TwakeError:
        """Make one attempt and return the result of its verdict; release the connection.

        Args:
            connection: The connection to use.
            request: The request.
            trace: Notes how far the attempt came.
            seconds: How long it may take.
            judge: Judges the answer.

        Raises:
            asyncio.CancelledError: It was cancelled; `trace` knows how far it came.

        """
        now = asyncio.get_running_loop().time()
        seen, connection.named = connection.named, None
        try:
            _drop_unusable(connection, now)
            answer = await self._exchange(connection.raw, request, trace, now + seconds)
            verdict = judge(answer, None if trace.connected else seen)
            used = connection.raw.connection
            if verdict.names is not None and used is not None and used.is_reusable():
                connection.named = verdict.names
        except asyncio.CancelledError as exc:
            # The frames below hold the request's headers, so the key. No traceback may show them.
            raise exc.with_traceback(None)  # noqa: B904 - itself
        else:
            return verdict.result
        finally:
            self.pool.release(connection, reusable=connection.named is not None)

    async def _exchange(
        self, slot: Slot, request: Request[Any], trace: Trace, ends: float
    ) -> Answer | Failure:
        connection = slot.connection
        if connection is None:
            connected = await self._connect_in_turn(slot, trace, ends)
            if isinstance(connected, Failure):
                return connected
            connection = connected
        try:
            data, limit = self._bytes(request), request.answer_limit
            # This check comes last, so that almost nothing runs between it and the write.
            if not trace.may_leave():
                return EXPIRED
            return await connection.exchange(data, limit, ends)
        except Exception:  # noqa: BLE001 - some loops refuse to write to what has ended
            return LOST

    async def _connect_in_turn(
        self, slot: Slot, trace: Trace, ends: float
    ) -> DirectConnection | Failure:
        """Return a new connection; wait for a turn to open it."""
        try:
            async with asyncio.timeout_at(_or_none(ends)) as slot.connecting:
                await self.pool.limiter.acquire()
                try:
                    slot.connection = await self._connect_in_time(trace, ends)
                finally:
                    self.pool.limiter.release()
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            return CLOSED if slot.closed else trace.failure(exc)
        finally:
            slot.connecting = None
        if slot.closed:  # while the connection was on its way to this task
            slot.connection.transport.abort()
            return CLOSED
        return slot.connection

    async def _connect_in_time(self, trace: Trace, ends: float) -> DirectConnection:
        # Connecting may take a third of the time that is left, so that there is time for another
        # attempt.
        seconds = _or_none((ends - asyncio.get_running_loop().time()) / 3)
        try:
            async with asyncio.timeout(seconds):
                connection = await self._connect(trace, seconds)
        except Exception as exc:
            self.pool.report_failed(trace.failure(exc), exc)
            raise
        except BaseException:
            self.pool.report_abandoned()
            raise
        self.pool.report_connected()
        return connection

    async def _connect(self, trace: Trace, seconds: float | None = None) -> DirectConnection:
        """Return a new connection; each address gets a turn within the time."""
        trace.unsent = "tls"
        context = self.context()
        trace.unsent = "connect"
        host, tls = self._url.raw_host.decode(), self._url.scheme == "https"
        port = self._url.port or (443 if tls else 80)
        connection = await self._connector.connect(DirectConnection, host, port, seconds=seconds)
        trace.connected = True
        if tls:
            trace.unsent = "tls"
            try:
                await connection.start_tls(context, host)
            except BaseException:
                connection.transport.abort()
                raise
        return connection

    async def connect(self, connection: PooledConnection[Slot]) -> Failure | None:
        """Open a connection before its first request; return the failure, or None."""
        trace = self.start_trace()
        try:
            connection.raw.connection = await self._connect(trace)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            return trace.failure(exc)
        return None

    def _bytes(self, request: Request[Any]) -> bytes:
        """Return all bytes of a request."""
        head = self._heads.get((request.method, request.path)) or self._head(request)
        for header in request.headers():
            head += b"%b: %b\r\n" % header
        body = request.body
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def _head(self, request: Request[Any]) -> bytes:
        """Return the first line, and the headers that are the same in every request."""
        if len(self._heads) >= _MOST_HEADS:  # an API may have ids in its paths
            self._heads.clear()
        path = self._url.raw_path.rstrip(b"/") + request.path.encode()
        fixed = fixed_headers(self.base_url, httpx_library())
        lines = b"".join(b"%b: %b\r\n" % header for header in fixed)
        head = b"%b %b HTTP/1.1\r\n%b" % (request.method.encode(), path, lines)
        self._heads[request.method, request.path] = head
        return head

    async def aclose(self) -> None:
        """Close every connection, also those in use; end the waits for one."""
        await self.pool.aclose()


def _or_none(seconds: float) -> float | None:
    return seconds if seconds < math.inf else None


def _drop_unusable(pooled: PooledConnection[Slot], now: float) -> None:
    """Close an open connection if no request may go over it."""
    slot = pooled.raw
    if slot.connection is None:
        return
    if now - pooled.idle_since < IDLE_LIMIT and slot.connection.looks_open():
        return
    slot.connection.transport.abort()
    slot.connection = None


def direct_transport(base_url: str, max_connections: int, verify: Verify) -> DirectTransport:
    """Return a transport with connections of its own.

    Args:
        base_url: The server's address, checked.
        max_connections: How many connections there may be.
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.

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
    return DirectTransport(base_url, context, max_connections)

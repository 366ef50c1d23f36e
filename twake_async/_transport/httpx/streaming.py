"""Transfers: requests whose body, or whose answer, is streamed.

They do not go through the pool of the sends. Each one has a connection of its own, which is opened
and closed with it, over the same network backend, TLS context and proxy. So a transfer never keeps
a message waiting, and the proof that no byte left is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from twake_async._protocol.exchange import CLOSED, Answer, Failure
from twake_async._transport.pooled_connection import PooledConnection
from twake_async._transport.request_parts import fixed_headers
from twake_async._transport.trace import Trace

from .events import RequestEvents
from .exchange import answer_by_status, read_answer
from .transfer_limits import Clocked, Slots

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from twake_async._protocol.exchange import Judge, Request
    from twake_async._protocol.transfers import Streamed
    from twake_async._transport.http_library import HttpLibrary
    from twake_async.errors import TwakeError

    from .exchange import LibraryTransport, Send

__all__ = ["StreamTransport"]

T = TypeVar("T")

#: Seconds that connecting may take.
CONNECT_LIMIT = 10.0

_CLOSED_MEANWHILE = Failure(sent=True, reason="lost", detail="the session was closed")


@attrs.define(eq=False)
class StreamTransport:
    """Sends transfers to one server.

    Args:
        base_url: The server's address, checked.
        library: The library whose requests are built.
        make: Makes a transport of one connection; None if `send` is the caller's.
        send: Sends a request over the caller's client or transport; its failures prove nothing.
        build: How the caller's client builds a request; None for a transport.
        proxy: The proxy on the way, without its user and password; empty for none.

    """

    base_url: str
    library: HttpLibrary
    make: Callable[[], LibraryTransport] | None = None
    send: Send | None = None
    build: Callable[..., Any] | None = None
    proxy: str = ""
    pool: Slots = attrs.field(factory=Slots, init=False)
    _running: dict[Trace, asyncio.Timeout] = attrs.field(factory=dict, init=False, repr=False)

    def start_trace(self) -> Trace:
        """Return the trace of an attempt."""
        return Trace(proves=self.make is not None)

    async def attempt(
        self, connection: Slots, request: Request[T], trace: Trace, seconds: float, judge: Judge[T]
    ) -> T | TwakeError:
        """Make one attempt and return the result of its verdict; free its slot.

        Args:
            connection: The slot.
            request: The request, which is `Streamed`.
            trace: Notes how far the attempt came.
            seconds: How long it may take.
            judge: Judges the answer.

        Raises:
            asyncio.CancelledError: It was cancelled; `trace` knows how far it came.

        """
        events = RequestEvents(trace)
        try:
            answer = await self._in_time(request, events, seconds)
        except asyncio.CancelledError as exc:
            # The frames below hold the request's headers, so the key. No traceback may show them.
            raise exc.with_traceback(None)  # noqa: B904 - itself
        finally:
            self._running.pop(trace, None)
            self.pool.release(connection, reusable=False)
        return judge(answer, None).result

    async def _in_time(
        self, request: Request[Any], events: RequestEvents, seconds: float
    ) -> Answer | Failure:
        trace, streamed = events.trace, cast("Streamed", request)
        ends = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout(None) as limit:
                self._running[trace] = limit
                clock = Clocked(limit, self.pool, streamed.idle_timeout, ends)
                clock.moved()
                return await self._over_own(request, streamed, events, clock)
        except TimeoutError:
            if self.pool.closed:
                return CLOSED if trace.proof() else _CLOSED_MEANWHILE
            return answer_by_status(trace) or events.failure(None, timed_out=True)

    async def _over_own(
        self, request: Request[Any], streamed: Streamed, events: RequestEvents, clock: Clocked
    ) -> Answer | Failure:
        """Make the exchange over a connection of its own, and close that."""
        trace, raw, body = events.trace, None, _body(streamed, clock)
        try:
            raw = None if self.make is None else PooledConnection(self.make())
            trace.unbegun = None if raw is None else raw.raw
            send = self.send if raw is None else raw.raw.handle_async_request
            built = self._build(request, streamed, events, clock.idle, body)
            return await self._exchange(cast("Send", send), built, streamed, trace, clock)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it becomes a failure
            return answer_by_status(trace) or events.failure(exc)
        finally:
            try:
                await _close_source(body)
            finally:
                if raw is not None:
                    raw.orphan = trace.stream
                    await raw.aclose()

    async def _exchange(
        self, send: Send, built: Any, streamed: Streamed, trace: Trace, clock: Clocked
    ) -> Answer | Failure:
        response = trace.response = await send(built)
        clock.moved()
        try:
            if response.status_code == 200:
                head = Answer(200, response.headers.raw, b"")
                if await _own(streamed, clock, streamed.takes(head)):
                    await _receive(response, streamed, clock)
                    return head
            return (await read_answer(response, cast("Any", streamed).answer_limit))[0]
        finally:
            await response.aclose()

    def _build(
        self,
        request: Request[Any],
        streamed: Streamed,
        events: RequestEvents,
        idle: float,
        body: AsyncIterator[bytes],
    ) -> Any:
        headers = [
            pair
            for pair in fixed_headers(self.base_url, self.library)
            if pair[0] != b"Content-Type"
        ]
        headers.append((b"Content-Type", streamed.content_type.encode("ascii")))
        if streamed.length is None:
            headers.append((b"Transfer-Encoding", b"chunked"))
        else:
            headers.append((b"Content-Length", b"%d" % streamed.length))
        headers += request.headers()
        extensions: dict[str, Any] = {"timeout": {"connect": min(CONNECT_LIMIT, idle)}}
        if self.build is not None:
            url = self.base_url + request.path
            return self.build(
                request.method, url, headers=headers, content=body, extensions=extensions
            )
        if self.make is not None:
            extensions["trace"] = events
        http = self.library.http
        return http.Request(
            request.method,
            http.URL(self.base_url + request.path),
            headers=headers,
            stream=_as_stream(http, body),
            extensions=extensions,
        )

    async def aclose(self) -> None:
        """End all transfers, and the waits for one."""
        self.pool.close()
        for limit in self._running.values():
            with contextlib.suppress(RuntimeError):  # it is over already
                limit.reschedule(-math.inf)


def _as_stream(http: Any, body: AsyncIterator[bytes]) -> Any:
    """Return a body in the shape that the library takes."""

    class Body(http.AsyncByteStream):  # type: ignore[misc]
        def __aiter__(self) -> AsyncIterator[bytes]:
            return body

    return Body()


async def _body(streamed: Streamed, clock: Clocked) -> AsyncGenerator[bytes, None]:
    """Yield the body; note what the caller's source raises."""
    chunks = streamed.chunks()
    try:
        while True:
            chunk = await _own(streamed, clock, anext(chunks, None))
            if chunk is None:
                return
            yield chunk
    finally:
        await _close(chunks)


async def _close_source(body: AsyncGenerator[bytes, None]) -> None:
    """Close the source of a body, even if it was not read to its end."""
    # It is certain by now whether there is an answer. Closing a file does not change that.
    with contextlib.suppress(Exception):
        await body.aclose()


async def _receive(response: Any, streamed: Streamed, clock: Clocked) -> None:
    """Pass on the body of an answer, not decoded, until it ends or no more of it is wanted."""
    chunks: Any = aiter(response.stream)
    try:
        async for chunk in chunks:
            if not await _own(streamed, clock, streamed.receive(chunk)):
                return
    finally:
        await _close(chunks)


async def _close(chunks: Any) -> None:
    if hasattr(chunks, "aclose"):
        await chunks.aclose()


async def _own(streamed: Streamed, clock: Clocked, step: Any) -> Any:
    """Run a step of the caller's own code, which is not timed, and note what it raises."""
    clock.hold()
    try:
        return await step
    except Exception as exc:
        streamed.broken = exc
        raise
    finally:
        clock.moved()

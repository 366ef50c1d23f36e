"""Attempts over pooled connections of httpx or httpx2: a deadline, evidence and size limits."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._protocol.exchange import CLOSED
from twake_async._transport.trace import Trace

from .events import RequestEvents
from .exchange import answer_by_status, exchange
from .request_builder import RequestBuilder

if TYPE_CHECKING:
    from twake_async._protocol.exchange import Answer, Failure, Judge, Request
    from twake_async._transport.http_library import HttpLibrary
    from twake_async._transport.pool import ConnectionPool
    from twake_async._transport.pooled_connection import PooledConnection
    from twake_async.errors import TwakeError

    from .exchange import LibraryTransport

__all__ = ["HttpxTransport"]

T = TypeVar("T")


@attrs.define(eq=False)
class HttpxTransport:
    """Sends requests to one server over pooled connections.

    Args:
        base_url: The server's address, checked.
        library: The library that the connections use.
        pool: The connections.
        proxy: The proxy that they go through, without its user and password; empty for none.

    """

    base_url: str
    library: HttpLibrary
    pool: ConnectionPool[LibraryTransport]
    proxy: str = ""
    _builder: RequestBuilder = attrs.field(init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _running: dict[Trace, asyncio.Timeout] = attrs.field(factory=dict, init=False, repr=False)
    """The attempts under way, and their time limits, which end early when the session closes."""

    def __attrs_post_init__(self) -> None:
        self._builder = RequestBuilder(self.base_url, self.library)

    def start_trace(self) -> Trace:
        """Return the trace of an attempt."""
        return Trace()

    async def attempt(
        self,
        connection: PooledConnection[LibraryTransport],
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
        events, trace.unbegun = RequestEvents(trace, self.pool), connection.raw
        try:
            async with asyncio.timeout(seconds if seconds < math.inf else None) as limit:
                self._running[trace] = limit
                return await self._attempt(connection, request, events, seconds, judge)
        except TimeoutError:
            answer = answer_by_status(trace) or events.failure(None, timed_out=True)
            return judge(CLOSED if self._closed and trace.proof() else answer, None).result
        except asyncio.CancelledError as exc:
            # The frames below hold the request's headers, so the key. No traceback may show them.
            raise exc.with_traceback(None)  # noqa: B904 - itself
        finally:
            self._running.pop(trace, None)

    async def _attempt(
        self,
        connection: PooledConnection[LibraryTransport],
        request: Request[T],
        events: RequestEvents,
        seconds: float,
        judge: Judge[T],
    ) -> T | TwakeError:
        trace = events.trace
        seen, connection.named = connection.named, None
        try:
            answer = await self._exchange(connection.raw, request, events, seconds)
            verdict = judge(answer, None if trace.connected else seen)
            if trace.complete and not self.library.may_have_unread(connection.raw):
                connection.named = verdict.names
            return verdict.result
        finally:
            events.end()
            if trace.connected:
                connection.orphan = trace.stream
            self.pool.release(connection, reusable=connection.named is not None)

    async def _exchange(
        self, raw: LibraryTransport, request: Request[Any], events: RequestEvents, seconds: float
    ) -> Answer | Failure:
        trace = events.trace
        try:
            built = self._builder.build(request, seconds, events)
            return await exchange(raw.handle_async_request, built, trace, request.answer_limit)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it becomes a failure
            return answer_by_status(trace) or events.failure(exc)

    async def aclose(self) -> None:
        """Close the pool, and end the attempts whose request has not begun."""
        self._closed = True
        # If its pool closes while it connects, httpcore goes on: it sends the request over that
        # connection, and never closes it.
        for trace, limit in self._running.items():
            if not (trace.wrote or limit.expired()):
                limit.reschedule(-math.inf)
        await self.pool.aclose()

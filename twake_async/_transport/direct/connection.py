"""One connection of `transport="fast"`: it sends a request and reads the answer, with a timer."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.exchange import ERROR_BODY_SECONDS
from twake_async._protocol.http_answer import AnswerReader
from twake_async._transport.connect import read_leftover, unread_check

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from twake_async._protocol.exchange import Answer, Failure

__all__ = ["DirectConnection", "Slot"]


class DirectConnection(asyncio.Protocol):
    """One connection, and the answer that is awaited on it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._tcp: Any = None
        self._has_unread: Callable[[], bool]
        self._loop = asyncio.get_running_loop()
        self._reader = AnswerReader()
        self._awaited: asyncio.Future[Answer | Failure] | None = None
        self._ends = math.inf
        """When the time of the request is over."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ends = math.inf
        self._hurried = False
        self._ended = False

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self._tcp = transport
        self._has_unread = unread_check(transport)

    def data_received(self, data: bytes) -> None:
        if self._awaited is None:
            self.transport.abort()  # unsolicited data
            return
        answer = self._reader.feed(data)
        if answer is not None:
            self._settle(answer)
        elif self._reader.status_decides and not self._hurried:
            self._hurried = True
            self._set_deadline(min(self._ends, self._loop.time() + ERROR_BODY_SECONDS))

    def eof_received(self) -> None:
        self._ended = True
        self._settle(self._reader.end(clean=True))

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        leftover = b"" if exc is None or self._awaited is None else read_leftover(self.transport)
        if leftover:
            self.data_received(leftover)
        self._settle(self._reader.end(clean=False))
        self._reader.close()
        self._stop_timer()

    # --- called by a send ---

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Start TLS."""
        self.transport = await self._loop.start_tls(
            self.transport, self, context, server_hostname=host
        )

    async def exchange(self, request: bytes, limit: int, ends: float) -> Answer | Failure:
        """Send a request and return its answer, or why there is none.

        Args:
            request: All its bytes.
            limit: The most bytes that the body of the answer may have.
            ends: When its time is over, by the clock of the event loop.

        """
        answer: asyncio.Future[Answer | Failure] = self._loop.create_future()
        self._awaited = answer
        self._reader.begin(limit)
        self._hurried = False
        self._set_deadline(ends)
        self.transport.write(request)
        try:
            return await answer
        finally:
            self._awaited = None
            self._ends = math.inf

    def looks_open(self) -> bool:
        """Say whether an idle connection still looks open."""
        gone = self._ended or self.transport.is_closing() or self._tcp.is_closing()
        return not gone and not self._has_unread()

    def is_reusable(self) -> bool:
        """Say whether the last answer was complete, and nothing is unsent or unread."""
        return (
            self._reader.reusable
            and not self._ended
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()
            # The TLS transport does not count the bytes that it has passed on.
            and not self._tcp.get_write_buffer_size()
        )

    def _set_deadline(self, ends: float) -> None:
        """Set when the time of the request is over.

        Nearly every request ends in time, and each new timer costs CPU time. So a later deadline
        keeps the running timer. If that timer ends too early, `_timer_ended` starts another.
        """
        self._ends = ends
        if ends < self._timer_ends:
            self._stop_timer()
            self._timer_ends = ends
            self._timer = self._loop.call_at(ends, self._timer_ended)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_ends = None, math.inf

    def _timer_ended(self) -> None:
        over = self._ends <= self._timer_ends
        self._timer, self._timer_ends = None, math.inf
        if over:
            self._settle(self._reader.late())
        else:
            self._set_deadline(self._ends)

    def _settle(self, answer: Answer | Failure) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None and not awaited.done():
            awaited.set_result(answer)


@attrs.define(eq=False)
class Slot:
    """What a pooled connection holds: a connection, or the place for one."""

    connection: DirectConnection | None = None
    closed: bool = False
    connecting: asyncio.Timeout | None = None
    """The time limit while it connects; None otherwise."""

    async def aclose(self) -> None:
        """Close the connection, or stop connecting."""
        self.closed = True
        if self.connecting is not None:
            self.connecting.reschedule(-math.inf)
        if self.connection is not None:
            self.connection.transport.abort()

"""One connection for `transport="fast"`: a request out, its answer in, and a clock beside it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.exchange import ASIDE_SECONDS
from twake_async._protocol.http_answer import Incoming
from twake_async._transport.connect import has_news, last_words

if TYPE_CHECKING:
    import ssl

    from twake_async._protocol.exchange import Answer, Failure

__all__ = ["DirectConnection", "Slot"]


class DirectConnection(asyncio.Protocol):
    """One connection, and the answer that is awaited on it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._tcp: Any = None
        self._loop = asyncio.get_running_loop()
        self._incoming = Incoming()
        self._awaited: asyncio.Future[Answer | Failure] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._hurried = False
        self._ended = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self._tcp = transport

    def data_received(self, data: bytes) -> None:
        if self._awaited is None:
            self.transport.abort()  # nobody asked, so that nobody knows what it answers
            return
        fact = self._incoming.feed(data)
        if fact is not None:
            self._settle(fact)
        elif self._incoming.aside and not self._hurried:
            self._hurried = True
            self._expire(self._loop.time() + ASIDE_SECONDS)

    def eof_received(self) -> None:
        self._ended = True
        self._settle(self._incoming.end(clean=True))

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        if exc is not None and self._awaited is not None and (data := last_words(self.transport)):
            self.data_received(data)
        self._settle(self._incoming.end(clean=False))
        self._incoming.close()

    # What a send calls.

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands, and go on over TLS."""
        self.transport = await self._loop.start_tls(
            self.transport, self, context, server_hostname=host
        )

    async def ask(self, request: bytes, limit: int, ends: float) -> Answer | Failure:
        """Send a request and return the fact of its answer.

        Args:
            request: All its bytes.
            limit: The bytes that the answer's body may have.
            ends: When it is late, by the clock of the event loop.

        """
        answer: asyncio.Future[Answer | Failure] = self._loop.create_future()
        self._awaited = answer
        self._incoming.begin(limit)
        self._hurried = False
        self._expire(ends)
        self.transport.write(request)
        try:
            return await answer
        finally:
            self._awaited = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def is_good(self) -> bool:
        """Say whether a connection that was idle seems to stand still."""
        gone = self._ended or self.transport.is_closing()
        return not gone and not has_news(self.transport)

    def is_reusable(self) -> bool:
        """Say whether the last answer was whole, and nothing else is on its way."""
        return (
            self._incoming.reusable
            and not self._ended
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()
            # What TLS has passed on it no longer counts.
            and not self._tcp.get_write_buffer_size()
        )

    def _expire(self, when: float) -> None:
        if self._timer is not None:
            when = min(when, self._timer.when())
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._late) if when < math.inf else None

    def _late(self) -> None:
        self._settle(self._incoming.late())

    def _settle(self, fact: Answer | Failure) -> None:
        answer, self._awaited = self._awaited, None
        if answer is not None and not answer.done():
            answer.set_result(fact)


@attrs.define(eq=False)
class Slot:
    """What a pooled connection holds: a connection, or the place for one."""

    connection: DirectConnection | None = None
    closed: bool = False
    connecting: asyncio.Timeout | None = None
    """The time that a connection has to come about, while it does."""

    async def aclose(self) -> None:
        """Close the connection, or end what would bring it about."""
        self.closed = True
        if self.connecting is not None:
            self.connecting.reschedule(-math.inf)
        if self.connection is not None:
            self.connection.transport.abort()

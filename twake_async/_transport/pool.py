"""A pool of at most so many connections, and what happens while none can be opened.

A connection pool shared by many tasks loses a slot with each cancelled request and looks through
all its connections for each new one. Here a connection belongs to one send at a time; the wait
for one is the only queue.

While the server cannot be reached, no send opens a connection. The set itself tries it, and the
connection goes to who waits longest.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from twake_async._protocol.exchange import CLOSED, CONNECTIONS_BUSY, NOT_YET, Failure
from twake_async._waiting import Waiting
from twake_async.retry import HOPELESS

from .connect_limiter import ConnectLimiter
from .connector import Connector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._waiting import Turn

__all__ = ["IDLE_LIMIT", "ConnectionPool", "PooledConnection"]

#: Seconds after which an idle connection is not used again: Apache closes it at 5.
IDLE_LIMIT = 4.0
#: Seconds that the set's own attempt to connect may take.
CONNECT_LIMIT = 10.0


class Closable(Protocol):
    """Anything that can be closed."""

    async def aclose(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


@attrs.define(eq=False)
class PooledConnection(Generic[T]):
    """One connection at most, used by one send at a time."""

    raw: T
    free_since: float = 0.0
    named: str | None = None
    """The id of the message that its last answer named. If that answer was doubled, the second
    one would fit a request about the same message: such a request takes another connection."""
    stray: Closable | None = None
    """A socket that the transport does not know of: httpcore loses it in a cancelled handshake."""


@attrs.define(eq=False)
class ConnectionPool(Generic[T]):
    """Up to `limit` connections, opened on demand; the most recently used free one goes first.

    Args:
        make: Makes what a connection holds, not yet connected.
        limit: How many there may be.
        connect: Opens a connection, all the way to the server, so that its first request can
            follow at once; returns what went wrong, or None.

    """

    make: Callable[[], T]
    limit: int
    connect: Callable[[PooledConnection[T]], Awaitable[Failure | None]]
    limiter: ConnectLimiter = attrs.field(factory=ConnectLimiter, init=False)
    _connector: Connector = attrs.field(init=False)
    _free: collections.deque[PooledConnection[T]] = attrs.field(
        factory=collections.deque, init=False
    )
    _busy: set[PooledConnection[T]] = attrs.field(factory=set, init=False)
    _promised: int = attrs.field(default=0, init=False)
    """Pooled connections that are on their way to a task, or being connected by the set itself."""
    _line: Waiting[PooledConnection[T] | Failure | None] | None = attrs.field(
        default=None, init=False
    )
    _closing: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._connector = Connector(self._try_once, self._is_waited_for)

    @property
    def unreached(self) -> Failure | None:
        """What the last attempt to connect met, while the server cannot be reached."""
        return self._connector.unreached

    # --- acquire and release ---------------------------------------------------------------------

    def acquire_nowait(self, about: str | None = None) -> PooledConnection[T] | None:
        """Return a connection that was used before, or None.

        Args:
            about: The message that the request is about; None for a new one.

        """
        if not self._free:
            return None
        connection: PooledConnection[T] | None = self._free.pop()
        if connection is not None and about is not None and connection.named == about:
            connection = self._other(connection, about)
        if connection is not None:
            self._busy.add(connection)
        return connection

    def _other(self, connection: PooledConnection[T], about: str) -> PooledConnection[T] | None:
        """Return a free connection in place of one that named this message; None where all did."""
        for other in reversed(self._free):
            if other.named != about:
                self._free.remove(other)
                self._free.append(connection)
                return other
        self._discard(connection)
        return None

    async def acquire(
        self, about: str | None, seconds: float, *, once: bool = False
    ) -> PooledConnection[T] | Failure:
        """Return a connection, waiting in line for one, or the failure that says why there is none.

        Args:
            about: The message that the request is about; None for a new one.
            seconds: How long to wait at the most.
            once: Whether to wait no longer than for one attempt to connect that fails.

        """
        if self._closed:
            return CLOSED
        if self.unreached is None and self._has_room():
            return self._open()
        if self._line is None:
            self._line = Waiting(self._late)
        ends = _now() + seconds
        turn = self._line.join(ends, once=once)
        self._connector.wake()
        try:
            given = await turn
        except asyncio.CancelledError:
            self._abandon(turn)
            raise
        if isinstance(given, Failure):
            return given
        self._promised -= 1
        if _now() >= ends:  # the event loop was busy; nothing leaves after its deadline
            self._pass_on(given)
            return self._late()
        return self._accept(given, about)

    def _has_room(self) -> bool:
        return len(self._busy) + self._promised < self.limit

    def _late(self) -> Failure:
        return self.unreached or CONNECTIONS_BUSY

    def _open(self) -> PooledConnection[T] | Failure:
        connection = self._made()
        if isinstance(connection, PooledConnection):
            self._busy.add(connection)
        return connection

    def _made(self) -> PooledConnection[T] | Failure:
        try:
            return PooledConnection(self.make())
        except OSError as exc:  # the certificate authorities of the environment cannot be read
            return Failure(sent=False, reason="tls", detail=f"no TLS context ({exc})")

    def _accept(
        self, connection: PooledConnection[T] | None, about: str | None
    ) -> PooledConnection[T] | Failure:
        """Return the connection of a turn that has come: the given one, or a new one."""
        if self._closed:  # while the turn was on its way to this task
            if connection is not None:
                self._discard(connection)
            return CLOSED
        if connection is not None and about is not None and connection.named == about:
            self._discard(connection)
            connection = None
        if connection is not None:
            self._busy.add(connection)
            return connection
        opened = self._open()
        if isinstance(opened, Failure):
            self._pass_on(None)
        return opened

    def _abandon(self, turn: Turn[PooledConnection[T] | Failure | None]) -> None:
        # Cancelled after its turn had come: what it was given goes on to the next in line.
        if turn.done() and not turn.cancelled() and not isinstance(turn.result(), Failure):
            self._promised -= 1
            self._pass_on(turn.result())

    def release(self, connection: PooledConnection[T], *, reusable: bool) -> None:
        """Return a connection; one whose attempt failed or was cancelled is thrown away."""
        self._busy.discard(connection)
        if reusable:
            connection.free_since = asyncio.get_running_loop().time()
            self._pass_on(connection)
            return
        self._discard(connection)
        self._pass_on(None)

    def _pass_on(self, connection: PooledConnection[T] | Failure | None) -> None:
        """Give a connection, or the room for a new one, to who waits longest."""
        if connection is None and self.unreached is not None:
            self._connector.wake()
            return
        if self._line is not None and self._line.serve(connection):
            self._promised += 1
        elif isinstance(connection, PooledConnection):
            self._set_free(connection)

    def _set_free(self, connection: PooledConnection[T]) -> None:
        if self._closed:
            self._discard(connection)
            return
        self._free.append(connection)
        while self._free[0].free_since + IDLE_LIMIT < connection.free_since:
            self._discard(self._free.popleft())

    def _discard(self, connection: PooledConnection[T]) -> None:
        # Closing may take a moment, and a cancelled send must end at once.
        task = asyncio.get_running_loop().create_task(_close(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- while the server cannot be reached ------------------------------------------------------

    def connected(self) -> None:
        """Note that the server was reached: those who wait open connections of their own."""
        is_news = self.unreached is not None
        self._connector.reached()
        while is_news and self._is_waited_for():
            self._pass_on(None)

    def failed(self, failure: Failure, exc: BaseException | None = None) -> None:
        """Note that a connection could not be opened: from now on only the set itself tries it.

        Args:
            failure: What the attempt met.
            exc: What it raised.

        """
        self._connector.failed(failure)
        self.limiter.refuse(exc)
        for turn in self._line.turns() if self._line else ():
            if turn.once or failure.reason in HOPELESS:
                turn.end(failure)
        self._connector.wake()

    def unfinished(self) -> None:
        """Note that a send ended while it connected: perhaps all have too little time for it."""
        self._connector.unfinished()
        self._connector.wake()

    def _is_waited_for(self) -> bool:
        return bool(self._line) and self._has_room()

    async def _try_once(self) -> None:
        connection = self._made()
        if isinstance(connection, Failure):
            self.failed(connection)
            return
        self._promised += 1
        try:
            failure = await self._within_limit(connection)
        except BaseException:
            self._discard(connection)
            raise
        finally:
            self._promised -= 1
        if failure is None:
            connection.free_since = _now()
            self._pass_on(connection)
            self.connected()
            return
        self._discard(connection)
        if self.unreached is not None:
            self.failed(failure)
        else:  # a send reached the server meanwhile
            self._pass_on(None)

    async def _within_limit(self, connection: PooledConnection[T]) -> Failure | None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                return await self.connect(connection)
        except TimeoutError:
            return NOT_YET
        except Exception as exc:  # noqa: BLE001 - whatever it is, others wait for the next attempt
            detail = f"no connection was opened ({type(exc).__name__}: {exc})"
            return Failure(sent=False, reason="connect", detail=detail)

    async def aclose(self) -> None:
        """Close every connection, those in use included, and turn away whoever waits for one."""
        self._closed = True
        if self._line is not None:
            self._line.close(CLOSED)
        for connection in (*self._free, *self._busy):
            self._discard(connection)
        self._free.clear()
        await self._connector.aclose()
        while self._closing:
            await asyncio.wait(self._closing)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _close(connection: PooledConnection[Any]) -> None:
    for closable in (connection.raw, connection.stray):
        if closable is not None:
            # A connection that is thrown away has nobody to tell what is wrong with it.
            with contextlib.suppress(Exception):
                await closable.aclose()

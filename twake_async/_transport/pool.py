"""A pool with a limited number of connections, and how it reconnects.

In a pool that requests share, a cancelled request can lose its slot, and each request searches all
connections. Here a connection belongs to one send at a time, and sends wait in one queue.

While the server is unreachable, no send opens a connection. The pool itself tries, and the new
connection goes to the send that has waited longest.
"""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from twake_async._protocol.exchange import CLOSED, CONNECTIONS_BUSY, NOT_YET, Failure
from twake_async._waiting import Waiting
from twake_async.retry import HOPELESS
from twake_async.stats import Connections

from .connect_limiter import ConnectLimiter
from .pooled_connection import Closable, PooledConnection
from .reconnect import Reconnector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._waiting import Turn

__all__ = ["IDLE_LIMIT", "ConnectionPool"]

#: Seconds after which an idle connection is not used again: Apache closes it at 5.
IDLE_LIMIT = 4.0
#: Seconds that the pool's own attempt to connect may take.
CONNECT_LIMIT = 10.0

T = TypeVar("T", bound=Closable)


@attrs.define(eq=False)
class ConnectionPool(Generic[T]):
    """Up to `limit` connections, opened on demand; the most recently used idle one goes first.

    Args:
        make: Makes the object that sends over one connection. It is not connected yet.
        limit: How many connections there may be.
        connect: Connects one all the way to the server, so that its first request can follow at
            once; returns the failure, or None.
        server: The address of the server, for the log.

    """

    make: Callable[[], T]
    limit: int
    connect: Callable[[PooledConnection[T]], Awaitable[Failure | None]]
    server: str = "the server"
    limiter: ConnectLimiter = attrs.field(factory=ConnectLimiter, init=False)
    _reconnector: Reconnector = attrs.field(init=False)
    _idle: collections.deque[PooledConnection[T]] = attrs.field(
        factory=collections.deque, init=False
    )
    _in_use: set[PooledConnection[T]] = attrs.field(factory=set, init=False)
    _reserved: int = attrs.field(default=0, init=False)
    """Connections that are on their way to a send, or that the pool itself is opening."""
    _queue: Waiting[PooledConnection[T] | Failure | None] | None = attrs.field(
        default=None, init=False
    )
    _was_reached: bool = attrs.field(default=False, init=False)
    """Whether a connection was ever opened."""
    _closing: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._reconnector = Reconnector(self._reconnect, self._is_wanted, self.server)

    @property
    def unreachable(self) -> Failure | None:
        """Why the last attempt to connect failed; None while the server is reachable."""
        return self._reconnector.unreachable

    def connections(self) -> Connections:
        """Return the connections at this moment."""
        down = self._reconnector.down
        return Connections(
            busy=len(self._in_use) + self._reserved,
            idle=len(self._idle),
            waiting=0 if self._queue is None else len(self._queue),
            unreachable="" if down is None else down.reason,
        )

    # --- acquire and release ---------------------------------------------------------------------

    def acquire_nowait(self, target: str | None = None, /) -> PooledConnection[T] | None:
        """Return an idle connection, or None.

        Args:
            target: The id of the message that the request changes; None for a new message.

        """
        if not self._idle:
            return None
        connection: PooledConnection[T] | None = self._idle.pop()
        if connection is not None and target is not None and connection.named == target:
            connection = self._swap(connection, target)
        if connection is not None:
            self._in_use.add(connection)
        return connection

    def _swap(self, connection: PooledConnection[T], target: str) -> PooledConnection[T] | None:
        """Return an idle connection instead of one that named the target; None if there is none."""
        for other in reversed(self._idle):
            if other.named != target:
                self._idle.remove(other)
                self._idle.append(connection)
                return other
        self._discard(connection)
        return None

    async def acquire(
        self, target: str | None, seconds: float, /, *, once: bool = False
    ) -> PooledConnection[T] | Failure:
        """Return a connection, or the failure to get one. Wait in the queue if necessary.

        Args:
            target: The id of the message that the request changes; None for a new message.
            seconds: How long to wait at most.
            once: Whether to stop waiting when one attempt to connect fails.

        """
        if self._closed:
            return CLOSED
        if self.unreachable is None and self._has_room():
            return self._open()
        if self._queue is None:
            self._queue = Waiting(self._timed_out)
        ends = _now() + seconds
        turn = self._queue.join(ends, once=once)
        self._reconnector.wake()
        try:
            given = await turn
        except asyncio.CancelledError:
            self._abandon(turn)
            raise
        if isinstance(given, Failure):
            return given
        self._reserved -= 1
        if _now() >= ends:  # the event loop was busy; nothing leaves after its deadline
            self._serve_next(given)
            return self._timed_out()
        return self._use(given, target)

    def _has_room(self) -> bool:
        return len(self._in_use) + self._reserved < self.limit

    def _timed_out(self) -> Failure:
        return self.unreachable or (CONNECTIONS_BUSY if self._was_reached else NOT_YET)

    def _open(self) -> PooledConnection[T] | Failure:
        connection = self._make()
        if isinstance(connection, PooledConnection):
            self._in_use.add(connection)
        return connection

    def _make(self) -> PooledConnection[T] | Failure:
        try:
            return PooledConnection(self.make())
        except OSError as exc:  # the certificate authorities of the environment cannot be read
            return Failure(sent=False, reason="tls", detail=f"no TLS context ({exc})")

    def _use(
        self, connection: PooledConnection[T] | None, target: str | None
    ) -> PooledConnection[T] | Failure:
        """Return the connection that a turn got; open one if it got only room for one."""
        if self._closed:  # while the turn was on its way to this task
            if connection is not None:
                self._discard(connection)
            return CLOSED
        if connection is not None and target is not None and connection.named == target:
            self._discard(connection)
            connection = None
        if connection is not None:
            self._in_use.add(connection)
            return connection
        opened = self._open()
        if isinstance(opened, Failure):
            self._serve_next(None)
        return opened

    def _abandon(self, turn: Turn[PooledConnection[T] | Failure | None]) -> None:
        # The send was cancelled after it got its turn: the next in the queue gets that turn.
        if turn.done() and not turn.cancelled() and not isinstance(turn.result(), Failure):
            self._reserved -= 1
            self._serve_next(turn.result())

    def release(self, connection: PooledConnection[T], *, reusable: bool) -> None:
        """Take a connection back; close it if its attempt failed or was cancelled."""
        self._in_use.discard(connection)
        if reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._serve_next(connection)
            return
        self._discard(connection)
        self._serve_next(None)

    def _serve_next(self, connection: PooledConnection[T] | Failure | None) -> None:
        """Give a connection, or room for a new one, to the send that has waited longest."""
        if connection is None and self.unreachable is not None:
            self._reconnector.wake()
            return
        if self._queue is not None and self._queue.serve(connection):
            self._reserved += 1
        elif isinstance(connection, PooledConnection):
            self._keep_idle(connection)

    def _keep_idle(self, connection: PooledConnection[T]) -> None:
        if self._closed:
            self._discard(connection)
            return
        self._idle.append(connection)
        while self._idle[0].idle_since + IDLE_LIMIT < connection.idle_since:
            self._discard(self._idle.popleft())

    def _discard(self, connection: PooledConnection[T]) -> None:
        # Closing may take a moment, and a cancelled send must end at once.
        task = asyncio.get_running_loop().create_task(connection.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- while the server is unreachable ---------------------------------------------------------

    def report_connected(self) -> None:
        """Note that a connection was opened: the sends in the queue may open theirs."""
        self._was_reached, was_unreachable = True, self.unreachable is not None
        self._reconnector.succeeded()
        while was_unreachable and self._is_wanted():
            self._serve_next(None)

    def report_failed(self, failure: Failure, exc: BaseException | None = None) -> None:
        """Note that a connection could not be opened: from now on only the pool itself tries.

        Args:
            failure: Why.
            exc: What the attempt raised.

        """
        self._reconnector.failed(failure)
        self.limiter.reject_waiting(exc)
        for turn in self._queue.turns() if self._queue else ():
            if turn.once or failure.reason in HOPELESS:
                turn.end(failure)
        self._reconnector.wake()

    def report_abandoned(self) -> None:
        """Note that a send ended while it connected: perhaps every send has too little time."""
        self._reconnector.abandoned()
        self._reconnector.wake()

    def _is_wanted(self) -> bool:
        return bool(self._queue) and self._has_room()

    async def _reconnect(self) -> None:
        """Make one attempt of the pool's own."""
        connection = self._make()
        if isinstance(connection, Failure):
            self.report_failed(connection)
            return
        self._reserved += 1
        try:
            failure = await self._connect_in_time(connection)
        except BaseException:
            self._discard(connection)
            raise
        finally:
            self._reserved -= 1
        if failure is None:
            connection.idle_since = _now()
            self._serve_next(connection)
            self.report_connected()
            return
        self._discard(connection)
        if self.unreachable is not None:
            self.report_failed(failure)
        else:  # a send reached the server meanwhile
            self._serve_next(None)

    async def _connect_in_time(self, connection: PooledConnection[T]) -> Failure | None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                return await self.connect(connection)
        except TimeoutError:
            return NOT_YET
        except Exception as exc:  # noqa: BLE001 - the sends in the queue need a next attempt
            detail = f"no connection was opened ({type(exc).__name__}: {exc})"
            return Failure(sent=False, reason="connect", detail=detail)

    async def aclose(self) -> None:
        """Close every connection, also those in use; end the waits in the queue."""
        self._closed = True
        if self._queue is not None:
            self._queue.close(CLOSED)
        for connection in (*self._idle, *self._in_use):
            self._discard(connection)
        self._idle.clear()
        await self._reconnector.aclose()
        while self._closing:
            await asyncio.wait(self._closing)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""A bounded set of lanes, one connection each, and what happens while none can be opened.

A connection pool shared by many tasks loses a slot with each cancelled request and looks through
all its connections for each new one. A lane belongs to one send at a time; the wait for a lane
is the only queue.

While the server cannot be reached, no send opens a connection. The set itself tries it, and the
connection goes to who waits longest.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from twake_async._protocol.exchange import CLOSED, NO_LANE, NOT_YET, Failure
from twake_async._waiting import Waiting
from twake_async.retry import HOPELESS

from .connect_limiter import ConnectLimiter
from .connector import Connector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._waiting import Turn

__all__ = ["IDLE_LIMIT", "Lane", "Lanes"]

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
class Lane(Generic[T]):
    """One connection at most, used by one send at a time."""

    transport: T
    free_since: float = 0.0
    named: str | None = None
    """The id of the message that its last answer named. If that answer was doubled, the second
    one would fit a request about the same message: such a request takes another connection."""
    stray: Closable | None = None
    """A socket that the transport does not know of: httpcore loses it in a cancelled handshake."""


@attrs.define(eq=False)
class Lanes(Generic[T]):
    """Up to `limit` lanes, opened on demand; the most recently used free one goes first.

    Args:
        make: Makes what a lane holds, not yet connected.
        limit: How many there may be.
        connect: Connects a lane, all the way to the server, so that its first request can follow
            at once; returns what went wrong, or None.

    """

    make: Callable[[], T]
    limit: int
    connect: Callable[[Lane[T]], Awaitable[Failure | None]]
    limiter: ConnectLimiter = attrs.field(factory=ConnectLimiter, init=False)
    _connector: Connector = attrs.field(init=False)
    _free: collections.deque[Lane[T]] = attrs.field(factory=collections.deque, init=False)
    _busy: set[Lane[T]] = attrs.field(factory=set, init=False)
    _promised: int = attrs.field(default=0, init=False)
    """Lanes that are on their way to a task, or being connected by the set itself."""
    _line: Waiting[Lane[T] | Failure | None] | None = attrs.field(default=None, init=False)
    _closing: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._connector = Connector(self._try_once, self._is_waited_for)

    @property
    def unreached(self) -> Failure | None:
        """What the last attempt to connect met, while the server cannot be reached."""
        return self._connector.unreached

    # --- acquire and release ---------------------------------------------------------------------

    def take_free(self, about: str | None = None) -> Lane[T] | None:
        """Return a lane that was used before, or None.

        Args:
            about: The message that the request is about; None for a new one.

        """
        if not self._free:
            return None
        lane: Lane[T] | None = self._free.pop()
        if lane is not None and about is not None and lane.named == about:
            lane = self._other(lane, about)
        if lane is not None:
            self._busy.add(lane)
        return lane

    def _other(self, lane: Lane[T], about: str) -> Lane[T] | None:
        """Return a free lane in place of one that named this message; None where all did."""
        for other in reversed(self._free):
            if other.named != about:
                self._free.remove(other)
                self._free.append(lane)
                return other
        self._discard(lane)
        return None

    async def acquire(
        self, about: str | None, seconds: float, *, once: bool = False
    ) -> Lane[T] | Failure:
        """Return a lane of the caller's own, waiting in line for one, or say why there is none.

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
        return self.unreached or NO_LANE

    def _open(self) -> Lane[T] | Failure:
        lane = self._made()
        if isinstance(lane, Lane):
            self._busy.add(lane)
        return lane

    def _made(self) -> Lane[T] | Failure:
        try:
            return Lane(self.make())
        except OSError as exc:  # the certificate authorities of the environment cannot be read
            return Failure(sent=False, reason="tls", detail=f"no TLS context ({exc})")

    def _accept(self, lane: Lane[T] | None, about: str | None) -> Lane[T] | Failure:
        """Return the lane of a turn that has come: the given one, or a new one in its place."""
        if self._closed:  # while the turn was on its way to this task
            if lane is not None:
                self._discard(lane)
            return CLOSED
        if lane is not None and about is not None and lane.named == about:
            self._discard(lane)
            lane = None
        if lane is not None:
            self._busy.add(lane)
            return lane
        opened = self._open()
        if isinstance(opened, Failure):
            self._pass_on(None)
        return opened

    def _abandon(self, turn: Turn[Lane[T] | Failure | None]) -> None:
        # Cancelled after its turn had come: what it was given goes on to the next in line.
        if turn.done() and not turn.cancelled() and not isinstance(turn.result(), Failure):
            self._promised -= 1
            self._pass_on(turn.result())

    def give_back(self, lane: Lane[T], *, reusable: bool) -> None:
        """Return a lane; one whose attempt failed or was cancelled is thrown away."""
        self._busy.discard(lane)
        if reusable:
            lane.free_since = asyncio.get_running_loop().time()
            self._pass_on(lane)
            return
        self._discard(lane)
        self._pass_on(None)

    def _pass_on(self, lane: Lane[T] | Failure | None) -> None:
        """Give a lane, or the room for a new one, to who waits longest."""
        if lane is None and self.unreached is not None:
            self._connector.wake()
            return
        if self._line is not None and self._line.serve(lane):
            self._promised += 1
        elif isinstance(lane, Lane):
            self._set_free(lane)

    def _set_free(self, lane: Lane[T]) -> None:
        if self._closed:
            self._discard(lane)
            return
        self._free.append(lane)
        while self._free[0].free_since + IDLE_LIMIT < lane.free_since:
            self._discard(self._free.popleft())

    def _discard(self, lane: Lane[T]) -> None:
        # Closing may take a moment, and a cancelled send must end at once.
        task = asyncio.get_running_loop().create_task(_close(lane))
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
        lane = self._made()
        if isinstance(lane, Failure):
            self.failed(lane)
            return
        self._promised += 1
        try:
            failure = await self._within_limit(lane)
        except BaseException:
            self._discard(lane)
            raise
        finally:
            self._promised -= 1
        if failure is None:
            lane.free_since = _now()
            self._pass_on(lane)
            self.connected()
            return
        self._discard(lane)
        if self.unreached is not None:
            self.failed(failure)
        else:  # a send reached the server meanwhile
            self._pass_on(None)

    async def _within_limit(self, lane: Lane[T]) -> Failure | None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                return await self.connect(lane)
        except TimeoutError:
            return NOT_YET
        except Exception as exc:  # noqa: BLE001 - whatever it is, others wait for the next attempt
            detail = f"no connection was opened ({type(exc).__name__}: {exc})"
            return Failure(sent=False, reason="connect", detail=detail)

    async def aclose(self) -> None:
        """Close every lane, those in use included, and turn away whoever waits for one."""
        self._closed = True
        if self._line is not None:
            self._line.close(CLOSED)
        for lane in (*self._free, *self._busy):
            self._discard(lane)
        self._free.clear()
        await self._connector.aclose()
        while self._closing:
            await asyncio.wait(self._closing)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _close(lane: Lane[Any]) -> None:
    for closable in (lane.transport, lane.stray):
        if closable is not None:
            # A lane that is thrown away has nobody to tell what is wrong with it.
            with contextlib.suppress(Exception):
                await closable.aclose()

"""A bounded set of lanes, one connection each, and what happens while none can be opened.

A connection pool shared by many tasks loses a slot with each cancelled request and looks through
all its connections for each new one. A lane belongs to one send at a time; the wait for a lane
is the only queue.

While the server cannot be reached, no send opens a connection. A task of the set tries it, one
attempt at a time, for as long as anyone waits: it ends with no send, so that it has all the time
that connecting needs. Its connection goes to who waits longest.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from ._facts import CLOSED, HOPELESS, NO_LANE, Failure
from ._limiter import ConnectLimiter
from ._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._waiting import Turn

__all__ = ["IDLE_LIMIT", "Lane", "Lanes", "NotAcquired"]

#: Seconds after which an idle connection is not used again: Apache closes it at 5.
IDLE_LIMIT = 4.0
#: Seconds that the set's own attempt to connect may take.
_PATIENCE = 10.0
#: Seconds between two such attempts: at first, and at the most.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0


class Closable(Protocol):
    """Anything that can be closed."""

    async def aclose(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


class NotAcquired(Exception):  # noqa: N818 - an internal signal, not an error of the user's
    """No lane was had; the failure says why. Nothing of the request has left."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


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
        connect: Connects a lane, so that a request can follow at once. Returns whether that
            proves the whole way to the server, or a `Failure`.

    """

    make: Callable[[], T]
    limit: int
    connect: Callable[[Lane[T]], Awaitable[bool | Failure]]
    limiter: ConnectLimiter = attrs.field(factory=ConnectLimiter, init=False)
    unreached: Failure | None = attrs.field(default=None, init=False)
    """What the last attempt to connect met, while the server cannot be reached."""
    _free: collections.deque[Lane[T]] = attrs.field(factory=collections.deque, init=False)
    _busy: set[Lane[T]] = attrs.field(factory=set, init=False)
    _promised: int = attrs.field(default=0, init=False)
    _line: Waiting[Lane[T] | None] | None = attrs.field(default=None, init=False)
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _prober: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _wait: float = attrs.field(default=_FIRST_WAIT, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    # --- acquire and release ---------------------------------------------------------------------

    def take_free(self, about: str | None = None) -> Lane[T] | None:
        """Return a lane that was used before, or None; raise `NotAcquired` where all is closed.

        Args:
            about: The message that the request is about; None for a new one.

        """
        if self._closed:
            raise NotAcquired(CLOSED)
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

    def take_new(self) -> Lane[T] | None:
        """Return a new lane, or None where the limit is reached or the server is not."""
        if self.unreached is not None or len(self._busy) + self._promised >= self.limit:
            return None
        lane = self._made()
        self._busy.add(lane)
        return lane

    def _made(self) -> Lane[T]:
        try:
            return Lane(self.make())
        except OSError as exc:  # the certificate authorities of the environment cannot be read
            unread = Failure(sent=False, reason="tls", detail=f"no TLS context ({exc})")
            raise NotAcquired(unread) from exc

    def line_up(self, seconds: float, *, once: bool = False) -> Turn[Lane[T] | None]:
        """Return a turn in the line for a lane; `accept` what it gives.

        It raises `NotAcquired`, or `TimeoutError` when its time is over.

        Args:
            seconds: How long it waits at the most.
            once: Whether it waits no longer than for one attempt to connect that fails.

        """
        if self._line is None:
            self._line = Waiting()
        turn = self._line.join(self._line.loop.time() + seconds, once=once)
        self._probe()
        return turn

    def accept(self, lane: Lane[T] | None, about: str | None) -> Lane[T]:
        """Return the lane of a turn that has come: the given one, or a new one in its place."""
        self._promised -= 1
        if lane is not None and about is not None and lane.named == about:
            self._discard(lane)
            lane = None
        try:
            lane = lane or self._made()
        except BaseException:
            self._pass_on(None)
            raise
        if self._closed:  # while the turn was on its way to this task
            self._discard(lane)
            raise NotAcquired(CLOSED)
        self._busy.add(lane)
        return lane

    def abandon(self, turn: Turn[Lane[T] | None]) -> None:
        """Note that the task of a turn was cancelled: a lane that it had goes to the next one."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._promised -= 1
            self._pass_on(turn.result())

    def late(self) -> Failure:
        """Return what a send met whose time ended in the line."""
        return self.unreached or NO_LANE

    def give_back(self, lane: Lane[T], *, reusable: bool) -> None:
        """Return a lane; one whose attempt failed or was cancelled is thrown away."""
        self._busy.discard(lane)
        if reusable and not self._closed:
            lane.free_since = asyncio.get_running_loop().time()
            self._pass_on(lane)
            return
        self._discard(lane)
        self._pass_on(None)

    def _pass_on(self, lane: Lane[T] | None) -> None:
        if lane is None and self.unreached is not None:
            self._probe()
            return
        if self._line is not None and (turn := self._line.pop()) is not None:
            self._promised += 1
            turn.set_result(lane)
            return
        if lane is None:
            return
        self._free.append(lane)
        while self._free[0].free_since + IDLE_LIMIT < lane.free_since:
            self._discard(self._free.popleft())

    def _discard(self, lane: Lane[T]) -> None:
        # Closing may take a moment, and a cancelled send must end at once.
        self._start(_close(lane))

    def _start(self, coroutine: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- while the server cannot be reached ------------------------------------------------------

    def failed(self, failure: Failure, exc: BaseException | None = None) -> None:
        """Note that a connection could not be opened: from now on one attempt is made at a time."""
        self.unreached = failure
        self.limiter.refuse(exc)
        self._tell(failure)
        self._probe()

    def connected(self) -> None:
        """Note that the server was reached: the others open their connections."""
        self._wait = _FIRST_WAIT
        if self.unreached is None:
            return
        self.unreached = None
        room = self.limit - len(self._busy) - self._promised
        for _ in range(min(room, len(self._line or ()))):
            self._pass_on(None)

    def _probe(self) -> None:
        waits = self.unreached is not None and bool(self._line) and not self._closed
        if waits and not self._free and (self._prober is None or self._prober.done()):
            self._prober = self._start(self._try_to_connect())

    async def _try_to_connect(self) -> None:
        while self.unreached is not None and self._line and not self._closed:
            await asyncio.sleep(self._wait * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
            if await self._connect_one():
                return

    async def _connect_one(self) -> bool:
        """Make one attempt; say whether a lane was handed on."""
        lane = self._made()
        found: bool | Failure = False
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self.connect(lane)
        except TimeoutError:
            found = Failure(sent=False, reason="connect", detail="no connection in time")
        except BaseException:
            self._discard(lane)
            raise
        if isinstance(found, Failure):
            self._discard(lane)
            self.unreached = found
            self._tell(found)
            return False
        lane.free_since = asyncio.get_running_loop().time()
        self._pass_on(lane)
        if found:
            self.connected()
        return True

    def _tell(self, failure: Failure) -> None:
        """End the wait of those who wait for one attempt, or of all where more are hopeless."""
        for turn in self._line or ():
            if turn.once or failure.reason in HOPELESS:
                turn.fail(NotAcquired(failure))

    async def aclose(self) -> None:
        """Close every lane, those in use included, and turn away whoever waits for one."""
        self._closed = True
        if self._prober is not None:
            self._prober.cancel()
        for turn in self._line or ():
            turn.fail(NotAcquired(CLOSED))
        for lane in (*self._free, *self._busy):
            self._discard(lane)
        self._free.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _close(lane: Lane[Any]) -> None:
    for closable in (lane.transport, lane.stray):
        if closable is not None:
            # A lane that is thrown away has nobody to tell what is wrong with it.
            with contextlib.suppress(Exception):
                await closable.aclose()

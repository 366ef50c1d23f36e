"""A bounded set of lanes, one connection each, and what happens while none can be opened.

A connection pool shared by many tasks loses a slot with each cancelled request and looks through
all its connections for each new one. A lane belongs to one send at a time; the wait for a lane
is the only queue.

While the server cannot be reached, no send opens a connection. A task of the set tries it, one
attempt at a time, for as long as anyone waits: no send's end ends it, so that it has all the time
that connecting needs. Its connection goes to who waits longest.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from ._facts import CLOSED, HOPELESS, NO_LANE, NOT_YET, Failure
from ._limiter import BackOff, ConnectLimiter
from ._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ._waiting import Turn

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
    unreached: Failure | None = attrs.field(default=None, init=False)
    """What the last attempt to connect met, while the server cannot be reached."""
    _free: collections.deque[Lane[T]] = attrs.field(factory=collections.deque, init=False)
    _busy: set[Lane[T]] = attrs.field(factory=set, init=False)
    _promised: int = attrs.field(default=0, init=False)
    """Lanes that are on their way to a task, or being connected by the set itself."""
    _line: Waiting[Lane[T] | Failure | None] | None = attrs.field(default=None, init=False)
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _trying: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _back_off: BackOff = attrs.field(factory=BackOff, init=False)
    _closed: bool = attrs.field(default=False, init=False)

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
        turn = self._line.join(self._line.loop.time() + seconds, once=once)
        self._try_to_connect()
        try:
            given = await turn
        except asyncio.CancelledError:
            self._abandon(turn)
            raise
        return given if isinstance(given, Failure) else self._accept(given, about)

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
        self._promised -= 1
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
            self._try_to_connect()
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
        self._start(_close(lane))

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- while the server cannot be reached ------------------------------------------------------

    def connected(self) -> None:
        """Note that the server was reached: those who wait open connections of their own."""
        self._back_off.reset()
        if self.unreached is None:
            return
        self.unreached = None
        while self._line and self._has_room():
            self._pass_on(None)

    def failed(self, failure: Failure, exc: BaseException | None = None) -> None:
        """Note that a connection could not be opened: from now on only the set itself tries it.

        Args:
            failure: What the attempt met.
            exc: What it raised.

        """
        self.unreached = failure
        self._back_off.failed(_now())
        self.limiter.refuse(exc)
        for turn in self._line.turns() if self._line else ():
            if turn.once or failure.reason in HOPELESS:
                turn.end(failure)
        self._try_to_connect()

    def unfinished(self) -> None:
        """Note that a send ended while it connected: perhaps all have too little time for it."""
        if self.unreached is None:
            self.unreached = NOT_YET
        self._try_to_connect()

    def _should_try(self) -> bool:
        waited_for = self.unreached is not None and bool(self._line)
        return waited_for and self._has_room() and not self._closed

    def _try_to_connect(self) -> None:
        if self._trying is None and self._should_try():
            self._trying = self._start(self._keep_trying())
            self._trying.add_done_callback(self._tried)

    def _tried(self, task: asyncio.Task[None]) -> None:
        self._trying = None
        if task.cancelled() or task.exception() is not None:
            self._try_to_connect()

    async def _keep_trying(self) -> None:
        while self._should_try():
            if (pause := self._back_off.until - _now()) > 0:
                await asyncio.sleep(pause)
            else:
                await self._try_once()

    async def _try_once(self) -> None:
        lane = self._made()
        if isinstance(lane, Failure):
            self.failed(lane)
            return
        self._promised += 1
        self._back_off.grow()
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

    async def aclose(self) -> None:
        """Close every lane, those in use included, and turn away whoever waits for one."""
        self._closed = True
        if self._trying is not None:
            self._trying.cancel()
        if self._line is not None:
            self._line.close(CLOSED)
        for lane in (*self._free, *self._busy):
            self._discard(lane)
        self._free.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _close(lane: Lane[Any]) -> None:
    for closable in (lane.transport, lane.stray):
        if closable is not None:
            # A lane that is thrown away has nobody to tell what is wrong with it.
            with contextlib.suppress(Exception):
                await closable.aclose()

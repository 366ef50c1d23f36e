"""A queue of tasks that wait for something, each until its own time; first come, first served.

Thousands may stop waiting at the same moment: their deadline passes, or they are cancelled. If
all of them went on in one turn of the event loop, the loop would be blocked for seconds. So they
go on a few at a time, and one timer serves all.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pauses", "Turn", "Waiting"]

#: How many tasks go on in one turn of the event loop.
_AT_ONCE = 200
#: Seconds by which the event loop may call a timer too early.
_EARLY = time.get_clock_info("monotonic").resolution

T = TypeVar("T")


class Turn(asyncio.Future[T]):
    """What one task waits for."""

    __slots__ = ("cancels", "ends", "last", "leaving", "once", "queue")

    def __init__(self, queue: Waiting[T], ends: float, *, once: bool) -> None:
        super().__init__(loop=queue.loop)
        self.queue = queue
        self.ends = ends
        self.once = once
        self.leaving = False
        """Whether its task stops waiting within the next turns of the event loop."""
        self.cancels = False
        self.last: Any = None
        """The result, or the message of the cancellation."""

    def __lt__(self, other: Turn[T]) -> bool:
        return self.ends < other.ends

    @property
    def waits(self) -> bool:
        """Whether it can still be given what it waits for."""
        return not (self.leaving or self.done())

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it soon. A `Task` that is cancelled calls this."""
        if self.done():
            return False
        self.cancels, self.last = True, msg
        self._leave()
        return True

    def end(self, result: T) -> None:
        """Let it return this soon, without what it waits for."""
        if self.waits:
            self.last = result
            self._leave()

    def _leave(self) -> None:
        if not self.leaving:
            self.leaving = True
            self.queue.leave(self)

    def go_on(self) -> None:
        """Let the task of a turn that leaves go on."""
        if self.cancels:
            super().cancel(self.last)
        else:
            self.set_result(self.last)


@attrs.define(eq=False)
class Waiting(Generic[T]):
    """The queue.

    Args:
        late: Returns the result of a turn whose time is over.

    """

    late: Callable[[], T]
    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop, init=False)
    _waits: int = attrs.field(default=0, init=False)
    # Both also hold turns that no longer wait: removing one from the middle would take long.
    _queue: deque[Turn[T]] = attrs.field(factory=deque, init=False)
    _by_time: list[Turn[T]] = attrs.field(factory=list, init=False)
    _leaving: deque[Turn[T]] = attrs.field(factory=deque, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)

    def __len__(self) -> int:
        return self._waits

    def turns(self) -> list[Turn[T]]:
        """Return all that wait, in order."""
        return [turn for turn in self._queue if turn.waits]

    def join(self, ends: float = math.inf, *, once: bool = False) -> Turn[T]:
        """Return a turn at the end of the queue.

        Args:
            ends: When its time is over, by the clock of the event loop.
            once: A mark for the caller.

        """
        turn = Turn(self, ends, once=once)
        self._drop_done()
        self._waits += 1
        self._queue.append(turn)
        if ends < math.inf:
            heapq.heappush(self._by_time, turn)
            if self._by_time[0] is turn:
                self._set_timer()
        return turn

    def _drop_done(self) -> None:
        # This happens so rarely that the time for each turn is constant.
        most = 2 * self._waits + _AT_ONCE
        if len(self._queue) > most:
            self._queue = deque(self.turns())
        if len(self._by_time) > most:
            self._by_time = [turn for turn in self._by_time if turn.waits]
            heapq.heapify(self._by_time)

    def serve(self, result: T) -> bool:
        """Give this to the turn that has waited longest; say whether there was one."""
        while self._queue:
            turn = self._queue.popleft()
            if turn.waits:
                self._waits -= 1
                turn.set_result(result)
                return True
        return False

    def leave(self, turn: Turn[T]) -> None:
        """Let the task of a turn go on soon, a few at a time."""
        self._waits -= 1
        if not self._leaving:
            self.loop.call_soon(self._let_go)
        self._leaving.append(turn)

    def _let_go(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._leaving))):
            self._leaving.popleft().go_on()
        if self._leaving:
            self.loop.call_soon(self._let_go)
        else:
            self._drop_done()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(self._by_time[0].ends, self._end_late)

    def _end_late(self) -> None:
        self._timer, left = None, _AT_ONCE
        now = self.loop.time() + _EARLY
        while self._by_time and left:
            turn = self._by_time[0]
            if turn.waits:
                if turn.ends > now:
                    break
                turn.end(self.late())
            heapq.heappop(self._by_time)
            left -= 1
        if self._by_time:
            self._set_timer()

    def close(self, result: T) -> None:
        """Let all that wait return this soon."""
        for turn in self.turns():
            turn.end(result)
        self._by_time.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@attrs.define(eq=False)
class Pauses:
    """The pauses of a session: each has its own length, and closing the session ends all."""

    over: bool = attrs.field(default=False, init=False)
    _queue: Waiting[None] | None = attrs.field(default=None, init=False)

    async def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the session closes."""
        turn = self.begin(seconds)
        if turn is not None:
            await turn

    def begin(self, seconds: float) -> Turn[None] | None:
        """Return a pause of so many seconds, to be awaited; None where the session is closed."""
        if self.over:
            return None
        if self._queue is None:
            self._queue = Waiting(_nothing)
        return self._queue.join(self._queue.loop.time() + seconds)

    def end(self) -> None:
        """End all pauses, also future ones."""
        self.over = True
        if self._queue is not None:
            self._queue.close(None)


def _nothing() -> None:
    return None

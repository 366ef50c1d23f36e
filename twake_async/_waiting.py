"""A line of tasks that wait for something, each until its own time; first come, first served.

Thousands may give up at the same moment: their deadline passes, or they are cancelled. If all of
them woke up in one turn of the event loop, it would stand still for seconds. So they are woken a
few at a time, and one timer serves all.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Turn", "Waiting"]

#: How many tasks are woken in one turn of the event loop.
_AT_ONCE = 200

T = TypeVar("T")


class Turn(asyncio.Future[T]):
    """What one task waits for; one that leaves is passed over."""

    __slots__ = ("ends", "exc", "leaving", "line", "msg", "once")

    def __init__(self, line: Waiting[T], ends: float, *, once: bool) -> None:
        super().__init__(loop=line.loop)
        self.once = once
        self.line = line
        self.ends = ends
        self.leaving = False
        self.exc: Exception | None = None
        self.msg: Any = None

    def __lt__(self, other: Turn[T]) -> bool:
        return self.ends < other.ends

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it soon: the task wakes up within the next turns of the event loop."""
        if self.done():
            return False
        self.exc, self.msg = None, msg
        if not self.leaving:
            self.leaving = True
            self.line.leave(self)
        return True

    def fail(self, exc: Exception) -> None:
        """Let it raise soon."""
        if not (self.leaving or self.done()):
            self.leaving, self.exc = True, exc
            self.line.leave(self)

    def wake(self) -> None:
        """Wake up the task of one that leaves."""
        if self.exc is None:
            super().cancel(self.msg)
        else:
            self.set_exception(self.exc)


@attrs.define(eq=False)
class Waiting(Generic[T]):
    """The line; everything in it waits, nothing in it is done."""

    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop)
    _line: OrderedDict[Turn[T], None] = attrs.field(factory=OrderedDict, init=False)
    _by_time: list[Turn[T]] = attrs.field(factory=list, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    _timer_at: float = attrs.field(default=math.inf, init=False)
    _leaving: deque[Turn[T]] = attrs.field(factory=deque, init=False)

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Turn[T]]:
        return iter(list(self._line))

    def join(self, ends: float = math.inf, *, once: bool = False) -> Turn[T]:
        """Return a turn at the end of the line; it raises `TimeoutError` when its time is over.

        Args:
            ends: When its time is over, by the clock of the event loop.
            once: A mark of the caller's.

        """
        turn = Turn(self, ends, once=once)
        self._line[turn] = None
        if ends < math.inf:
            heapq.heappush(self._by_time, turn)
            if ends < self._timer_at:
                self._set_timer(ends)
        return turn

    def pop(self) -> Turn[T] | None:
        """Return who stands first, no longer in the line; None where nobody does."""
        while self._line:
            turn, _ = self._line.popitem(last=False)
            if not turn.leaving:
                return turn
        return None

    def leave(self, turn: Turn[T]) -> None:
        """Wake up the task of a turn that leaves soon, a few at a time."""
        if not self._leaving:
            self.loop.call_soon(self._wake_some)
        self._leaving.append(turn)

    def _wake_some(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._leaving))):
            turn = self._leaving.popleft()
            self._line.pop(turn, None)
            turn.wake()
        if self._leaving:
            self.loop.call_soon(self._wake_some)
        elif len(self._by_time) > 2 * len(self._line) + _AT_ONCE:
            # What has left stays in the heap until its time; not for long where many have.
            self._by_time = [turn for turn in self._by_time if turn in self._line]
            heapq.heapify(self._by_time)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._wake_late)

    def _wake_late(self) -> None:
        self._timer, self._timer_at = None, math.inf
        now, woken = self.loop.time(), 0
        while self._by_time and woken < _AT_ONCE and self._by_time[0].ends <= now:
            turn = heapq.heappop(self._by_time)
            if turn in self._line:
                woken += 1
                turn.fail(TimeoutError())
        while self._by_time and self._by_time[0] not in self._line:
            heapq.heappop(self._by_time)
        if self._by_time:
            self._set_timer(self._by_time[0].ends)

"""A bounded set of lanes, one connection each, and the gate through which they connect.

A connection pool shared by many tasks loses a slot with each cancelled request and looks through
all its connections for each new one. A lane belongs to one send at a time; the wait for a lane
is the only queue.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Closed", "Gate", "Lane", "Lanes"]

#: Seconds after which an idle connection is not used again: Apache closes it at 5.
IDLE_LIMIT = 4.0
#: Connections that may come about at the same time.
CONNECTING = 4


class Closable(Protocol):
    """Anything that can be closed."""

    async def aclose(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


class Closed(Exception):  # noqa: N818 - a word between two rooms, not an error of the user's
    """The lanes were closed while a send waited for one, or before."""


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
    """Up to `limit` lanes, opened on demand; the most recently used free one goes first."""

    make: Callable[[], T]
    limit: int
    _free: collections.deque[Lane[T]] = attrs.field(factory=collections.deque, init=False)
    _busy: set[Lane[T]] = attrs.field(factory=set, init=False)
    _promised: int = attrs.field(default=0, init=False)
    _waiting: collections.deque[asyncio.Future[Lane[T] | None]] = attrs.field(
        factory=collections.deque, init=False
    )
    _closing: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def take_free(self, about: str | None = None) -> Lane[T] | None:
        """Return a lane that was used before, or None; raise `Closed`.

        Args:
            about: The message that the request is about; None for a new one.

        """
        if self._closed:
            raise Closed
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

    async def take(self, about: str | None = None) -> Lane[T]:
        """Return a lane of the caller's own, waiting in line for one; raise `Closed`."""
        if (lane := self.take_free(about)) is not None:
            return lane
        if len(self._busy) + self._promised >= self.limit:
            lane = await self._wait()
            if lane is not None and about is not None and lane.named == about:
                self._discard(lane)
                lane = None
        try:
            lane = lane or Lane(self.make())
        except BaseException:
            self._pass_on(None)
            raise
        if self._closed:  # while the turn was on its way to this task
            self._discard(lane)
            raise Closed
        self._busy.add(lane)
        return lane

    async def _wait(self) -> Lane[T] | None:
        turn: asyncio.Future[Lane[T] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            lane = await turn
        except asyncio.CancelledError:
            # Cancelled after its turn had come: the turn goes on to the next in line.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._promised -= 1
                self._pass_on(turn.result())
            else:
                self._forget(turn)
            raise
        self._promised -= 1
        return lane

    def _forget(self, turn: asyncio.Future[Lane[T] | None]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)

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
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
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
        task = asyncio.get_running_loop().create_task(_close(lane))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close every lane, those in use included, and turn away whoever waits for one."""
        self._closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(Closed())
        for lane in (*self._free, *self._busy):
            self._discard(lane)
        self._free.clear()
        if self._closing:
            await asyncio.wait(self._closing)


async def _close(lane: Lane[Any]) -> None:
    for closable in (lane.transport, lane.stray):
        if closable is not None:
            # A lane that is thrown away has nobody to tell what is wrong with it.
            with contextlib.suppress(Exception):
                await closable.aclose()


@attrs.define(eq=False)
class Gate:
    """At most four connections come about at once; after a failed one, a single probe."""

    _inside: int = attrs.field(default=0, init=False)
    _failing: bool = attrs.field(default=False, init=False)
    _waiting: collections.deque[asyncio.Future[None]] = attrs.field(
        factory=collections.deque, init=False
    )

    def _has_room(self) -> bool:
        return self._inside < (1 if self._failing else CONNECTING)

    async def enter(self) -> None:
        """Wait for room, in line."""
        if self._has_room() and not self._waiting:
            self._inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(connected=None)
            raise

    def leave(self, *, connected: bool | None) -> None:
        """Make room; say whether the connection came about, None where that was not seen."""
        self._inside -= 1
        if connected is not None:
            self._failing = not connected
        while self._waiting and self._has_room():
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

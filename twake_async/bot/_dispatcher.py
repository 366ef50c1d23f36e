"""Gives events to their handlers: each in a task of its own, in order, within the limits."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from typing import TYPE_CHECKING, Any

import attrs

from ._errors import BotClosedError
from ._queue import EventQueue, State, Turn
from ._waiters import Waiter, Waiters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async.events import Event

    from ._waiters import Wanted

__all__ = ["Dispatcher"]

log: logging.Logger = logging.getLogger("twake_async.bot")

#: Seconds that a cancelled handler has for its `finally`.
_LAST_WORDS = 1.0
#: Seconds that a handler waits for its turn when its wait has ended. Another handler may have the
#: turn, and wait for a lock that this one holds: without a limit, neither would go on.
_PATIENCE = 5.0

#: The event whose handler runs. Tasks that a handler starts have it, too: in Python 3.11,
#: `asyncio.wait_for(bot.wait_for(...))` makes such a task.
_current: contextvars.ContextVar[Turn | None] = contextvars.ContextVar(
    "twake_async_bot_turn", default=None
)


@attrs.define(eq=False)
class Dispatcher:
    """Events that wait and events that are handled.

    Args:
        run: Runs the handlers of one event; says whether all ended by themselves.
        queue: Decides which event is next.
        queue_timeout: Seconds that an event may wait for a place in the queue.

    """

    run: Callable[[Turn], Awaitable[bool]]
    queue: EventQueue
    queue_timeout: float
    dropped: int = attrs.field(default=0, init=False)
    """How many events were not handled, or not completely."""
    closing: bool = attrs.field(default=False, init=False)
    waiters: Waiters = attrs.field(init=False)
    _active: set[Turn] = attrs.field(factory=set, init=False)
    """The events whose handlers have begun, including handlers that wait."""
    _pumping: bool = attrs.field(default=False, init=False)
    _watchers: list[asyncio.Future[None]] = attrs.field(factory=list, init=False)
    """The futures of calls that wait for a change; see `_watch`."""

    def __attrs_post_init__(self) -> None:
        self.waiters = Waiters(self._settle)

    # --- new events --------------------------------------------------------------------------

    def add(self, turn: Turn) -> bool | Awaitable[bool]:
        """Take an event; return whether it will be handled, or an awaitable for that."""
        turn.context = contextvars.copy_context()
        if self.queue.held == 0 and self.queue.add(turn):
            self._pump()
            return True
        if not self.queue.hold(turn):
            return self.drop("the queue is full")
        return self._held(turn)

    async def _held(self, turn: Turn) -> bool:
        """Wait for a place in the queue; say whether there was one in time."""
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        turn.settle = lambda found: None if place.done() else place.set_result(found)
        timer = loop.call_later(self.queue_timeout, self._end_hold, turn, place)
        try:
            if await place:
                return True
            return self.drop("the bot is closing" if self.closing else "the queue is full")
        except asyncio.CancelledError:
            if turn.state is State.HELD:
                self.queue.drop_held(turn)
                self.drop("its request was cancelled")
            raise
        finally:
            timer.cancel()

    def _end_hold(self, turn: Turn, place: asyncio.Future[bool]) -> None:
        if turn.state is State.HELD and not place.done():
            self.queue.drop_held(turn)
            place.set_result(False)

    def drop(self, why: str) -> bool:
        """Count and log an event that is not handled; return False."""
        self.dropped += 1
        queue = self.queue
        log.error(
            "an event was dropped: %s (%d wait, %d are handled)", why, queue.queued, queue.running
        )
        return False

    # --- handlers ----------------------------------------------------------------------------

    def _pump(self) -> None:
        """Let all handlers run that may run."""
        if self._pumping:  # an eager task has ended within `_begin`
            return
        self._pumping = True
        try:
            while (turn := self.queue.next()) is not None:
                if turn.go_on is not None:
                    turn.go_on()
                else:
                    self._begin(turn)
        finally:
            self._pumping = False
        if self._watchers:
            self._wake()

    def _begin(self, turn: Turn) -> None:
        self._active.add(turn)
        context, turn.context = turn.context, None  # not that of the handler that ended just now
        turn.task = asyncio.get_running_loop().create_task(self._handle(turn), context=context)

    async def _handle(self, turn: Turn) -> None:
        _current.set(turn)
        try:
            if not await self.run(turn):
                self.dropped += 1
        finally:
            self._finish(turn)

    def _finish(self, turn: Turn) -> None:
        if turn.state is State.DONE:  # it was cut off
            return
        self.queue.finish(turn)
        self._active.discard(turn)
        if turn.go_on is not None:  # a task of the handler outlives it, and waits for its turn
            turn.go_on()
        # The context of the task holds the turn: only the garbage collector would free this cycle.
        turn.task = None
        self._pump()

    def _own(self) -> Turn | None:
        """Return the event whose handler calls this; None outside of a handler."""
        turn = _current.get()
        return turn if turn in self._active else None

    # --- waiting for an event ----------------------------------------------------------------

    async def wait_for(self, wanted: Wanted, seconds: float) -> Any:
        """Return the next event that fits. The handler that waits lets others run meanwhile.

        Raises:
            TimeoutError: No event that fits came in time.
            BotClosedError: The bot is closed.

        """
        if self.closing:
            raise BotClosedError("the bot is closed: no event comes any more")
        loop = asyncio.get_running_loop()
        waiter = Waiter(wanted, loop.create_future(), self._own())
        timer = loop.call_later(seconds, self._end_wait, waiter, seconds)
        self.waiters.add(waiter)
        self._step_aside(waiter.turn)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise
        finally:
            timer.cancel()

    def _step_aside(self, turn: Turn | None) -> None:
        if turn is None:
            return
        turn.waits += 1
        if turn.waits == 1 and turn.state is State.RUNNING:
            self.queue.pause(turn)
            self._pump()

    def _end_wait(self, waiter: Waiter, seconds: float) -> None:
        self.waiters.end(waiter, TimeoutError(f"no event that fits came within {seconds:g} s"))

    def _settle(self, waiter: Waiter, result: Event | BaseException) -> None:
        """End a wait when its handler has a slot again."""

        def go_on() -> None:
            if waiter.future.done():
                return
            if isinstance(result, BaseException):
                waiter.future.set_exception(result)
            else:
                waiter.future.set_result(result)

        turn = waiter.turn
        if turn is not None:
            turn.waits -= 1
        if turn is None or turn.waits or turn.state is not State.WAITING:
            go_on()  # no handler waits, or other tasks of it wait or run, too
            return
        turn.go_on = go_on
        self.queue.resume(turn)
        self._pump()
        if not waiter.future.done():
            asyncio.get_running_loop().call_later(_PATIENCE, self._go_on_late, turn, go_on)

    def _go_on_late(self, turn: Turn, go_on: Callable[[], None]) -> None:
        """Let a handler go on without its turn, if it still waits for the turn."""
        if turn.state is State.RESUMING and turn.go_on is go_on:
            log.warning("a handler went on beside others: its turn did not come in time")
            self._go_on_now(turn)

    def _go_on_now(self, turn: Turn) -> None:
        self.queue.go_on_now(turn)
        if turn.go_on is not None:  # another task of the handler waits for its turn
            turn.go_on()
        self._pump()

    def _give_up(self, waiter: Waiter) -> None:
        """End a wait that was cancelled: its handler goes on at once."""
        turn = waiter.turn
        if self.waiters.remove(waiter) and turn is not None:
            turn.waits -= 1
        if turn is not None and not turn.waits and turn.state in (State.WAITING, State.RESUMING):
            self._go_on_now(turn)

    # --- the end -----------------------------------------------------------------------------

    async def wait_idle(self) -> None:
        """Wait until no event is handled or queued; ignore handlers that wait for an event."""
        if self._own() is not None:
            raise RuntimeError("wait_idle in a handler would wait for itself")
        while not self.queue.is_idle:
            await self._watch()

    async def _watch(self) -> None:
        """Wait until a handler has ended, or has begun to wait."""
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append(change)
        await change

    def _wake(self) -> None:
        watchers, self._watchers = self._watchers, []
        for change in watchers:
            if not change.done():
                change.set_result(None)

    async def aclose(self, drain: float) -> None:
        """Take no more events, wait some seconds for the handlers, and cancel the rest.

        Args:
            drain: Seconds.

        """
        self.closing = True
        for turn in self.queue.take_held():
            turn.settle(False)  # noqa: FBT003
        self.waiters.close(lambda: BotClosedError("the bot was closed"))
        own = self._own()
        try:
            await self._drained(drain, own)
        finally:
            await self._cut_off(own)

    async def _drained(self, drain: float, own: Turn | None) -> None:
        """Wait until all events are handled except the caller's own, or until the time is over."""
        if not drain:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain):
                while self.queue.queued or any(turn is not own for turn in self._active):
                    await self._watch()

    async def _cut_off(self, own: Turn | None) -> None:
        """Drop the queued events, and cancel all handlers except the one that calls this."""
        dropped = self.queue.clear()
        begun = [turn for turn in self._active if turn is not own]
        tasks = [turn.task for turn in begun if turn.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS)
        for turn in begun:
            self._finish(turn)  # also of a task that was cancelled before its first step
        cut = sum(task.cancelled() or not task.done() for task in tasks)
        self.dropped += dropped + cut
        if dropped or cut:
            log.error("closed: %d events were not handled, %d were cut off", dropped, cut)
        self._wake()

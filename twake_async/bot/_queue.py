"""The queue of a bot: which event is handled next, which wait, and which find no place. No I/O.

Events with the same key are handled one after another, others side by side, within a limit.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import asyncio
    import contextvars
    from collections.abc import Callable, Sequence

    from twake_async.events import Event

    from ._routes import Route

__all__ = ["EventQueue", "State", "Turn"]


class State(enum.Enum):
    """The state of an event."""

    HELD = enum.auto()
    """The queue is full: the event and the answer to its request wait."""
    QUEUED = enum.auto()
    RUNNING = enum.auto()
    """It has a slot: its handlers run."""
    WAITING = enum.auto()
    """Its handler waits for another event, without a slot and without its place in the order."""
    RESUMING = enum.auto()
    """Its handler waits for a slot, to go on."""
    DONE = enum.auto()


def _tell_nobody(_: bool) -> None:
    return None


@attrs.define(eq=False)
class Turn:
    """One event on its way through the queue."""

    event: Event
    key: str | None
    """Events with the same key are handled one after another; None for no order."""
    routes: Sequence[Route] = ()
    """The routes that handle it."""
    state: State = attrs.field(default=State.QUEUED, init=False)
    waits: int = attrs.field(default=0, init=False)
    """How many events its handler waits for."""
    has_key: bool = attrs.field(default=False, init=False)
    """Whether later events of its key wait for it."""
    settle: Callable[[bool], None] = attrs.field(default=_tell_nobody, init=False)
    """Called for a held event: True if it found a place, else False."""
    go_on: Callable[[], None] | None = attrs.field(default=None, init=False)
    """Called when a handler that resumes has a slot."""
    task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    context: contextvars.Context | None = attrs.field(default=None, init=False)
    """The context variables of its request, until its handlers begin."""


@attrs.define(eq=False)
class EventQueue:
    """The queue.

    Args:
        in_flight: How many events are handled at once.
        size: How many events wait to be handled. As many again can be held.

    """

    in_flight: int
    size: int
    running: int = attrs.field(default=0, init=False)
    """How many events have a slot."""
    queued: int = attrs.field(default=0, init=False)
    """How many new events wait for a slot."""
    resuming: int = attrs.field(default=0, init=False)
    """How many handlers wait for a slot to go on."""
    # Events that need only a slot. Each has its key.
    _ready: deque[Turn] = attrs.field(factory=deque, init=False)
    # For each key that an event has: the events that wait for the key.
    _behind: dict[str, deque[Turn]] = attrs.field(factory=dict, init=False)
    _held: deque[Turn] = attrs.field(factory=deque, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether no event is handled or queued, without handlers that wait for an event."""
        return not (self.running or self.queued or self.resuming)

    @property
    def held(self) -> int:
        """How many events wait for a place."""
        return len(self._held)

    def add(self, turn: Turn) -> bool:
        """Add a new event; say whether it found a place.

        If there is no place, the event may be held.
        """
        if self.queued >= self.size:
            return False
        self.queued += 1
        turn.state = State.QUEUED
        self._line_up(turn)
        return True

    def hold(self, turn: Turn) -> bool:
        """Hold an event that found no place, until there is one; say whether it is held."""
        if len(self._held) >= self.size:
            return False
        turn.state = State.HELD
        self._held.append(turn)
        return True

    def drop_held(self, turn: Turn) -> None:
        """Stop holding an event. It is mostly the first: all are held equally long."""
        turn.state = State.DONE
        self._held.remove(turn)

    def next(self) -> Turn | None:
        """Give a slot to the next event that may run; None if there is none, or no slot."""
        if not self._ready or self.running >= self.in_flight:
            return None
        turn = self._ready.popleft()
        self.running += 1
        if turn.state is State.RESUMING:
            self.resuming -= 1
            turn.state = State.RUNNING
        else:
            self.queued -= 1
            turn.state = State.RUNNING
            self._admit()
        return turn

    def _admit(self) -> None:
        """Queue the oldest held event, if there is one."""
        if self._held:
            turn = self._held.popleft()
            self.add(turn)
            turn.settle(True)  # noqa: FBT003

    def pause(self, turn: Turn) -> None:
        """Take the slot and the place in the order from a handler that waits for an event."""
        turn.state = State.WAITING
        self.running -= 1
        self._release_key(turn)

    def resume(self, turn: Turn) -> None:
        """Let a handler that waited go on when it has a slot, before new events of its key."""
        turn.state = State.RESUMING
        self.resuming += 1
        self._line_up(turn, first=True)

    def go_on_now(self, turn: Turn) -> None:
        """Let a handler that waits or resumes go on at once: it was cancelled.

        Its slot exceeds the limit until the handler ends.
        """
        self._leave_line(turn)
        turn.state = State.RUNNING
        self.running += 1

    def finish(self, turn: Turn) -> None:
        """Remove an event whose handlers have ended."""
        if turn.state is State.RUNNING:
            self.running -= 1
            self._release_key(turn)
        else:
            self._leave_line(turn)
        turn.state = State.DONE

    def take_held(self) -> list[Turn]:
        """Remove all held events, and return them."""
        held = list(self._held)
        self._held.clear()
        for turn in held:
            turn.state = State.DONE
        return held

    def clear(self) -> int:
        """Remove all queued events, and return their number."""
        lines = [self._ready, *self._behind.values()]
        dropped = [turn for line in lines for turn in line if turn.state is State.QUEUED]
        for line in lines:
            kept = [turn for turn in line if turn.state is not State.QUEUED]
            line.clear()
            line.extend(kept)
        self.queued = 0
        for turn in dropped:
            turn.state = State.DONE
            self._release_key(turn)
        return len(dropped)

    def _line_up(self, turn: Turn, *, first: bool = False) -> None:
        if turn.key is None:
            self._ready.append(turn)
            return
        behind = self._behind.get(turn.key)
        if behind is None:
            self._behind[turn.key] = deque()
            turn.has_key = True
            self._ready.append(turn)
        elif first:
            behind.appendleft(turn)
        else:
            behind.append(turn)

    def _release_key(self, turn: Turn) -> None:
        """Make the next event of the same key ready."""
        if not turn.has_key or turn.key is None:
            return
        turn.has_key = False
        behind = self._behind[turn.key]
        if behind:
            following = behind.popleft()
            following.has_key = True
            self._ready.append(following)
        else:
            del self._behind[turn.key]

    def _leave_line(self, turn: Turn) -> None:
        """Remove an event that resumes from its line; an event that waits is in no line."""
        if turn.state is not State.RESUMING:
            return
        self.resuming -= 1
        if turn.has_key or turn.key is None:
            self._ready.remove(turn)
            self._release_key(turn)
        else:
            self._behind[turn.key].remove(turn)

"""The order of a batch: one draft at a time for each channel, as the input gave them. No I/O."""

from __future__ import annotations

import collections
from typing import Generic, TypeVar

import attrs

__all__ = ["Channels"]

T = TypeVar("T")


@attrs.define(eq=False)
class Channels(Generic[T]):
    """The items that were read and not taken yet: ready, or queued behind a busy channel.

    A channel is busy from the moment that an item of it is ready until `release`.
    """

    limit: int
    """How many items may be queued before nothing more should be read."""

    _ready: collections.deque[T] = attrs.field(factory=collections.deque, init=False)
    _busy: set[str] = attrs.field(factory=set, init=False)
    _queues: dict[str, collections.deque[T]] = attrs.field(factory=dict, init=False)
    _queued: int = attrs.field(default=0, init=False)

    @property
    def is_full(self) -> bool:
        """Whether the number of queued items has reached the limit."""
        return self._queued >= self.limit

    @property
    def has_ready(self) -> bool:
        """Whether an item may be taken now."""
        return bool(self._ready)

    def add(self, channel: str | None, item: T) -> None:
        """Add an item behind the others of its channel.

        Args:
            channel: The channel whose order it keeps; None for an item that is ready at once.
            item: The item.

        """
        if channel is None:
            self._ready.append(item)
        elif channel in self._busy:
            self._queues.setdefault(channel, collections.deque()).append(item)
            self._queued += 1
        else:
            self._busy.add(channel)
            self._ready.append(item)

    def take(self) -> T | None:
        """Return an item that is ready, or None; `release` its channel when it has its outcome."""
        return self._ready.popleft() if self._ready else None

    def release(self, channel: str | None) -> None:
        """Note that the item that was taken has its outcome: the next of its channel is ready.

        Args:
            channel: The channel whose order the item kept; None for none.

        """
        if channel is None:
            return
        if queue := self._queues.get(channel):
            self._ready.append(queue.popleft())
            self._queued -= 1
            if not queue:
                del self._queues[channel]
        else:
            self._busy.discard(channel)

    def clear(self) -> list[T]:
        """Remove all items, and return them, those of each channel in order."""
        left = list(self._ready)
        for queue in self._queues.values():
            left.extend(queue)
        self._ready.clear()
        self._busy.clear()
        self._queues.clear()
        self._queued = 0
        return left

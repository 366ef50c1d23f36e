"""Whose turn it is: one draft at a time to a channel, in the order given; no I/O, no clock."""

from __future__ import annotations

import collections
from typing import Generic, TypeVar

import attrs

__all__ = ["Channels"]

T = TypeVar("T")


@attrs.define(eq=False)
class Channels(Generic[T]):
    """What was taken from the input and has not left: ready, or in line for a busy channel.

    A channel is busy from the moment that something of it is ready until `release`.
    """

    limit: int
    """How many may stand in line before nothing more should be taken."""

    _ready: collections.deque[T] = attrs.field(factory=collections.deque, init=False)
    _busy: set[str] = attrs.field(factory=set, init=False)
    _lines: dict[str, collections.deque[T]] = attrs.field(factory=dict, init=False)
    _in_line: int = attrs.field(default=0, init=False)

    @property
    def full(self) -> bool:
        """Whether as many stand in line as may."""
        return self._in_line >= self.limit

    @property
    def ready(self) -> bool:
        """Whether something may leave now."""
        return bool(self._ready)

    def place(self, channel: str | None, item: T) -> None:
        """Put an item behind the others of its channel; None is no channel: it waits for none."""
        if channel is None:
            self._ready.append(item)
        elif channel in self._busy:
            self._lines.setdefault(channel, collections.deque()).append(item)
            self._in_line += 1
        else:
            self._busy.add(channel)
            self._ready.append(item)

    def take(self) -> T | None:
        """Return what may leave now, or None; `release` its channel once it has ended."""
        return self._ready.popleft() if self._ready else None

    def release(self, channel: str | None) -> None:
        """Note that what was taken for a channel has ended: the next in line is ready."""
        if channel is None:
            return
        if line := self._lines.get(channel):
            self._ready.append(line.popleft())
            self._in_line -= 1
            if not line:
                del self._lines[channel]
        else:
            self._busy.discard(channel)

    def clear(self) -> list[T]:
        """Return all that has not left, each channel's in order, and forget it."""
        left = list(self._ready)
        for line in self._lines.values():
            left.extend(line)
        self._ready.clear()
        self._busy.clear()
        self._lines.clear()
        self._in_line = 0
        return left

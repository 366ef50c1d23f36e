"""The way out of a batch: what has ended and was not taken yet, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

import attrs

__all__ = ["Results"]

T = TypeVar("T")


@attrs.define(eq=False)
class Results(Generic[T]):
    """Hands what workers put in to the one who takes it; workers wait while it is too much."""

    workers: int
    """How many put results in; with the last of them comes the end."""
    limit: int
    """How many may lie here before workers wait."""
    _waiting: deque[T] = attrs.field(factory=deque, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _room: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _is_free: bool = attrs.field(default=False, init=False)

    @property
    def are_too_many(self) -> bool:
        """Whether a worker has to wait until some were taken."""
        return len(self._waiting) > self.limit and not self._is_free

    def put(self, result: T) -> None:
        """Add a result."""
        self._waiting.append(result)
        self._news.set()

    def leave(self) -> None:
        """Note that a worker puts no more in."""
        self.workers -= 1
        self._news.set()

    def free(self) -> None:
        """Let no worker wait any more."""
        self._is_free = True
        self._room.set()

    async def wait_for_room(self) -> None:
        """Wait until enough was taken."""
        while self.are_too_many:
            self._room.clear()
            await self._room.wait()

    async def next(self) -> T | None:
        """Return the next result, or None once there will be no more."""
        while not self._waiting:
            if not self.workers:
                return None
            self._news.clear()
            await self._news.wait()
        result = self._waiting.popleft()
        if len(self._waiting) <= self.limit // 2:
            self._room.set()
        return result

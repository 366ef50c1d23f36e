"""The output of a batch: the deliveries that the caller has not taken yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

import attrs

__all__ = ["Results"]

T = TypeVar("T")


@attrs.define(eq=False)
class Results(Generic[T]):
    """A bounded queue from the workers to the caller; workers wait while it is full."""

    workers: int
    """How many workers put results in. After the last one has left, there are no more."""
    limit: int
    """How many results may wait here before workers have to wait."""
    _waiting: deque[T] = attrs.field(factory=deque, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _room: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _is_unbounded: bool = attrs.field(default=False, init=False)

    @property
    def is_full(self) -> bool:
        """Whether a worker has to wait until results were taken."""
        return len(self._waiting) > self.limit and not self._is_unbounded

    def put(self, result: T) -> None:
        """Add a result, even if the queue is full."""
        self._waiting.append(result)
        self._news.set()

    def leave(self) -> None:
        """Note that one worker adds no more results."""
        self.workers -= 1
        self._news.set()

    def lift_limit(self) -> None:
        """Let no worker wait any more."""
        self._is_unbounded = True
        self._room.set()

    async def wait_for_room(self) -> None:
        """Wait until the queue is not full."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    async def next(self) -> T | None:
        """Return the next result; None after the last one."""
        while not self._waiting:
            if not self.workers:
                return None
            self._news.clear()
            await self._news.wait()
        result = self._waiting.popleft()
        if len(self._waiting) <= self.limit // 2:
            self._room.set()
        return result

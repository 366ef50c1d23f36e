"""Tasks that several sends of a session wait for: they belong to the session, not to one send."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["SharedTasks"]

R = TypeVar("R")

#: Seconds that a closing session gives to them.
_LAST_SECONDS = 0.5


@attrs.define(eq=False)
class SharedTasks:
    """Tasks that end with the session."""

    _running: set[asyncio.Task[Any]] = attrs.field(factory=set, init=False)

    def start(self, call: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Return the task of a call."""
        task = asyncio.create_task(call)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def aclose(self) -> None:
        """Wait for the tasks a moment, then cancel those that are left."""
        if self._running:  # most find the connections closed, but not those of a caller's client
            await asyncio.wait(self._running, timeout=_LAST_SECONDS)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

"""A call that several sends wait for: a task of the session, never of one send."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twake_async._waiting import Waiting

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

__all__ = ["SharedCall"]

T = TypeVar("T")

log = logging.getLogger("twake_async")


class SharedCall(Generic[T]):
    """A call under way. A send that is cancelled while it waits ends only its own wait.

    Args:
        call: The call; an exception that it raises is only logged.
        start: Makes its task.
        late: Returns the result of a wait whose time is over, or whose call failed.

    """

    def __init__(
        self,
        call: Coroutine[Any, Any, T],
        start: Callable[[Coroutine[Any, Any, T]], asyncio.Task[T]],
        late: Callable[[], T],
    ) -> None:
        self._late = late
        self._waiting = Waiting(late)
        self.task = start(call)
        self.task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("a task that several sends waited for failed", exc_info=exc)
        self._waiting.close(self._result())

    def _result(self) -> T:
        failed = self.task.cancelled() or self.task.exception() is not None
        return self._late() if failed else self.task.result()

    async def wait(self, seconds: float) -> T:
        """Return the result, or that of `late` if it takes longer or fails.

        Args:
            seconds: How long to wait at most.

        """
        if self.task.done():
            return self._result()
        return await self._waiting.join(self._waiting.loop.time() + seconds)

"""A call that several sends wait for: a task of the session, never of one send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twake_async._waiting import Waiting

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

__all__ = ["SharedCall"]

T = TypeVar("T")


class SharedCall(Generic[T]):
    """A call under way. Who is cancelled while it waits for the result ends only its own wait.

    Args:
        call: Makes the call; an exception that it raises is given to nobody.
        start: Makes its task.
        late: Returns what a wait gives whose time is over, or that waits for a call that raised.

    """

    def __init__(
        self,
        call: Callable[[], Coroutine[Any, Any, T]],
        start: Callable[[Coroutine[Any, Any, T]], asyncio.Task[T]],
        late: Callable[[], T],
    ) -> None:
        self._late = late
        self._waiting = Waiting(late)
        self.task = start(self._run(call))
        # One that is cancelled before its first step runs no line of its own.
        self.task.add_done_callback(lambda _: self._waiting.close(late()))

    async def _run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        result = await call()
        self._waiting.close(result)
        return result

    async def wait(self, seconds: float) -> T:
        """Return the result, or what stands for none if it takes longer.

        Args:
            seconds: How long to wait at most.

        """
        if self.task.done():
            is_good = not self.task.cancelled() and self.task.exception() is None
            return self.task.result() if is_good else self._late()
        return await self._waiting.join(self._waiting.loop.time() + seconds)

"""Connecting while a server cannot be reached: one attempt at a time, with pauses between them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from twake_async._protocol.exchange import NOT_YET

from .connect_limiter import BackOff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._protocol.exchange import Failure

__all__ = ["Connector"]


@attrs.define(eq=False)
class Connector:
    """Makes attempts to connect for as long as anyone waits for a connection.

    Its task belongs to no send. So no send that is cancelled or late ends an attempt, which has
    all the time that connecting needs.

    Args:
        attempt: Makes one attempt, and calls `failed` or `reached`.
        is_wanted: Says whether anyone waits for a connection, and one more may be opened.

    """

    attempt: Callable[[], Awaitable[None]]
    is_wanted: Callable[[], bool]
    unreached: Failure | None = attrs.field(default=None, init=False)
    """What the last attempt met, its own or a send's, while the server cannot be reached."""
    _back_off: BackOff = attrs.field(factory=BackOff, init=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _stopped: bool = attrs.field(default=False, init=False)

    def reached(self) -> None:
        """Note that a connection was opened."""
        self.unreached = None
        self._back_off.reset()

    def failed(self, failure: Failure) -> None:
        """Note that one could not be opened."""
        self.unreached = failure
        self._back_off.failed(asyncio.get_running_loop().time())

    def unfinished(self) -> None:
        """Note that a send ended while it connected: the next attempt is made without a send."""
        if self.unreached is None:
            self.unreached = NOT_YET

    def wake(self) -> None:
        """Go on with the attempts if there is a reason to."""
        if self._task is None and self._should_try():
            self._task = asyncio.get_running_loop().create_task(self._keep_trying())
            self._task.add_done_callback(self._go_on)

    def _should_try(self) -> bool:
        return self.unreached is not None and not self._stopped and self.is_wanted()

    def _go_on(self, _: asyncio.Task[None]) -> None:
        # Who came since its last look found a task; and somebody else may have cancelled it.
        self._task = None
        self.wake()

    async def _keep_trying(self) -> None:
        now = asyncio.get_running_loop().time
        while self._should_try():
            if (pause := self._back_off.until - now()) > 0:
                await asyncio.sleep(pause)
            else:
                self._back_off.grow()
                await self.attempt()

    async def aclose(self) -> None:
        """Make no more attempts; return when the one under way has ended."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

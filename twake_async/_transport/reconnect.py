"""Reconnecting while a server is unreachable: one attempt at a time, with pauses between them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from twake_async._log import log
from twake_async._printable import printable
from twake_async._protocol.exchange import NOT_YET

from .connect_limiter import BackOff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._protocol.exchange import Failure

__all__ = ["Reconnector"]


@attrs.define(eq=False)
class Reconnector:
    """Tries to connect for as long as a send waits for a connection.

    Its task belongs to no send. So a send that is cancelled or late does not end an attempt,
    and an attempt has all the time that it needs.

    Args:
        attempt: Makes one attempt, and calls `failed` or `succeeded`.
        is_wanted: Says whether a send waits for a connection, and one more may be opened.
        server: The address of the server, for the log.

    """

    attempt: Callable[[], Awaitable[None]]
    is_wanted: Callable[[], bool]
    server: str
    unreachable: Failure | None = attrs.field(default=None, init=False)
    """Why the last attempt failed, its own or a send's; None while the server is reachable."""
    down: Failure | None = attrs.field(default=None, init=False)
    """The same, but None if no attempt was completed."""
    _back_off: BackOff = attrs.field(factory=BackOff, init=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _stopped: bool = attrs.field(default=False, init=False)

    def succeeded(self) -> None:
        """Note that a connection was opened."""
        if self.down is not None:
            log.warning("%s can be reached again", self.server)
        self.unreachable = self.down = None
        self._back_off.reset()

    def failed(self, failure: Failure) -> None:
        """Note that a connection could not be opened."""
        if self.down is None:
            log.warning("%s cannot be reached: %s", self.server, printable(failure.detail))
        self.unreachable = self.down = failure
        self._back_off.failed(asyncio.get_running_loop().time())

    def abandoned(self) -> None:
        """Note that a send ended while it connected: the next attempt belongs to no send."""
        if self.unreachable is None:
            self.unreachable = NOT_YET

    def wake(self) -> None:
        """Start the attempts if they are needed and none is running."""
        if self._task is None and self._should_try():
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(self._wake_again)

    def _should_try(self) -> bool:
        return self.unreachable is not None and not self._stopped and self.is_wanted()

    def _wake_again(self, _: asyncio.Task[None]) -> None:
        # A send that came after the task's last check started no task. And a task may be cancelled.
        self._task = None
        self.wake()

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        while self._should_try():
            if (pause := self._back_off.until - now()) > 0:
                await asyncio.sleep(pause)
            else:
                self._back_off.grow()
                await self.attempt()

    async def aclose(self) -> None:
        """Make no more attempts; return when the running one has ended."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

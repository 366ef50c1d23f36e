"""Limits when connections may be opened: a few at a time, and after a failure later. No I/O."""

from __future__ import annotations

import asyncio
import collections
import math
import random

import attrs

__all__ = ["BackOff", "ConnectLimiter", "ServerUnreachable"]

#: Connections that may be opened at the same time.
_LIMIT = 4
#: Seconds between two attempts to connect that fail: at first, and at most.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0


class ServerUnreachable(Exception):  # noqa: N818 - an internal signal
    """Another attempt to connect failed; its exception is the cause."""


@attrs.define(eq=False)
class ConnectLimiter:
    """Lets four connections be opened at a time; the others wait in a queue."""

    _active: int = attrs.field(default=0, init=False)
    _waiting: collections.deque[asyncio.Future[None]] = attrs.field(
        factory=collections.deque, init=False
    )

    async def acquire(self) -> None:
        """Wait for a turn to connect.

        Raises:
            ServerUnreachable: Another attempt failed meanwhile.

        """
        if self._active < _LIMIT and not self._waiting:
            self._active += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()
            raise

    def release(self) -> None:
        """End a turn, and let the next one begin."""
        self._active -= 1
        while self._waiting and self._active < _LIMIT:
            turn = self._waiting.popleft()
            if not turn.done():
                self._active += 1
                turn.set_result(None)

    def reject_waiting(self, cause: BaseException | None) -> None:
        """Raise `ServerUnreachable` in each call that waits: an attempt has just failed."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                exc = ServerUnreachable()
                exc.__cause__ = cause
                turn.set_exception(exc)


@attrs.define(eq=False)
class BackOff:
    """The wait before the next attempt to connect. It doubles with each attempt that fails."""

    until: float = attrs.field(init=False)
    """When the next attempt may begin, by the clock of the event loop."""
    _wait: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reset()

    def grow(self) -> None:
        """Note that an attempt begins: if it fails, the wait is longer than the last one."""
        self._wait = min(2 * self._wait, _LONGEST_WAIT)

    def failed(self, now: float) -> None:
        """Note that an attempt failed."""
        pause = self._wait * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        self.until = max(self.until, now + pause)

    def reset(self) -> None:
        """Note that an attempt succeeded."""
        self._wait, self.until = _FIRST_WAIT, -math.inf

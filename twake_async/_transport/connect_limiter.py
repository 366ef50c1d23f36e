"""When a connection may be opened: a few at the same time, and after a failure later; no I/O."""

from __future__ import annotations

import asyncio
import collections
import math
import random

import attrs

__all__ = ["BackOff", "ConnectLimiter", "NotReached"]

#: Connections that may be opened at the same time.
_AT_ONCE = 4
#: Seconds between two attempts to connect that fail: at first, and at the most.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0


class NotReached(Exception):  # noqa: N818 - an internal signal, not an error of the user's
    """The server cannot be reached at the moment; the cause is what another attempt met."""


@attrs.define(eq=False)
class ConnectLimiter:
    """Lets four connections be opened at once; the others wait in line."""

    _inside: int = attrs.field(default=0, init=False)
    _waiting: collections.deque[asyncio.Future[None]] = attrs.field(
        factory=collections.deque, init=False
    )

    async def enter(self) -> None:
        """Wait for room, in line; raise `NotReached` where meanwhile another attempt failed."""
        if self._inside < _AT_ONCE and not self._waiting:
            self._inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        """Make room for the next one."""
        self._inside -= 1
        while self._waiting and self._inside < _AT_ONCE:
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

    def refuse(self, cause: BaseException | None) -> None:
        """Turn away all who wait: what they would try has failed just now."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                exc = NotReached()
                exc.__cause__ = cause
                turn.set_exception(exc)


@attrs.define(eq=False)
class BackOff:
    """How long to wait before the next attempt to connect: twice as long after each one."""

    until: float = attrs.field(init=False)
    """When the next attempt may begin."""
    _wait: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reset()

    def grow(self) -> None:
        """Note that an attempt begins: if it fails, the wait is longer than the last one."""
        self._wait = min(2 * self._wait, _LONGEST_WAIT)

    def failed(self, now: float) -> None:
        """Note that an attempt has failed."""
        pause = self._wait * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        self.until = max(self.until, now + pause)

    def reset(self) -> None:
        """Note that an attempt did not fail."""
        self._wait, self.until = _FIRST_WAIT, -math.inf

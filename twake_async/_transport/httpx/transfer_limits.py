"""How many transfers run at once, and how long one may take while no byte moves."""

from __future__ import annotations

import asyncio
import math

import attrs

from twake_async._protocol.exchange import CLOSED, CONNECTIONS_BUSY, Failure

__all__ = ["Clocked", "Slots"]

#: How many transfers of a session run at once; the others wait.
MOST_AT_ONCE = 8


@attrs.define(eq=False)
class Slots:
    """Lets a few transfers run at once, in the shape of a pool."""

    _free: asyncio.Semaphore = attrs.field(
        factory=lambda: asyncio.Semaphore(MOST_AT_ONCE), init=False
    )
    _waits: set[asyncio.Timeout] = attrs.field(factory=set, init=False)
    closed: bool = attrs.field(default=False, init=False)

    def acquire_nowait(self, target: str | None, /) -> None:
        """Return None: `acquire` does not wait if there is a free slot."""

    async def acquire(
        self,
        target: str | None,  # noqa: ARG002 - a pool's
        seconds: float,
        /,
        *,
        once: bool,  # noqa: ARG002 - a pool's
    ) -> Slots | Failure:
        """Wait for a free slot; return the failure to get one in time."""
        if self.closed:
            return CLOSED
        limit = asyncio.timeout(None if seconds == math.inf else seconds)
        try:
            async with limit:
                self._waits.add(limit)
                await self._free.acquire()
        except TimeoutError:
            return CLOSED if self.closed else CONNECTIONS_BUSY
        finally:
            self._waits.discard(limit)
        return self

    def release(self, connection: Slots, /, *, reusable: bool) -> None:  # noqa: ARG002 - a pool's
        """Free a slot."""
        self._free.release()

    def connections(self) -> None:
        """Return None: the connections of transfers are not counted."""

    def close(self) -> None:
        """End all waits."""
        self.closed = True
        for limit in self._waits:
            limit.reschedule(-math.inf)


@attrs.define(eq=False)
class Clocked:
    """The time of one attempt: it ends when no byte moves for too long, or at the deadline."""

    limit: asyncio.Timeout
    slots: Slots
    idle: float
    ends: float

    def moved(self) -> None:
        """Note that bytes moved: the idle time starts again."""
        now = asyncio.get_running_loop().time()
        self._reschedule(min(now + self.idle, self.ends))

    def hold(self) -> None:
        """Stop the idle time while the caller's own code runs; the deadline goes on."""
        self._reschedule(self.ends)

    def _reschedule(self, when: float) -> None:
        if not (self.limit.expired() or self.slots.closed):
            self.limit.reschedule(when if when < math.inf else None)

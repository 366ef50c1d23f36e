"""What a batch does when it shares its journal with other machines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from twake_async._journal import intents
from twake_async._journal.slots import Slots, slots_at_once

if TYPE_CHECKING:
    from twake_async._journal.shared_writer import SharedWriter

    from .breaker import Pace

__all__ = ["Sharing"]

#: Seconds by which a timer may end too early.
_LATE = 0.01


@attrs.define(eq=False)
class Sharing:
    """The waits and the pace of a batch that other machines share.

    Args:
        writer: The writer of its partition.
        pace: The clock of the session, and the pause that its server asks for.
        rate: Messages a second, of all machines together; None for no limit.

    """

    writer: SharedWriter
    pace: Pace
    rate: float | None
    _slots: Slots | None = attrs.field(init=False)
    _reserving: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self._slots = None if self.rate is None else Slots(self.rate)

    async def wait_for_earlier_intents(self, channel: str | None) -> None:
        """Wait until no intent of the previous run is valid in a channel."""
        shared = self.writer.shared
        if channel in shared.doubtful_channels:
            seconds = intents.wait_after_takeover(shared.taken_at, intents.now())
            if seconds > 0:
                await asyncio.sleep(seconds + _LATE)

    async def next_slot(self) -> float:
        """Return the time of the next turn to send, by the clock of the session.

        Raises:
            JournalError: The journal cannot be used, or another process has the partition.

        """
        assert self._slots is not None  # noqa: S101 - only a batch with a rate asks
        rate = self._slots.rate
        async with self._reserving:
            while (slot := self._slots.take(self.pace.now())) is None:
                seconds = await self.writer.reserve(slots_at_once(rate), rate)
                self._slots.add(self.pace.now() + max(0.0, seconds))
        return slot

    def slow(self) -> None:
        """Tell the other machines of the pause that the server asks for now."""
        seconds = self.pace.cooling()
        if seconds > 0:
            self.writer.slow(seconds)

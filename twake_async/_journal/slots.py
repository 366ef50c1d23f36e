"""The turns of one rate that several machines share: reserved a few at a time. No I/O."""

from __future__ import annotations

from collections import deque

import attrs

__all__ = ["SHARE", "Slots", "slots_at_once"]

#: Seconds: one reservation covers the messages of this time, at most.
SHARE = 0.05


def slots_at_once(rate: float) -> int:
    """Return how many turns one reservation covers.

    Args:
        rate: Messages a second.

    """
    return max(1, int(rate * SHARE))


@attrs.define(eq=False)
class Slots:
    """The turns that a process has reserved and not used.

    Args:
        rate: Messages a second, of all machines together.

    """

    rate: float
    _times: deque[float] = attrs.field(factory=deque, init=False)

    def add(self, first: float) -> None:
        """Add the turns of one reservation.

        Args:
            first: The time of the first one.

        """
        self._times.extend(first + n / self.rate for n in range(slots_at_once(self.rate)))

    def take(self, now: float) -> float | None:
        """Return the time of the next turn; None if another reservation is needed.

        A turn that was missed by more than `SHARE` seconds is lost. Otherwise a process that was
        frozen would use its turns at once, in addition to those of the others.
        """
        while self._times:
            slot = self._times.popleft()
            if slot > now - SHARE:
                return slot
        return None

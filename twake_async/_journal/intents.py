"""How long an intent in a shared journal is valid. No I/O, except that it reads the clock.

Another process may take a partition over while this one is frozen, or while its connection to the
database is cut. So an intent is valid for a few seconds, counted from before it was committed, by a
clock that goes on while the machine sleeps. A process that takes a partition over waits as long
before it acts on a message that was on its way.
"""

from __future__ import annotations

import time

__all__ = ["VALID", "is_valid", "now", "wait_after_takeover"]

#: Seconds that an intent is valid.
VALID = 5.0

# CLOCK_BOOTTIME counts the time in which the machine slept. Where there is none, as on macOS and
# Windows, the monotonic clock does so.
_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def now() -> float:
    """Return the time of the clock of intents, in seconds."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


def is_valid(committed: float, time_now: float) -> bool:
    """Say whether an intent is still valid.

    Args:
        committed: The time before it was committed.
        time_now: The time at which the request would leave.

    """
    return 0 <= time_now - committed < VALID


def wait_after_takeover(taken_at: float, time_now: float) -> float:
    """Return the seconds to wait until no intent of the previous run is valid.

    Args:
        taken_at: The time after the takeover was committed.
        time_now: The time now.

    """
    return max(0.0, taken_at + VALID - time_now)

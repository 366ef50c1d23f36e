"""Which row a claim may take, and why a claim is refused. No I/O.

A claim is an intent, committed before its attempt. `statements` has the same rule in SQL; a test
compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async._journal.resume import given_twice
from twake_async.errors import JournalError, Outcome

from .errors import taken_over

if TYPE_CHECKING:
    from twake_async.deliveries import JournalEntry

__all__ = ["Held", "may_claim", "may_write", "refusal"]

_MAY_BE_SENT = frozenset({Outcome.REFUSED, Outcome.NOT_SENT})


@attrs.frozen
class Held:
    """A row of the table `message`: an entry, and the partition that has it."""

    part: int
    entry: JournalEntry


def may_claim(claim: JournalEntry, part: int, found: Held | None) -> bool:
    """Say whether a claim may take a row.

    Args:
        claim: The intent; its run is the epoch of the partition.
        part: Its partition.
        found: The row under its key; None if there is none.

    """
    if found is None:
        return True
    entry = found.entry
    if found.part != part or entry.front_id != claim.front_id:
        return False
    if entry.run == claim.run:
        # The same claim once more: another attempt, or its COMMIT had no answer.
        return entry.began == claim.began and entry.outcome is not Outcome.DELIVERED
    if entry.run > claim.run:
        return False
    if entry.outcome is Outcome.UNKNOWN:
        # Sent again because the caller asked for it; the claim counts each request in doubt.
        return 0 < entry.unknown_requests <= claim.unknown_requests
    return entry.outcome in _MAY_BE_SENT


def may_write(outcome: JournalEntry, part: int, found: Held | None) -> bool:
    """Say whether an outcome may replace a row.

    Args:
        outcome: The entry with the outcome; its run is the epoch of the partition.
        part: Its partition.
        found: The row under its key; None if there is none.

    """
    if found is None:
        return True
    entry = found.entry
    if found.part != part or entry.front_id != outcome.front_id:
        return False
    was_found = outcome.outcome is Outcome.DELIVERED and entry.outcome is Outcome.UNKNOWN
    return entry.run == outcome.run or was_found


def refusal(name: str, claim: JournalEntry, part: int, found: Held | None) -> JournalError | None:
    """Return the error of a claim that took no row; None if it is the row.

    Args:
        name: The partition's name, for errors.
        claim: The intent.
        part: The partition.
        found: The row under its key.

    """
    if found is None:
        return taken_over(name)
    if found.part != part:
        return JournalError(
            f"the key {claim.key!r} was given to partition {found.part}, too: each key belongs to "
            "one channel",
            reason="key",
        )
    entry = found.entry
    if entry.run != claim.run:
        return taken_over(name)
    if (entry.began, entry.outcome) == (claim.began, claim.outcome):
        return None
    return given_twice(claim.key)

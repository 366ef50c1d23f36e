"""The journal's entries of a draft: before an attempt, between two, and at the end. No I/O.

A request is in doubt if nobody knows whether the server acted on it. Each one may have made a
copy of the message.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from twake_async.deliveries import JournalEntry
from twake_async.errors import Outcome, OutcomeUnknownError, TwakeError
from twake_async.retry import combine

if TYPE_CHECKING:
    from twake_async.deliveries import Delivery

    from .item import Item

__all__ = ["error_of_this_run", "final_entry", "in_doubt", "paused_entry", "retry_entry"]

_DELIVERED = (Outcome.DELIVERED, "")


def retry_entry(item: Item, entry: JournalEntry) -> JournalEntry:
    """Return the intent of another attempt.

    Args:
        item: The draft.
        entry: Its first intent.

    """
    unknown = item.in_doubt + item.attempts.unknown
    return attrs.evolve(
        entry,
        attempts=len(item.attempts.outcomes),
        unknown_requests=unknown,
        maybe_duplicated=_may_be_twice(item, unknown, None),
    )


def paused_entry(item: Item, entry: JournalEntry) -> JournalEntry:
    """Return the entry of a draft between two attempts: its outcome, if it is not sent again.

    Args:
        item: The draft.
        entry: Its first intent.

    """
    outcomes = item.attempts.outcomes
    outcome, reason = Outcome.UNKNOWN, "interrupted"
    if not item.in_doubt:  # else no attempt of this run proves anything about an earlier run's
        outcome = combine(outcome for outcome, _ in outcomes)
        reason = next(reason for each, reason in reversed(outcomes) if each is outcome)
    unknown = item.in_doubt + item.attempts.unknown
    return attrs.evolve(
        entry,
        outcome=outcome,
        reason=reason,
        attempts=len(outcomes),
        ended=time.time(),
        unknown_requests=unknown,
        maybe_duplicated=_may_be_twice(item, unknown, outcome),
    )


def final_entry(item: Item, entry: JournalEntry, delivery: Delivery) -> JournalEntry:
    """Return the entry of a draft that has its outcome.

    Args:
        item: The draft.
        entry: Its first intent.
        delivery: The delivery with its outcome.

    """
    message, error = delivery.message, delivery.error
    own = error_of_this_run(error)
    unknown = in_doubt(item, own.outcome if isinstance(own, TwakeError) else delivery.outcome)
    return JournalEntry(
        entry.key,
        entry.fingerprint,
        entry.channel_id,
        entry.front_id,
        entry.run,
        entry.began,
        delivery.outcome,
        "" if error is None else error.reason,
        None if message is None else message.id,
        _may_be_twice(item, unknown, delivery.outcome)
        or bool(message and message.maybe_duplicated),
        delivery.attempts,
        time.time(),
        unknown,
        entry.minted,
        entry.marker,
    )


def in_doubt(item: Item, outcome: Outcome) -> int:
    """Return how many requests are in doubt after the attempts of this run.

    Args:
        item: The draft.
        outcome: What the attempts of this run prove together.

    """
    attempts = item.attempts
    unknown = item.in_doubt + attempts.unknown
    is_open = attempts.begun > len(attempts.outcomes)
    if outcome is Outcome.UNKNOWN:
        return max(1, unknown + is_open)
    was_answered = attempts.outcomes[-1:] == [_DELIVERED]
    if unknown and outcome is Outcome.DELIVERED and not (is_open or was_answered):
        # No answer reported it: the message was found, and one of the requests in doubt made it.
        return unknown - 1
    return unknown


def _may_be_twice(item: Item, unknown: int, outcome: Outcome | None) -> bool:
    others = unknown if outcome is None or outcome is Outcome.DELIVERED else unknown - 1
    return others > 0 and not item.repeatable


def error_of_this_run(error: BaseException | None) -> BaseException | None:
    """Return the error of this run's attempts: `error`, or its cause if it is of an earlier run."""
    if isinstance(error, OutcomeUnknownError) and error.reason == "interrupted":
        return error.__cause__
    return error

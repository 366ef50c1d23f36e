"""Makes the `Delivery` of a draft that was delivered, failed or is unfinished. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async.deliveries import Delivery, error_for, still_unknown
from twake_async.errors import NotSentError, Outcome
from twake_async.retry import combine

from .entries import error_of_this_run, in_doubt

if TYPE_CHECKING:
    from twake_async.errors import TwakeError
    from twake_async.messages import Message

    from .item import Item

__all__ = ["delivered", "failed", "holds_channel", "is_own", "unfinished", "was_cooling"]


def delivered(item: Item, message: Message) -> Delivery:
    """Return the delivery of a draft.

    Args:
        item: The draft.
        message: The message, as the server gave it.

    """
    if in_doubt(item, Outcome.DELIVERED) and not item.repeatable:
        message = attrs.evolve(message, maybe_duplicated=True)
    attempts = len(item.attempts.outcomes)
    return Delivery(item.draft, Outcome.DELIVERED, message, None, attempts, item.key)


def failed(item: Item, error: TwakeError) -> Delivery:
    """Return the delivery of a draft that was not delivered.

    Args:
        item: The draft.
        error: The error of this run.

    """
    if item.in_doubt:
        error = still_unknown(error)
    return Delivery(item.draft, error.outcome, None, error, error.attempts, item.key)


def unfinished(item: Item) -> Delivery:
    """Return the delivery of a draft whose send was cancelled, or never began."""
    outcomes = item.attempts.outcomes
    if (message := item.observed) is not None:
        return delivered(item, message)
    outcome = combine(outcome for outcome, _ in outcomes)
    reasons = {Outcome.NOT_SENT: "stopped", Outcome.REFUSED: "later"}
    error = error_for(outcome, reasons.get(outcome, "cancelled"), "its batch ended before it began")
    error.attempts = len(outcomes)
    error.front_id = item.front_id
    return failed(item, error)


def holds_channel(hold_after: str | None, after_unknown: str, outcome: Outcome) -> bool:
    """Say whether a draft with this outcome holds its channel.

    Args:
        hold_after: The argument of `send_many`.
        after_unknown: The argument of `send_many`.
        outcome: The outcome of the draft.

    """
    if hold_after == "failure":
        return outcome is not Outcome.DELIVERED
    return outcome is Outcome.UNKNOWN and (hold_after or after_unknown) in ("unknown", "hold")


def is_own(delivery: Delivery, *, is_kept: bool) -> bool:
    """Say whether a batch over a shared journal reports a delivery after it ended early.

    Another machine goes on with the drafts that were not sent. A delivery is certain.

    Args:
        delivery: The delivery of the draft in this run.
        is_kept: Whether this run has written it to the journal.

    """
    if delivery.from_journal or delivery.outcome is Outcome.DELIVERED:
        return True
    return is_kept and delivery.outcome is not Outcome.NOT_SENT


def was_cooling(delivery: Delivery) -> bool:
    """Say whether a draft was not sent only because the server had asked for a pause."""
    error = error_of_this_run(delivery.error)
    return isinstance(error, NotSentError) and error.reason == "cooldown"

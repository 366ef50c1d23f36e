"""What became of a draft of a batch, as a `Delivery` and as the journal's entry. No I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from .deliveries import Delivery, JournalEntry, error_for, with_doubt
from .errors import NotSentError, Outcome, OutcomeUnknownError, TwakeError
from .retry import fold

if TYPE_CHECKING:
    from ._resume import Item
    from .messages import Message

    Seen = list[tuple[Outcome, str]]
    """The outcome and the reason of each attempt, in order."""

__all__ = ["delivered", "failed", "paused", "settled", "unfinished", "was_cooling"]


def delivered(item: Item, message: Message, attempts: int) -> Delivery:
    """Return the end of a draft whose message the server gave back."""
    key = item.entry.key if item.entry else None
    if item.doubt and item.draft.id is None:
        message = attrs.evolve(message, maybe_duplicated=True)
    return Delivery(item.draft, Outcome.DELIVERED, message, None, attempts, key)


def failed(item: Item, error: TwakeError) -> Delivery:
    """Return the end of a draft whose send raised an error."""
    key = item.entry.key if item.entry else None
    if item.doubt:
        error = with_doubt(error)
    return Delivery(item.draft, error.outcome, None, error, error.attempts, key)


def unfinished(item: Item, seen: Seen) -> Delivery:
    """Return the end of a draft whose send was cancelled, or never began, at the batch's end."""
    outcome = fold(outcome for outcome, _ in seen)
    reasons = {Outcome.NOT_SENT: "stopped", Outcome.REFUSED: "later"}
    error = error_for(outcome, reasons.get(outcome, "cancelled"), "the batch was ended before it")
    error.attempts = len(seen)
    error.front_id = item.entry.front_id if item.entry else item.draft.front_id
    return failed(item, error)


def was_cooling(delivery: Delivery) -> bool:
    """Say whether nothing but a pause that the server asked for kept a message from leaving."""
    error: BaseException | None = delivery.error
    if isinstance(error, OutcomeUnknownError) and error.reason == "interrupted":
        error = error.__cause__  # the doubt is an earlier run's, not one of this run's attempts
    return isinstance(error, NotSentError) and error.reason == "cooldown"


def paused(entry: JournalEntry, seen: Seen) -> JournalEntry:
    """Return the entry of a draft between two attempts, by the outcomes and reasons so far."""
    outcome, reason = Outcome.UNKNOWN, "interrupted"
    if not entry.maybe_duplicated:  # else no attempt of this run can tell about an earlier one's
        outcome = fold(outcome for outcome, _ in seen)
        reason = next(reason for each, reason in reversed(seen) if each is outcome)
    return attrs.evolve(
        entry, outcome=outcome, reason=reason, attempts=len(seen), ended=time.time()
    )


def settled(entry: JournalEntry, delivery: Delivery) -> JournalEntry:
    """Return the entry of a draft that has ended."""
    message, error = delivery.message, delivery.error
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
        message is not None and message.maybe_duplicated,
        delivery.attempts,
        time.time(),
    )

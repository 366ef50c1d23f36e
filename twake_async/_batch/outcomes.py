"""What became of a draft of a batch, as a `Delivery` and as the journal's entry. No I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from twake_async.deliveries import Delivery, JournalEntry, error_for, with_doubt
from twake_async.errors import NotSentError, Outcome, OutcomeUnknownError, TwakeError
from twake_async.retry import combine

if TYPE_CHECKING:
    from twake_async._journal.resume import Item
    from twake_async.messages import Message

__all__ = [
    "delivered",
    "failed",
    "holds",
    "intent",
    "paused",
    "settled",
    "unfinished",
    "was_cooling",
]

_DELIVERED = (Outcome.DELIVERED, "")


def delivered(item: Item, message: Message) -> Delivery:
    """Return the end of a draft whose message the server gave back."""
    key = item.entry.key if item.entry else None
    in_doubt = _in_doubt(item, Outcome.DELIVERED)
    if in_doubt and not item.repeatable:
        message = attrs.evolve(message, maybe_duplicated=True)
    return Delivery(item.draft, Outcome.DELIVERED, message, None, len(item.tried.seen), key)


def failed(item: Item, error: TwakeError) -> Delivery:
    """Return the end of a draft whose send raised an error."""
    key = item.entry.key if item.entry else None
    if item.doubts:
        error = with_doubt(error)
    return Delivery(item.draft, error.outcome, None, error, error.attempts, key)


def unfinished(item: Item) -> Delivery:
    """Return the end of a draft whose send was cancelled, or never began, at the batch's end."""
    seen = item.tried.seen
    outcome = combine(outcome for outcome, _ in seen)
    reasons = {Outcome.NOT_SENT: "stopped", Outcome.REFUSED: "later"}
    error = error_for(outcome, reasons.get(outcome, "cancelled"), "the batch was ended before it")
    error.attempts = len(seen)
    error.front_id = item.entry.front_id if item.entry else item.draft.front_id
    return failed(item, error)


def holds(hold_after: str | None, after_unknown: str, outcome: Outcome) -> bool:
    """Say whether a message that ended so holds its channel, by two arguments of `send_many`."""
    if hold_after == "failure":
        return outcome is not Outcome.DELIVERED
    return outcome is Outcome.UNKNOWN and (hold_after or after_unknown) in ("unknown", "hold")


def was_cooling(delivery: Delivery) -> bool:
    """Say whether nothing but a pause that the server asked for kept a message from leaving."""
    error = _of_this_run(delivery.error)
    return isinstance(error, NotSentError) and error.reason == "cooldown"


def _of_this_run(error: BaseException | None) -> BaseException | None:
    """Return the error of this run's attempts, behind the one that tells of an earlier run's."""
    if isinstance(error, OutcomeUnknownError) and error.reason == "interrupted":
        return error.__cause__
    return error


# --- how many requests are in doubt ---------------------------------------------------------------
# A request is in doubt where nobody knows whether the server acted on it. Each one may have made a
# copy of the message.


def _in_doubt(item: Item, outcome: Outcome) -> int:
    """Return how many requests are in doubt once this run's attempts have ended so."""
    tried = item.tried
    lost = item.doubts + tried.lost
    is_open = tried.begun > len(tried.seen)
    if outcome is Outcome.UNKNOWN:
        return max(1, lost + is_open)
    answered = tried.seen[-1:] == [_DELIVERED]
    if lost and outcome is Outcome.DELIVERED and not (is_open or answered):
        # No attempt was answered so: a look found what one of the requests in doubt had made.
        return lost - 1
    return lost


def _may_be_twice(item: Item, in_doubt: int, outcome: Outcome | None) -> bool:
    others = in_doubt if outcome is None or outcome is Outcome.DELIVERED else in_doubt - 1
    return others > 0 and not item.repeatable


# --- the journal's entries ------------------------------------------------------------------------


def intent(item: Item, entry: JournalEntry) -> JournalEntry:
    """Return the entry of a draft before another attempt."""
    lost = item.doubts + item.tried.lost
    return attrs.evolve(
        entry,
        attempts=len(item.tried.seen),
        unknown_requests=lost,
        maybe_duplicated=_may_be_twice(item, lost, None),
    )


def paused(item: Item, entry: JournalEntry) -> JournalEntry:
    """Return the entry of a draft between two attempts, by the outcomes and reasons so far."""
    seen = item.tried.seen
    outcome, reason = Outcome.UNKNOWN, "interrupted"
    if not item.doubts:  # else no attempt of this run can tell about an earlier one's
        outcome = combine(outcome for outcome, _ in seen)
        reason = next(reason for each, reason in reversed(seen) if each is outcome)
    lost = item.doubts + item.tried.lost
    return attrs.evolve(
        entry,
        outcome=outcome,
        reason=reason,
        attempts=len(seen),
        ended=time.time(),
        unknown_requests=lost,
        maybe_duplicated=_may_be_twice(item, lost, outcome),
    )


def settled(item: Item, entry: JournalEntry, delivery: Delivery) -> JournalEntry:
    """Return the entry of a draft that has ended."""
    message, error = delivery.message, delivery.error
    own = _of_this_run(error)
    in_doubt = _in_doubt(item, own.outcome if isinstance(own, TwakeError) else delivery.outcome)
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
        _may_be_twice(item, in_doubt, delivery.outcome),
        delivery.attempts,
        time.time(),
        in_doubt,
        entry.minted,
    )

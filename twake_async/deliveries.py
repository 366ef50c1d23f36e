"""What became of a draft, as values: `Delivery`, `Progress`, `JournalEntry`, their errors."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import attrs

from .errors import NotSentError, Outcome, OutcomeUnknownError, RefusedError, TwakeError
from .messages import Message, MessageDraft

Given = MessageDraft | Mapping[str, Any] | tuple[str, Any]
"""What stands for a draft: the draft, its fields, or its channel's id and its content."""
Drafts = Iterable[Given] | AsyncIterable[Given]

__all__ = ["Delivery", "JournalEntry", "Pause", "Progress", "error_for", "stopped", "with_doubt"]


@attrs.frozen
class Delivery:
    """What became of one draft of a batch."""

    draft: MessageDraft
    """The draft that the input gave, or that was made of a mapping or a tuple. Where none can be
    made, it is what the input gave."""

    outcome: Outcome
    """What is certain about it."""

    message: Message | None = None
    """The message where it was delivered. From the journal of an earlier run: only its ids."""

    error: TwakeError | None = None
    """Why it was not, with the same outcome."""

    attempts: int = 0
    """How many attempts this run made."""

    key: str | None = None
    """What the journal knows it by; None without a journal."""

    from_journal: bool = False
    """Whether an earlier run ended it, and this one only reports what the journal says."""

    def raise_for_outcome(self) -> Message:
        """Return the message that was delivered, or raise the error.

        Raises:
            TwakeError: The draft was not, or not certainly, delivered.

        """
        if self.error is not None:
            raise self.error
        assert self.message is not None  # noqa: S101 - a Delivery has one or the other
        return self.message


@attrs.frozen
class Pause:
    """A pause of a batch: the server seems to be down, and is asked until it answers."""

    reason: str
    """Why it began: the `reason` of the last `OutcomeUnknownError`, such as `gateway`."""

    seconds: float
    """How long it has lasted so far."""

    is_over: bool
    """Whether the server has answered, so that the batch goes on."""


@attrs.frozen
class Progress:
    """How far a batch is; told each time that a draft ends, and of each pause."""

    delivery: Delivery | None
    """The draft that ended now; None where a pause is told."""

    counts: Mapping[Outcome, int]
    """How many ended so far, by outcome."""

    taken: int
    """How many were taken from the input."""

    pause: Pause | None = None
    """The pause that has begun, goes on or is over; None where a draft ended."""

    @property
    def ended(self) -> int:
        """How many ended so far."""
        return sum(self.counts.values())


@attrs.frozen
class JournalEntry:
    """What the journal knows of one message: a row of its table `message`."""

    key: str
    """The draft's position in the input, or what the caller's `key` made of it."""

    fingerprint: str
    """A hash of what the draft asks for, its `front_id` aside."""

    channel_id: str
    """The channel."""

    front_id: str | None
    """The id sent with it, the same in all runs; None for an edit."""

    run: int
    """The run that last began it."""

    began: float
    """When it was last begun, in Unix seconds."""

    outcome: Outcome | None = None
    """What is certain; None while it is on its way."""

    reason: str = ""
    """The error's word; empty where there was none."""

    message_id: str | None = None
    """The server's id of it."""

    maybe_duplicated: bool = False
    """Whether a second copy of it may be in the channel."""

    attempts: int = 0
    """How many attempts its last run made."""

    ended: float | None = None
    """When it ended, in Unix seconds."""

    unknown_requests: int = 0
    """How many of its requests, of all runs, may or may not have been acted on.

    While it is on its way, the request that is on its way does not count. A delivered message's
    own request does not count either: each one that counts may have made a copy more.
    """

    minted: bool = False
    """Whether the `front_id` was minted for this message alone; False where the caller gave it."""


_KINDS = {Outcome.REFUSED: RefusedError, Outcome.NOT_SENT: NotSentError}
_WORDS = {
    Outcome.REFUSED: "the server answered, and stored nothing",
    Outcome.NOT_SENT: "the message was not sent",
    Outcome.UNKNOWN: "it is not known whether the message arrived",
}


def error_for(outcome: Outcome, reason: str, detail: str) -> TwakeError:
    """Return the error that stands for an outcome; a delivery without its message is unknown."""
    if outcome is Outcome.DELIVERED:
        outcome = Outcome.UNKNOWN
    kind = _KINDS.get(outcome, OutcomeUnknownError)
    return kind(f"{_WORDS[outcome]}: {detail}", reason=reason)


def stopped(cause: BaseException | None = None) -> TwakeError:
    """Return the error of a message that its batch does not send, since it has ended."""
    error = error_for(Outcome.NOT_SENT, "stopped", "the batch was ended before it")
    error.__cause__ = cause
    return error


def with_doubt(error: TwakeError) -> TwakeError:
    """Return the error of a draft that was sent again after an earlier run lost sight of it."""
    if error.outcome is Outcome.UNKNOWN:
        return error
    doubt = error_for(
        Outcome.UNKNOWN, "interrupted", "an earlier run ended while it was on its way"
    )
    doubt.__cause__ = error
    doubt.front_id, doubt.attempts, doubt.elapsed = error.front_id, error.attempts, error.elapsed
    return doubt

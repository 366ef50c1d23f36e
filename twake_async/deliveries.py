"""The outcome of a draft as values: `Delivery`, `Progress`, `JournalEntry`, and their errors."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import attrs

from ._summary import excerpt, summary
from .errors import NotSentError, Outcome, OutcomeUnknownError, RefusedError, TwakeError
from .messages import Message, MessageDraft

Given = MessageDraft | Mapping[str, Any] | tuple[str, Any]
"""The forms of a draft: the draft, its fields, or its channel's id and its content."""
Drafts = Iterable[Given] | AsyncIterable[Given]

__all__ = ["Delivery", "JournalEntry", "Pause", "Progress", "error_for", "still_unknown", "stopped"]


@attrs.frozen(repr=False)
class Delivery:
    """The outcome of one draft of a batch."""

    draft: MessageDraft
    """The draft of the input, or the draft made from a mapping or a tuple.

    If no draft can be made, it is the mapping, tuple or other object of the input.
    """

    outcome: Outcome
    """What is certain about it."""

    message: Message | None = None
    """The message, if it was delivered. If an earlier run delivered it, it has only the ids."""

    error: TwakeError | None = None
    """The error with the same outcome, if the message was not delivered."""

    attempts: int = 0
    """The number of attempts of this run."""

    key: str | None = None
    """Its key in the journal; None without a journal."""

    from_journal: bool = False
    """Whether the outcome is that of an earlier run, from the journal."""

    def raise_for_outcome(self) -> Message:
        """Return the message that was delivered, or raise the error.

        Raises:
            TwakeError: The draft was not delivered, or its delivery is not certain.

        """
        if self.error is not None:
            raise self.error
        assert self.message is not None  # noqa: S101 - a Delivery has one or the other
        return self.message

    def __repr__(self) -> str:
        content, channel_id = self.draft, None
        if isinstance(self.draft, MessageDraft):
            content, channel_id = self.draft.content, self.draft.channel_id
        return summary(
            self,
            self.outcome.name,
            "" if content is None else excerpt(content),
            reason=None if self.error is None else self.error.reason,
            message=None if self.message is None else self.message.id,
            channel=channel_id,
            key=self.key,
            attempts=self.attempts if self.attempts > 1 else None,
            from_journal=self.from_journal,
        )


@attrs.frozen
class Pause:
    """A pause of a batch: the server seems to be down, and the batch waits until it answers."""

    reason: str
    """Why the pause began: the `reason` of the last `OutcomeUnknownError`, such as `gateway`."""

    seconds: float
    """How long the pause has lasted so far."""

    is_over: bool
    """Whether the pause is over, because the server answered."""


@attrs.frozen
class Progress:
    """The progress of a batch, given to `on_progress` for each draft that ends and each pause."""

    delivery: Delivery | None
    """The draft that has ended; None for a pause."""

    counts: Mapping[Outcome, int]
    """The number of drafts that have ended so far, by outcome."""

    taken: int
    """The number of drafts that were read from the input."""

    pause: Pause | None = None
    """The pause that began, continues or is over; None for a draft."""

    @property
    def ended(self) -> int:
        """The number of drafts that have ended so far."""
        return sum(self.counts.values())


@attrs.frozen
class JournalEntry:
    """The record of one message in the journal: a row of the table `message`."""

    key: str
    """The draft's position in the input, or the result of your `key` function."""

    fingerprint: str
    """A hash of the draft without its `front_id`."""

    channel_id: str
    """The channel."""

    front_id: str | None
    """The id that is sent with the message, the same in all runs; None for an edit."""

    run: int
    """The last run that began the message."""

    began: float
    """When the last run began the message, in Unix seconds."""

    outcome: Outcome | None = None
    """Its outcome; None while it is in flight."""

    reason: str = ""
    """The reason of the error; empty if there was none."""

    message_id: str | None = None
    """The id that the server gave to the message."""

    maybe_duplicated: bool = False
    """Whether a second copy of it may be in the channel."""

    attempts: int = 0
    """The number of attempts of the last run."""

    ended: float | None = None
    """When the outcome was certain, in Unix seconds."""

    unknown_requests: int = 0
    """The number of requests, of all runs, that may or may not have made a copy.

    The request that is in flight does not count, nor does the request that delivered the message.
    """

    minted: bool = False
    """Whether the session made the `front_id` for this message; False if you gave it."""

    marker: str | None = None
    """Over `api="node"`, the id that the session added to a `front_id` of yours."""


_KINDS = {Outcome.REFUSED: RefusedError, Outcome.NOT_SENT: NotSentError}
_WORDS = {
    Outcome.REFUSED: "the server answered, and stored nothing",
    Outcome.NOT_SENT: "the message was not sent",
    Outcome.UNKNOWN: "it is not known whether the message arrived",
}


def error_for(outcome: Outcome, reason: str, detail: str) -> TwakeError:
    """Return the error that stands for an outcome.

    Args:
        outcome: The outcome. `DELIVERED` without its message is `UNKNOWN`.
        reason: The reason of the error.
        detail: One clause for a person.

    """
    if outcome is Outcome.DELIVERED:
        outcome = Outcome.UNKNOWN
    kind = _KINDS.get(outcome, OutcomeUnknownError)
    return kind(f"{_WORDS[outcome]}: {detail}", reason=reason)


def stopped(cause: BaseException | None = None) -> TwakeError:
    """Return the error of a draft that is not sent because its batch ended before.

    Args:
        cause: What ended the batch, if it was an error.

    """
    error = error_for(Outcome.NOT_SENT, "stopped", "its batch ended before it began")
    error.__cause__ = cause
    return error


def still_unknown(error: TwakeError) -> TwakeError:
    """Return the error of a draft that an earlier run left unknown and this run sent again.

    Args:
        error: The error of this run. It proves nothing about the requests of the earlier run.

    """
    if error.outcome is Outcome.UNKNOWN:
        return error
    doubt = error_for(Outcome.UNKNOWN, "interrupted", "an earlier run ended while it was in flight")
    doubt.__cause__ = error
    doubt.front_id, doubt.attempts, doubt.elapsed = error.front_id, error.attempts, error.elapsed
    return doubt

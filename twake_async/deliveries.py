"""The outcome of a draft as values: `Delivery`, `Progress`, `JournalEntry`, and their errors."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import attrs

from ._summary import excerpt, summary
from .errors import NotSentError, Outcome, OutcomeUnknownError, RefusedError, TwakeError
from .messages import Message, MessageDraft

Given = MessageDraft | Mapping[str, Any] | tuple[str, Any]
"""What stands for a draft: the draft, its fields, or its channel's id and its content."""
Drafts = Iterable[Given] | AsyncIterable[Given]

__all__ = ["Delivery", "JournalEntry", "Pause", "Progress", "error_for", "still_unknown", "stopped"]


@attrs.frozen(repr=False)
class Delivery:
    """The outcome of one draft of a batch."""

    draft: MessageDraft
    """The draft that the input gave, or that was made of a mapping or a tuple.

    Where no draft can be made, it is what the input gave.
    """

    outcome: Outcome
    """What is certain about it."""

    message: Message | None = None
    """The message where it was delivered. From the journal of an earlier run: only its ids."""

    error: TwakeError | None = None
    """The error where it was not delivered, with the same outcome."""

    attempts: int = 0
    """How many attempts this run made."""

    key: str | None = None
    """Its key in the journal; None without a journal."""

    from_journal: bool = False
    """Whether the outcome is that of an earlier run, which the journal reports."""

    def raise_for_outcome(self) -> Message:
        """Return the message that was delivered, or raise the error.

        Raises:
            TwakeError: The draft was not, or not certainly, delivered.

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
    """A pause of a batch: the server seems to be down, and is probed until it answers."""

    reason: str
    """Why it began: the `reason` of the last `OutcomeUnknownError`, such as `gateway`."""

    seconds: float
    """How long it has lasted so far."""

    is_over: bool
    """Whether the server has answered, so that the batch goes on."""


@attrs.frozen
class Progress:
    """How far a batch is. `on_progress` gets one for each draft with an outcome and each pause."""

    delivery: Delivery | None
    """The draft that has its outcome now; None for a pause."""

    counts: Mapping[Outcome, int]
    """How many drafts have an outcome so far, by outcome."""

    taken: int
    """How many drafts were read from the input."""

    pause: Pause | None = None
    """The pause that has begun, goes on or is over; None for a draft."""

    @property
    def ended(self) -> int:
        """How many drafts have an outcome so far."""
        return sum(self.counts.values())


@attrs.frozen
class JournalEntry:
    """What the journal knows of one message: a row of its table `message`."""

    key: str
    """The draft's position in the input, or what the caller's `key` made of it."""

    fingerprint: str
    """A hash of what the draft asks for, without its `front_id`."""

    channel_id: str
    """The channel."""

    front_id: str | None
    """The id sent with it, the same in all runs; None for an edit."""

    run: int
    """The run that last began it."""

    began: float
    """When it was last begun, in Unix seconds."""

    outcome: Outcome | None = None
    """Its outcome; None while it is on its way."""

    reason: str = ""
    """The reason of the error; empty where there was none."""

    message_id: str | None = None
    """The server's id for it."""

    maybe_duplicated: bool = False
    """Whether a second copy of it may be in the channel."""

    attempts: int = 0
    """How many attempts its last run made."""

    ended: float | None = None
    """When its outcome was known, in Unix seconds."""

    unknown_requests: int = 0
    """How many of its requests, of all runs, the server may or may not have acted on.

    The request that is on its way does not count, nor does the request that delivered the message.
    Each one that counts may have made one copy more.
    """

    minted: bool = False
    """Whether the `front_id` was minted for this message; False where the caller gave it."""

    marker: str | None = None
    """Over `api="node"`, the id that was minted beside a `front_id` of the caller's."""


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
    error = error_for(Outcome.NOT_SENT, "stopped", "the batch was ended before it")
    error.__cause__ = cause
    return error


def still_unknown(error: TwakeError) -> TwakeError:
    """Return the error of a draft that an earlier run left unknown and this run sent again.

    Args:
        error: The error of this run. It proves nothing about the requests of the earlier run.

    """
    if error.outcome is Outcome.UNKNOWN:
        return error
    doubt = error_for(
        Outcome.UNKNOWN, "interrupted", "an earlier run ended while it was on its way"
    )
    doubt.__cause__ = error
    doubt.front_id, doubt.attempts, doubt.elapsed = error.front_id, error.attempts, error.elapsed
    return doubt

"""One draft of a batch: what was read, what the journal says of it, and the attempts to send it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async.deliveries import Delivery
from twake_async.errors import Outcome
from twake_async.messages import MessageDraft

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._protocol.generation import EncodedDraft, SaveRequest
    from twake_async.deliveries import JournalEntry
    from twake_async.errors import TwakeError
    from twake_async.messages import Message

    Look = Callable[[SaveRequest, int], Awaitable[Message | None]]

__all__ = ["AttemptLog", "Item", "not_sent"]


@attrs.define(eq=False)
class AttemptLog:
    """The attempts that this run made for one draft, as far as they are known."""

    outcomes: list[tuple[Outcome, str]] = attrs.field(factory=list)
    """The outcome and the reason of each attempt that has ended, in order."""

    begun: int = 0
    """How many attempts began; the outcome of the last one may not be known."""

    unknown: int = 0
    """How many of them ended `UNKNOWN`."""

    def begin(self) -> None:
        """Note that an attempt begins; a second call before its outcome means the same attempt."""
        self.begun = len(self.outcomes) + 1

    def drop(self) -> None:
        """Note that the attempt which began did not take place."""
        self.begun = len(self.outcomes)

    def add(self, outcome: Outcome, reason: str) -> None:
        """Note the outcome of an attempt."""
        self.outcomes.append((outcome, reason))
        self.unknown += outcome is Outcome.UNKNOWN

    def clear(self) -> None:
        """Forget all attempts, for another draft."""
        self.outcomes.clear()
        self.begun = self.unknown = 0


#: The log of a draft for which no attempt was made.
_NO_ATTEMPTS = AttemptLog()


@attrs.define(eq=False)
class Item:
    """A draft that was read from the input."""

    draft: MessageDraft
    """The draft, or whatever the input gave in its place."""

    channel: str | None = None
    """The channel whose order it keeps; None for none."""

    known: Delivery | None = None
    """Its outcome, if that is known without sending it."""

    request: SaveRequest | None = None
    """The request that sends it; None if it is not sent, whatever a look finds."""

    entry: JournalEntry | None = None
    """The intent for the journal; None without a journal."""

    pending: tuple[EncodedDraft, JournalEntry] | None = None
    """The encoded draft and its intent, until a shared journal is asked about them; else None."""

    begun: bool = False
    """Whether its intent was given to the journal."""

    attempts: AttemptLog = _NO_ATTEMPTS
    """The attempts of this run; the worker that sends it puts its own log here."""

    @property
    def key(self) -> str | None:
        """Its key in the journal; None without a journal."""
        return None if self.entry is None else self.entry.key

    @property
    def front_id(self) -> str | None:
        """The `front_id` that it is sent with; None if it is not sent, or has none."""
        return None if self.request is None else self.request.front_id

    @property
    def may_be_there(self) -> bool:
        """Whether an earlier run left it unknown, so that a look may find it."""
        steps = None if self.request is None else self.request.steps
        return self.in_doubt > 0 and steps is not None and steps.can_read and steps.can_look

    @property
    def observed(self) -> Message | None:
        """The message, if an event showed it: one of the requests of this run has made it."""
        steps = None if self.request is None else self.request.steps
        return None if steps is None else steps.observed(self.attempts.unknown)

    @property
    def in_doubt(self) -> int:
        """How many requests of earlier runs may or may not have delivered it."""
        return 0 if self.entry is None else self.entry.unknown_requests

    @property
    def repeatable(self) -> bool:
        """Whether it does no harm to send it twice: it is an edit."""
        return self.draft.id is not None


def not_sent(draft: MessageDraft, error: TwakeError) -> Item:
    """Return the item of a draft that will not be sent.

    Args:
        draft: The draft, or whatever the input gave in its place.
        error: Why it will not be sent.

    """
    # It takes its turn in its channel, and may hold the channel. Input that is no draft has none.
    channel = draft.channel_id if isinstance(draft, MessageDraft) else None
    return Item(draft, channel, known=Delivery(draft, Outcome.NOT_SENT, error=error))

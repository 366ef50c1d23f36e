"""What a journal makes of a draft: send it, report what is known, or refuse it. No I/O."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._protocol.json_codec import Codec
from twake_async._protocol.v1.api import Api
from twake_async._protocol.v1.encode import encode_save
from twake_async.deliveries import Delivery, JournalEntry, error_for
from twake_async.errors import JournalError, Outcome, TwakeError
from twake_async.messages import Message, MessageDraft

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Item",
    "Tried",
    "fingerprint",
    "key_of",
    "recall",
    "with_front_id",
]


@attrs.define(eq=False)
class Tried:
    """The attempts that this run made for one message, as far as they are known."""

    seen: list[tuple[Outcome, str]] = attrs.field(factory=list)
    """The outcome and the reason of each attempt that ended, in order."""

    begun: int = 0
    """How many attempts began; the last one's end may not be known."""

    lost: int = 0
    """How many of them ended `UNKNOWN`."""

    def begin(self) -> None:
        """Note that an attempt begins; one whose end is not known yet is the same one."""
        self.begun = len(self.seen) + 1

    def note(self, outcome: Outcome, reason: str) -> None:
        """Note the end of an attempt."""
        self.seen.append((outcome, reason))
        self.lost += outcome is Outcome.UNKNOWN

    def clear(self) -> None:
        """Forget all, for another message."""
        self.seen.clear()
        self.begun = self.lost = 0


#: Of a message that never left.
_NOTHING_TRIED = Tried()


@attrs.define(eq=False)
class Item:
    """A draft that was taken from the input."""

    draft: MessageDraft
    """The draft, or whatever the input gave in its place."""

    channel: str | None = None
    """The channel whose order it keeps."""

    known: Delivery | None = None
    """What became of it, where that is known without sending it."""

    entry: JournalEntry | None = None
    """What goes into the journal before it leaves."""

    ready: MessageDraft | None = None
    """The draft with its `front_id`, where there is a journal to keep it."""

    doubts: int = 0
    """How many requests of earlier runs may or may not have delivered it."""

    begun: bool = False
    """Whether its intent was given to the journal."""

    tried: Tried = _NOTHING_TRIED
    """What this run tried; a worker that sends it puts its own in."""

    @property
    def repeatable(self) -> bool:
        """Whether its request does no harm twice: it is an edit."""
        return self.draft.id is not None


def not_sent(draft: MessageDraft, error: TwakeError, key: str | None = None) -> Item:
    """Return the item of a draft that will not be sent, for a reason found before."""
    # It takes its turn in its channel, which it may hold; what is no draft has no channel.
    channel = draft.channel_id if isinstance(draft, MessageDraft) else None
    return Item(draft, channel, known=Delivery(draft, Outcome.NOT_SENT, error=error, key=key))


def with_front_id(draft: MessageDraft) -> MessageDraft:
    """Return the draft with the `front_id` that it will have in all runs; an edit needs none."""
    if draft.front_id is not None or draft.id is not None:
        return draft
    return attrs.evolve(draft, front_id=str(uuid.uuid4()))


def fingerprint(draft: MessageDraft) -> str:
    """Return a hash of what the draft asks for; its `front_id`, which may be minted, aside.

    Equal drafts have equal hashes, whatever form their text goes out in.

    Raises:
        InvalidDraftError: The draft cannot be sent as it is.

    """
    request = encode_save(draft, group_id="-", text_form="plain", api=_CANONICAL)
    return hashlib.sha256(request.body).hexdigest()[:32]


def _in_order(document: dict[str, Any]) -> bytes:
    message = {name: value for name, value in document["message"].items() if name != "front_id"}
    return _sorted(message).encode()


_sorted = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode
#: Writes what a draft asks for alike, whatever the order of the keys in its maps.
_CANONICAL = Api(codec=Codec(_in_order, json.loads))


def key_of(draft: MessageDraft, position: int, make: Callable[[MessageDraft], str] | None) -> str:
    """Return the journal's key of a draft: what the caller makes of it, or its position.

    Raises:
        JournalError: The caller's function failed, or what it returned is no key.

    """
    if make is None:
        return f"{position:09d}"
    try:
        key = make(draft)
    except Exception as wrong:
        raise JournalError("the key function failed on a draft", reason="key") from wrong
    if not isinstance(key, str) or not key or not key.isprintable():
        raise JournalError(
            f"a key must be a non-empty, printable string, not {key!r}", reason="key"
        )
    return key


def recall(
    draft: MessageDraft,
    ready: MessageDraft,
    key: str,
    mark: str,
    found: JournalEntry | None,
    *,
    run: int,
    resume: Literal["report", "resend"],
) -> Item:
    """Return the item of a draft in the light of the journal.

    Args:
        draft: The draft.
        ready: The draft with its `front_id`.
        key: Its key.
        mark: Its fingerprint.
        found: What the journal has under the key.
        run: The number of this run.
        resume: What to do with what an earlier run lost sight of.

    Raises:
        JournalError: The journal has another draft under this key, or this run had the key.

    """
    entry = JournalEntry(
        key,
        mark,
        draft.channel_id,
        ready.front_id,
        run,
        time.time(),
        minted=ready.front_id is not draft.front_id,
    )
    if found is None:
        return Item(draft, draft.channel_id, entry=entry, ready=ready)
    if found.run == run:
        raise twice(key)
    if found.fingerprint != mark:
        raise JournalError(
            f"the draft is not the one that the journal knows by the key {key!r}: the input was "
            "changed. Restore it, or use a new journal for what is new",
            reason="changed",
        )
    in_doubt = found.outcome is Outcome.UNKNOWN
    if found.outcome is Outcome.DELIVERED or (in_doubt and resume == "report"):
        return Item(draft, draft.channel_id, known=_report(draft, found))
    doubts = found.unknown_requests
    entry = attrs.evolve(
        entry,
        front_id=found.front_id,
        minted=found.minted,
        unknown_requests=doubts,
        maybe_duplicated=doubts > 0 and draft.id is None,
    )
    ready = attrs.evolve(draft, front_id=found.front_id)
    return Item(draft, draft.channel_id, entry=entry, ready=ready, doubts=doubts)


def twice(key: str) -> JournalError:
    """Return the error for a key that the input gave before."""
    return JournalError(f"the key {key!r} was given twice", reason="key")


def _report(draft: MessageDraft, found: JournalEntry) -> Delivery:
    assert found.outcome is not None  # noqa: S101 - opening the journal left none in flight
    message = error = None
    if found.outcome is Outcome.DELIVERED:
        message = Message(
            id=found.message_id or "",
            front_id=found.front_id or "",
            channel_id=found.channel_id,
            parent_message_id=draft.parent_message_id or "",
            maybe_duplicated=found.maybe_duplicated,
        )
    else:
        error = error_for(
            found.outcome,
            found.reason,
            'an earlier run lost sight of it; give resume="resend" to send it again',
        )
        error.front_id = found.front_id
    return Delivery(draft, found.outcome, message, error, key=found.key, from_journal=True)

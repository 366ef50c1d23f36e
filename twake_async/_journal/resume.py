"""What a journal says of a draft: send it, or report what an earlier run did. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from twake_async.deliveries import Delivery, JournalEntry, error_for
from twake_async.errors import InvalidDraftError, JournalError, Outcome
from twake_async.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.messages import MessageDraft

__all__ = ["again", "check_storable", "given_twice", "key_of", "resume"]


def key_of(draft: MessageDraft, position: int, make: Callable[[MessageDraft], str] | None) -> str:
    """Return the journal's key of a draft.

    Args:
        draft: The draft.
        position: Its position in the input, from 0.
        make: Makes its key; None for its position.

    Raises:
        JournalError: The caller's function failed, or did not return a key (reason `key`).

    """
    if make is None:
        return f"{position:09d}"
    try:
        key = make(draft)
    except Exception as exc:
        raise JournalError("the key function failed on a draft", reason="key") from exc
    if not isinstance(key, str) or not key or not key.isprintable():
        raise JournalError(
            f"a key must be a non-empty, printable string, not {key!r}", reason="key"
        )
    return key


def given_twice(key: str) -> JournalError:
    """Return the error for a key that the input gave before."""
    return JournalError(f"the key {key!r} was given twice", reason="key")


def check_storable(draft: MessageDraft) -> None:
    """Raise `InvalidDraftError` for a draft whose ids PostgreSQL cannot keep."""
    if draft.front_id is not None and "\0" in draft.front_id:
        raise InvalidDraftError(
            "front_id holds a null character, which PostgreSQL cannot keep", field="front_id"
        )


def resume(
    draft: MessageDraft,
    intent: JournalEntry,
    found: JournalEntry | None,
    policy: Literal["report", "resend"],
) -> JournalEntry | Delivery:
    """Return the intent to send a draft, or the report of an earlier run that decides about it.

    Args:
        draft: The draft.
        intent: The entry with which this run would send it, if no earlier run had begun it.
        found: What the journal has under its key.
        policy: What to do with a message whose outcome the earlier runs do not know.

    Raises:
        JournalError: The journal has another draft under this key (reason `changed`), or this run
            had the key before (reason `key`).

    """
    if found is None:
        return intent
    _check_same(intent, found)
    is_unknown = found.outcome is Outcome.UNKNOWN
    if found.outcome is Outcome.DELIVERED or (is_unknown and policy == "report"):
        return _report(draft, found)
    return again(intent, found, repeatable=draft.id is not None)


def again(intent: JournalEntry, found: JournalEntry, *, repeatable: bool = False) -> JournalEntry:
    """Return the intent to send a draft that an earlier run had begun: with the ids of that run.

    Args:
        intent: The entry with which this run would send it for the first time.
        found: What the journal has.
        repeatable: Whether it does no harm to send it twice.

    """
    in_doubt = found.unknown_requests
    return attrs.evolve(
        intent,
        front_id=found.front_id,
        minted=found.minted,
        marker=found.marker,
        unknown_requests=in_doubt,
        maybe_duplicated=in_doubt > 0 and not repeatable,
    )


def _check_same(intent: JournalEntry, found: JournalEntry) -> None:
    if found.run == intent.run:
        raise given_twice(intent.key)
    if found.fingerprint != intent.fingerprint:
        raise JournalError(
            f"the draft differs from the one that the journal has for the key {intent.key!r}: "
            f"the input "
            "was changed. Restore it, or use a new journal for a new input",
            reason="changed",
        )


def _report(draft: MessageDraft, found: JournalEntry) -> Delivery:
    assert found.outcome is not None  # noqa: S101 - opening the journal gave each row its outcome
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
            "an earlier run ended before its outcome was known; to send it again, give "
            'resume="resend"',
        )
        error.front_id = found.front_id
    return Delivery(draft, found.outcome, message, error, key=found.key, from_journal=True)

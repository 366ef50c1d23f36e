"""The rows of the table `message`, and entries as JSON, which one parameter carries. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from twake_async.deliveries import JournalEntry
from twake_async.errors import Outcome

from .claims import Held

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["COLUMNS", "GIVEN", "entry_of", "held_of", "to_json"]

#: The columns that an entry gives, and their types.
GIVEN = {
    "key": "text",
    "fingerprint": "text",
    "channel_id": "text",
    "front_id": "text",
    "began": "double precision",
    "outcome": "text",
    "reason": "text",
    "message_id": "text",
    "maybe_duplicated": "boolean",
    "attempts": "integer",
    "ended": "double precision",
    "unknown_requests": "integer",
    "minted": "boolean",
    "marker": "text",
}
#: The columns of an entry as a row has them, in the order of `JournalEntry`, then the partition.
_NAMES = [field.name for field in attrs.fields(JournalEntry)]
COLUMNS = ", ".join("epoch" if name == "run" else name for name in _NAMES) + ", part"


def to_json(entries: Iterable[JournalEntry]) -> bytes:
    """Return entries as a JSON array of objects with the columns of `GIVEN`."""
    return json.dumps([_document(entry) for entry in entries]).encode()


def _document(entry: JournalEntry) -> dict[str, object]:
    return {
        "key": entry.key,
        "fingerprint": entry.fingerprint,
        "channel_id": entry.channel_id,
        "front_id": entry.front_id,
        "began": entry.began,
        "outcome": entry.outcome and entry.outcome.value,
        "reason": entry.reason,
        # A server may give an id with characters that no text of PostgreSQL can hold.
        "message_id": entry.message_id and _storable(entry.message_id),
        "maybe_duplicated": entry.maybe_duplicated,
        "attempts": entry.attempts,
        "ended": entry.ended,
        "unknown_requests": entry.unknown_requests,
        "minted": entry.minted,
        "marker": entry.marker,
    }


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode().replace("\0", "?")


def entry_of(row: tuple[str | None, ...]) -> JournalEntry:
    """Return the entry of a row with `COLUMNS`."""
    found = dict(zip(_NAMES, row, strict=False))
    ended, outcome = found["ended"], found["outcome"]
    return JournalEntry(
        key=found["key"] or "",
        fingerprint=found["fingerprint"] or "",
        channel_id=found["channel_id"] or "",
        front_id=found["front_id"],
        run=int(found["run"] or 0),
        began=float(found["began"] or 0),
        outcome=None if outcome is None else Outcome(outcome),
        reason=found["reason"] or "",
        message_id=found["message_id"],
        maybe_duplicated=found["maybe_duplicated"] == "t",
        attempts=int(found["attempts"] or 0),
        ended=None if ended is None else float(ended),
        unknown_requests=int(found["unknown_requests"] or 0),
        minted=found["minted"] == "t",
        marker=found["marker"],
    )


def held_of(row: tuple[str | None, ...]) -> Held:
    """Return the entry of a row with `COLUMNS`, and its partition."""
    return Held(int(row[-1] or 0), entry_of(row))

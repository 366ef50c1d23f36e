"""The journal's rows: the schema, an entry as a row, and the checksum of each row. No I/O.

docs/journal.md shows the schema, too; a test compares the two.
"""

from __future__ import annotations

import functools
import marshal
import zlib
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.deliveries import JournalEntry
from twake_async.errors import Outcome

from .errors import damaged

if TYPE_CHECKING:
    Row = tuple[Any, ...]

__all__ = [
    "APPLICATION_ID",
    "OUTCOME",
    "ROWS",
    "SCHEMA",
    "SELECT",
    "VERSION",
    "checked",
    "entry_of",
    "interrupted",
    "row_of",
    "upsert",
    "with_checksum",
]

#: "TWKJ": it marks an SQLite file as a journal.
APPLICATION_ID = 0x54574B4A
VERSION = 3
SCHEMA = """\
CREATE TABLE journal (
    target TEXT NOT NULL,
    keys TEXT NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    began REAL NOT NULL,
    ended REAL,
    checksum INTEGER NOT NULL
);
CREATE TABLE message (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    front_id TEXT,
    run INTEGER NOT NULL,
    began REAL NOT NULL,
    outcome TEXT,
    reason TEXT NOT NULL,
    message_id TEXT,
    maybe_duplicated INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    ended REAL,
    unknown_requests INTEGER NOT NULL,
    minted INTEGER NOT NULL,
    marker TEXT,
    checksum INTEGER NOT NULL
) WITHOUT ROWID;
"""

#: The most rows in one statement; SQLite takes 32,766 values.
ROWS = 64

_NAMES = tuple(field.name for field in attrs.fields(JournalEntry))
_COLUMNS = ", ".join((*_NAMES, "checksum"))
SELECT = f"SELECT {_COLUMNS} FROM message"  # noqa: S608 - names of this module
#: The column of the outcome in a row of `SELECT`.
OUTCOME = _NAMES.index("outcome")


@functools.cache
def upsert(rows: int) -> str:
    """Return the statement that writes rows of `message`, new ones or in place of old ones.

    Args:
        rows: How many.

    """
    values = ", ".join([f"({', '.join('?' * (len(_NAMES) + 1))})"] * rows)
    updates = ", ".join(f"{name} = excluded.{name}" for name in (*_NAMES[1:], "checksum"))
    return (
        f"INSERT INTO message ({_COLUMNS}) VALUES {values} "  # noqa: S608 - names of this module
        f"ON CONFLICT (key) DO UPDATE SET {updates}"
    )


def _checksum(values: Row) -> int:
    # Version 2 of marshal's format is the same in every release of Python 3; a test checks that.
    # JSON or repr() would take three times as long, twice for each message.
    return zlib.crc32(marshal.dumps(values, 2))


def with_checksum(*values: object) -> Row:
    """Return a row: the values, and their checksum in the last column."""
    return (*values, _checksum(values))


def checked(row: Row, path: str) -> Row:
    """Return a row that was read, after its checksum was compared.

    Raises:
        JournalError: It is not what was written (reason `damaged`).

    """
    if row[-1] != _checksum(row[:-1]):
        raise damaged(path, f"the checksum of the row {row[0]!r} is wrong")
    return row


def row_of(entry: JournalEntry) -> Row:
    """Return the row of an entry."""
    return with_checksum(
        entry.key,
        entry.fingerprint,
        entry.channel_id,
        entry.front_id,
        entry.run,
        entry.began,
        entry.outcome.value if entry.outcome else None,
        entry.reason,
        # A server may give an id with a lone surrogate, which no file can hold.
        entry.message_id and entry.message_id.encode(errors="replace").decode(),
        int(entry.maybe_duplicated),
        entry.attempts,
        entry.ended,
        entry.unknown_requests,
        int(entry.minted),
        entry.marker,
    )


def entry_of(row: Row) -> JournalEntry:
    """Return the entry of a row that was checked."""
    values = dict(zip(_NAMES, row, strict=False))
    values["outcome"] = Outcome(values["outcome"]) if values["outcome"] is not None else None
    values["maybe_duplicated"] = bool(values["maybe_duplicated"])
    values["minted"] = bool(values["minted"])
    return JournalEntry(**values)


def interrupted(entry: JournalEntry) -> JournalEntry:
    """Return the entry of a message whose run was killed while it was on its way.

    One more of its requests is in doubt: the request that the row was written for.
    """
    return attrs.evolve(
        entry,
        outcome=Outcome.UNKNOWN,
        reason="interrupted",
        unknown_requests=entry.unknown_requests + 1,
    )

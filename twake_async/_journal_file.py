"""The journal as an SQLite file: its schema, its lock, its reads and its grouped writes.

Nothing here knows an event loop. docs/journal.md tells people the schema; a test holds the two
together.
"""

from __future__ import annotations

import functools
import itertools
import os
import pathlib
import sqlite3
import time
from typing import TYPE_CHECKING, Literal, Self

import attrs

from .deliveries import JournalEntry
from .errors import JournalError, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SCHEMA", "VERSION", "JournalFile", "read_counts", "read_entries"]

#: "TWKJ": by it a journal is told from any other SQLite file.
APPLICATION_ID = 0x54574B4A
VERSION = 1
SCHEMA = """\
CREATE TABLE journal (
    target TEXT NOT NULL,
    keys TEXT NOT NULL
);
CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    began REAL NOT NULL,
    ended REAL
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
    ended REAL
) WITHOUT ROWID;
"""

Keys = Literal["position", "caller"]


_NAMES = tuple(field.name for field in attrs.fields(JournalEntry))
_COLUMNS = ", ".join(_NAMES)
#: Rows in one statement at the most; SQLite takes 32,766 values.
_ROWS = 64
_SELECT = f"SELECT {_COLUMNS} FROM message"  # noqa: S608 - names of this module
_IN_FLIGHT_NO_MORE = (
    "UPDATE message SET outcome = 'unknown', reason = 'interrupted' WHERE outcome IS NULL"
)


@functools.cache
def _upsert(rows: int) -> str:
    values = ", ".join([f"({', '.join('?' * len(_NAMES))})"] * rows)
    updates = ", ".join(f"{name} = excluded.{name}" for name in _NAMES[1:])
    return (
        f"INSERT INTO message ({_COLUMNS}) VALUES {values} "  # noqa: S608 - names of this module
        f"ON CONFLICT (key) DO UPDATE SET {updates}"
    )


def _row(entry: JournalEntry) -> tuple[object, ...]:
    outcome = entry.outcome.value if entry.outcome else None
    return (
        entry.key,
        entry.fingerprint,
        entry.channel_id,
        entry.front_id,
        entry.run,
        entry.began,
        outcome,
        entry.reason,
        # A server may give an id that holds half a character, which no file can.
        entry.message_id and entry.message_id.encode(errors="replace").decode(),
        int(entry.maybe_duplicated),
        entry.attempts,
        entry.ended,
    )


def _entry(row: tuple[object, ...]) -> JournalEntry:
    values = dict(zip(_NAMES, row, strict=True))
    values["outcome"] = Outcome(values["outcome"]) if values["outcome"] is not None else None
    values["maybe_duplicated"] = bool(values["maybe_duplicated"])
    return JournalEntry(**values)  # type: ignore[arg-type]


def as_journal_error(path: str, wrong: Exception) -> JournalError:
    """Return the error for what SQLite said, with what to do about it."""
    code = getattr(wrong, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return JournalError(
            f"the disk of the journal {path!r} is full: nothing more was sent. Make room and run "
            "again with the same input and journal",
            reason="full",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return JournalError(
            f"{path!r} is no journal: it is no SQLite file. Give the journal another name",
            reason="foreign",
        )
    return JournalError(
        f"the journal {path!r} cannot be opened, read or written ({wrong}): nothing more was "
        "sent. Mend that, or go back to a copy, and run again with the same input",
        reason="broken",
    )


@attrs.define(eq=False)
class JournalFile:
    """An open journal, locked against others. One thread writes, one reads."""

    path: str
    run: int
    last_key: str
    """The last key that earlier runs began, in the order of keys; empty where there is none."""
    _writer: sqlite3.Connection
    _reader: sqlite3.Connection
    _lock: sqlite3.Connection

    @classmethod
    def open(cls, path: str, *, target: str, keys: Keys) -> Self:
        """Open or make a journal, lock it, and begin a run in it.

        What an earlier run left in flight is `UNKNOWN` from here on.

        Args:
            path: The file.
            target: The server and group that its messages go to.
            keys: How its keys are made.

        Raises:
            JournalError: It is locked, foreign, of another version, for another target, broken.

        """
        opened: list[sqlite3.Connection] = []
        try:
            opened.append(_lock(path))
            opened.append(_connect(path))
            run = _begin_run(opened[1], path, target, keys)
            opened.append(_connect(path))
            last = opened[1].execute("SELECT max(key) FROM message").fetchone()[0] or ""
        except Exception as wrong:
            for connection in reversed(opened):
                connection.close()
            if isinstance(wrong, JournalError):
                raise
            raise as_journal_error(path, wrong) from wrong
        lock, writer, reader = opened
        return cls(path, run, last, writer, reader, lock)

    def find(self, key: str) -> JournalEntry | None:
        """Return the entry under a key, or None."""
        row = self._reader.execute(f"{_SELECT} WHERE key = ?", (key,)).fetchone()
        return None if row is None else _entry(row)

    def write(self, entries: Iterable[JournalEntry]) -> None:
        """Put entries on the disk, all or none; they are there when this returns."""
        rows = [_row(entry) for entry in entries]
        if len(rows) <= _ROWS:
            self._upsert(rows)
            return
        with self._writer:
            self._writer.execute("BEGIN")
            for start in range(0, len(rows), _ROWS):
                self._upsert(rows[start : start + _ROWS])

    def _upsert(self, rows: list[tuple[object, ...]]) -> None:
        # One statement for many rows: each one lets go of the interpreter's lock and waits for
        # it again, which beside a busy event loop costs more than the writing.
        self._writer.execute(_upsert(len(rows)), tuple(itertools.chain.from_iterable(rows)))

    def end_run(self) -> None:
        """Note that the run came to its end."""
        ended = (time.time(), self.run)
        self._writer.execute("UPDATE run SET ended = ? WHERE number = ?", ended)

    def close(self) -> None:
        """Close the file and give up the lock."""
        for connection in (self._reader, self._writer, self._lock):
            connection.close()


def _connect(path: str) -> sqlite3.Connection:
    # The reader is used by the event loop's thread, the others by the journal's own.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _lock(path: str) -> sqlite3.Connection:
    # A file of its own, so that people can query the journal during a run; SQLite's locks work
    # alike on every system, and end with the process.
    lock = sqlite3.connect(f"{path}-lock", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("PRAGMA journal_mode = MEMORY")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as wrong:
        lock.close()
        if wrong.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise as_journal_error(f"{path}-lock", wrong) from wrong
        raise JournalError(
            f"the journal {path!r} is used by another batch: wait for its end, or give each "
            "batch a journal of its own",
            reason="locked",
        ) from None
    return lock


def _begin_run(writer: sqlite3.Connection, path: str, target: str, keys: Keys) -> int:
    known = _check_schema(writer, path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    if known:
        _check_target(writer, path, (target, keys))
        writer.execute(_IN_FLIGHT_NO_MORE)
    else:
        for statement in SCHEMA.split(";\n")[:-1]:
            writer.execute(statement)
        writer.execute("INSERT INTO journal VALUES (?, ?)", (target, keys))
        writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        writer.execute(f"PRAGMA user_version = {VERSION}")
    run = writer.execute("INSERT INTO run (began) VALUES (?)", (time.time(),)).lastrowid
    writer.execute("COMMIT")
    assert run is not None  # noqa: S101 - a row was inserted
    return run


def _check_schema(connection: sqlite3.Connection, path: str, *, may_be_empty: bool = True) -> bool:
    """Say whether the file is a journal already; False where it is empty."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not tables and not mark and may_be_empty:
        return False
    if mark != APPLICATION_ID:
        raise JournalError(
            f"{path!r} is no journal: it is empty, or another program's. Give the journal "
            "another name",
            reason="foreign",
        )
    if version != VERSION:
        raise JournalError(
            f"the journal {path!r} has schema {version}, and this release knows {VERSION}: end "
            "its run with the release that began it",
            reason="version",
        )
    return True


def _check_target(writer: sqlite3.Connection, path: str, wanted: tuple[str, str]) -> None:
    found = writer.execute("SELECT target, keys FROM journal").fetchone()
    for name, was, given in zip(("target", "keys"), found, wanted, strict=True):
        if was != given:
            raise JournalError(
                f"the journal {path!r} was begun with {name} {was!r}, and this run has "
                f"{given!r}: nothing was sent. Use a new journal for a new run",
                reason="target",
            )


# --- for people who look on --------------------------------------------------------------------


def _look(path: str) -> sqlite3.Connection:
    uri = pathlib.Path(os.path.abspath(path)).as_uri()  # noqa: PTH100 - links stay as they are
    connection = sqlite3.connect(f"{uri}?mode=rw", uri=True, isolation_level=None)
    try:
        _check_schema(connection, path, may_be_empty=False)
    except (sqlite3.Error, JournalError):
        connection.close()
        raise
    return connection


def read_counts(path: str) -> dict[Outcome | None, int]:
    """Return how many messages of a journal ended how; None stands for those on their way."""
    query = "SELECT outcome, count(*) FROM message GROUP BY outcome"
    try:
        connection = _look(path)
        try:
            rows = connection.execute(query).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as wrong:
        raise as_journal_error(path, wrong) from wrong
    return {None if outcome is None else Outcome(outcome): count for outcome, count in rows}


def read_entries(path: str) -> Iterator[JournalEntry]:
    """Yield the entries of a journal, in the order of their keys."""
    try:
        connection = _look(path)
        try:
            for row in connection.execute(f"{_SELECT} ORDER BY key"):
                yield _entry(row)
        finally:
            connection.close()
    except sqlite3.Error as wrong:
        raise as_journal_error(path, wrong) from wrong

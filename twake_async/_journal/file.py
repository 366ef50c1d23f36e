"""The journal as an SQLite file: opens it, checks it, reads a row, writes groups of rows.

It needs no event loop.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from typing import TYPE_CHECKING, Self

import attrs

from twake_async.errors import JournalError

from .checks import (
    check_messages,
    check_pages,
    check_schema,
    check_target,
    check_wal,
    last_run,
)
from .errors import as_journal_error
from .lock import JournalLock
from .rows import (
    APPLICATION_ID,
    ROWS,
    SCHEMA,
    SELECT,
    VERSION,
    checked,
    entry_of,
    interrupted,
    row_of,
    upsert,
    with_checksum,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twake_async.deliveries import JournalEntry

    from .store import Keys

__all__ = ["JournalFile", "SqliteSource"]

#: A file that one batch has locked refuses no intent.
_NONE_REFUSED: Mapping[str, JournalError] = {}


@attrs.frozen
class SqliteSource:
    """A journal's file, by its path."""

    name: str

    def open(self, *, target: str, keys: Keys) -> JournalFile:
        """Open the file, as `JournalFile.open` does."""
        return JournalFile.open(self.name, target=target, keys=keys)

    def as_error(self, exc: Exception) -> JournalError:
        """Return the error for a failure of SQLite or of the system."""
        return as_journal_error(self.name, exc)


@attrs.define(eq=False)
class JournalFile:
    """An open journal, locked against other batches. One thread writes, one reads."""

    path: str
    run: int
    last_key: str
    """The last key of the earlier runs, in the order of keys; empty if there is none."""
    _began: float
    _lock: JournalLock
    _writer: sqlite3.Connection
    _reader: sqlite3.Connection

    @classmethod
    def open(cls, path: str, *, target: str, keys: Keys) -> Self:
        """Open or make a journal, lock it, and begin a run in it.

        Messages that an earlier run left without an outcome are `UNKNOWN` from then on.

        Args:
            path: The file.
            target: The server and the group that the messages go to.
            keys: How the keys are made.

        Raises:
            JournalError: It is locked, foreign, damaged, of another version, for another target.

        """
        opened: list[sqlite3.Connection] = []
        lock = None
        try:
            lock = JournalLock.take(path)
            check_wal(lock.file, path)
            opened.append(_connect(lock.file))
            run, last_key, began = _begin_run(opened[0], path, target, keys)
            opened.append(_connect(lock.file))
            lock.watch_wal()
            lock.check()
        except Exception as exc:
            if lock is not None:
                _close(opened, lock)
            if isinstance(exc, JournalError):
                raise
            raise as_journal_error(path, exc) from exc
        return cls(path, run, last_key, began, lock, *opened)

    def find(self, key: str) -> JournalEntry | None:
        """Return the entry under a key, or None."""
        row = self._reader.execute(f"{SELECT} WHERE key = ?", (key,)).fetchone()
        return None if row is None else entry_of(checked(row, self.path))

    def check(self) -> None:
        """Check that the journal's name still leads to this file.

        Raises:
            JournalError: It does not (reason `moved`).

        """
        self._lock.check()

    def write(self, entries: Iterable[JournalEntry]) -> Mapping[str, JournalError]:
        """Put entries on the disk, all or none. They are there when this returns."""
        rows = [row_of(entry) for entry in entries]
        if len(rows) <= ROWS:
            _write_rows(self._writer, rows)
            return _NONE_REFUSED
        with self._writer:
            self._writer.execute("BEGIN")
            _write_rows(self._writer, rows)
        return _NONE_REFUSED

    def write_late(self, entries: Sequence[JournalEntry]) -> None:
        """Write the outcomes that could not be written before."""
        self.write(entries)

    def end_run(self, *, is_whole: bool) -> None:  # noqa: ARG002 - a file has one run at a time
        """Write that the run has ended."""
        _write_run(self._writer, self.run, self._began, time.time())

    def close(self) -> None:
        """Close the file and release the lock."""
        _close([self._writer, self._reader], self._lock)


def _close(connections: list[sqlite3.Connection], lock: JournalLock) -> None:
    try:
        if connections and lock.is_moved():
            # Else SQLite leaves the last rows in the -wal file, which did not move with the file.
            connections[0].execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        for connection in reversed(connections):
            connection.close()
        lock.release()


def _connect(path: str) -> sqlite3.Connection:
    # The thread of the event loop uses the reader. The journal's own thread uses the writer.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _write_rows(writer: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    # One statement for many rows: each statement releases the interpreter's lock and waits for
    # it again. While the event loop is busy, that costs more than the writing.
    for start in range(0, len(rows), ROWS):
        group = rows[start : start + ROWS]
        writer.execute(upsert(len(group)), tuple(itertools.chain.from_iterable(group)))


def _write_run(writer: sqlite3.Connection, number: int, began: float, ended: float | None) -> None:
    writer.execute(
        "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)", with_checksum(number, began, ended)
    )


def _begin_run(
    writer: sqlite3.Connection, path: str, target: str, keys: Keys
) -> tuple[int, str, float]:
    """Check the journal, or make it, and begin a run; return its number, the last key, the time."""
    known = check_schema(writer, path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    number, last_key, began = 1, "", time.time()
    if known:
        check_pages(writer, path)
        check_target(writer, path, (target, keys))
        number = last_run(writer, path) + 1
        last_key, open_entries = check_messages(writer, path)
        _write_rows(writer, [row_of(interrupted(entry)) for entry in open_entries])
    else:
        _make(writer, target, keys)
    _write_run(writer, number, began, None)
    writer.execute("COMMIT")
    return number, last_key, began


def _make(writer: sqlite3.Connection, target: str, keys: Keys) -> None:
    for statement in SCHEMA.split(";\n")[:-1]:
        writer.execute(statement)
    writer.execute("INSERT INTO journal VALUES (?, ?, ?)", with_checksum(target, keys))
    writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    writer.execute(f"PRAGMA user_version = {VERSION}")

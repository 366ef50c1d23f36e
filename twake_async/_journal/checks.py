"""Checks that a file is a journal and holds what was written: schema, pages and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twake_async.errors import JournalError

from .errors import damaged, foreign
from .rows import APPLICATION_ID, OUTCOME, SELECT, VERSION, checked, entry_of
from .wal import has_lost_rows

if TYPE_CHECKING:
    import sqlite3

    from twake_async.deliveries import JournalEntry

__all__ = ["check_messages", "check_pages", "check_schema", "check_target", "check_wal", "last_run"]

_SELECT_RUNS = "SELECT number, began, ended, checksum FROM run ORDER BY number"


def check_schema(connection: sqlite3.Connection, path: str, *, may_be_empty: bool = True) -> bool:
    """Say whether the file is a journal already; False if it is empty.

    Args:
        connection: The open file.
        path: Its name, for errors.
        may_be_empty: Whether an empty file is no error.

    Raises:
        JournalError: It is no journal (reason `foreign`), or has another schema (`version`).

    """
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not tables and not mark and may_be_empty:
        return False
    if mark != APPLICATION_ID:
        raise foreign(path, "it is empty, or belongs to another program")
    if version != VERSION:
        raise JournalError(
            f"the journal {path!r} has schema {version}, and this release knows {VERSION}: finish "
            "its run with the release that began it",
            reason="version",
        )
    return True


def check_wal(file: str, path: str) -> None:
    """Check that the last rows are not lost; call it before SQLite opens the file.

    Args:
        file: The file's name without links.
        path: The name of the journal, for errors.

    Raises:
        JournalError: They are lost (reason `damaged`).

    """
    if has_lost_rows(f"{file}-wal"):
        raise damaged(path, "its -wal file, which holds the last rows")


def check_pages(connection: sqlite3.Connection, path: str) -> None:
    """Have SQLite check the file's pages.

    Raises:
        JournalError: They are damaged (reason `damaged`).

    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, found)


def check_target(connection: sqlite3.Connection, path: str, wanted: tuple[str, str]) -> None:
    """Check that the journal has the same target and the same kind of keys.

    Args:
        connection: The open file.
        path: Its name, for errors.
        wanted: The target and the kind of keys of this run.

    Raises:
        JournalError: It has others (reason `target`), or is damaged.

    """
    rows = connection.execute("SELECT target, keys, checksum FROM journal").fetchall()
    if len(rows) != 1:
        raise damaged(path, "its table journal has no row, or several")
    found = checked(rows[0], path)
    for name, was, given in zip(("target", "keys"), found, wanted, strict=False):
        if was != given:
            raise JournalError(
                f"the journal {path!r} was begun with {name} {was!r}, and this run has "
                f"{given!r}: nothing was sent. Use a new journal for a new run",
                reason="target",
            )


def last_run(connection: sqlite3.Connection, path: str) -> int:
    """Return the number of the last run; 0 if there was none.

    Raises:
        JournalError: A run has no row (reason `damaged`).

    """
    number = 0
    for number, row in enumerate(connection.execute(_SELECT_RUNS), 1):
        if checked(row, path)[0] != number:
            raise damaged(path, f"its table run has no row {number}")
    return number


def check_messages(connection: sqlite3.Connection, path: str) -> tuple[str, list[JournalEntry]]:
    """Return the last key, and the entries without an outcome, which a killed run left.

    Every row is checked: a message whose row cannot be found would be sent again.

    Raises:
        JournalError: A row is not what was written (reason `damaged`).

    """
    last, open_entries = "", []
    for row in connection.execute(f"{SELECT} ORDER BY key"):
        if checked(row, path)[0] <= last:
            raise damaged(path, f"the row {row[0]!r} is out of order")
        last = row[0]
        if row[OUTCOME] is None:
            open_entries.append(entry_of(row))
    return last, open_entries

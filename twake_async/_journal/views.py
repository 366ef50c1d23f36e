"""Reads a journal for people: during a run, after it, or without write access."""

from __future__ import annotations

import os
import pathlib
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING

from twake_async.errors import Outcome

from .checks import check_pages, check_schema, check_wal
from .errors import unreadable
from .rows import OUTCOME, SELECT, checked, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twake_async.deliveries import JournalEntry

    from .rows import Row

__all__ = ["read_counts", "read_entries"]


def read_counts(path: str) -> dict[Outcome | None, int]:
    """Return how many messages have each outcome; None stands for those on their way.

    Raises:
        JournalError: The file is no journal, or cannot be read.

    """
    counts = Counter(row[OUTCOME] for row in _rows(path))
    return {word and Outcome(word): count for word, count in counts.items()}


def read_entries(path: str) -> Iterator[JournalEntry]:
    """Yield the entries of a journal, in the order of their keys.

    Raises:
        JournalError: The file is no journal, or cannot be read.

    """
    return (entry_of(row) for row in _rows(path))


def _rows(path: str) -> Iterator[Row]:
    try:
        file = os.path.realpath(path)
        check_wal(file, path)
        connection = sqlite3.connect(_address(file), uri=True, isolation_level=None)
        try:
            check_schema(connection, path, may_be_empty=False)
            check_pages(connection, path)
            for row in connection.execute(f"{SELECT} ORDER BY key"):
                yield checked(row, path)
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as exc:
        raise unreadable(path, exc) from exc


def _address(file: str) -> str:
    """Return the URI that opens a journal and makes no file."""
    # Without write access SQLite can make no files beside the journal. It needs none if no run is
    # going on or was killed: then there is no -wal file, or an empty one.
    how = "mode=rw"
    if not (_is_writable(file) and _is_writable(os.path.dirname(file))):  # noqa: PTH120
        how = "mode=ro" if _size(f"{file}-wal") else "mode=ro&immutable=1"
    return f"{pathlib.Path(file).as_uri()}?{how}"


def _is_writable(name: str) -> bool:
    # Some systems check the rights of the real user only; some ignore the rights that root gave up.
    effective = {False, os.access in os.supports_effective_ids}
    return all(os.access(name, os.W_OK, effective_ids=each) for each in effective)


def _size(name: str) -> int:
    try:
        return os.stat(name).st_size  # noqa: PTH116
    except OSError:
        return 0

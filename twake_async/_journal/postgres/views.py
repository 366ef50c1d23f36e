"""Reads a batch for people, and begins another round of it. Each call has its own connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from twake_async._journal.part_state import PartState
from twake_async.errors import JournalError, Outcome

from .connection import Connection
from .errors import as_journal_error
from .rows import COLUMNS, entry_of
from .schema import check_schema, has_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twake_async.deliveries import JournalEntry

    from .batch import Batch

__all__ = ["new_round", "read_counts", "read_entries", "read_parts"]

#: Entries that are read at once, and seconds that one statement may take.
PAGE, SECONDS = 5000, 600.0

_PARTS = """
SELECT p.number, p.round >= b.round, EXISTS (
    SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1
    AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended($2 || p.number, 0)),
    p.epoch, p.holder
FROM {s}.part p JOIN {s}.batch b ON b.name = p.batch WHERE p.batch = $1 ORDER BY p.number
"""


def read_counts(batch: Batch) -> dict[Outcome | None, int]:
    """Return how many messages have each outcome; None stands for those on their way.

    Raises:
        JournalError: There is no such batch, or the database cannot be read.

    """
    sql = f"SELECT outcome, count(*) FROM {batch.schema}.message WHERE batch = $1 GROUP BY 1"
    with _reading(batch) as connection:
        rows = connection.run(sql.encode(), batch.name.encode(), seconds=SECONDS)
    return {None if word is None else Outcome(word): int(count or 0) for word, count in rows}


def read_entries(batch: Batch) -> Iterator[JournalEntry]:
    """Yield the entries of a batch, in the order of their keys.

    Raises:
        JournalError: There is no such batch, or the database cannot be read.

    """
    sql = (
        f"SELECT {COLUMNS} FROM {batch.schema}.message WHERE batch = $1 AND key > $2 "
        f"ORDER BY key LIMIT {PAGE}"
    ).encode()
    last = ""
    with _reading(batch) as connection:
        while rows := connection.run(sql, batch.name.encode(), last.encode(), seconds=SECONDS):
            for row in rows:
                yield entry_of(row)
            last = rows[-1][0] or ""


def read_parts(batch: Batch, *, check: bool = False) -> list[PartState]:
    """Return the state of each partition, in order.

    Nobody has taken those of a batch that no run has begun.

    Args:
        batch: The batch.
        check: Whether to check that it was begun with these partitions and this input.

    Raises:
        JournalError: The database cannot be read, or the batch was begun with something else.

    """
    with _connected(batch) as connection:
        rows = []
        if has_tables(connection, batch.schema):
            check_schema(connection, batch.schema)
            if check:
                batch.check(connection)
            name, locks = batch.name.encode(), batch.lock_name.encode()
            rows = connection.run(_PARTS.format(s=batch.schema).encode(), name, locks)
    if not rows:
        return [
            PartState(number, is_done=False, is_held=False, epoch=0, holder="")
            for number in range(batch.parts)
        ]
    return [
        PartState(int(number or 0), done == "t", held == "t", int(epoch or 0), holder or "")
        for number, done, held, epoch, holder in rows
    ]


def new_round(batch: Batch) -> int:
    """Begin another round, and return its number.

    Raises:
        JournalError: A partition is not done (reason `unfinished`), there is no such batch, or the
            database cannot be written.

    """
    with _reading(batch) as connection:
        rows = connection.run(
            f"UPDATE {batch.schema}.batch b SET round = round + 1 WHERE name = $1 AND NOT EXISTS "
            f"(SELECT 1 FROM {batch.schema}.part p WHERE p.batch = $1 AND p.round < b.round) "
            "RETURNING round".encode(),
            batch.name.encode(),
        )
    if not rows:
        raise JournalError(
            f"{batch.label} has partitions that are not done: another round begins when all are",
            reason="unfinished",
        )
    return int(rows[0][0] or 0)


@contextlib.contextmanager
def _reading(batch: Batch) -> Iterator[Connection]:
    """Open a connection, and check that the batch is there."""
    with _connected(batch) as connection:
        check_schema(connection, batch.schema)
        if not connection.run(batch.statements.batch, batch.name.encode()):
            raise JournalError(f"there is no {batch.label}: no run has made it", reason="foreign")
        yield connection


@contextlib.contextmanager
def _connected(batch: Batch) -> Iterator[Connection]:
    """Open a connection; raise its errors as a `JournalError`."""
    try:
        connection = Connection.open(batch.address, f"twake-async {batch.name}")
        try:
            connection.run(f"SET statement_timeout = {int(SECONDS * 1000)}".encode())
            yield connection
        finally:
            connection.close()
    except JournalError:
        raise
    except Exception as exc:
        error = as_journal_error(batch.label, exc)
        raise error from exc

"""One partition of a journal in PostgreSQL: its lock, fence and writes, over one connection.

It needs no event loop. `claims` has the rules, and `statements` has them in SQL.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Self, TypeVar

import attrs

from twake_async._journal import intents
from twake_async.errors import JournalError

from .claims import refusal
from .connection import Connection
from .errors import LostError, StatementError, as_journal_error, locked, taken_over
from .rows import held_of, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from twake_async._journal.store import Keys
    from twake_async.deliveries import JournalEntry

    from .batch import Batch
    from .connection import Row

__all__ = ["PartSource", "PostgresStore"]

T = TypeVar("T")

#: Seconds for which a run tries to reach the database: at its start, and after it was lost.
OPEN, RECONNECT = 10.0, 30.0
#: Seconds between two tries.
PAUSE = 0.5
#: Seconds that a run waits at its end until its lock is released.
UNLOCK = 1.0
#: SQLSTATEs of statements that may succeed when they run again: a time limit, a conflict.
_PASSING = frozenset({"57014", "55P03", "40001", "40P01"})
#: Seconds that a takeover may take: it reads each open intent.
_TAKEOVER = 60.0

_NONE_REFUSED: Mapping[str, JournalError] = {}


@attrs.frozen
class PartSource:
    """One partition of a batch, by its number."""

    batch: Batch
    part: int

    @property
    def name(self) -> str:
        """Its name in errors."""
        return f"partition {self.part} of {self.batch.label}"

    def open(self, *, target: str, keys: Keys) -> PostgresStore:
        """Take the partition, and begin a run in it.

        Args:
            target: The server and the group that the messages go to.
            keys: How the keys are made.

        Raises:
            JournalError: It cannot be used.

        """
        if keys != "caller":
            raise JournalError(
                "a partition needs key=: a position in the input means nothing on another machine",
                reason="key",
            )
        pause, ends = PAUSE, time.monotonic() + OPEN
        while True:
            try:
                return PostgresStore.open(self, target)
            except LostError:  # the database may be starting
                if time.monotonic() >= ends:
                    raise
            time.sleep(pause)
            pause *= 2  # the password may be wrong, and some servers count that

    def as_error(self, exc: Exception) -> JournalError:
        """Return the error for what was caught while it was used."""
        return as_journal_error(self.name, exc)

    def connect(self) -> Connection:
        """Return a connection of its own."""
        purpose = f"twake-async {self.batch.name}/{self.part}"
        connection = Connection.open(self.batch.address, purpose)
        try:
            # All statements are for single keys. A plan from when the tables were small would read
            # them whole.
            connection.run(b"SELECT set_config('enable_seqscan', 'off', false)")
        except BaseException:
            connection.close()
            raise
        return connection


@attrs.define(eq=False)
class PostgresStore:
    """An open partition. One thread uses it."""

    source: PartSource
    _connection: Connection
    run: int = 0
    """The epoch: how often the partition was taken."""
    round: int = 0
    """The round of the batch."""
    is_done: bool = False
    """Whether a run has gone through the whole partition in this round."""
    is_empty: bool = True
    """Whether no earlier run took the partition."""
    doubtful_channels: frozenset[str] = frozenset()
    """The channels of the messages that the previous run left on their way."""
    taken_at: float = 0.0
    """When the partition was taken, by the clock of intents."""
    pause: float = 0.0
    """The seconds of a pause of all machines that were left at the last statement."""

    last_key = ""

    @classmethod
    def open(cls, source: PartSource, target: str) -> Self:
        """Take a partition, and begin a run in it; begin none if it is done.

        Args:
            source: The partition.
            target: The server and the group that the messages go to.

        Raises:
            JournalError: Another process holds it, or it is another batch's.
            StatementError: The database refused a statement.
            LostError: The database does not answer.

        """
        store = cls(source, source.connect())
        try:
            store._begin(target)
        except BaseException:
            store.close()
            raise
        return store

    def find(self, key: str) -> JournalEntry | None:
        """Return the entry under a key, or None."""
        return self.find_all([key]).get(key)

    def find_all(self, keys: Sequence[str]) -> Mapping[str, JournalEntry]:
        """Return the entries under some keys of this partition."""
        rows = self._again(lambda: self._find_rows(keys))
        found = [held_of(row) for row in rows]
        return {held.entry.key: held.entry for held in found if held.part == self.source.part}

    def check(self) -> None:
        """Do nothing: each statement checks the epoch."""

    def ping(self) -> None:
        """Check that the partition is still this run's, and keep its connection in use."""
        statements, batch = self.source.batch.statements, self._batch
        ((epoch, pause),) = self._again(
            lambda: self._connection.run_prepared(b"ping", statements.ping, batch, self._part)
        )
        if epoch != str(self.run):
            raise taken_over(self.source.name)
        self.pause = float(pause or 0)

    def write(self, entries: Iterable[JournalEntry]) -> Mapping[str, JournalError]:
        """Write entries in one transaction; they are kept when this returns.

        Returns:
            The errors of the claims that were refused, by key.

        Raises:
            JournalError: Another process has the partition (reason `taken_over`).

        """
        last = {entry.key: entry for entry in entries}  # of two entries of a key the last counts
        given = to_json(last.values())
        ((fence, written, pause),) = self._again(lambda: self._write(given))
        if fence != "1":
            raise taken_over(self.source.name)
        self.pause = float(pause or 0)
        return _NONE_REFUSED if written == str(len(last)) else self._refusals(last)

    def write_late(self, entries: Sequence[JournalEntry]) -> None:
        """Write the outcomes that could not be written before.

        Even if another process has the partition, a delivery is certain: it replaces an `UNKNOWN`
        of the same `front_id`.
        """
        try:
            self.write(entries)
        except JournalError as exc:
            if exc.reason == "taken_over":
                given = to_json({entry.key: entry for entry in entries}.values())
                self._connection.run(self.source.batch.statements.upgrade, self._batch, given)
            raise

    def reserve(self, count: int, rate: float) -> float:
        """Reserve turns to send, and return the seconds until the first of them."""
        sql, seconds = self.source.batch.statements.reserve, str(count / rate).encode()
        ((wait,),) = self._again(lambda: self._connection.run(sql, self._batch, seconds))
        return float(wait or 0)

    def slow(self, seconds: float) -> None:
        """Note for all machines that the server asked for a pause of so many seconds."""
        sql, text = self.source.batch.statements.slow, str(seconds).encode()
        self._again(lambda: self._connection.run(sql, self._batch, text))

    def end_run(self, *, is_whole: bool) -> None:
        """Write that the run has ended; the partition is done if the run went through all of it."""
        if self.is_done:
            return
        done = self.round if is_whole else self.round - 1
        sql, values = self.source.batch.statements.end, (str(self.run), str(done))
        self._again(
            lambda: self._connection.run(
                sql, self._batch, self._part, *(value.encode() for value in values)
            )
        )

    def close(self) -> None:
        """Release the lock, and close the connection."""
        # A session that is closed ends a moment later, and would hold the lock until then.
        with contextlib.suppress(LostError, StatementError):
            self._connection.run(b"SELECT pg_advisory_unlock_all()", seconds=UNLOCK)
        self._connection.close()

    @property
    def _batch(self) -> bytes:
        return self.source.batch.name.encode()

    @property
    def _part(self) -> bytes:
        return str(self.source.part).encode()

    @property
    def _lock_name(self) -> bytes:
        return f"{self.source.batch.lock_name}{self.source.part}".encode()

    def _lock(self) -> bool:
        """Try to take the lock of the partition; say whether this connection has it now."""
        return self._connection.run(self.source.batch.statements.lock, self._lock_name) == [("t",)]

    def _begin(self, target: str) -> None:
        self.source.batch.make(self._connection, target)
        if not self._lock():
            raise locked(self.source.name)
        self._take_over()

    def _take_over(self) -> None:
        """Raise the epoch, then mark the open intents, in one transaction."""
        connection, statements = self._connection, self.source.batch.statements
        ((epoch, done, current),) = connection.run(statements.part, self._batch, self._part)
        self.round, self.is_empty = int(current or 0), epoch == "0"
        self.is_done = int(done or 0) >= self.round
        if self.is_done:
            return
        with connection.transaction():
            connection.run(f"SET LOCAL statement_timeout = {int(_TAKEOVER * 1000)}".encode())
            holder = f"{socket.gethostname()}:{os.getpid()}".encode()
            ((epoch,),) = connection.run(statements.take_over, self._batch, self._part, holder)
            marked = connection.run(statements.mark, self._batch, self._part, seconds=_TAKEOVER)
        self.run, self.taken_at = int(epoch or 0), intents.now()
        self.doubtful_channels = frozenset(channel or "" for (channel,) in marked)

    def _write(self, given: bytes) -> list[Row]:
        epoch, sql = str(self.run).encode(), self.source.batch.statements.write
        return self._connection.run_prepared(b"write", sql, self._batch, self._part, epoch, given)

    def _find_rows(self, keys: Iterable[str]) -> list[Row]:
        given, sql = json.dumps(list(keys)).encode(), self.source.batch.statements.find
        return self._connection.run_prepared(b"find", sql, self._batch, given)

    def _refusals(self, claims: Mapping[str, JournalEntry]) -> Mapping[str, JournalError]:
        rows = self._again(lambda: self._find_rows(claims))
        held = {one.entry.key: one for one in map(held_of, rows)}
        refused = {}
        for key, claim in claims.items():
            error = refusal(self.source.name, claim, self.source.part, held.get(key))
            if error is not None and error.reason == "taken_over":
                raise error
            if error is not None:
                refused[key] = error
        return refused

    def _again(self, make: Callable[[], T]) -> T:
        """Run a statement; run it again, over a new connection, if it has no answer.

        Each of them may run twice. The old connection holds the lock until it has ended, so no
        statement of it runs later.
        """
        ends = time.monotonic() + RECONNECT
        while True:
            try:
                return make()
            except (LostError, StatementError) as exc:
                if isinstance(exc, StatementError) and exc.sqlstate not in _PASSING:
                    raise
                if isinstance(exc, LostError):
                    self._connect_again(exc, ends)
                elif time.monotonic() >= ends:
                    raise

    def _connect_again(self, cause: LostError, ends: float) -> None:
        """Connect again, with the same lock and the same epoch; raise if that fails."""
        old = self._connection.pid
        while time.monotonic() < ends:
            self._connection.close()
            try:
                self._connection = self.source.connect()
                if self._holds_again(old):
                    return
            except LostError as exc:
                cause = exc
            except StatementError as exc:
                if exc.sqlstate not in _PASSING:
                    raise
            time.sleep(PAUSE)
        raise cause

    def _holds_again(self, old: int) -> bool:
        """Say whether this connection has the lock; check that this run has the epoch."""
        statements, values = self.source.batch.statements, (self._batch, self._part)
        has_lock = self._lock()
        ((epoch, *_),) = self._connection.run(statements.part, *values)
        if epoch != str(self.run):
            raise taken_over(self.source.name)
        if not has_lock:  # the server may not know yet that the old connection is gone
            self._connection.run(statements.end_session, self._lock_name, str(old).encode())
        return has_lock

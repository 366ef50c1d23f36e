"""One connection to PostgreSQL for one partition. Its statements end within a few seconds."""

from __future__ import annotations

import contextlib
import selectors
import time
from typing import TYPE_CHECKING, Self

import attrs

from twake_async.errors import ConfigurationError, JournalError

from .errors import LostError, StatementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg
    from psycopg import pq

    from .address import Address

    Row = tuple[str | None, ...]

__all__ = ["OLDEST", "Connection"]

#: The oldest PostgreSQL that has all settings below, as `server_version_num`.
OLDEST = 140000

#: Seconds that this side waits for an answer; the server's own limit is a second shorter.
ANSWER = 4.5

# Set for the session, whatever the role or the database has: a takeover under REPEATABLE READ would
# miss an open intent, and an intent that is not on the disk does not count. A frozen process keeps
# its session, since its kernel answers keepalives: the idle time-outs end it.
_SETTINGS = {
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "idle_session_timeout": "30s",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "3s",
    "statement_timeout": "3500ms",
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "4000",
    "search_path": "pg_catalog",
}
#: The first characters of the SQLSTATEs that end a session.
_ENDED = ("57P", "08")


@attrs.define(eq=False)
class Connection:
    """An open connection; it runs one statement at a time, in one thread."""

    pid: int
    """The id of the server's process."""
    _db: psycopg.Connection = attrs.field(repr=False)
    _pg: pq.abc.PGconn = attrs.field(repr=False)
    _selector: selectors.BaseSelector = attrs.field(repr=False)
    _prepared: set[bytes] = attrs.field(factory=set, init=False)

    @classmethod
    def open(cls, address: Address, purpose: str) -> Self:
        """Connect, check the server, and set the session up.

        Args:
            address: Where the database is.
            purpose: The purpose of the connection, which `pg_stat_activity` shows.

        Raises:
            ConfigurationError: The connection string cannot be used.
            LostError: There is no connection; the errors show no secret.
            JournalError: The server is too old, or something between pools its connections.

        """
        db = _connect(address, purpose)
        if isinstance(db, LostError | ConfigurationError):
            raise db
        selector = selectors.DefaultSelector()
        selector.register(db.pgconn.socket, selectors.EVENT_READ)
        connection = cls(db.pgconn.backend_pid, db, db.pgconn, selector)
        try:
            db.pgconn.nonblocking = 1
            connection._set_up()
        except BaseException:
            connection.close()
            raise
        return connection

    def run(self, sql: bytes, *values: bytes | None, seconds: float = ANSWER) -> list[Row]:
        """Run a statement, and return its rows.

        Args:
            sql: The statement.
            values: Its parameters, as text.
            seconds: How long to wait for the answer.

        Raises:
            StatementError: The server refused it.
            LostError: There is no answer.

        """
        return self._exchange(lambda: self._pg.send_query_params(sql, values), seconds)

    def run_prepared(self, name: bytes, sql: bytes, *values: bytes | None) -> list[Row]:
        """Run a statement that is run often, and return its rows.

        Args:
            name: Its name.
            sql: The statement.
            values: Its parameters, as text.

        Raises:
            StatementError: The server refused it.
            LostError: There is no answer.

        """
        if name not in self._prepared:
            self._exchange(lambda: self._pg.send_prepare(name, sql), ANSWER)
            self._prepared.add(name)
        return self._exchange(lambda: self._pg.send_query_prepared(name, values), ANSWER)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the statements in one transaction; commit it, or roll it back."""
        self.run(b"BEGIN")
        try:
            yield
        except LostError:
            raise
        except BaseException:
            with contextlib.suppress(StatementError, LostError):
                self.run(b"ROLLBACK")
            raise
        self.run(b"COMMIT")

    def close(self) -> None:
        """Close it. Its locks end with it."""
        self._selector.close()
        self._db.close()

    def _set_up(self) -> None:
        if self._pg.server_version < OLDEST:
            raise JournalError(
                f"the database is PostgreSQL {self._pg.server_version // 10000}, and the journal "
                f"needs {OLDEST // 10000} or later",
                reason="version",
            )
        # This comes before any setting: another client may use a pooled connection next.
        ((pid, encoding),) = self.run(
            b"SELECT pg_backend_pid(), current_setting('server_encoding')"
        )
        if pid != str(self.pid):
            raise JournalError(
                "something pools the connections to the database, such as pgbouncer: the lock of a "
                "partition needs a connection of its own. Give the address of PostgreSQL itself",
                reason="pooled",
            )
        if encoding != "UTF8":
            raise JournalError(
                f"the database has the encoding {encoding}, and the journal needs UTF8",
                reason="version",
            )
        changes = ", ".join(f"set_config('{n}', '{v}', false)" for n, v in _SETTINGS.items())
        self.run(f"SELECT {changes}".encode())

    def _exchange(self, send: Callable[[], None], seconds: float) -> list[Row]:
        import psycopg  # noqa: PLC0415 - an extra

        ends = time.monotonic() + seconds
        try:
            send()
            self._flush(ends)
            result = self._result(ends)
            self._result(ends)  # None: the end of the answer
        except psycopg.Error as exc:
            raise LostError(str(exc).strip()) from None
        assert result is not None  # noqa: S101 - a statement was sent
        return self._rows(result)

    def _flush(self, ends: float) -> None:
        if not self._pg.flush():
            return
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(self._pg.socket, both)
        try:
            while True:
                self._wait(ends)
                self._pg.consume_input()
                if not self._pg.flush():
                    return
        finally:
            self._selector.modify(self._pg.socket, selectors.EVENT_READ)

    def _result(self, ends: float) -> pq.abc.PGresult | None:
        while self._pg.is_busy():
            self._wait(ends)
            self._pg.consume_input()
        return self._pg.get_result()

    def _wait(self, ends: float) -> None:
        if not self._selector.select(max(0.0, ends - time.monotonic())):
            raise LostError("the database did not answer in time")

    def _rows(self, result: pq.abc.PGresult) -> list[Row]:
        from psycopg import pq  # noqa: PLC0415 - an extra

        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return [
                tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
                for row in range(result.ntuples)
            ]
        state = _text(result.error_field(pq.DiagnosticField.SQLSTATE)) or ""
        said = _text(result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)) or "no answer"
        if state.startswith(_ENDED) or self._pg.status != pq.ConnStatus.OK or not state:
            raise LostError(said)
        raise StatementError(state, said)


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode()


def _connect(address: Address, purpose: str) -> psycopg.Connection | LostError | ConfigurationError:
    """Return a connection, or an error without the frames that hold a secret."""
    import psycopg  # noqa: PLC0415 - an extra

    parameters = address.parameters()
    if isinstance(parameters, ConfigurationError):
        return parameters
    parameters.setdefault("application_name", purpose)
    try:
        return psycopg.connect(**parameters, client_encoding="UTF8", autocommit=True)
    except (psycopg.Error, OSError) as exc:
        said = str(exc).strip()
    finally:
        parameters.clear()
    for secret in address.secrets():
        said = said.replace(secret, "***")
    return LostError(said)

"""`PostgresJournal`: a journal in PostgreSQL, for a batch that many machines send together.

It needs `pip install "twake-async[postgres]"`.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Iterator

from ._arguments import check_count
from ._journal.openable import Openable
from ._journal.part_state import PartState
from ._journal.shared_writer import SharedWriter
from .deliveries import JournalEntry  # noqa: TC001
from .errors import ConfigurationError, Outcome

__all__ = ["JournalPart", "PartState", "PostgresJournal"]

#: The most partitions of a batch.
MOST_PARTS = 100_000


class PostgresJournal:
    """The journal of one batch, in PostgreSQL, for any number of machines.

    The channels of the batch are divided into partitions. One process at a time holds a partition.
    `TwakeSession.send_partitioned` takes free partitions until all are done; `send_many` with
    `part` sends one.

    Args:
        conninfo: A connection string of PostgreSQL 14 or later, without a password. The password
            comes from the file of `PGPASSFILE` or from a service of `PGSERVICE`. None: the
            connection string is in the environment variable `TWAKE_JOURNAL`, password included.
        batch: The batch's name.
        parts: The number of partitions of its channels: the same in all runs.
        fingerprint: A name of the batch's input, such as a hash of its file: the same in all
            runs. Empty: the inputs of two runs are not compared as a whole.
        schema: The schema of the tables; it is made if it does not exist.
        allow_unverified_host: Whether a database on another machine needs no
            `sslmode=verify-full`.

    Raises:
        ConfigurationError: An argument cannot work, or psycopg is not installed.

    """

    def __init__(
        self,
        conninfo: str | None = None,
        *,
        batch: str,
        parts: int = 64,
        fingerprint: str = "",
        schema: str = "twake_async",
        allow_unverified_host: bool = False,
    ) -> None:
        self._name, self._parts = batch, parts  # a traceback may show an object half made
        _check_installed()
        from ._journal.postgres.address import Address  # noqa: PLC0415 - who needs it waits for it
        from ._journal.postgres.batch import Batch  # noqa: PLC0415 - as above
        from ._journal.postgres.schema import check_schema_name  # noqa: PLC0415 - as above

        address = Address(_text("conninfo", conninfo), allow_unverified_host)
        del conninfo  # it may hold a password, and tracebacks may show locals
        if not isinstance(batch, str) or not batch or not batch.isprintable():
            raise ConfigurationError("batch must be a non-empty, printable string", field="batch")
        if not isinstance(fingerprint, str) or not (fingerprint + "x").isprintable():
            raise ConfigurationError("fingerprint must be a printable string", field="fingerprint")
        check_count("parts", parts)
        if parts > MOST_PARTS:
            raise ConfigurationError(f"parts must be at most {MOST_PARTS}", field="parts")
        check_schema_name(schema)
        if isinstance(error := address.parameters(), ConfigurationError):
            del address
            raise error
        del error
        self._batch = Batch(address, batch, parts, fingerprint, schema)

    @property
    def batch(self) -> str:
        """The batch's name."""
        return self._name

    @property
    def parts(self) -> int:
        """The number of partitions of its channels."""
        return self._parts

    def __repr__(self) -> str:
        return f"PostgresJournal(batch={self.batch!r}, parts={self.parts})"

    def part(self, number: int) -> JournalPart:
        """Return one partition, for `send_many`.

        Args:
            number: Its number, from 0.

        Raises:
            ConfigurationError: There is no such partition.

        """
        return JournalPart(self, number)

    def part_of(self, channel_id: str) -> int:
        """Return the number of the partition that a channel belongs to.

        It is the same on every machine, in every release: the CRC-32 of the id in UTF-8, modulo
        `parts`.

        Args:
            channel_id: The channel.

        """
        return zlib.crc32(channel_id.encode()) % self.parts

    def counts(self) -> dict[Outcome | None, int]:
        """Return how many messages have each outcome; None is for messages in flight.

        Raises:
            JournalError: There is no such batch, or the database cannot be read.

        """
        from ._journal.postgres.views import read_counts  # noqa: PLC0415 - as above

        return read_counts(self._batch)

    def entries(self) -> Iterator[JournalEntry]:
        """Yield the entry of each message that was begun, in the order of the keys.

        Raises:
            JournalError: There is no such batch, or the database cannot be read.

        """
        from ._journal.postgres.views import read_entries  # noqa: PLC0415 - as above

        return read_entries(self._batch)

    def states(self, *, check: bool = False) -> list[PartState]:
        """Return the state of each partition, in order.

        Nobody has taken a partition of a batch that no run has begun.

        Args:
            check: Whether the batch must have been begun with the same `parts` and `fingerprint`.

        Raises:
            JournalError: The database cannot be read; or, with `check`, the batch was begun with
                something else (reason `target` or `changed`).

        """
        from ._journal.postgres.views import read_parts  # noqa: PLC0415 - as above

        return read_parts(self._batch, check=check)

    def new_round(self) -> int:
        """Begin another round, which sends what was refused or not sent; return its number.

        Raises:
            JournalError: A partition is not done yet (reason `unfinished`), there is no such
                batch, or the database cannot be written.

        """
        from ._journal.postgres.views import new_round  # noqa: PLC0415 - as above

        return new_round(self._batch)


class JournalPart(Openable):
    """One partition of a `PostgresJournal`, for `TwakeSession.send_many`.

    Args:
        journal: The journal.
        number: The partition's number, from 0.

    Raises:
        ConfigurationError: There is no such partition.

    """

    _needs_key = True

    def __init__(self, journal: PostgresJournal, number: int) -> None:
        if isinstance(number, bool) or not isinstance(number, int):
            raise ConfigurationError("the number of a part must be an integer", field="journal")
        if not 0 <= number < journal.parts:
            raise ConfigurationError(
                f"there is no part {number}: the journal has the parts 0 to {journal.parts - 1}",
                field="journal",
            )
        self.journal: PostgresJournal = journal
        self.number: int = number

    def __repr__(self) -> str:
        return f"{self.journal!r}.part({self.number})"

    def _make_writer(self) -> SharedWriter:
        from ._journal.postgres.store import PartSource  # noqa: PLC0415 - as above

        return SharedWriter(PartSource(self.journal._batch, self.number))  # noqa: SLF001


def _check_installed() -> None:
    if importlib.util.find_spec("psycopg") is None:
        raise ConfigurationError(
            'PostgresJournal needs another package: pip install "twake-async[postgres]"',
            field="journal",
        )


def _text(field: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{field} must be a string or None", field=field)
    return value

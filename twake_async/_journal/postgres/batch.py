"""A batch in the database: what names it, and what must be the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async.errors import JournalError

from .schema import make_schema
from .statements import Statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .address import Address
    from .connection import Connection

__all__ = ["Batch"]


@attrs.frozen
class Batch:
    """What names a batch, and what must be the same on every machine.

    Args:
        address: Where the database is.
        name: The batch's name.
        parts: The number of partitions into which its channels are divided.
        fingerprint: The identifier of its input; empty if there is none.
        schema: The schema of the tables.

    """

    address: Address
    name: str
    parts: int
    fingerprint: str
    schema: str

    @property
    def statements(self) -> Statements:
        """The statements on its tables."""
        return Statements.of(self.schema)

    @property
    def label(self) -> str:
        """The name of its journal in errors."""
        return f"the journal of batch {self.name!r}"

    @property
    def lock_name(self) -> str:
        """The start of the names of its partitions' locks; a number follows."""
        return f"twake_async/{self.schema}/{self.name}/"

    def make(self, connection: Connection, target: str) -> None:
        """Make the tables and the batch if they are missing, and check that it is the same one.

        Args:
            connection: The database.
            target: The server and the group that the messages go to.

        Raises:
            JournalError: It was begun with something else (reason `target` or `changed`).

        """
        make_schema(connection, self.schema)
        name, parts = self.name.encode(), str(self.parts).encode()
        if not connection.run(self.statements.batch, name):
            with connection.transaction():
                values = (name, target.encode(), parts, self.fingerprint.encode())
                connection.run(self.statements.make_batch, *values)
                connection.run(self.statements.make_parts, name, parts)
                connection.run(self.statements.make_pace, name)
        self.check(connection, target)

    def check(self, connection: Connection, target: str | None = None) -> None:
        """Check that the batch was begun with these partitions, this input and this target.

        Args:
            connection: The database.
            target: The server and the group that the messages go to; None to leave that unchecked.

        Raises:
            JournalError: It was begun with something else (reason `target` or `changed`).

        """
        names = ("target", "parts", "input")
        wanted = (target, str(self.parts), self.fingerprint)
        for *found, _ in connection.run(self.statements.batch, self.name.encode()):
            self._compare(zip(names, found, wanted, strict=True))

    def _compare(self, values: Iterable[tuple[str, str | None, str | None]]) -> None:
        for name, was, given in values:
            if given is None or was == given:
                continue
            reason = "changed" if name == "input" else "target"
            raise JournalError(
                f"{self.label} was begun with {name} {was!r}, and this run has {given!r}: nothing "
                "was sent. Use the same on every machine, or another name for another batch",
                reason=reason,
            )

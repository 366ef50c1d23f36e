"""`Journal`: a file that records what a batch sends, and the outcome of each message."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ._journal.file import SqliteSource
from ._journal.openable import Openable
from ._journal.views import read_counts, read_entries
from ._journal.writer import JournalWriter
from .deliveries import JournalEntry  # noqa: TC001
from .errors import ConfigurationError, Outcome

__all__ = ["Journal"]


class Journal(Openable):
    """A file that lets a batch continue after it ended early, for any reason.

    Give it to `TwakeSession.send_many`, which opens it, locks it and closes it. One batch uses it
    at a time. The same object may be used again.

    Args:
        path: The SQLite file. If it does not exist, it is made, and only its owner can read it
            (mode 0600). During a run, SQLite keeps files with `-wal` and `-shm` at the end of the
            name beside it. An empty file with `-lock` stays.

    Raises:
        ConfigurationError: The path is not a file on a disk: it is empty, `":memory:"`, or an
            SQLite URI.

    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = _checked(path)

    def __repr__(self) -> str:
        return f"Journal({self.path!r})"

    def _make_writer(self) -> JournalWriter:
        return JournalWriter(SqliteSource(self.path))

    def counts(self) -> dict[Outcome | None, int]:
        """Return how many messages have each outcome; None is for messages in flight.

        It may be called during a run, from any process.

        Raises:
            JournalError: The file is not a journal, or cannot be read.

        """
        return read_counts(self.path)

    def entries(self) -> Iterator[JournalEntry]:
        """Yield the entry of each message that was begun, in the order of the keys.

        Raises:
            JournalError: The file is not a journal, or cannot be read.

        """
        return read_entries(self.path)


def _checked(path: object) -> str:
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(name, str):
        why = f"must be a string or a pathlib.Path, not {type(path).__name__}"
    elif not name:
        why = "is empty: a journal needs a file"
    elif name == ":memory:" or name.startswith("file:"):
        why = f"{name!r} is not a path, but a special name of SQLite: give the path of a file"
    elif "\0" in name:
        why = f"{name!r} contains a null character"
    else:
        return name
    raise ConfigurationError(f"the path of the journal {why}", field="journal")

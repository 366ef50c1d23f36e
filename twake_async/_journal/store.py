"""The store of a journal: what a batch asks of the place where its entries are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twake_async.deliveries import JournalEntry
    from twake_async.errors import JournalError

__all__ = ["Keys", "SharedStore", "Source", "Store"]

Keys = Literal["position", "caller"]
"""How the keys are made: a draft's position in the input, or the caller's function."""


class Store(Protocol):
    """An open journal, locked against other batches. The thread of the journal writer writes."""

    @property
    def run(self) -> int:
        """The number of this run."""
        ...

    @property
    def last_key(self) -> str:
        """The last key of the earlier runs, in the order of keys; empty if there is none."""
        ...

    def find(self, key: str) -> JournalEntry | None:
        """Return the entry under a key, or None."""
        ...

    def check(self) -> None:
        """Check that it is still the journal that was opened.

        Raises:
            JournalError: It is not that journal.

        """

    def write(self, entries: Iterable[JournalEntry]) -> Mapping[str, JournalError]:
        """Write entries. They are kept when this returns.

        Returns:
            The errors of the intents that were refused, by key. The others were written.

        """
        ...

    def write_late(self, entries: Sequence[JournalEntry]) -> None:
        """Write, at the end, the outcomes that could not be written before."""

    def end_run(self, *, is_whole: bool) -> None:
        """Write that the run has ended.

        Args:
            is_whole: Whether it went through its whole input.

        """

    def close(self) -> None:
        """Close it and release the lock."""


class Source(Protocol):
    """Where a journal is, and how it is opened."""

    @property
    def name(self) -> str:
        """Its name, for errors; no secret."""
        ...

    def open(self, *, target: str, keys: Keys) -> Store:
        """Open it and begin a run.

        Args:
            target: The server and the group that the messages go to.
            keys: How the keys are made.

        Raises:
            JournalError: It cannot be used.

        """
        ...

    def as_error(self, exc: Exception) -> JournalError:
        """Return the error for what was caught while it was used."""
        ...


class SharedStore(Store, Protocol):
    """An open partition of a journal that several machines share. Only the thread uses it."""

    @property
    def is_done(self) -> bool:
        """Whether a run has gone through the whole partition, so that nothing is left to do."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether no earlier run wrote an entry, so that there is nothing to look up."""
        ...

    @property
    def doubtful_channels(self) -> frozenset[str]:
        """The channels of the messages that the previous run left without an outcome."""
        ...

    @property
    def taken_at(self) -> float:
        """When the partition was taken over, by the clock of intents."""
        ...

    @property
    def pause(self) -> float:
        """The seconds of a pause of all machines that were left at the last write or ping."""
        ...

    def find_all(self, keys: Sequence[str]) -> Mapping[str, JournalEntry]:
        """Return the entries under some keys."""
        ...

    def reserve(self, count: int, rate: float) -> float:
        """Reserve turns to send.

        Args:
            count: How many.
            rate: Turns a second, of all machines together.

        Returns:
            The seconds until the first of them.

        """
        ...

    def slow(self, seconds: float) -> None:
        """Note for all machines that the server asked for a pause of so many seconds."""

    def ping(self) -> None:
        """Check that the partition is still this run's, and keep its connection in use."""

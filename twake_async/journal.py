"""`Journal`: what a batch meant to send and what became of it, on disk, before and after.

A thread of its own writes, so that the event loop never waits for a disk; whatever comes up
while it writes goes to the disk together, in one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import attrs

from ._journal.errors import as_journal_error
from ._journal.file import JournalFile
from ._journal.views import read_counts, read_entries
from .deliveries import JournalEntry
from .errors import ConfigurationError, JournalError, Outcome

if TYPE_CHECKING:
    from ._journal.file import Keys

__all__ = ["Journal", "Scribe"]

#: Entries that go to the disk together at the most.
GROUP = 1000

log: logging.Logger = logging.getLogger("twake_async")


class Journal:
    """A file that lets a batch go on where it ended, whatever ended it.

    Give it to `TwakeSession.send_many`, which opens it, locks it and closes it; one batch uses it
    at a time. The same object may be used again.

    Args:
        path: The SQLite file; it is made where there is none, for its owner alone (mode 0600).
            Beside it stand `-lock`, which stays, and SQLite's own `-wal` and `-shm` during a run.

    Raises:
        ConfigurationError: The path names no file that could keep anything: it is empty,
            `":memory:"`, or an SQLite URI.

    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = _checked(path)

    def __repr__(self) -> str:
        return f"Journal({self.path!r})"

    def counts(self) -> dict[Outcome | None, int]:
        """Return how many messages ended how; None stands for those that are on their way.

        It may be asked during a run, from any process.

        Raises:
            JournalError: The file is no journal, or cannot be read.

        """
        return read_counts(self.path)

    def entries(self) -> Iterator[JournalEntry]:
        """Yield what is known of each message that was begun, in the order of the keys.

        Raises:
            JournalError: The file is no journal, or cannot be read.

        """
        return read_entries(self.path)


def _checked(path: object) -> str:
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(name, str):
        why = f"must be a string or a pathlib.Path, not {type(path).__name__}"
    elif not name:
        why = "is empty: a journal needs a file"
    elif name == ":memory:" or name.startswith("file:"):
        why = f"{name!r} is no path of a file, but a name that only SQLite knows: give a path"
    elif "\0" in name:
        why = f"{name!r} holds a null character, which no path can"
    else:
        return name
    raise ConfigurationError(f"the path of the journal {why}", field="journal")


@attrs.frozen
class _Opened:
    """The thread's first report."""

    file: JournalFile | None
    error: JournalError | None


T = TypeVar("T")
_Order = tuple[JournalEntry, "asyncio.Future[JournalError | None]"]


@attrs.define(eq=False)
class Scribe:
    """Keeps one batch's journal from `open` to `aclose`, for one event loop.

    After the first failure nothing more is written but, once, at the end, the outcomes that could
    not be.
    """

    path: str
    file: JournalFile = attrs.field(init=False)
    _orders: queue.SimpleQueue[_Order | None] = attrs.field(factory=queue.SimpleQueue, init=False)
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False)
    _thread: threading.Thread = attrs.field(init=False)
    _ended: asyncio.Future[JournalError | None] = attrs.field(init=False)
    _failure: JournalError | None = attrs.field(default=None, init=False)
    _unsaved: list[JournalEntry] = attrs.field(factory=list, init=False)

    async def open(self, *, target: str, keys: Keys) -> None:
        """Open the file and begin a run; see `JournalFile.open`."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        opened: asyncio.Future[_Opened] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(opened, target, keys), name="twake-journal", daemon=True
        )
        self._thread.start()
        try:
            report = await opened
        except asyncio.CancelledError:
            self._orders.put(None)
            raise
        if report.file is None:
            self._thread.join()
            assert report.error is not None  # noqa: S101 - one or the other
            raise report.error
        self.file = report.file

    def find(self, key: str) -> JournalEntry | None:
        """Return what the disk has under a key, or None."""
        try:
            return self.file.find(key)
        except sqlite3.Error as wrong:
            raise as_journal_error(self.path, wrong) from wrong

    def put(self, entry: JournalEntry) -> asyncio.Future[JournalError | None]:
        """Have an entry written; the future holds None once it is on the disk, or the error."""
        written: asyncio.Future[JournalError | None] = self._loop.create_future()
        self._orders.put((entry, written))
        return written

    async def aclose(self) -> JournalError | None:
        """Write what is left, close the file, and return the failure if there was one."""
        self._orders.put(None)
        failure = await self._ended
        self._thread.join()
        return failure

    # --- in the thread -------------------------------------------------------------------------

    def _run(self, opened: asyncio.Future[_Opened], target: str, keys: Keys) -> None:
        # Whatever goes wrong in this thread is told: a batch would wait for it for good.
        try:
            file = JournalFile.open(self.path, target=target, keys=keys)
        except Exception as wrong:  # noqa: BLE001 - as above
            self._tell([opened], _Opened(None, as_journal_error(self.path, wrong)))
            return
        self._tell([opened], _Opened(file, None))
        while (group := self._next_group()) is not None:
            self._write(file, group)
        self._end(file)
        self._tell([self._ended], self._failure)

    def _next_group(self) -> list[_Order] | None:
        """Wait for something to write, and return all there is; None at the end."""
        group: list[_Order] = []
        try:
            while len(group) < GROUP:
                order = self._orders.get(block=not group)
                if order is None:
                    if group:
                        self._orders.put(None)
                    return group or None
                group.append(order)
        except queue.Empty:
            pass
        return group

    def _write(self, file: JournalFile, group: list[_Order]) -> None:
        if self._failure is None:
            try:
                file.check()
                file.write(entry for entry, _ in group)
            except Exception as wrong:  # noqa: BLE001 - as above
                self._fail(wrong)
        if self._failure is not None:
            # An intent that is not on the disk has not been acted on; an outcome is known.
            self._unsaved.extend(entry for entry, _ in group if entry.outcome is not None)
        self._tell([written for _, written in group], self._failure)

    def _fail(self, wrong: Exception) -> None:
        self._failure = as_journal_error(self.path, wrong)
        log.error("%s", self._failure)

    def _end(self, file: JournalFile) -> None:
        try:
            if self._unsaved:
                file.write(self._unsaved)
            file.end_run()
            file.check()
        except Exception as wrong:  # noqa: BLE001 - as above
            if self._failure is None:
                self._fail(wrong)
        finally:
            file.close()

    def _tell(self, futures: list[asyncio.Future[T]], report: T) -> None:
        # A loop that is gone has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_resolve, futures, report)


def _resolve(futures: list[asyncio.Future[T]], report: T) -> None:
    for future in futures:
        if not future.done():
            future.set_result(report)

"""The journal writer of a batch: a thread, so that the event loop never waits for a disk.

Entries that come in while it writes go to the disk together, in the next transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from typing import TYPE_CHECKING, TypeVar

import attrs

from .errors import as_journal_error
from .file import JournalFile

if TYPE_CHECKING:
    from twake_async.deliveries import JournalEntry
    from twake_async.errors import JournalError

    from .file import Keys

__all__ = ["GROUP", "JournalWriter"]

#: The most entries in one transaction.
GROUP = 1000

log: logging.Logger = logging.getLogger("twake_async")

T = TypeVar("T")
_Order = tuple["JournalEntry", "asyncio.Future[JournalError | None]"]


@attrs.frozen
class _Opened:
    """The first report of the thread: the open file, or why there is none."""

    file: JournalFile | None
    error: JournalError | None


@attrs.define(eq=False)
class JournalWriter:
    """Writes the journal of one batch, from `open` to `aclose`, for one event loop.

    After a failure it writes nothing more, except once, at the end: the outcomes that it could not
    write before.
    """

    path: str
    file: JournalFile = attrs.field(init=False)
    _orders: queue.SimpleQueue[_Order | None] = attrs.field(factory=queue.SimpleQueue, init=False)
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False)
    _thread: threading.Thread = attrs.field(init=False)
    _closed: asyncio.Future[JournalError | None] = attrs.field(init=False)
    _failure: JournalError | None = attrs.field(default=None, init=False)
    _unsaved: list[JournalEntry] = attrs.field(factory=list, init=False)

    async def open(self, *, target: str, keys: Keys) -> None:
        """Open the file and begin a run.

        Args:
            target: The server and the group that the messages go to.
            keys: How the keys are made.

        Raises:
            JournalError: The file cannot be used (outcome `NOT_SENT`).

        """
        self._loop = asyncio.get_running_loop()
        self._closed = self._loop.create_future()
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
        """Return the entry that the disk has under a key, or None.

        Raises:
            JournalError: The file cannot be read, or is damaged.

        """
        try:
            return self.file.find(key)
        except sqlite3.Error as exc:
            raise as_journal_error(self.path, exc) from exc

    def write(self, entry: JournalEntry) -> asyncio.Future[JournalError | None]:
        """Have an entry written.

        Returns:
            A future. Its result is None once the entry is on the disk, or the error.

        """
        written: asyncio.Future[JournalError | None] = self._loop.create_future()
        self._orders.put((entry, written))
        return written

    async def aclose(self) -> JournalError | None:
        """Write what is left, close the file, and return the failure if there was one."""
        self._orders.put(None)
        failure = await self._closed
        self._thread.join()
        return failure

    # --- in the thread -------------------------------------------------------------------------

    def _run(self, opened: asyncio.Future[_Opened], target: str, keys: Keys) -> None:
        # Every failure of this thread is reported: otherwise a batch would wait for it for good.
        try:
            file = JournalFile.open(self.path, target=target, keys=keys)
        except Exception as exc:  # noqa: BLE001 - as above
            self._report([opened], _Opened(None, as_journal_error(self.path, exc)))
            return
        self._report([opened], _Opened(file, None))
        while (group := self._next_group()) is not None:
            self._write(file, group)
        self._close(file)
        self._report([self._closed], self._failure)

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
            except Exception as exc:  # noqa: BLE001 - as above
                self._fail(exc)
        if self._failure is not None:
            # No message was sent for an intent that is not on the disk; an outcome is a fact.
            self._unsaved.extend(entry for entry, _ in group if entry.outcome is not None)
        self._report([written for _, written in group], self._failure)

    def _fail(self, exc: Exception) -> None:
        self._failure = as_journal_error(self.path, exc)
        log.error("%s", self._failure)

    def _close(self, file: JournalFile) -> None:
        try:
            if self._unsaved:
                file.write(self._unsaved)
            file.end_run()
            file.check()
        except Exception as exc:  # noqa: BLE001 - as above
            if self._failure is None:
                self._fail(exc)
        finally:
            file.close()

    def _report(self, futures: list[asyncio.Future[T]], report: T) -> None:
        # Where the loop is gone, nobody waits for the report.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_resolve, futures, report)


def _resolve(futures: list[asyncio.Future[T]], report: T) -> None:
    for future in futures:
        if not future.done():
            future.set_result(report)

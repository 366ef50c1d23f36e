"""The journal writer of a batch: a thread, so that the event loop never waits for a disk.

Entries that come in while it writes go to the disk together, in the next transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async.errors import JournalError

from .store import Keys, Source, Store  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.deliveries import JournalEntry


__all__ = ["GROUP", "JournalWriter"]

#: The most entries in one transaction.
GROUP = 1000

log: logging.Logger = logging.getLogger("twake_async")

T = TypeVar("T")
_Order = tuple["JournalEntry", "asyncio.Future[Any]"]


@attrs.frozen
class _Opened:
    """The first report of the thread: the open journal, or why there is none."""

    store: Store | None
    error: JournalError | None


@attrs.define(eq=False)
class JournalWriter:
    """Writes the journal of one batch, from `open` to `aclose`, for one event loop.

    After a failure it writes nothing more, except once, at the end: the outcomes that it could not
    write before.
    """

    source: Source
    store: Store = attrs.field(init=False)
    is_whole: bool = attrs.field(default=False, init=False)
    """Whether the batch went through its whole input; it sets this before `aclose`."""
    _orders: queue.SimpleQueue[_Order | None] = attrs.field(factory=queue.SimpleQueue, init=False)
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False)
    _thread: threading.Thread = attrs.field(init=False)
    _closed: asyncio.Future[JournalError | None] = attrs.field(init=False)
    _failure: JournalError | None = attrs.field(default=None, init=False)
    _unsaved: list[JournalEntry] = attrs.field(factory=list, init=False)

    async def open(self, *, target: str, keys: Keys) -> None:
        """Open the journal and begin a run.

        Args:
            target: The server and the group that the messages go to.
            keys: How the keys are made.

        Raises:
            JournalError: It cannot be used (outcome `NOT_SENT`).

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
        if report.store is None:
            self._thread.join()
            assert report.error is not None  # noqa: S101 - one or the other
            raise report.error
        self.store = report.store

    def find(self, key: str) -> JournalEntry | None:
        """Return the entry that the disk has under a key, or None.

        Raises:
            JournalError: The file cannot be read, or is damaged.

        """
        try:
            return self.store.find(key)
        except JournalError:
            raise
        except Exception as exc:
            raise self.source.as_error(exc) from exc

    def write(self, entry: JournalEntry) -> asyncio.Future[JournalError | None]:
        """Start to write an entry.

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
        # Every failure of this thread is reported: otherwise a batch would wait for it forever.
        try:
            store = self.source.open(target=target, keys=keys)
        except Exception as exc:  # noqa: BLE001 - as above
            self._report([opened], _Opened(None, self.source.as_error(exc)))
            return
        self._report([opened], _Opened(store, None))
        while (group := self._next_group(store)) is not None:
            self._write(store, group)
        self._close(store)
        self._report([self._closed], self._failure)

    def _next_group(self, store: Store) -> list[_Order] | None:
        """Wait for something to do, and return all there is; None at the end."""
        group: list[_Order] = []
        order = self._wait(store)
        while order is not None:
            group.append(order)
            if len(group) >= GROUP:
                return group
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return group
        if group:
            self._orders.put(None)
        return group or None

    def _wait(self, store: Store) -> _Order | None:  # noqa: ARG002 - a file needs no pings
        """Wait for the next order; None at the end."""
        return self._orders.get()

    def _write(self, store: Store, group: list[_Order]) -> None:
        if self._failure is None:
            try:
                store.check()
                refused = store.write(entry for entry, _ in group)
            except Exception as exc:  # noqa: BLE001 - as above
                self._fail(exc)
            else:
                if refused:
                    group = self._refuse(group, refused)
        if self._failure is not None:
            # No message was sent for an intent that is not on the disk. An outcome is kept.
            self._unsaved.extend(entry for entry, _ in group if entry.outcome is not None)
        self._report([written for _, written in group], self._failure)

    def _refuse(self, group: list[_Order], refused: Mapping[str, JournalError]) -> list[_Order]:
        """Report the intents that were refused, and return the orders that were written."""
        for entry, written in group:
            if (error := refused.get(entry.key)) is not None:
                self._report([written], error)
        return [order for order in group if order[0].key not in refused]

    def _fail(self, exc: Exception) -> None:
        self._failure = self.source.as_error(exc)
        log.error("%s", self._failure)

    def _close(self, store: Store) -> None:
        try:
            if self._unsaved:
                store.write_late(self._unsaved)
            store.end_run(is_whole=self.is_whole and self._failure is None)
            store.check()
        except Exception as exc:  # noqa: BLE001 - as above
            if self._failure is None:
                self._fail(exc)
        finally:
            store.close()

    def _report(self, futures: list[asyncio.Future[T]], report: T) -> None:
        self._call(_resolve, futures, report)

    def _call(self, function: Callable[..., object], *args: object) -> None:
        # If the loop was closed, nobody waits for the report.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)


def _resolve(futures: list[asyncio.Future[T]], report: T) -> None:
    for future in futures:
        if not future.done():
            future.set_result(report)

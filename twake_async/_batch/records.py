"""The entries that a batch writes to its journal for each draft, before and after sending."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import attrs

from .entries import final_entry, paused_entry, retry_entry

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from twake_async._journal.writer import JournalWriter
    from twake_async.deliveries import Delivery, JournalEntry
    from twake_async.errors import JournalError

    from .item import Item
    from .sharing import Sharing

__all__ = ["Records"]


@attrs.define(eq=False)
class Records:
    """Writes the entries of a batch's drafts; without a journal it writes nothing.

    Args:
        writer: The journal writer; None without a journal.
        on_failure: Takes the error of an intent that could not be written, which ends the batch.
        sharing: What a shared journal needs; None for a file.

    """

    writer: JournalWriter | None
    on_failure: Callable[[JournalError], None]
    sharing: Sharing | None = None

    async def begin(self, item: Item, intent: JournalEntry) -> JournalError | None:
        """Put the intent to send a draft on the disk; return the error if that failed."""
        item.begun = True
        error = await self._write_intent(intent)
        item.begun = error is None
        return error

    async def begin_retry(self, item: Item) -> JournalError | None:
        """Put the intent of another attempt on the disk; return the error if that failed."""
        if item.entry is None:
            return None
        return await self._write_intent(retry_entry(item, item.entry))

    def pause(self, item: Item) -> None:
        """Start to write the outcome of a draft that waits for another attempt."""
        if self.writer is not None and item.entry is not None:
            self.writer.write(paused_entry(item, item.entry))

    def finish(self, item: Item, delivery: Delivery) -> asyncio.Future[Any] | None:
        """Start to write the outcome of a draft; return a future, done once it is on the disk."""
        if self.writer is None or item.entry is None or not item.begun:
            return None
        return self.writer.write(final_entry(item, item.entry, delivery))

    async def _write_intent(self, entry: JournalEntry) -> JournalError | None:
        assert self.writer is not None  # noqa: S101 - entries are made for a journal
        error = await self.writer.write(entry)
        if error is None:
            return None
        if error.reason != "key":  # else the claim of this draft alone was refused
            self.on_failure(error)
        return copy.copy(error)

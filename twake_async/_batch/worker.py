"""One worker of a batch: its task, and the attempts of the draft that it has in hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from twake_async._journal.resume import Tried

from .outcomes import intent, paused

if TYPE_CHECKING:
    from twake_async._journal.resume import Item
    from twake_async.deliveries import JournalEntry
    from twake_async.errors import JournalError, Outcome

__all__ = ["Keeps", "Worker"]


class Keeps(Protocol):
    """What keeps the journal of a batch."""

    def keep(self, entry: JournalEntry) -> object:
        """Have an entry written; nobody waits for it."""
        ...

    async def intend(self, entry: JournalEntry) -> JournalError | None:
        """Put an intent on the disk; return the error where that failed, which ends the batch."""
        ...


@attrs.define(eq=False)
class Worker:
    """Listens to the attempts to send its draft, and has the journal keep each one's outcome."""

    batch: Keeps
    task: asyncio.Task[Any] | None = attrs.field(default=None, init=False)
    busy: bool = attrs.field(default=False, init=False)
    """Whether it writes an intent or sends: `wake` does not interrupt it."""
    sending: bool = attrs.field(default=False, init=False)
    _tried: Tried = attrs.field(factory=Tried, init=False)
    _item: Item = attrs.field(init=False)
    _woken: bool = attrs.field(default=False, init=False)

    def begin(self, item: Item) -> None:
        """Forget the draft before, and note the attempts of this one."""
        self._tried.clear()
        item.tried = self._tried
        self._item = item

    def wake(self) -> None:
        """Interrupt what it waits for, unless it is busy."""
        task = self.task
        if task is None or task.done() or task is asyncio.current_task():
            return
        if not (self.busy or self._woken):
            self._woken = task.cancel()

    def was_woken(self) -> bool:
        """Say whether it was `wake` that cancelled the task, so that the worker goes on."""
        if self.task is None or not self._woken:
            return False
        self._woken = False
        self.task.uncancel()
        return True

    def end(self, *, wait: bool) -> None:
        """Cancel the task; with `wait`, only where it is not sending."""
        self._woken = False
        if self.task is not None and not (wait and self.sending):
            self.task.cancel()

    def attempt_ended(self, outcome: Outcome, reason: str, *, last: bool) -> None:
        """Note the outcome of an attempt."""
        self._tried.note(outcome, reason)
        entry = self._item.entry
        if entry is not None and not last:
            self.batch.keep(paused(self._item, entry))

    async def before_retry(self) -> JournalError | None:
        """Put the intent of another attempt on the disk."""
        entry = self._item.entry
        wrong = None if entry is None else await self.batch.intend(intent(self._item, entry))
        if wrong is None:
            self._tried.begin()
        return wrong

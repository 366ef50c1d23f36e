"""One worker of a batch: its task, and the attempts to send its current draft."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._journal import intents

from .item import AttemptLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.errors import JournalError, Outcome

    from .item import Item
    from .records import Records

__all__ = ["Worker"]


@attrs.define(eq=False)
class Worker:
    """Listens to the attempts to send its draft, and has the journal keep each outcome."""

    records: Records
    task: asyncio.Task[Any] | None = attrs.field(default=None, init=False)
    is_busy: bool = attrs.field(default=False, init=False)
    """Whether it writes an intent or sends: `wake` does not interrupt it then."""
    is_sending: bool = attrs.field(default=False, init=False)
    _attempts: AttemptLog = attrs.field(factory=AttemptLog, init=False)
    _item: Item = attrs.field(init=False)
    _is_woken: bool = attrs.field(default=False, init=False)
    _committed: float = attrs.field(default=0.0, init=False)
    """The time before its intent was committed, by the clock of intents."""

    def begin(self, item: Item) -> None:
        """Take another draft, and forget the attempts of the one before."""
        self._attempts.clear()
        item.attempts = self._attempts
        self._item = item

    def wake(self) -> None:
        """Interrupt what the task waits for, unless it is busy."""
        task = self.task
        if task is None or task.done() or task is asyncio.current_task():
            return
        if not (self.is_busy or self._is_woken):
            self._is_woken = task.cancel()

    def was_woken(self) -> bool:
        """Say whether `wake` cancelled the task; if so, the task goes on."""
        if self.task is None or not self._is_woken:
            return False
        self._is_woken = False
        self.task.uncancel()
        return True

    def stop(self, *, wait: bool) -> None:
        """Cancel the task.

        Args:
            wait: Do not cancel it while it is sending.

        """
        self._is_woken = False
        if self.task is not None and not (wait and self.is_sending):
            self.task.cancel()

    def begin_intent(self) -> None:
        """Note that its intent is committed now: it is valid from this time on."""
        if self.records.sharing is not None:
            self._committed = intents.now()

    # --- what the loop of attempts tells its listener ---------------------------------------------

    @property
    def guard(self) -> Callable[[], bool] | None:
        """The check whether its intent is still valid; None for the journal of one machine."""
        return None if self.records.sharing is None else self._may_leave

    def _may_leave(self) -> bool:
        return intents.is_valid(self._committed, intents.now())

    def attempt_ended(self, outcome: Outcome, reason: str, *, last: bool) -> None:
        """Note the outcome of an attempt.

        Args:
            outcome: What is certain about it.
            reason: The reason of its error; empty for a delivery.
            last: Whether no other attempt follows.

        """
        self._attempts.add(outcome, reason)
        if reason == "later" and self.records.sharing is not None:
            self.records.sharing.slow()
        if not last:
            self.records.pause(self._item)

    def retry_dropped(self) -> None:
        """Note that the attempt which was prepared does not take place."""
        self._attempts.drop()

    async def before_retry(self) -> JournalError | None:
        """Put the intent of another attempt on the disk; return the error if that failed."""
        self.begin_intent()
        error = await self.records.begin_retry(self._item)
        if error is None:
            self._attempts.begin()
        return error

"""Runs one batch, from its first line to its exit status."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import JournalError, Outcome

from ._input import FileInput, StreamInput
from ._interrupts import Interrupts
from ._known import Known
from ._offline import Offline
from ._results import LineResult, result_of, unsent_result
from ._sources import InputError
from ._statuses import complain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from twake_async.deliveries import Delivery, Progress
    from twake_async.messages import MessageDraft
    from twake_async.session import TwakeSession

    from ._lines import Line
    from ._report import Report
    from ._signals import Signals

__all__ = ["Run"]


@attrs.define(eq=False)
class Run:
    """Sends the lines of an input, and reports each of them, however the run ends."""

    source: FileInput | StreamInput
    report: Report
    signals: Signals
    batch: dict[str, Any]
    """The arguments of `send_many` that come from the command line."""

    keyed: bool = False
    """Whether a field of each line holds its key for the journal."""

    offline: Offline = attrs.field(factory=Offline)
    """Hashes drafts as the session does."""

    _lines: dict[int, tuple[int, Line]] = attrs.field(factory=dict, init=False)
    """The lines that have no outcome yet, with their positions, by the id of what the batch got."""
    _taken: int = attrs.field(default=0, init=False)
    _last: int = attrs.field(default=0, init=False)
    """The number of the line that the batch read last."""
    _all_taken: bool = attrs.field(default=False, init=False)
    _stopped: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _moved: list[tuple[int, Line, Delivery]] = attrs.field(factory=list, init=False)
    """Lines that are not what the journal has at their position; they are judged at the end."""

    def run(self, session: TwakeSession) -> int:
        """Send all lines, and return the exit status. A first signal stops the reading.

        Args:
            session: The session to send with; it is closed.

        """
        self.report.lists.on_failure = self._stop
        interrupts = Interrupts(self.report, self.signals, self._stop)
        return interrupts.run(self._send(session), self._finish)

    def _finish(self) -> int:
        self._report_rest()
        self._warn_of_change()
        return self.report.finish()

    async def _send(self, session: TwakeSession) -> None:
        async with session as twake:
            with self.report.display:
                deliveries = twake.send_many(
                    self._drafts(),
                    on_progress=self._note,
                    key=self._key(),
                    stop=self._stopped,
                    **self.batch,
                )
                async with aclosing(deliveries):
                    async for _ in deliveries:
                        pass  # `_note` has it

    # --- the input ---------------------------------------------------------------------------

    async def _drafts(self) -> AsyncIterator[Any]:
        self.report.lists.begin()
        if isinstance(self.source, StreamInput):
            async for line in self.source.lines():
                yield self._take(line)
        else:
            for line in self.source.lines():
                if self._stopped.is_set():
                    return
                yield self._take(line)
        self._all_taken = not self._stopped.is_set()

    def _take(self, line: Line) -> MessageDraft | Line:
        """Remember a line until it has its outcome, and return what the batch gets for it."""
        given = line if line.draft is None else line.draft
        self._lines[id(given)] = self._taken, line
        self._taken += 1
        self._last = line.number
        return given

    def _key(self) -> Any:
        if not self.keyed:
            return None
        return lambda draft: self._lines[id(draft)][1].key

    def _stop(self) -> None:
        """Read nothing more; the sends that are under way end."""
        self._stopped.set()
        if isinstance(self.source, StreamInput):
            self.source.stop()

    # --- the output -------------------------------------------------------------------------

    def _note(self, progress: Progress) -> None:
        if progress.pause is not None:
            self.report.display.note_pause(progress.pause)
        delivery = progress.delivery
        if delivery is None:
            return
        position, line = self._lines.pop(id(delivery.draft))
        if self._is_misplaced(delivery):
            self._moved.append((position, line, delivery))
        else:
            self.report.note(result_of(line, delivery), delivery.error)

    def _is_misplaced(self, delivery: Delivery) -> bool:
        """Say whether the journal, whose keys are positions, may have the message elsewhere."""
        error = delivery.error
        changed = isinstance(error, JournalError) and error.reason == "changed"
        return changed and not self.keyed

    def _warn_of_change(self) -> None:
        """Warn of a file that was changed meanwhile, if its lines did not show that."""
        source = self.source
        if isinstance(source, FileInput) and source.is_changed and self.report.error is None:
            complain("warning: the file was changed during the run; the checked lines were sent")

    def _report_rest(self) -> None:
        """Report the lines whose outcome the batch did not report, and those it did not read."""
        for _, line in self._lines.values():
            self.report.note(LineResult(line, Outcome.UNKNOWN, "cancelled", "it was cut off"), None)
        self._lines.clear()
        if not self.report.lists.is_begun:
            self.report.left = self.report.total
            return
        listed = bool(self.report.lists.outputs) and not self._all_taken
        total = self.report.total
        if not self._all_taken:
            self.report.left = None if total is None else total - self._taken
        if self._moved or listed:
            self._look_up_rest(listed=listed)

    def _look_up_rest(self, *, listed: bool) -> None:
        """Look up in the journal the lines that this run did not send."""
        error = self.report.error
        moved = isinstance(error, JournalError) and error.reason == "moved"
        changed = bool(self._moved)
        with Known.of(self.report.journal, self.offline, changed=changed, moved=moved) as known:
            for position, line, delivery in self._moved:
                outcome = known.outcome(line, position)
                result = attrs.evolve(result_of(line, delivery), outcome=outcome)
                self.report.note(result, delivery.error)
            if listed:
                self.report.left = self._list_rest(known)

    def _list_rest(self, known: Known) -> int | None:
        """List the lines that were not read; return how many, or None if that is not known."""
        left = 0
        try:
            for left, line in enumerate(self.source.rest(self._last), 1):
                outcome = known.outcome(line, self._taken + left - 1)
                self.report.lists.put(unsent_result(line, outcome))
        except InputError as exc:
            complain(f"the rest of the input is not in the lists: {exc}")
            return None
        if isinstance(self.source, StreamInput) and not self.source.ended:
            complain("the input had not ended: its rest is not in the lists")
            return None
        return left

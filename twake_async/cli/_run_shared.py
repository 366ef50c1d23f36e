"""Sends the partitions of a batch that many machines share, and reports the whole batch."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import JournalError, Outcome

from ._interrupts import Interrupts
from ._results import result_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twake_async.deliveries import Progress
    from twake_async.messages import MessageDraft
    from twake_async.postgres import PostgresJournal
    from twake_async.session import TwakeSession

    from ._lines import Line
    from ._partitions import Partitions
    from ._report import Report
    from ._shared_options import SharedJournal
    from ._signals import Signals

__all__ = ["SharedRun"]

#: Reasons of an error that mean: the journal, and so its counts, belong to another input.
_OF_OTHERS = ("changed", "target")
#: Seconds between two looks at the counts of the batch.
_EVERY = 2.0
#: The wait as a multiple of the time that counting took: a large batch is counted less often.
_RARELY = 20


@attrs.define(eq=False)
class SharedRun:
    """Takes free partitions until all machines together have sent all of them."""

    source: Partitions
    shared: SharedJournal
    report: Report
    signals: Signals
    batch: dict[str, Any]
    """The arguments of `send_partitioned` that come from the command line."""

    _journal: PostgresJournal = attrs.field(init=False)
    _lines: dict[int, Line] = attrs.field(factory=dict, init=False)
    """The lines that have no outcome yet, by the id of their drafts."""
    _stopped: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def run(self, session: TwakeSession) -> int:
        """Send until the batch is over, and return its exit status.

        Args:
            session: The session to send with; it is closed.

        """
        interrupts = Interrupts(self.report, self.signals, self._stopped.set)
        return interrupts.run(self._send(session), self._finish)

    def __attrs_post_init__(self) -> None:
        self._journal = self.shared.journal(self.source.fingerprint)

    async def _send(self, session: TwakeSession) -> None:
        async with session as twake:
            with self.report.display:
                watching = asyncio.create_task(self._watch())
                try:
                    await self._send_partitions(twake)
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)

    async def _send_partitions(self, twake: TwakeSession) -> None:
        if self.shared.again:
            await asyncio.to_thread(self._begin_round)
        deliveries = twake.send_partitioned(
            self._drafts,
            journal=self._journal,
            concurrency=self.shared.concurrency,
            key=self._key,
            on_progress=self._note,
            stop=self._stopped,
            **self.batch,
        )
        async with aclosing(deliveries):
            async for _ in deliveries:
                pass  # `_note` has it

    def _drafts(self, part: int) -> Iterator[MessageDraft]:
        for line in self.source.lines(part):
            if self._stopped.is_set():
                return
            assert line.draft is not None  # noqa: S101 - only those are kept
            self._lines[id(line.draft)] = line
            yield line.draft

    def _key(self, draft: MessageDraft) -> str:
        key = self._lines[id(draft)].key
        assert key is not None  # noqa: S101 - --key is given
        return key

    def _note(self, progress: Progress) -> None:
        if progress.pause is not None:
            self.report.display.note_pause(progress.pause)
        delivery = progress.delivery
        if delivery is not None:
            line = self._lines.pop(id(delivery.draft))
            self.report.note_failure(result_of(line, delivery), delivery.error)

    # --- the whole batch ------------------------------------------------------------------

    async def _watch(self) -> None:
        """Show the counts of the batch while it is sent."""
        while True:
            began = time.monotonic()
            with contextlib.suppress(JournalError):  # the batch itself will meet it
                self.report.display.show(await asyncio.to_thread(self._counts))
            took = time.monotonic() - began
            await asyncio.sleep(max(_EVERY, _RARELY * took))

    def _begin_round(self) -> None:
        """Begin a round, or take part in the one that another machine began."""
        self._journal.states(check=True)  # no round of a batch that has another input
        try:
            self._journal.new_round()
        except JournalError as exc:
            if exc.reason != "unfinished":
                raise

    def _counts(self) -> Counter[Outcome]:
        counts = self._journal.counts()
        return Counter({outcome: n for outcome, n in counts.items() if outcome is not None})

    def _finish(self) -> int:
        """Report what the journal says of the whole batch."""
        report = self.report
        if isinstance(report.error, JournalError) and report.error.reason in _OF_OTHERS:
            report.display.show(Counter())
        else:
            self._show_counts()
        total = report.total or 0
        report.left = max(0, total - report.counts.total())
        return report.finish()

    def _show_counts(self) -> None:
        try:
            self.report.display.show(self._counts())
        except JournalError as exc:
            if self.report.error is None:
                self.report.note_error(exc)

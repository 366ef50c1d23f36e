"""One batch, from its first line to its exit status, with the signals that come meanwhile."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.errors import JournalError, Outcome, TwakeError

from ._input import FileInput, StreamInput
from ._known import Known
from ._results import End, end_of, untaken
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

log = logging.getLogger("twake_async")


@attrs.define(eq=False)
class Run:
    """Sends the lines of an input, and accounts for each one, however it ends."""

    source: FileInput | StreamInput
    report: Report
    signals: Signals
    batch: dict[str, Any]
    """The arguments of `send_many` that the command line gives."""

    keyed: bool = False
    """Whether the lines have keys of their own for the journal."""

    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)
    _task: asyncio.Task[Any] | None = attrs.field(default=None, init=False)
    _lines: dict[int, tuple[int, Line]] = attrs.field(factory=dict, init=False)
    """Those whose end is not known, with their positions, by the identity of what was given."""
    _taken: int = attrs.field(default=0, init=False)
    _last: int = attrs.field(default=0, init=False)
    """The number of the line that was taken last."""
    _all_taken: bool = attrs.field(default=False, init=False)
    _stopped: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _misplaced: list[tuple[int, Line, Delivery]] = attrs.field(factory=list, init=False)
    """Those that are not what the journal has in their place; they are judged at the end."""

    def to_end(self, session: TwakeSession) -> int:
        """Send all, and return the exit status; after a first signal only what was begun."""
        self.report.lists.on_failure = self._stop
        with asyncio.Runner() as runner:
            self.signals.pass_to(self._signalled)
            try:
                runner.run(self._send(session))
            except TwakeError as error:
                self.report.stopped_by(error)
            except asyncio.CancelledError:  # a second signal
                pass
            except click.UsageError:  # a list could not be made: nothing was sent
                raise
            except Exception as exc:  # the lines must be accounted for
                log.debug("the batch ended", exc_info=True)
                said = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
                self.report.stopped_by(TwakeError(f"it cannot go on: {said}", reason="broken"))
            self._account_for_rest()
            self._tell_change()
            status = self.report.end()
            # What idles in the loop, such as a look-up of a name, needs no end of its own.
            self.signals.end_with(status)
        return status

    async def _send(self, session: TwakeSession) -> None:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._heed()
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

    # --- what goes in ---------------------------------------------------------------------------

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
        """Remember a line until its end, and return what the batch is given for it."""
        given = line if line.draft is None else line.draft
        self._lines[id(given)] = self._taken, line
        self._taken += 1
        self._last = line.number
        return given

    def _key(self) -> Any:
        if not self.keyed:
            return None
        return lambda draft: self._lines[id(draft)][1].key

    # --- what asks to stop ----------------------------------------------------------------------

    def _signalled(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heed)

    def _heed(self) -> None:
        """Do what the signals ask for that came so far."""
        if self.signals.count and not self.report.interrupted:
            self.report.interrupted = True
            complain("interrupted: waiting for what is on its way; Ctrl-C again to cut it off")
            self._stop()
        if self.signals.count > 1 and self._task is not None:
            self._task.cancel()
            self._task = None

    def _stop(self) -> None:
        """Take nothing more, and let end what was begun."""
        self._stopped.set()
        if isinstance(self.source, StreamInput):
            self.source.stop()

    # --- what comes out -------------------------------------------------------------------------

    def _note(self, progress: Progress) -> None:
        if progress.pause is not None:
            self.report.display.note_pause(progress.pause)
        delivery = progress.delivery
        if delivery is None:
            return
        position, line = self._lines.pop(id(delivery.draft))
        if self._is_misplaced(delivery):
            self._misplaced.append((position, line, delivery))
        else:
            self.report.note(end_of(line, delivery), delivery.error)

    def _is_misplaced(self, delivery: Delivery) -> bool:
        """Say whether the message may stand elsewhere in the journal, whose keys are positions."""
        error = delivery.error
        changed = isinstance(error, JournalError) and error.reason == "changed"
        return changed and not self.keyed

    def _tell_change(self) -> None:
        """Warn of a file that is no longer what was sent, where its lines did not show it."""
        source = self.source
        if isinstance(source, FileInput) and source.is_changed and self.report.error is None:
            complain("warning: the file was changed meanwhile; what was sent is what was checked")

    def _account_for_rest(self) -> None:
        """Account for each line whose end the batch did not tell, and for those it did not take."""
        for _, line in self._lines.values():
            self.report.note(End(line, Outcome.UNKNOWN, "cancelled", "it was cut off"), None)
        self._lines.clear()
        if not self.report.lists.is_begun:
            self.report.left = self.report.total
            return
        listed = bool(self.report.lists.outputs) and not self._all_taken
        total = self.report.total
        if not self._all_taken:
            self.report.left = None if total is None else total - self._taken
        if self._misplaced or listed:
            self._judge_rest(listed=listed)

    def _judge_rest(self, *, listed: bool) -> None:
        """Ask the journal about lines that this run did not send."""
        error = self.report.error
        moved = isinstance(error, JournalError) and error.reason == "moved"
        with Known.of(self.report.journal, changed=bool(self._misplaced), moved=moved) as known:
            for position, line, delivery in self._misplaced:
                outcome = known.outcome(line, position)
                judged = attrs.evolve(end_of(line, delivery), outcome=outcome)
                self.report.note(judged, delivery.error)
            if listed:
                self.report.left = self._list_rest(known)

    def _list_rest(self, known: Known) -> int | None:
        """List the lines that were not taken; return how many there are, None if nobody knows."""
        left = 0
        try:
            for left, line in enumerate(self.source.rest(self._last), 1):
                self.report.lists.put(untaken(line, known.outcome(line, self._taken + left - 1)))
        except InputError as error:
            complain(f"what is left of the input is in no list: {error}")
            return None
        if isinstance(self.source, StreamInput) and not self.source.ended:
            complain("the input had not ended: what it still gives is in no list")
            return None
        return left

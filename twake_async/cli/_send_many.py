"""`twake-async send-many`: a file of messages, and what became of each one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import warnings
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING

import attrs
import click

from twake_async.errors import Outcome, RefusedError, TextCutWarning, TwakeError
from twake_async.journal import Journal

from ._credentials import open_session
from ._input import FileInput, StreamInput
from ._options import session_options
from ._progress import Display, counted
from ._statuses import STATUSES, complain, printable, say

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from twake_async.deliveries import Delivery, Progress
    from twake_async.session import TwakeSession

    from ._credentials import Options
    from ._lines import Line

__all__ = ["send_many"]

#: Bad lines and failed messages that are shown one by one.
_SHOWN = 20


@click.command(
    "send-many",
    short_help="Send a file of messages; resume after a crash.",
    epilog="""\b
Examples:
  twake-async send-many messages.jsonl --journal run.sqlite
  twake-async send-many people.csv --rate 5 --undelivered rest.jsonl
  produce | twake-async send-many -

\b
A line of JSON, or a row of CSV under a first row that names the fields:
  {"channel_id": "3b4c5d5f-0f1f-11eb-9a1f-0242ac1b0006", "content": "Hello"}

\b
Exit status: the worst that became of any message:
  0   all were delivered
  2   some were refused, or the server refuses this address, these
      credentials, the group or a capability: nothing was sent
  3   some were not sent, or a line is no message: run it again
  4   some are unknown: look into their channels before sending them again
  64  the command line was wrong; nothing was sent
""",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--journal", metavar="FILE", help="Keep what was sent there, and go on from it.")
@click.option(
    "--resend", is_flag=True, help="Send again what an earlier run of the journal lost sight of."
)
@click.option("--in-flight", metavar="N", type=click.IntRange(min=1), default=10, show_default=True)
@click.option(
    "--rate",
    metavar="R",
    type=click.FloatRange(min=0, min_open=True),
    help="Messages a second at the most.",
)
@click.option("--hold", is_flag=True, help="Stop a channel after a message of unknown fate.")
@click.option("--no-order", is_flag=True, help="Do not keep the order within a channel.")
@click.option(
    "--text-form",
    type=click.Choice(["plain", "portable"]),
    help='"portable", the default, is shown whole by every server; "plain" is a bare string.',
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["jsonl", "csv"]),
    help="Else by the name of FILE; JSON Lines where that does not tell.",
)
@click.option("--dry-run", is_flag=True, help="Check every line, and send nothing.")
@click.option(
    "--undelivered",
    metavar="FILE",
    type=click.File("w", encoding="utf-8", lazy=False),
    help="Write there what is certainly not delivered, to be fed back in.",
)
@click.option(
    "--unknown",
    metavar="FILE",
    type=click.File("w", encoding="utf-8", lazy=False),
    help="Write there what may or may not be delivered.",
)
@session_options
def send_many(
    file: str,
    journal: str | None,
    file_format: str | None,
    *,
    dry_run: bool,
    undelivered: IO[str] | None,
    unknown: IO[str] | None,
    as_json: bool,
    options: Options,
    **batch: Any,
) -> int:
    """Send the messages in FILE, or "-" for standard input, each with a known fate.

    Every line of a file is checked before anything is sent; JSON Lines from standard input are
    sent as they come. Ctrl-C lets what is on its way end; a second one does not wait.
    """
    if batch["resend"] and journal is None:
        raise click.UsageError("--resend means nothing without --journal.")
    is_csv = (file_format or ("csv" if file.endswith(".csv") else "jsonl")) == "csv"
    report = _Report(as_json, {Outcome.UNKNOWN: unknown}, undelivered)
    with ExitStack() as stack:
        source: FileInput | StreamInput = StreamInput()
        if file != "-" or is_csv or dry_run:
            source = FileInput(_opened(file, stack), is_csv)
            report.total, bad = _check(source)
            if bad or dry_run:
                say(f"{report.total:,} messages, {bad:,} bad lines; nothing was sent")
                return STATUSES[Outcome.NOT_SENT if bad else Outcome.DELIVERED]
        stack.enter_context(_warnings_told_once())
        try:
            session = open_session(options, os.environ)
            asyncio.run(_Run(source, report, journal, batch).run(session))
        except TwakeError as error:
            report.stopped_by(error)
        except (KeyboardInterrupt, asyncio.CancelledError):
            report.interrupted = True
        if isinstance(source, FileInput):
            report.leave_rest(source)
        return report.end(journal)


@contextlib.contextmanager
def _warnings_told_once() -> Iterator[None]:
    def tell(message: Warning | str, *_: object) -> None:
        if isinstance(message, TextCutWarning):
            complain("warning: the server kept only the start of a text: use --text-form portable")

    with warnings.catch_warnings():
        warnings.simplefilter("once", TextCutWarning)
        warnings.showwarning = tell  # type: ignore[assignment]
        yield


def _opened(name: str, stack: ExitStack) -> IO[bytes]:
    if name != "-":
        return stack.enter_context(Path(name).open("rb"))
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(sys.stdin.buffer, copy)
    return copy


def _check(source: FileInput) -> tuple[int, int]:
    """Return how many good and bad lines there are, and show the first bad ones."""
    good = bad = 0
    for line in source.lines():
        if line.draft is not None:
            good += 1
            continue
        bad += 1
        if bad <= _SHOWN:
            complain(f"line {line.number}: {line.wrong}")
    return good, bad


@attrs.define(eq=False)
class _Run:
    """One batch, with its signals."""

    source: FileInput | StreamInput
    report: _Report
    journal: str | None
    batch: dict[str, Any]

    async def run(self, session: TwakeSession) -> None:
        """Send all, and report each; after a first Ctrl-C only what was begun."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C cancels at once
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._interrupt, task)
        async with session as twake:
            with Display(self.report.total) as display:
                self.report.counts = display.counts
                deliveries = twake.send_many(
                    self._drafts(),
                    in_flight=self.batch["in_flight"],
                    rate=self.batch["rate"],
                    order=None if self.batch["no_order"] else "channel",
                    after_unknown="hold" if self.batch["hold"] else "continue",
                    journal=Journal(self.journal) if self.journal else None,
                    resume="resend" if self.batch["resend"] else "report",
                    on_progress=lambda progress: self._note(progress, display),
                )
                async with aclosing(deliveries):
                    async for _ in deliveries:
                        if self.report.interrupted:
                            break

    def _note(self, progress: Progress, display: Display) -> None:
        if progress.delivery is not None:
            self.report.note(progress.delivery)
            display.note(progress.delivery.outcome)
        if progress.pause is not None:
            display.note_pause(progress.pause)

    def _interrupt(self, task: asyncio.Task[Any]) -> None:
        if self.report.interrupted:
            task.cancel()
            return
        self.report.interrupted = True
        complain("interrupted: waiting for what is on its way; Ctrl-C again to cut it off")
        if isinstance(self.source, StreamInput):
            self.source.stop()

    async def _drafts(self) -> AsyncIterator[Any]:
        if isinstance(self.source, StreamInput):
            async for line in self.source.lines():
                yield self.report.take(line)
            return
        for line in self.source.lines():
            if self.report.interrupted:
                return
            yield self.report.take(line)


@attrs.define(eq=False)
class _Report:
    """What is told and written of the messages, and the exit status."""

    as_json: bool
    files: dict[Outcome, IO[str] | None]
    undelivered: IO[str] | None
    total: int | None = None
    interrupted: bool = False
    error: TwakeError | None = None
    counts: Counter[Outcome] = attrs.field(init=False)
    _lines: dict[int, Line] = attrs.field(factory=dict, init=False)
    _last: int = attrs.field(default=0, init=False)
    _shown: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.counts = Display(None).counts

    def take(self, line: Line) -> Any:
        """Remember a line until its end, and return what the batch is given for it."""
        given = line if line.draft is None else line.draft
        self._lines[id(given)] = line
        self._last = line.number
        return given

    def leave_rest(self, source: FileInput) -> None:
        """Write the lines that the batch never took, as it was ended before."""
        if self.undelivered is not None and (self.interrupted or self.error is not None):
            for line in source.lines():
                if line.number > self._last:
                    self._write(self.undelivered, line)

    def note(self, delivery: Delivery) -> None:
        """Show and write a message that was not delivered."""
        line = self._lines.pop(id(delivery.draft))
        if delivery.error is None:
            return
        self._write(self.files.get(delivery.outcome, self.undelivered), line)
        self._shown += 1
        if self._shown <= _SHOWN:
            why = line.wrong or str(delivery.error)
            complain(f"line {line.number}: {delivery.outcome.value}: {why}")

    def _write(self, file: IO[str] | None, line: Line) -> None:
        if file is not None and line.source:
            file.write(f"{line.source}\n")

    def stopped_by(self, error: TwakeError) -> None:
        """Note what ended the batch before its input did."""
        self.error = error
        complain(str(error))

    def end(self, journal: str | None) -> int:
        """Print the sum of it, and how to go on; return the exit status."""
        if self._shown > _SHOWN:
            complain(f"... and {self._shown - _SHOWN:,} more")
        status = self._status()
        refused = isinstance(self.error, RefusedError)
        if (self.interrupted or self.error or status == STATUSES[Outcome.NOT_SENT]) and not refused:
            complain(
                "to go on: the same command again"
                if journal
                else "to be able to go on after an interruption, give --journal FILE"
            )
        counts = {outcome.value: self.counts[outcome] for outcome in Outcome}
        if self.as_json:
            facts = {"interrupted": self.interrupted, "error": self.error and self.error.reason}
            say(json.dumps({"counts": counts, **facts}))
        else:
            say(printable(counted(self.counts)))
        return status

    def _status(self) -> int:
        if isinstance(self.error, RefusedError) and not self.counts[Outcome.UNKNOWN]:
            return STATUSES[Outcome.REFUSED]  # the same command again would end in the same way
        for outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.REFUSED):
            unfinished = outcome is Outcome.NOT_SENT and (self.interrupted or self.error)
            if self.counts[outcome] or unfinished:
                return STATUSES[outcome]
        return STATUSES[Outcome.DELIVERED]

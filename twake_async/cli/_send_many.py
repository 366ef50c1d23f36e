"""`twake-async send-many`: sends a file of messages, and reports the outcome of each one."""

from __future__ import annotations

import contextlib
import os
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.errors import (
    ConfigurationError,
    Outcome,
    ReplyAtRootWarning,
    TextCutWarning,
    TwakeError,
)
from twake_async.journal import Journal

from ._credentials import Settings, default_files
from ._input import FileInput, open_input
from ._input_options import input_options
from ._lists import list_options
from ._offline import Offline
from ._options import FiniteNumber, attempts_option, policy_for, process_signals, session_options
from ._partitions import Partitions
from ._report import SHOWN, Report
from ._run import Run
from ._run_shared import SharedRun
from ._shared_options import shared_options
from ._statuses import STATUSES, complain, say
from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._credentials import Options
    from ._input import StreamInput
    from ._lines import Reading
    from ._lists import Lists
    from ._shared_options import SharedJournal
    from ._signals import Signals

__all__ = ["send_many"]

_NOTHING = STATUSES[Outcome.NOT_SENT]


@click.command(
    "send-many",
    short_help="Send a file of messages; continue after a crash.",
    epilog="""\b
Examples:
  twake-async send-many messages.jsonl --journal run.sqlite
  twake-async send-many people.csv --rate 5 --undelivered rest.jsonl
  produce | twake-async send-many -
  twake-async send-many all.jsonl --journal postgresql:dbname=twake --batch november --key invoice

\b
A line is a JSON object. A CSV file names the same fields in its first row:
  {"channel_id": "3b4c5d5f-0f1f-11eb-9a1f-0242ac1b0006", "content": "Hello"}

\b
Exit status: the worst outcome of any message:
  0   all were delivered
  1   all were delivered, but a list could not be written
  2   some were refused, or the server refuses this address, these
      credentials, the group or a capability: nothing was sent
  3   some were not sent, the run was interrupted, or a line is invalid
  4   some are unknown: look into their channels before you send them again
  64  the command line was wrong; nothing was sent
""",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--journal",
    metavar="FILE",
    help="Record in this file what was sent, and continue from it; or postgresql:... for a "
    "database that many machines share.",
)
@shared_options
@click.option(
    "--resend", is_flag=True, help="With --journal: send again what an earlier run left unknown."
)
@click.option(
    "--in-flight",
    metavar="N",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many messages are sent at the same time.",
)
@click.option("--rate", metavar="R", type=FiniteNumber(), help="The limit of messages per second.")
@attempts_option
@click.option(
    "--hold",
    "hold_after",
    flag_value="unknown",
    help="Send nothing more to a channel after a message that ended unknown.",
)
@click.option(
    "--hold-failed",
    "hold_after",
    flag_value="failure",
    help="Send nothing more to a channel after a message that was not delivered.",
)
@click.option("--no-order", is_flag=True, help="Do not keep the order within a channel.")
@click.option(
    "--text-form",
    type=click.Choice(["plain", "portable"]),
    help='With --api v1: every server shows "portable", the default, completely; "plain" is a '
    "bare string.",
)
@input_options
@click.option("--dry-run", is_flag=True, help="Check every line, and send nothing.")
@list_options
@click.option(
    "--quiet",
    is_flag=True,
    help="Print no progress, and the counts only if a message was not delivered.",
)
@session_options
def send_many(
    file: str,
    journal: str | None,
    file_format: str | None,
    *,
    shared: SharedJournal | None,
    reading: Reading,
    dry_run: bool,
    lists: Lists,
    quiet: bool,
    as_json: bool,
    options: Options,
    **batch: Any,
) -> int:
    """Send the messages in FILE, or "-" for standard input, and report the outcome of each.

    Every line of a file is checked before anything is sent. JSON Lines from standard input are
    sent as they arrive. Ctrl-C waits for the messages in flight; a second Ctrl-C does not wait.
    """
    signals = process_signals()
    signals.guard(_NOTHING, in_background=True)
    arguments = _arguments(journal, shared, **batch)
    configs = (options.config, os.environ.get("TWAKE_CONFIG"), *map(str, default_files()))
    lists.check(file, journal, [config for config in configs if config])
    name = None if shared is None else shared.batch
    report = Report(lists, as_json, quiet, journal, name)
    if shared is not None:
        shared.check(reading, lists)
    job = _Job(file, file_format, reading, dry_run, options, arguments, report, signals, shared)
    return job.run()


@attrs.frozen
class _Job:
    """One call of `send-many`, after its command line was checked."""

    file: str
    file_format: str | None
    reading: Reading
    dry_run: bool
    options: Options
    arguments: dict[str, Any]
    report: Report
    signals: Signals
    shared: SharedJournal | None

    def run(self) -> int:
        """Check the input and send it; return the exit status."""
        report = self.report
        with ExitStack() as stack:
            try:
                whole = self.dry_run or self.shared is not None
                source = open_input(self.file, self.file_format, self.reading, stack, whole=whole)
                settings = Settings.read(self.options, os.environ)
                offline = Offline.of(settings)
                parts = self._partitions(stack)
                if (status := self._check(source, offline, parts)) is not None:
                    return status
                session = settings.open_session()
                stack.enter_context(report.lists)
            except TwakeError as exc:
                report.note_error(exc)
                return report.finish_early()
            except KeyboardInterrupt:
                return report.finish_early(interrupted=True)
            stack.enter_context(_warnings_shown_once())
            if self.shared is not None and parts is not None:
                return SharedRun(parts, self.shared, report, self.signals, self.arguments).run(
                    session
                )
            keyed = self.reading.key is not None
            run = Run(source, report, self.signals, self.arguments, keyed, offline)
            return run.run(session)

    def _partitions(self, stack: ExitStack) -> Partitions | None:
        if self.shared is None or self.dry_run:
            return None
        parts = Partitions(self.shared.journal().part_of, self.reading.key)
        return stack.enter_context(parts)

    def _check(
        self, source: FileInput | StreamInput, offline: Offline, parts: Partitions | None
    ) -> int | None:
        """Check the lines of a file; return the exit status if nothing is to be sent."""
        if not isinstance(source, FileInput):
            return None
        self.report.total, bad = _count(source, offline, parts)
        if not (bad or self.dry_run):
            return None
        say(f"{self.report.total:,} messages, {bad:,} bad lines; nothing was sent")
        return STATUSES[Outcome.NOT_SENT if bad else Outcome.DELIVERED]


def _arguments(
    journal: str | None,
    shared: SharedJournal | None,
    *,
    resend: bool,
    hold_after: str | None,
    no_order: bool,
    attempts: int | None,
    **same: Any,
) -> dict[str, Any]:
    """Return the arguments of the library's `send_many` for those of the command line."""
    if resend and journal is None and shared is None:
        raise click.UsageError("--resend needs --journal or --batch.")
    return {
        **_journal(journal, shared),
        "resume": "resend" if resend else "report",
        "hold_after": hold_after,
        "order": None if no_order else "channel",
        "retry": policy_for(attempts),
        **same,
    }


def _journal(journal: str | None, shared: SharedJournal | None) -> dict[str, Any]:
    """Return the arguments of the library for the journal."""
    if shared is not None:
        return {}  # the input's fingerprint belongs to it
    try:
        return {"journal": None if journal is None else Journal(journal)}
    except ConfigurationError as exc:
        raise click.UsageError(f"--journal: {of_error(exc)}.") from None


def _count(source: FileInput, offline: Offline, parts: Partitions | None) -> tuple[int, int]:
    """Return how many good and bad lines there are, and print the first bad ones.

    Args:
        source: The input.
        offline: Checks drafts as the run does.
        parts: What keeps the lines by partition; None where they are read again.

    """
    good = bad = 0
    for line in source.check(offline):
        if parts is not None:
            parts.add(line)
        if line.draft is not None:
            good += 1
            continue
        bad += 1
        if bad <= SHOWN:
            complain(f"line {line.number}: {line.problem}")
    return good, bad


@contextlib.contextmanager
def _warnings_shown_once() -> Iterator[None]:
    def show(message: Warning | str, *_: object) -> None:
        if isinstance(message, TextCutWarning):
            complain("warning: the server kept only the start of a text: use --text-form portable")
        if isinstance(message, ReplyAtRootWarning):
            complain(f"warning: {message}")

    with warnings.catch_warnings():
        for kind in (TextCutWarning, ReplyAtRootWarning):
            warnings.simplefilter("once", kind)
        warnings.showwarning = show  # type: ignore[assignment]
        yield

"""Reports a batch: each failure, the counts, how to go on, and the exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import NotSentError, Outcome, RateLimitedError, RefusedError, TwakeError

from ._progress import Display, counted
from ._statuses import FAILED, STATUSES, complain, printable, say
from ._words import of_error

if TYPE_CHECKING:
    from collections import Counter

    from ._lists import Lists
    from ._results import LineResult

__all__ = ["SHOWN", "Report"]

#: How many bad lines and failed messages are printed one by one.
SHOWN = 20
#: Reasons of a message that was not sent, which would stop the same command again.
_LASTING = ("certificate", "held", "proxy_refused")
_KEEP = "to be able to continue after an interruption, give --journal FILE"


@attrs.define(eq=False)
class Report:
    """Counts the outcomes of a batch's lines, and prints them."""

    lists: Lists
    as_json: bool
    quiet: bool
    journal: str | None
    batch: str | None = None
    """The name of a batch that several machines send; then the counts are those of the batch."""

    interrupted: bool = False
    error: TwakeError | None = None
    """The error that ended the batch early."""

    left: int | None = 0
    """How many lines the batch did not reach; None where that is not known."""

    display: Display = attrs.field(init=False)
    _shown: int = attrs.field(default=0, init=False)
    _may_pass: bool = attrs.field(default=False, init=False)
    """Whether a message failed for a reason that may pass."""

    def __attrs_post_init__(self) -> None:
        self.display = Display(None, shown=not self.quiet)

    @property
    def total(self) -> int | None:
        """How many lines there are; None where that is not known."""
        return self.display.total

    @total.setter
    def total(self, lines: int) -> None:
        self.display.total = lines

    @property
    def counts(self) -> Counter[Outcome]:
        """How many lines have each outcome."""
        return self.display.counts

    def note(self, result: LineResult, error: TwakeError | None) -> None:
        """Count a line that has its outcome, list it, and print it where it failed.

        Args:
            result: The line and its outcome.
            error: The error of its message, if there is one.

        """
        self.lists.put(result)
        self.display.note(result.outcome, resumed=result.from_journal)
        self.note_failure(result, error)

    def note_failure(self, result: LineResult, error: TwakeError | None) -> None:
        """Print a line that failed, without counting it."""
        if result.outcome is Outcome.DELIVERED:
            return
        self._may_pass |= _may_pass(error)
        self._shown += 1
        if self._shown <= SHOWN and not self.quiet:
            complain(f"line {result.line.number}: {result.outcome.value}: {result.error}")

    def note_error(self, error: TwakeError) -> None:
        """Note the error that ended the batch early, and print it."""
        self.error = error
        complain(of_error(error))

    def finish_early(self, *, interrupted: bool = False) -> int:
        """Print that nothing was sent; return the exit status."""
        if interrupted:
            complain("interrupted")
        self.interrupted, self.left = interrupted, self.total
        return self.finish()

    def finish(self) -> int:
        """Print the counts, and how to go on; return the exit status."""
        if self._shown > SHOWN and not self.quiet:
            complain(f"... and {self._shown - SHOWN:,} more")
        self.lists.report_missing()
        status = self._status()
        if hint := self._hint():
            complain(hint)
        if self.as_json or status or not self.quiet:
            self._print_counts()
        return status

    def _print_counts(self) -> None:
        text = self._json() if self.as_json else self._words()
        if self.lists.fill_output:  # there the counts would be a bad line
            complain(text)
        else:
            say(printable(text))

    def _words(self) -> str:
        words = counted(self.counts) or "nothing was sent"
        return f"{words}; {self.left:,} not reached" if self.left else words

    def _json(self) -> str:
        counts = {outcome.value: self.counts[outcome] for outcome in Outcome}
        facts: dict[str, Any] = {"counts": counts, "interrupted": self.interrupted}
        facts["error"] = self.error and self.error.reason
        if self.left != 0:
            facts["left"] = self.left
        return json.dumps(facts)

    def _hint(self) -> str:
        unfinished = self.interrupted and self.left != 0
        may_pass = self._may_pass if self.error is None else _may_pass(self.error)
        if not (unfinished or may_pass):
            return ""
        if self.batch is not None and not unfinished and self.error is None:
            return "to send what was refused or not sent: run the same command with --again"
        if self.journal is not None or self.batch is not None:
            return "to continue: run the same command again"
        rest = self.lists.undelivered
        if rest is not None and not rest.is_standard and not self.lists.failed:
            return f"to continue: send {rest.path}, and give another file for what is left of it"
        return _KEEP if unfinished else ""

    def _status(self) -> int:
        if isinstance(self.error, RefusedError) and not self.counts[Outcome.UNKNOWN]:
            return STATUSES[Outcome.REFUSED]  # the same command would be refused again
        stopped = self.interrupted or self.error is not None or self.lists.failed
        for outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.REFUSED):
            left = outcome is Outcome.NOT_SENT and self.left != 0 and stopped
            if self.counts[outcome] or left:
                return STATUSES[outcome]
        # All were delivered, but the journal or a list is not complete.
        broken = self.error is not None or self.lists.failed
        return FAILED if broken else STATUSES[Outcome.DELIVERED]


def _may_pass(error: TwakeError | None) -> bool:
    if isinstance(error, NotSentError):
        return error.reason not in _LASTING
    return isinstance(error, RateLimitedError)

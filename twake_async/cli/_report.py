"""What is told of a batch: each failure, the sum of it, how to go on, and the exit status."""

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
    from ._results import End

__all__ = ["SHOWN", "Report"]

#: Bad lines and failed messages that are shown one by one.
SHOWN = 20
#: What keeps a message from leaving and lasts: the same command again would meet it again.
_LASTING = ("certificate", "held", "proxy_refused")
_KEEP = "to be able to go on after an interruption, give --journal FILE"


@attrs.define(eq=False)
class Report:
    """Counts what became of the lines of a batch, and tells it."""

    lists: Lists
    as_json: bool
    quiet: bool
    journal: str | None
    interrupted: bool = False
    error: TwakeError | None = None
    """What ended the batch before its input did."""

    left: int | None = 0
    """How many lines the batch did not take; None where nobody knows."""

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
        """How many lines ended how."""
        return self.display.counts

    def note(self, end: End, error: TwakeError | None) -> None:
        """Count a line that has ended, list it, and show it where it failed."""
        self.lists.put(end)
        self.display.note(end.outcome, resumed=end.from_journal)
        if end.outcome is Outcome.DELIVERED:
            return
        self._may_pass |= _may_pass(error)
        self._shown += 1
        if self._shown <= SHOWN and not self.quiet:
            complain(f"line {end.line.number}: {end.outcome.value}: {end.why}")

    def stopped_by(self, error: TwakeError) -> None:
        """Note what ended the batch before its input did."""
        self.error = error
        complain(of_error(error))

    def end_early(self, *, interrupted: bool = False) -> int:
        """Print that nothing was sent; return the exit status."""
        if interrupted:
            complain("interrupted")
        self.interrupted, self.left = interrupted, self.total
        return self.end()

    def end(self) -> int:
        """Print the sum of it, and how to go on; return the exit status."""
        if self._shown > SHOWN and not self.quiet:
            complain(f"... and {self._shown - SHOWN:,} more")
        self.lists.tell_missing()
        status = self._status()
        if hint := self._hint():
            complain(hint)
        if self.as_json or status or not self.quiet:
            self._sum()
        return status

    def _sum(self) -> None:
        text = self._json() if self.as_json else self._words()
        if self.lists.fill_output:  # there the sum would be a bad line
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
        if self.journal is not None:
            return "to go on: the same command again"
        rest = self.lists.undelivered
        if rest is not None and not rest.is_standard and not self.lists.failed:
            return f"to go on: send {rest.path}, and list what is left of it elsewhere"
        return _KEEP if unfinished else ""

    def _status(self) -> int:
        if isinstance(self.error, RefusedError) and not self.counts[Outcome.UNKNOWN]:
            return STATUSES[Outcome.REFUSED]  # the same command again would end in the same way
        stopped = self.interrupted or self.error is not None or self.lists.failed
        for outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.REFUSED):
            left = outcome is Outcome.NOT_SENT and self.left != 0 and stopped
            if self.counts[outcome] or left:
                return STATUSES[outcome]
        # All were delivered, but what keeps account of it is not whole.
        broken = self.error is not None or self.lists.failed
        return FAILED if broken else STATUSES[Outcome.DELIVERED]


def _may_pass(error: TwakeError | None) -> bool:
    if isinstance(error, NotSentError):
        return error.reason not in _LASTING
    return isinstance(error, RateLimitedError)

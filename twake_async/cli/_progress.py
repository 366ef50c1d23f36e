"""Shows the progress of a batch on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import attrs
import rich.progress
from rich.console import Console

from twake_async.errors import Outcome

from ._statuses import complain

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from twake_async.deliveries import Pause

__all__ = ["Display", "counted"]

#: Seconds between two plain lines.
_EVERY = 5.0


def counted(counts: Counter[Outcome]) -> str:
    """Return the counts in words, in the order of outcomes; empty where nothing was counted."""
    words = [f"{counts[outcome]:,} {outcome.value}" for outcome in Outcome if counts[outcome]]
    return ", ".join(words)


def _now() -> datetime.datetime:
    return datetime.datetime.now().astimezone()


@attrs.define(eq=False)
class Display:
    """Shows counts by outcome, the rate and the time that is left, while it is entered."""

    total: int | None
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime.datetime] = _now
    shown: bool = True
    counts: Counter[Outcome] = attrs.field(factory=Counter, init=False)
    _resumed: int = attrs.field(default=0, init=False)
    """How many outcomes are those of an earlier run; they do not count for the rate."""
    _bar: rich.progress.Progress | None = attrs.field(default=None, init=False)
    _task: rich.progress.TaskID = attrs.field(default=rich.progress.TaskID(0), init=False)
    _began: float = attrs.field(init=False)
    _paused: bool = attrs.field(default=False, init=False)
    _is_shared: bool = attrs.field(default=False, init=False)
    _next: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._began = self.clock()
        self._next = self._began + _EVERY

    def __enter__(self) -> Self:
        self._begin()
        if self.shown and sys.stderr.isatty():
            columns = (
                rich.progress.BarColumn(),
                rich.progress.TaskProgressColumn(),
                rich.progress.TextColumn("{task.description}"),
                rich.progress.TimeRemainingColumn(),
            )
            self._bar = rich.progress.Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=self.total)
            with contextlib.suppress(OSError):  # the terminal may go away at any time
                self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.stop()

    def note(self, outcome: Outcome, *, resumed: bool = False) -> None:
        """Count one message.

        Args:
            outcome: Its outcome.
            resumed: Whether an earlier run had it.

        """
        self.counts[outcome] += 1
        self._resumed += resumed
        now = self.clock()
        if resumed and self._resumed == self.counts.total():
            self._began = now  # nothing has been sent so far
        self._update(now)

    def show(self, counts: Counter[Outcome]) -> None:
        """Show the counts of a batch that several machines send.

        The first ones count as those of an earlier run: the rate is that of all machines since.
        """
        if not self._is_shared:
            self._is_shared, self._resumed, self._began = True, counts.total(), self.clock()
        self.counts = counts
        self._update(self.clock())

    def _update(self, now: float) -> None:
        if self._bar is not None:
            self._show(self._bar)
        elif now >= self._next:
            self._next = now + _EVERY
            if self.shown:
                complain(f"{self.wall().isoformat(timespec='seconds')} {self._words()}")

    def _show(self, bar: rich.progress.Progress) -> None:
        total = None if self.total is None else self.total - self._resumed
        sent = self.counts.total() - self._resumed
        with contextlib.suppress(OSError):
            bar.update(self._task, completed=sent, total=total, description=self._words())

    def note_pause(self, pause: Pause) -> None:
        """Print that the batch pauses, once at the beginning and once at the end."""
        if self.shown and pause.is_over:
            complain(f"the server answers again after {pause.seconds:.0f} s: the run continues")
        elif self.shown and not self._paused:
            complain(f"paused ({pause.reason}): the run continues when the server answers")
        self._paused = not pause.is_over

    def _words(self) -> str:
        ended = self.counts.total()
        rate = (ended - self._resumed) / max(self.clock() - self._began, 0.001)
        words = f"{counted(self.counts)}; {rate:,.0f}/s"
        if self.total is not None and self._bar is None:
            words += f"; {self.total - ended:,} left"
            if rate:
                words += f", {(self.total - ended) / rate:,.0f} s"
        return words

"""How a batch is doing: a bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

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

__all__ = ["Display"]

#: Seconds between two plain lines.
_EVERY = 5.0


def counted(counts: Counter[Outcome]) -> str:
    """Return the counts in words, in the order of outcomes."""
    told = [f"{counts[outcome]:,} {outcome.value}" for outcome in Outcome if counts[outcome]]
    return ", ".join(told) or "nothing yet"


@attrs.define(eq=False)
class Display:
    """Shows counts by outcome, the rate and the time that is left, while it is entered."""

    total: int | None
    clock: Callable[[], float] = time.monotonic
    counts: Counter[Outcome] = attrs.field(factory=Counter, init=False)
    _bar: rich.progress.Progress | None = attrs.field(default=None, init=False)
    _task: rich.progress.TaskID = attrs.field(default=rich.progress.TaskID(0), init=False)
    _began: float = attrs.field(init=False)
    _paused: bool = attrs.field(default=False, init=False)
    _next: float = attrs.field(default=_EVERY, init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self.clock()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            columns = (
                rich.progress.BarColumn(),
                rich.progress.TaskProgressColumn(),
                rich.progress.TextColumn("{task.description}"),
                rich.progress.TimeRemainingColumn(),
            )
            self._bar = rich.progress.Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=self.total)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def note(self, outcome: Outcome) -> None:
        """Count one message."""
        self.counts[outcome] += 1
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=self._words())
        elif self._elapsed() >= self._next:
            self._next = self._elapsed() + _EVERY
            complain(self._words())

    def note_pause(self, pause: Pause) -> None:
        """Say that the batch pauses, once when it begins and once when it is over."""
        if pause.is_over:
            complain(f"the server answers again after {pause.seconds:.0f} s: going on")
        elif not self._paused:
            complain(f"paused ({pause.reason}): the server is asked until it answers")
        self._paused = not pause.is_over

    def _elapsed(self) -> float:
        return self.clock() - self._began

    def _words(self) -> str:
        ended = self.counts.total()
        rate = ended / max(self._elapsed(), 0.001)
        words = f"{counted(self.counts)}; {rate:,.0f}/s"
        if self.total is not None and self._bar is None:
            words += f"; {self.total - ended:,} left, {(self.total - ended) / rate:,.0f} s"
        return words

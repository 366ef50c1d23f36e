"""The lists of a batch: what was not delivered, what is unknown, and the result of each line."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.errors import Outcome

from ._outputs import Output, check_outputs
from ._results import with_result
from ._statuses import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from ._results import LineResult

__all__ = ["Lists", "list_options"]

#: How many ranges of missing lines are printed one by one.
_SHOWN = 20
#: The endings of the files that SQLite and the lock put beside a journal.
_BESIDE = ("wal", "shm", "journal", "lock")


@attrs.define(eq=False)
class Lists:
    """Writes each line to the list that it belongs to, as soon as it has an outcome."""

    undelivered: Output | None
    unknown: Output | None
    results: Output | None
    on_failure: Callable[[], object] = attrs.field(default=lambda: None, init=False)
    """Called when the results can no longer be written."""

    is_begun: bool = attrs.field(default=False, init=False)
    _missing: list[list[int]] = attrs.field(factory=list, init=False)
    """The first and the last number of each range of lines that could not be written."""
    _more: int = attrs.field(default=0, init=False)
    """How many more lines could not be written."""
    _reported: list[Output] = attrs.field(factory=list, init=False)

    @property
    def outputs(self) -> list[Output]:
        """The lists that were asked for."""
        return [one for one in (self.undelivered, self.unknown, self.results) if one is not None]

    @property
    def failed(self) -> bool:
        """Whether one of them is not complete."""
        return any(output.failure is not None for output in self.outputs)

    @property
    def fill_output(self) -> bool:
        """Whether one of them goes to standard output."""
        return any(output.is_standard for output in self.outputs)

    def check(self, file: str, journal: str | None, configs: Iterable[str]) -> None:
        """Check that each list, and the journal, is a file of its own.

        Args:
            file: The input; "-" for standard input.
            journal: The journal.
            configs: The files that may hold the credentials.

        Raises:
            UsageError: One of them is a directory, or the same file as another.

        """
        others = {"the input": "/dev/stdin" if file == "-" else file}
        others |= {f"the configuration {config}": config for config in configs}
        written = {output.option: output.path for output in self.outputs}
        if journal is not None:
            written = {"--journal": journal, **written}
            others |= {f"the journal's {end}": f"{journal}-{end}" for end in _BESIDE}
        check_outputs(written, others)

    def __enter__(self) -> Self:
        try:
            for output in self.outputs:
                output.open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for output in self.outputs:
            output.close()

    def begin(self) -> None:
        """Empty the lists: from here on they are those of this run."""
        for output in self.outputs:
            output.make()
        for output in self.outputs:
            output.begin()
        self.is_begun = True

    def put(self, result: LineResult) -> None:
        """Write a line to the lists that it belongs to."""
        written = [output.write(line) for output, line in self._places(result)]
        if not all(written):
            self._note_missing(result.line.number)

    def _places(self, result: LineResult) -> Iterator[tuple[Output, str]]:
        unknown = result.outcome is Outcome.UNKNOWN
        listed = self.unknown if unknown else self.undelivered
        if listed is not None and result.outcome is not Outcome.DELIVERED:
            yield listed, with_result(result)
        if self.results is not None:
            yield self.results, result.as_json()

    def _note_missing(self, number: int) -> None:
        ranges = self._missing
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        elif len(ranges) < _SHOWN:
            ranges.append([number, number])
        else:
            self._more += 1
        for output in self.outputs:
            if output.failure is not None and output not in self._reported:
                self._reported.append(output)
                self._report(output, output.failure)

    def _report(self, output: Output, failure: OSError) -> None:
        # Without the results nobody would know what was sent. The other lists lack a few lines.
        stops = output is self.results
        what = "nothing more is sent" if stops else "the missing lines are named at the end"
        complain(f"{output.option} {output.path} cannot be written ({failure.strerror}): {what}")
        if stops:
            self.on_failure()

    def report_missing(self) -> None:
        """Print the numbers of the lines that could not be written."""
        if not self._missing:
            return
        ranges = [str(a) if a == b else f"{a} to {b}" for a, b in self._missing]
        names = ", ".join(ranges) + (f" and {self._more:,} more" if self._more else "")
        complain(f"missing in the lists: line {names}")


_OPTIONS = (
    click.option(
        "--undelivered",
        metavar="FILE",
        help="Write to this file what is certainly not delivered, and why; it can be an input.",
    ),
    click.option(
        "--unknown", metavar="FILE", help="Write to this file what may or may not be delivered."
    ),
    click.option(
        "--results",
        metavar="FILE",
        help="Write to this file the outcome of each message: a JSON object on each line.",
    ),
)


def list_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that name files to write, as one argument `lists`."""

    @functools.wraps(command)
    def with_options(*args: Any, **named: Any) -> int:
        paths = [(name, named.pop(name)) for name in ("undelivered", "unknown", "results")]
        made = [None if path is None else Output(f"--{name}", path) for name, path in paths]
        return command(*args, lists=Lists(*made), **named)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options

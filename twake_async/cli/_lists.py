"""The lists of a batch: what was not delivered, what is unknown, and what became of each line."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.errors import Outcome

from ._outputs import Output, check_outputs
from ._results import beside
from ._statuses import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from ._results import End

__all__ = ["Lists", "list_options"]

#: Runs of lines that are told one by one where they could not be written.
_SHOWN = 20
#: What SQLite and the journal's lock put beside a journal.
_BESIDE = ("wal", "shm", "journal", "lock")


@attrs.define(eq=False)
class Lists:
    """Writes each line to the list that it belongs to, as it ends."""

    undelivered: Output | None
    unknown: Output | None
    results: Output | None
    on_failure: Callable[[], object] = attrs.field(default=lambda: None, init=False)
    """Called when the results can no longer be written."""

    is_begun: bool = attrs.field(default=False, init=False)
    _missing: list[list[int]] = attrs.field(factory=list, init=False)
    """The first and the last number of each run of lines that are in no list, as far as shown."""
    _more: int = attrs.field(default=0, init=False)
    """How many lines more are in no list."""
    _told: list[Output] = attrs.field(factory=list, init=False)

    @property
    def outputs(self) -> list[Output]:
        """Those that were asked for."""
        return [one for one in (self.undelivered, self.unknown, self.results) if one is not None]

    @property
    def failed(self) -> bool:
        """Whether one of them is not whole."""
        return any(output.failure is not None for output in self.outputs)

    @property
    def fill_output(self) -> bool:
        """Whether one of them goes to standard output."""
        return any(output.is_standard for output in self.outputs)

    def check(self, file: str, journal: str | None, configs: Iterable[str]) -> None:
        """Raise unless each list, and the journal, is a file of its own.

        Args:
            file: The input; "-" for standard input.
            journal: The journal.
            configs: Where the credentials may come from.

        Raises:
            UsageError: One of them is a directory, another one, or one of these.

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
        """Begin them anew: from here on they are of this run."""
        for output in self.outputs:
            output.make()
        for output in self.outputs:
            output.begin()
        self.is_begun = True

    def put(self, end: End) -> None:
        """Write a line to the lists that it belongs to."""
        written = [output.write(line) for output, line in self._places(end)]
        if not all(written):
            self._miss(end.line.number)

    def _places(self, end: End) -> Iterator[tuple[Output, str]]:
        unknown = end.outcome is Outcome.UNKNOWN
        listed = self.unknown if unknown else self.undelivered
        if listed is not None and end.outcome is not Outcome.DELIVERED:
            yield listed, beside(end)
        if self.results is not None:
            yield self.results, end.as_json()

    def _miss(self, number: int) -> None:
        runs = self._missing
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        elif len(runs) < _SHOWN:
            runs.append([number, number])
        else:
            self._more += 1
        for output in self.outputs:
            if output.failure is not None and output not in self._told:
                self._told.append(output)
                self._tell(output, output.failure)

    def _tell(self, output: Output, failure: OSError) -> None:
        # Without the results nobody could tell what was sent; the other lists are short of a few.
        stops = output is self.results
        what = "nothing more is sent" if stops else "the lines that it lacks are named at the end"
        complain(f"{output.option} {output.path} cannot be written ({failure.strerror}): {what}")
        if stops:
            self.on_failure()

    def tell_missing(self) -> None:
        """Name the lines that are not where they belong."""
        if not self._missing:
            return
        runs = [str(a) if a == b else f"{a} to {b}" for a, b in self._missing]
        names = ", ".join(runs) + (f" and {self._more:,} more" if self._more else "")
        complain(f"not in the lists where they belong: line {names}")


_OPTIONS = (
    click.option(
        "--undelivered",
        metavar="FILE",
        help="List there what is certainly not delivered, and why; it can be fed back in.",
    ),
    click.option("--unknown", metavar="FILE", help="List there what may or may not be delivered."),
    click.option(
        "--results",
        metavar="FILE",
        help="Write there what became of each message: a JSON object on a line.",
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

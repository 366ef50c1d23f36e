"""The lines of an input by partition: one pass over the input, then each partition by itself."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

import attrs

from ._lines import RESULT, Line, Reading, draft_line, load_json
from ._sources import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

__all__ = ["Partitions"]


@attrs.define(eq=False)
class Partitions:
    """The good lines of an input, in a temporary file for each partition.

    They need as much room as the input, where the system keeps temporary files. A process sends the
    lines that it checked, even if the input is changed meanwhile.
    """

    part_of: Callable[[str], int]
    """Returns the partition of a channel."""

    key: str | None
    """The field that holds the key of a line."""

    _files: dict[int, IO[bytes]] = attrs.field(factory=dict, init=False)
    _digest: Any = attrs.field(factory=hashlib.sha256, init=False)
    _closes: ExitStack = attrs.field(factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closes.close()

    @property
    def fingerprint(self) -> str:
        """A hash of all lines, the same on each machine that has the same input."""
        return str(self._digest.hexdigest())

    def add(self, line: Line) -> None:
        """Keep a line, if it makes a draft.

        Raises:
            InputError: There is no room for it.

        """
        source = line.source.encode("utf-8", "surrogateescape") + b"\n"
        self._digest.update(source)
        if line.draft is None:
            return
        part = self.part_of(line.draft.channel_id)
        try:
            self._file(part).write(b"%d\t%b" % (line.number, source))
        except OSError as exc:
            raise InputError(
                f"the input cannot be copied to {tempfile.gettempdir()} ({exc.strerror}): make "
                "room there, or name another folder in TMPDIR"
            ) from exc

    def lines(self, part: int) -> Iterator[Line]:
        """Yield the lines of a partition, in the order of the input.

        One pass over a partition ends before the next one begins.

        Raises:
            InputError: The temporary file cannot be read.

        """
        if part not in self._files:
            return
        reading = Reading("utf-8", key=self.key)
        try:
            self._files[part].seek(0)
            for kept in self._files[part]:
                number, _, source = kept.partition(b"\t")
                yield _line(int(number), source.decode().rstrip("\n"), reading)
        except OSError as exc:
            raise InputError(f"the copy of the input cannot be read: {exc.strerror}") from exc

    def _file(self, part: int) -> IO[bytes]:
        file = self._files.get(part)
        if file is None:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - `_closes` closes it
            self._closes.enter_context(file)
            self._files[part] = file
        return file


def _line(number: int, source: str, reading: Reading) -> Line:
    fields = load_json(source)
    fields.pop(RESULT, None)
    return draft_line(number, source, fields, reading)

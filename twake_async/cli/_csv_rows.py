"""Strict CSV: makes rows of cells of lines of text. What RFC 4180 forbids is a problem. No I/O.

The standard library's reader is not used: even with `strict=True` it accepts a quote inside a cell
that does not begin with one, and takes the rest of the file for one cell if a quote is not closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._text_lines import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._text_lines import TextLine

__all__ = ["DELIMITERS", "Row", "rows"]

#: The delimiters that are tried on the first row, with their names.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


@attrs.frozen
class Row:
    """One row of a CSV file."""

    number: int
    """The number of its first line."""

    cells: list[str]
    """The cells that could be read."""

    text: str = ""
    """The row as it is in the file; kept only where it has a problem."""

    problem: str = ""
    """Why it cannot be used; empty where it can."""


def rows(lines: Iterable[TextLine], delimiter: str) -> Iterator[Row]:
    """Yield the rows; blank lines between them are skipped."""
    quoted: _Quoted | None = None
    for line in lines:
        if quoted is None and not line.problem and '"' not in line.text:
            if line.text and not line.text.isspace():
                yield Row(line.number, line.text.split(delimiter))
            continue
        quoted = quoted or _Quoted(line.number, delimiter)
        if quoted.take(line):
            yield quoted.row()
            quoted = None
    if quoted is not None:
        yield quoted.unclosed()


@attrs.define(eq=False)
class _Quoted:
    """A row with quotes, which may span several lines."""

    number: int
    delimiter: str
    _cells: list[str] = attrs.field(factory=list, init=False)
    _texts: list[str] = attrs.field(factory=list, init=False)
    _length: int = attrs.field(default=0, init=False)
    _fault: str = attrs.field(default="", init=False)
    #: The parts of the cell whose quote is open; None where no quote is open.
    _open: list[str] | None = attrs.field(default=None, init=False)
    _opened: str = attrs.field(default="", init=False)

    def take(self, line: TextLine) -> bool:
        """Add one more line; return whether the row is complete, or has a problem."""
        self._texts.append(line.text + line.end)
        self._length += len(line.text)
        self._fault = self._problem(line)
        if self._fault and line.number != self.number:
            self._fault = f"on line {line.number}: {self._fault}"
        return bool(self._fault) or self._open is None

    def row(self) -> Row:
        """Return the complete row."""
        text = "".join(self._texts) if self._fault else ""
        return Row(self.number, self._cells, text, self._fault)

    def unclosed(self) -> Row:
        """Return the row whose quote the file does not close."""
        self._fault = f"{self._opened} is never closed"
        return self.row()

    def _problem(self, line: TextLine) -> str:
        if line.problem:
            return line.problem
        if self._length > LONGEST:
            return f"{self._opened} is not closed within {LONGEST:,} characters"
        at: int | None = 0
        while at is not None:
            if self._open is None:
                at, problem = self._begin(line.text, at)
            else:
                at, problem = self._go_on(line, at)
            if problem:
                return problem
        return ""

    def _begin(self, text: str, at: int) -> tuple[int | None, str]:
        """Read one cell from its first character; return where the next cell begins."""
        if text.startswith('"', at):
            self._open, self._opened = [], f"the quote at {self._place(at)}"
            return at + 1, ""
        end = text.find(self.delimiter, at)
        cell = text[at:] if end < 0 else text[at:end]
        if (quote := cell.find('"')) >= 0:
            place = self._place(at + quote)
            return None, f"there is a quote at {place} in a cell that does not begin with one"
        self._cells.append(cell)
        return None if end < 0 else end + 1, ""

    def _go_on(self, line: TextLine, at: int) -> tuple[int | None, str]:
        """Read on in a quoted cell; return where the next cell, or the next part of it, begins."""
        text = line.text
        assert self._open is not None  # noqa: S101 - its caller has checked
        quote = text.find('"', at)
        if quote < 0:
            self._open.append(text[at:] + line.end)
            return None, ""
        self._open.append(text[at:quote])
        after = quote + 1
        if text.startswith('"', after):
            self._open.append('"')
            return after + 1, ""
        if after < len(text) and not text.startswith(self.delimiter, after):
            return None, f"there is text after the closing quote, at {self._place(after)}"
        self._cells.append("".join(self._open))
        self._open = None
        return None if after == len(text) else after + 1, ""

    def _place(self, at: int) -> str:
        return f"character {at + 1} (column {len(self._cells) + 1})"

"""Makes drafts of rows of CSV: the first row names the fields. No I/O."""

from __future__ import annotations

import re
import shlex
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from ._csv_rows import DELIMITERS, Row, rows
from ._lines import (
    Line,
    NotTakenError,
    Reading,
    bad_line,
    draft_line,
    load_json,
    named_source,
    named_twice,
    nearest,
)
from ._text_lines import TextLine, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["header_of", "read_csv"]

#: Fields whose cells are JSON; the cells of the others are text.
_AS_JSON = frozenset(
    {"ephemeral", "ephemeral_to", "extra", "hidden_data", "override", "pinned", "user_specific"}
)
#: Fields that are true or false, which spreadsheets write in capitals.
_FLAGS = frozenset({"ephemeral", "pinned"})
#: A line that Excel writes before the first row to name the delimiter.
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@attrs.frozen
class _Header:
    names: list[str]
    """The names of the columns in the first row."""

    fields: list[str]
    """The field of each column; empty for a column to skip."""


def read_csv(chunks: Iterable[bytes], reading: Reading | None = None) -> Iterator[Line]:
    """Yield a line for each row. The first row names the fields; an empty cell is no field.

    If the first row has a problem, only that is yielded.
    """
    reading = reading or Reading()
    table = _table(text_lines(chunks, reading.encoding), reading)
    first = next(table, None)
    if first is None:
        return
    header = _header(first, reading)
    hint = "; if it is JSON Lines, give --format jsonl" if first.text.startswith("{") else ""
    problems = [first.problem + hint] if first.problem else _problems(header, reading)
    for problem in problems:
        yield _bad_row(first, problem)
    if not problems:
        for row in table:
            if any(row.cells) or row.problem:
                yield _line(row, header, reading)


def header_of(text: str, delimiter: str, reading: Reading) -> tuple[int, int]:
    """Return how many cells of a first row are fields, and how many are not.

    Args:
        text: The row.
        delimiter: The character between its cells.
        reading: How it is to be read.

    """
    row = next(rows([TextLine(1, text)], delimiter), None)
    if row is None or row.problem:
        return 0, 0
    known = sum(field in reading.fields for field in _header(row, reading).fields)
    return known, len(row.cells) - known


def _table(lines: Iterator[TextLine], reading: Reading) -> Iterator[Row]:
    first = next((line for line in lines if line.text.strip() or line.problem), None)
    if first is None:
        return iter(())
    said = _SEP.fullmatch(first.text.strip())
    if said is not None and not first.problem:
        return rows(lines, reading.delimiter or said[1])
    # The first of the delimiters that find the most fields.
    best = max(DELIMITERS, key=lambda one: header_of(first.text, one, reading))
    return rows(chain([first], lines), reading.delimiter or best)


def _header(row: Row, reading: Reading) -> _Header:
    names = [name.strip() for name in row.cells]
    return _Header(names, [reading.rename(name) for name in names])


def _problems(header: _Header, reading: Reading) -> list[str]:
    """Return the problems of the first row."""
    found = [
        f"there is no column {column!r}, which --map names"
        for column in reading.names
        if column not in header.names
    ]
    for name, field in zip(header.names, header.fields, strict=True):
        if field and field not in reading.fields:
            found.append(_unknown(name, reading))
    if twice := named_twice([field for field in header.fields if field]):
        found.append(f"two columns are {twice!r}: name one of them otherwise")
    if found:
        return found
    needed = ["channel_id"] if reading.key is None else ["channel_id", reading.key]
    there = ", ".join(map(repr, header.names))
    return [
        f"there is no column {name}; there are {there}"
        for name in needed
        if name not in header.fields
    ]


def _unknown(name: str, reading: Reading) -> str:
    near = nearest(name, reading)
    left_out = shlex.quote(f"{name}=")
    if near:
        as_field = shlex.quote(f"{name}={near}")
    else:
        as_field = f"{left_out}FIELD with one of {', '.join(reading.fields)}"
    return (
        f"column {name!r} is not a field of a draft: give --map {as_field}, "
        f"or --map {left_out} to leave it out"
    )


def _bad_row(row: Row, problem: str) -> Line:
    source = named_source(row.number, problem, row=row.text or row.cells)
    return bad_line(row.number, source, problem)


def _line(row: Row, header: _Header, reading: Reading) -> Line:
    fields: dict[str, Any] = {}
    problem = _misfit(row, header)
    if not problem:
        fields, problem = _fields(row, header)
    if problem:
        return _bad_row(row, problem)
    return draft_line(row.number, reading.dump(fields), fields, reading)


def _misfit(row: Row, header: _Header) -> str:
    """Return why a row does not fit the first row; empty where it does."""
    if row.problem:
        return row.problem
    if len(row.cells) != len(header.names):
        more = "more" if len(row.cells) > len(header.names) else "fewer"
        counts = f"{len(row.cells)}, not {len(header.names)}"
        return f"it has {more} cells than the first row: {counts}"
    if row.cells == header.names:
        return "it repeats the first row"
    for number, (name, cell) in enumerate(zip(header.names, row.cells, strict=True), 1):
        if cell and not name:
            return f"column {number} has a cell, but no name in the first row"
    return ""


def _fields(row: Row, header: _Header) -> tuple[dict[str, Any], str]:
    """Return the fields of a row, and the problem of its first bad cell; empty for none."""
    fields: dict[str, Any] = {}
    for number, (field, cell) in enumerate(zip(header.fields, row.cells, strict=True), 1):
        if not field or not cell:
            continue
        place = f"column {number} ({header.names[number - 1]})"
        try:
            fields[field] = _value(field, cell)
        except NotTakenError as exc:
            return fields, f"{place}: {exc}"
        except ValueError:
            wanted = "true or false" if field in _FLAGS else "JSON"
            return fields, f"{place} must hold {wanted}"
    return fields, ""


def _value(field: str, cell: str) -> Any:
    if field not in _AS_JSON:
        return cell
    return load_json(cell.lower() if field in _FLAGS else cell)

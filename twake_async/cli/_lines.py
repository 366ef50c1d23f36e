"""Drafts from a file of JSON Lines or CSV, line by line; what is wrong with a line is told."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._wire import encode_save
from twake_async.errors import InvalidDraftError
from twake_async.messages import MessageDraft

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Line", "read_csv", "read_jsonl"]

_FIELDS = tuple(field.name for field in attrs.fields(MessageDraft))
#: Fields whose values in a CSV file are JSON; the others are taken as they stand.
_AS_JSON = frozenset(
    {"ephemeral", "ephemeral_to", "extra", "hidden_data", "pinned", "user_specific"}
)


@attrs.frozen(eq=False)
class Line:
    """One line of the input: its draft, or what is wrong with it."""

    number: int
    """The line's number in the file, from 1."""

    source: str
    """The line as JSON, to be written to a file that can be fed back in."""

    draft: MessageDraft | None
    """The draft; None where there is none to be made."""

    wrong: str = ""
    """Why there is none."""


def read_jsonl(lines: Iterable[bytes]) -> Iterator[Line]:
    """Yield what stands on each line that is not blank."""
    for number, raw in enumerate(lines, 1):
        if raw.strip():
            yield _line(number, raw)


def _line(number: int, raw: bytes) -> Line:
    try:
        source = raw.decode().strip()
    except UnicodeDecodeError:
        return Line(number, "", None, "it is not UTF-8 text")
    try:
        fields = json.loads(source)
    except (ValueError, RecursionError):
        return Line(number, source, None, "it is not JSON")
    if not isinstance(fields, dict):
        return Line(number, source, None, "it is not a JSON object")
    return _checked(number, source, fields)


def read_csv(lines: Iterable[str]) -> Iterator[Line]:
    """Yield what stands in each row; the first row names the fields, an empty cell is not given."""
    rows = csv.reader(lines)
    names = next(rows, [])
    for row in rows:
        if not row:
            continue
        cells = {name: cell for name, cell in zip(names, row, strict=False) if cell}
        source = json.dumps(cells, ensure_ascii=False)
        if len(row) > len(names):
            yield Line(rows.line_num, source, None, "it has more cells than the first row")
            continue
        try:
            fields = {n: json.loads(cell) if n in _AS_JSON else cell for n, cell in cells.items()}
        except ValueError:
            known = ", ".join(sorted(_AS_JSON & cells.keys()))
            yield Line(rows.line_num, source, None, f"these cells must hold JSON: {known}")
            continue
        yield _checked(rows.line_num, json.dumps(fields, ensure_ascii=False), fields)


def _checked(number: int, source: str, fields: dict[str, Any]) -> Line:
    unknown = sorted(set(fields) - set(_FIELDS))
    if unknown:
        why = f"{unknown[0]!r} is no field of a draft: there are {', '.join(_FIELDS)}"
        return Line(number, source, None, why)
    given: dict[str, Any] = {"channel_id": None, **fields}
    try:
        draft = MessageDraft(**given)
        encode_save(draft, group_id="-")
    except InvalidDraftError as wrong:
        return Line(number, source, None, str(wrong))
    return Line(number, source, draft)

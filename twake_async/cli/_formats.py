"""The format of an input, by the option, by its name, or by its first bytes. No I/O."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from ._csv_lines import header_of
from ._csv_rows import DELIMITERS
from ._text_lines import TextLines

if TYPE_CHECKING:
    from ._lines import Reading

__all__ = ["ENOUGH", "is_csv", "no_text"]

#: How many of the first bytes are enough to know the format.
ENOUGH = 65_536

_CSV_NAMES = frozenset({".csv", ".tsv", ".tab"})
_JSON_NAMES = frozenset({".jsonl", ".ndjson", ".json"})
#: Files that are often given in place of a CSV, by their first bytes.
_NO_TEXT = (
    (b"PK\x03\x04", "a workbook or a zip archive: save it as CSV first"),
    (b"\xd0\xcf\x11\xe0", "an old workbook of Excel: save it as CSV first"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"SQLite format 3\0", "a SQLite database, such as a journal: it holds no messages"),
)


def no_text(head: bytes) -> str:
    """Return the kind of a file that is not text; empty for any other file."""
    return next((what for begins, what in _NO_TEXT if head.startswith(begins)), "")


def is_csv(asked: str | None, name: str, head: bytes, reading: Reading) -> bool:
    """Say whether an input is CSV; else it is JSON Lines.

    Args:
        asked: The format that was asked for, `"csv"` or `"jsonl"`; None for none.
        name: The name of the file; its ending may be in capitals.
        head: The first bytes, for a name that says nothing.
        reading: How it is to be read; a delimiter means CSV.

    """
    ending = PurePath(name).suffix.casefold()
    if asked is not None:
        return asked == "csv"
    if reading.delimiter or ending in _CSV_NAMES:
        return True
    return ending not in _JSON_NAMES and _begins_as_csv(head, reading)


def _begins_as_csv(head: bytes, reading: Reading) -> bool:
    lines = TextLines(reading.encoding)
    texts = (line.text.strip() for line in (*lines.feed(head), *lines.finish()))
    first = next(filter(None, texts), "")
    if first.startswith(("{", "[")):
        return False
    return first.lower().startswith("sep=") or any(
        header_of(first, delimiter, reading)[0] for delimiter in DELIMITERS
    )

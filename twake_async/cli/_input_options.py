"""The options for reading the lines of an input."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from ._csv_rows import DELIMITERS
from ._lines import FIELDS, Reading, named_twice, nearest
from ._text_lines import text_encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["input_options"]

_NAMED = {name: delimiter for delimiter, name in DELIMITERS.items()} | {r"\t": "\t"}


def _encoding(_: click.Context, option: click.Parameter, value: str | None) -> str:
    try:
        return "" if value is None else text_encoding(value)
    except LookupError:
        why = f"{value!r} is not an encoding: try utf-8, utf-16 or cp1252."
        raise click.BadParameter(why, param=option) from None


def _delimiter(_: click.Context, option: click.Parameter, value: str | None) -> str:
    if value is None:
        return ""
    delimiter = _NAMED.get(value, value)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        why = f"{value!r} is not one character, nor one of {', '.join(DELIMITERS.values())}."
        raise click.BadParameter(why, param=option)
    return delimiter


_OPTIONS = (
    click.option(
        "--format",
        "file_format",
        type=click.Choice(["jsonl", "csv"]),
        help="The format of FILE; by default its name or its beginning decides. Standard input is "
        "JSON Lines.",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        callback=_encoding,
        help="The encoding, such as cp1252; by default UTF-8, or what a byte order mark says.",
    ),
    click.option(
        "--delimiter",
        metavar="CHAR",
        callback=_delimiter,
        help='The character between the cells of CSV, such as ";" or tab; by default the first row '
        "decides.",
    ),
    click.option(
        "--map",
        "renamed",
        metavar="COLUMN=FIELD",
        multiple=True,
        help="The field for a column; COLUMN= ignores the column. May be repeated.",
    ),
    click.option(
        "--key",
        metavar="FIELD",
        help="With --journal: a field that identifies each message, so that the lines may change "
        "their order.",
    ),
)


def input_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options for reading an input to a command.

    It gets them as one argument `reading`, and `--format` as `file_format`.
    """

    @functools.wraps(command)
    def with_options(
        *args: Any,
        file_format: str | None,
        encoding: str,
        delimiter: str,
        renamed: tuple[str, ...],
        key: str | None,
        **named: Any,
    ) -> int:
        if delimiter and file_format == "jsonl":
            raise click.UsageError("--delimiter has no effect with --format jsonl.")
        if key is not None and not (named["journal"] or named.get("shared")):
            raise click.UsageError("--key needs --journal or --batch.")
        reading = Reading(encoding, delimiter, _names(renamed, key), key)
        return command(*args, file_format=file_format, reading=reading, **named)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options


def _names(renamed: Sequence[str], key: str | None) -> dict[str, str]:
    """Return the fields that `--map` names, by column."""
    if key is not None and not key.strip():
        raise click.UsageError("--key is empty: name a field.")
    reading = Reading(key=key)
    pairs: list[tuple[str, str]] = []
    for one in renamed:
        column, equals, field = one.rpartition("=")
        if not equals or not column.strip():
            raise click.UsageError(f"--map {one}: write COLUMN=FIELD, or COLUMN= to leave it out.")
        if field and field not in reading.fields:
            near = nearest(field, reading) or ", ".join(FIELDS)
            raise click.UsageError(f"--map {one}: {field!r} is not a field of a draft, but {near}.")
        pairs.append((column.strip(), field))
    twice = named_twice([column for column, _ in pairs])
    twice = twice or named_twice([field for _, field in pairs if field])
    if twice:
        raise click.UsageError(f"--map names {twice!r} twice.")
    names = dict(pairs)
    if key is not None and names.get(key, key) != key:
        raise click.UsageError(f"--key {key}: --map makes it another field.")
    return names

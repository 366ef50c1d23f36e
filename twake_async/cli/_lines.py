"""Makes drafts of the lines of an input: JSON Lines here, CSV in `_csv_lines`. No I/O."""

from __future__ import annotations

import difflib
import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import InvalidDraftError
from twake_async.messages import MessageDraft

from ._text_lines import TextLines, is_utf8
from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ._text_lines import TextLine

__all__ = [
    "FIELDS",
    "RESULT",
    "JsonLines",
    "Line",
    "NotTakenError",
    "Reading",
    "bad_line",
    "draft_line",
    "load_json",
    "named_source",
    "named_twice",
    "nearest",
    "read_jsonl",
]

#: The fields that a line may have.
FIELDS = tuple(field.name for field in attrs.fields(MessageDraft))
#: The member that `send-many` adds to the lines of its lists: their result. A reader skips it.
RESULT = "_result"
#: Characters that may surround a line of JSON.
_BLANK = " \t\r\n\v\f\ufeff"


def _fields(key: str | None) -> tuple[str, ...]:
    return FIELDS if key is None or key in FIELDS else (*FIELDS, key)


@attrs.frozen
class Reading:
    """How the lines of an input are to be read."""

    encoding: str = ""
    """The character set, by its standard name; empty for that of the byte order mark, or UTF-8."""

    delimiter: str = ""
    """The character between the cells of CSV; empty to find it in the first row."""

    names: Mapping[str, str] = attrs.field(factory=dict)
    """The fields of a draft by the names that columns, or members, have; empty for one to skip."""

    key: str | None = None
    """The field that holds the journal's key of a line."""

    fields: tuple[str, ...] = attrs.field(
        default=attrs.Factory(lambda self: _fields(self.key), takes_self=True), init=False
    )
    """The fields that a line may have: those of a draft, and the key's."""

    def rename(self, name: str) -> str:
        """Return the field of a column; empty for a column to skip."""
        return self.names.get(name, name)

    def dump(self, fields: Mapping[str, Any]) -> str:
        """Return fields as a line of JSON that the same options can read."""
        return json.dumps(fields, ensure_ascii=not is_utf8(self.encoding))


@attrs.frozen(eq=False)
class Line:
    """One line of the input: its draft, or its problem."""

    number: int
    """The line's number in the file, from 1; of a row of CSV, that of its first line."""

    source: str
    """The line as it is written to a list, which can be sent again; never empty.

    It has no line break. It holds bytes that are not UTF-8 as `surrogateescape` does: a file of
    UTF-8 with that error handler gets the same bytes.
    """

    draft: MessageDraft | None
    """The draft; None where the line makes none."""

    problem: str = ""
    """Why there is no draft; empty where there is one."""

    key: str | None = None
    """Its key in the journal; None where no field was named for it."""


def bad_line(number: int, source: str, problem: str) -> Line:
    """Return a line that makes no draft.

    Args:
        number: Its number.
        source: The line as it was.
        problem: Why it makes none.

    """
    return Line(number, source or named_source(number, problem), None, problem)


def named_source(number: int, problem: str, **more: Any) -> str:
    """Return a line of JSON in place of a line that cannot be written as it was.

    Args:
        number: Its number.
        problem: What is wrong with it.
        **more: What is known of its content.

    """
    return json.dumps({"line": number, "problem": problem, **more})


def read_jsonl(chunks: Iterable[bytes], reading: Reading | None = None) -> Iterator[Line]:
    """Yield the lines of a whole input that are not blank."""
    lines = JsonLines(reading or Reading())
    for chunk in chunks:
        yield from lines.feed(chunk)
    yield from lines.finish()


class JsonLines:
    """Reads JSON Lines from bytes as they come."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._lines = TextLines(reading.encoding, eager=True)

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end in these bytes and are not blank."""
        return self._read(self._lines.feed(chunk))

    def finish(self) -> Iterator[Line]:
        """Yield the last line when no more bytes come."""
        return self._read(self._lines.finish())

    def _read(self, lines: Iterable[TextLine]) -> Iterator[Line]:
        for line in lines:
            text = line.text.strip(_BLANK)
            if line.is_cut:
                text = named_source(line.number, line.problem, begins=text)
            if line.problem:
                yield bad_line(line.number, text, line.problem)
            elif text:
                yield _json_line(line.number, text, self._reading)


def _json_line(number: int, text: str, reading: Reading) -> Line:
    try:
        given = load_json(text)
    except ValueError as exc:
        return bad_line(number, text, f"{_not_json(exc)}{_hint(number, text)}")
    if not isinstance(given, dict):
        return bad_line(number, text, f"it is not a JSON object{_hint(number, text)}")
    given.pop(RESULT, None)
    if reading.names:
        pairs = [(reading.rename(name), value) for name, value in given.items()]
        pairs = [pair for pair in pairs if pair[0]]
        given = dict(pairs)
        if twice := named_twice([name for name, _ in pairs]):
            return bad_line(number, text, f"two fields of it are {twice!r}, by --map")
    if reading.names or not is_utf8(reading.encoding):
        return draft_line(number, reading.dump(given), given, reading)
    return draft_line(number, text, given, reading)


class NotTakenError(ValueError):
    """A JSON text whose value would not be what its writer meant."""


def load_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: It is no JSON.
        NotTakenError: It names a field twice, and one of the values would be lost; or it is too
            deep, or has a number with too many digits.

    """
    try:
        return _decode(text)
    except RecursionError:
        raise NotTakenError("it is nested too deeply") from None
    except ValueError as exc:
        if isinstance(exc, (json.JSONDecodeError, NotTakenError)):
            raise
        raise NotTakenError("a number in it has too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = named_twice([name for name, _ in pairs])
        raise NotTakenError(f"the field {twice!r} is named twice")
    return made


_decode = json.JSONDecoder(object_pairs_hook=_object).decode


def named_twice(names: Sequence[str]) -> str | None:
    """Return the first name that occurs twice; None if none does."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _not_json(problem: ValueError) -> str:
    if isinstance(problem, json.JSONDecodeError):
        return f"it is not JSON: {problem.msg}, at character {problem.colno}"
    return f"it is not JSON that can be sent: {problem}"


def _hint(number: int, text: str) -> str:
    """Return a hint about the format of an input, by its first line; empty for none."""
    if number != 1 or not text:
        return ""
    if text[0] == "[":
        return "; an array is not read: give one object on each line"
    if text[0] == "{":
        return "; each object must stand on one line" if "}" not in text else ""
    if any(field in text for field in ("channel_id", "content")):
        return "; if it is CSV, give --format csv"
    return ""


def nearest(name: str, reading: Reading) -> str:
    """Return the field whose spelling is nearest to a name; empty where none is near."""
    plain = "_".join(name.casefold().replace("-", " ").split())
    return next(iter(difflib.get_close_matches(plain, reading.fields, 1, 0.7)), "")


def _unknown(name: str, reading: Reading) -> str:
    why = f"{name!r} is not a field of a draft"
    if near := nearest(name, reading):
        return f"{why}: the nearest is {near}; --map {shlex.quote(f'{name}={near}')} makes it that"
    return f"{why}: there are {', '.join(reading.fields)}"


def draft_line(number: int, source: str, fields: dict[str, Any], reading: Reading) -> Line:
    """Return a line, with its draft if its fields make one. It is not encoded here.

    Args:
        number: Its number.
        source: The line as it is written to a list.
        fields: Its fields.
        reading: How it is to be read.

    """
    key = None if reading.key is None else fields.get(reading.key)
    why = _problem(key, fields, reading)
    if why:
        return bad_line(number, source, why)
    given = {name: value for name, value in fields.items() if name in FIELDS}
    try:
        draft = MessageDraft(**given)
    except InvalidDraftError as exc:
        return bad_line(number, source, of_error(exc))
    return Line(number, source, draft, key=key)


def _problem(key: object, fields: Mapping[str, Any], reading: Reading) -> str:
    for name in fields:
        if name not in reading.fields:
            return _unknown(name, reading)
    if "channel_id" not in fields:
        return "it has no channel_id"
    if reading.key is None:
        return ""
    if reading.key not in fields:
        return f"it has no {reading.key}, which --key names"
    if not isinstance(key, str) or not key or not key.isprintable():
        return f"{reading.key}, which --key names, must be a string that can be printed"
    return ""

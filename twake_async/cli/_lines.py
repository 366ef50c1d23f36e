"""Lines of an input to drafts: JSON Lines here, CSV in `_csv_lines`. What is wrong is told."""

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
#: What `send-many` puts into the lines of its lists: why each is there. A reader leaves it out.
RESULT = "_result"
#: What may stand around a line of JSON.
_BLANK = " \t\r\n\v\f\ufeff"


def _fields(key: str | None) -> tuple[str, ...]:
    return FIELDS if key is None or key in FIELDS else (*FIELDS, key)


@attrs.frozen
class Reading:
    """How the lines of an input are to be read."""

    encoding: str = ""
    """The character set, by its standard name; empty for UTF-8, or what a byte order mark says."""

    delimiter: str = ""
    """What stands between the cells of CSV; empty where the first row tells."""

    names: Mapping[str, str] = attrs.field(factory=dict)
    """Columns, or fields of JSON, that have another name here; an empty one is left out."""

    key: str | None = None
    """The field that holds the journal's key of a line."""

    fields: tuple[str, ...] = attrs.field(
        default=attrs.Factory(lambda self: _fields(self.key), takes_self=True), init=False
    )
    """The fields that a line may have: those of a draft, and the key's."""

    def rename(self, name: str) -> str:
        """Return the field that a column is; empty for a column that is left out."""
        return self.names.get(name, name)

    def dump(self, fields: Mapping[str, Any]) -> str:
        """Return fields as a line of JSON that can be read with the same options."""
        return json.dumps(fields, ensure_ascii=not is_utf8(self.encoding))


@attrs.frozen(eq=False)
class Line:
    """One line of the input: its draft, or what is wrong with it."""

    number: int
    """The line's number in the file, from 1; of a row of CSV, that of its first line."""

    source: str
    """The line as it is to be written to a file that can be fed back in; never empty.

    It has no line break. Bytes that are not UTF-8 stand in it as `surrogateescape` has them: a file
    of UTF-8 with that error handler gets them back as they were.
    """

    draft: MessageDraft | None
    """The draft; None where there is none to be made."""

    problem: str = ""
    """Why there is none."""

    key: str | None = None
    """The journal's key, where a field was named for it."""


def bad_line(number: int, source: str, problem: str) -> Line:
    """Return the line of something that is no draft."""
    return Line(number, source or named_source(number, problem), None, problem)


def named_source(number: int, problem: str, **more: Any) -> str:
    """Return what is written of a line that cannot be written as it was: where, why and what."""
    return json.dumps({"line": number, "problem": problem, **more})


def read_jsonl(chunks: Iterable[bytes], reading: Reading | None = None) -> Iterator[Line]:
    """Yield what stands on each line of a whole input that is not blank."""
    lines = JsonLines(reading or Reading())
    for chunk in chunks:
        yield from lines.feed(chunk)
    yield from lines.finish()


class JsonLines:
    """Takes bytes of JSON Lines as they come, and gives the lines that they complete."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._lines = TextLines(reading.encoding, eager=True)

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end in these bytes and are not blank."""
        return self._read(self._lines.feed(chunk))

    def finish(self) -> Iterator[Line]:
        """Yield what is left when no more bytes come."""
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
    """A JSON text whose value would not be what was meant."""


def load_json(text: str) -> Any:
    """Return the value of a JSON text; raise `ValueError` where it is none.

    A field that is named twice is an error (`NotTakenError`): one of its values would be lost.
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
    """Return the first name that is there twice."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _not_json(problem: ValueError) -> str:
    if isinstance(problem, json.JSONDecodeError):
        return f"it is not JSON: {problem.msg}, at character {problem.colno}"
    return f"it is not JSON that can be sent: {problem}"


def _hint(number: int, text: str) -> str:
    """Return what else the first line of an input may be."""
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
    """Return the field whose spelling is the nearest to a name; empty where none is near."""
    plain = "_".join(name.casefold().replace("-", " ").split())
    return next(iter(difflib.get_close_matches(plain, reading.fields, 1, 0.7)), "")


def _unknown(name: str, reading: Reading) -> str:
    why = f"{name!r} is no field of a draft"
    if near := nearest(name, reading):
        return f"{why}: the nearest is {near}; --map {shlex.quote(f'{name}={near}')} makes it that"
    return f"{why}: there are {', '.join(reading.fields)}"


def draft_line(number: int, source: str, fields: dict[str, Any], reading: Reading) -> Line:
    """Return the line for its fields, with the draft where they make one.

    Whether the draft can be encoded is left to whoever encodes it.
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

"""JSON for the wire: a value that it cannot hold is refused before any byte leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import InvalidDraftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["MAX_DEPTH", "PLAIN", "Codec", "check_json", "dump", "fast_codec", "load"]

#: The server reads a request to a depth of 512 and answers a deeper one as if it had no group
#: (wire cases 22g, 22zd); the rest is for what wraps the content.
MAX_DEPTH = 500


def _as_dict(value: Any) -> dict[str, Any]:
    """Return another mapping as a dict, for an encoder that knows only dicts."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON cannot hold an object of the type {type(value).__name__}")


_text = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_dict
).encode


def _encode(value: Any) -> bytes:
    return _text(value).encode()


@attrs.frozen
class Codec:
    """How JSON is written and read; both functions raise `ValueError` for what they cannot do."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


#: The standard library's.
PLAIN = Codec(_encode, json.loads)


def fast_codec() -> Codec:
    """Return orjson's codec; the standard library does what orjson cannot do.

    orjson cannot write more than 254 levels, integers beyond 64 bits or lone surrogates. It reads
    integers beyond 64 bits as floats, but PHP writes none.

    Raises:
        ImportError: orjson is not installed.

    """
    import orjson  # noqa: PLC0415 - an extra, imported when it is used

    def encode(value: Any) -> bytes:
        try:
            # orjson's bytes keep a buffer of kilobytes, and a send that waits keeps its request.
            return bytes(memoryview(orjson.dumps(value, default=_as_dict)))
        except TypeError:
            return _encode(value)

    def decode(body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except ValueError:
            return json.loads(body)

    return Codec(encode, decode)


_SCALARS = (str, int, type(None))
_LISTS = (list, tuple)
_MAPS = (dict, Mapping)  # the first is tried first, and much faster


def _refuse(field: str, why: str) -> InvalidDraftError:
    return InvalidDraftError(f"{field} {why}", field=field)


def check_json(field: str, value: Any) -> None:
    """Check that JSON can hold a value, and that the server can read it.

    Args:
        field: The field's name, for the error.
        value: The value.

    Raises:
        InvalidDraftError: It holds what JSON does not know, or is nested too deeply.

    """
    level = _containers(field, (value,))
    for _ in range(MAX_DEPTH):
        if not level:
            return
        children = (item if isinstance(item, _LISTS) else item.values() for item in level)
        level = _containers(field, chain.from_iterable(children))
    if level:
        raise _refuse(
            field, f"is nested deeper than {MAX_DEPTH} levels, or contains itself: use fewer levels"
        )


def _containers(field: str, items: Iterable[Any]) -> list[Any]:
    # Each container once: one that contains itself twice would double the work with every level.
    found: dict[int, Any] = {}
    for item in items:
        if isinstance(item, _SCALARS):
            continue
        if isinstance(item, float):
            if not math.isfinite(item):
                raise _refuse(field, f"holds {item}, which JSON does not know: send a string")
            continue
        if isinstance(item, _MAPS):
            if not all(isinstance(key, str) for key in item):
                raise _refuse(field, "holds a map with a key that is not a string: make it one")
        elif not isinstance(item, _LISTS):
            raise _refuse(
                field,
                f"holds a {type(item).__name__}, which JSON does not know: use strings, numbers, "
                "booleans, None, lists and dicts",
            )
        found[id(item)] = item
    return list(found.values())


def dump(document: Mapping[str, Any], names: Mapping[str, str] = {}, codec: Codec = PLAIN) -> bytes:
    """Return the document as UTF-8.

    Args:
        document: The document; its nested values were checked by `check_json`.
        names: The fields that the caller knows under another name.
        codec: What writes it.

    Raises:
        InvalidDraftError: A string holds a lone surrogate, a number has thousands of digits, or
            the document is nested too deeply for what is left of the caller's stack.

    """
    try:
        return codec.encode(document)
    except (ValueError, RecursionError):
        pass
    at_fault = next((name for name, value in _fields(document) if _is_broken(value)), "content")
    raise _refuse(
        names.get(at_fault, at_fault),
        "holds a lone surrogate or a number of thousands of digits, or is nested too deeply: "
        "repair the string, send the number as a string, or make the value flatter",
    )


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a document by name; a map in it is replaced by its own fields."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def _is_broken(value: Any) -> bool:
    try:
        _encode(value)
    except (ValueError, RecursionError):
        return True
    return False


def load(body: bytes, codec: Codec = PLAIN) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: It is not JSON, or it is nested too deeply.

    """
    try:
        return codec.decode(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None

"""JSON as the Node server reads and writes it: `JSON.parse` with Fastify's guard, `JSON.stringify`.

Numbers below 0.0001 are written as Python writes them; their value is the same.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from itertools import chain
from typing import Any, NoReturn

from twake_async.sandbox._releases.node.errors import CrashError, NodeError

__all__ = ["decode", "encode"]

_SAFE = 2**53
_LARGEST_WRITTEN_OUT = 1e21
_MOST_DIGITS = 400
_DEEPEST = 400
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_AROUND = 10
"""How many characters V8 quotes on each side of an error."""
_WHOLE = 40
"""The most characters of a text that V8 quotes in full."""


class _ConstantError(ValueError):
    """A word that JSON does not have, such as NaN."""


def decode(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        NodeError: The text is no JSON, or has a key that could change a prototype.
        CrashError: It is too deep for the sandbox. The real server was not tested.

    """
    text = text.removeprefix("\ufeff")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse,
        )
    except json.JSONDecodeError as exc:
        raise NodeError(400, _reason(text, exc.pos, exc.msg)) from None
    except _ConstantError as exc:
        raise NodeError(400, _reason(text, text.index(str(exc)), "")) from None
    except RecursionError:
        raise CrashError from None
    if text.count("[") + text.count("{") > _DEEPEST:
        _check_depth(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object: keys that are indexes come first, in order, as JavaScript keeps them."""
    found = dict(pairs)
    if "__proto__" in found:
        raise NodeError(400, "Object contains forbidden prototype property")
    indexes = [key for key in found if _INDEX.fullmatch(key)]
    if not indexes:
        return found
    return {key: found[key] for key in sorted(indexes, key=int)} | found


def _integer(digits: str) -> int | None:
    if len(digits) > _MOST_DIGITS:
        return None
    value = int(digits)
    return value if -_SAFE <= value <= _SAFE else _number(digits)  # type: ignore[return-value]


def _number(digits: str) -> float | int | None:
    """Return a double: an integer if it has no fraction, and None for infinity."""
    value = float(digits)
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) < _LARGEST_WRITTEN_OUT:
        return int(Decimal(repr(value)))
    return value


def _refuse(constant: str) -> NoReturn:
    raise _ConstantError(constant)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [one for one in level if isinstance(one, list | dict)]
        level = list(
            chain.from_iterable(one.values() if isinstance(one, dict) else one for one in level)
        )
    if level:
        raise CrashError


def _reason(text: str, position: int, why: str) -> str:
    """Return the error text of V8 for a text that it cannot read."""
    if why.startswith("Unterminated string"):
        return f"Unterminated string in JSON at position {len(text)}"
    if position >= len(text):
        return "Unexpected end of JSON input"
    begin, end = position - _AROUND, position + _AROUND
    if len(text) <= _WHOLE:
        begin, end = 0, len(text)
    before, after = "..." if begin > 0 else "", "..." if end < len(text) else ""
    quoted = f'{before}"{text[max(begin, 0) : end]}"{after}'
    return f"Unexpected token '{text[position]}', {quoted} is not valid JSON"


def encode(value: Any) -> bytes:
    """Return a value as JSON; only lone surrogates are escaped."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return written.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", written).encode()

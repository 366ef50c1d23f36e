"""JSON as PHP reads and writes it: `json_decode` and `json_encode`, with their limits."""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import Any, NoReturn

from twake_async.sandbox._releases.php import array, items

__all__ = ["MAX_DEPTH", "decode", "encode", "stored"]

MAX_DEPTH = 512
_LARGEST_INT = 2**63
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPED = re.compile(r'[\x00-\x1f"\\/]|[^\x00-\x7f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f"} | {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def decode(body: bytes) -> Any:
    """Return `json_decode($body, true)`: None if PHP cannot read the body."""
    try:
        text = body.decode("utf-8")
        if text.startswith("\ufeff"):
            return None
        value = json.loads(
            text,
            object_pairs_hook=array,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse,
        )
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return None if _deeper_than(value, MAX_DEPTH) else value


def _integer(digits: str) -> int | float:
    value = float(digits) if len(digits) > len(f"-{_LARGEST_INT}") else int(digits)
    return value if -_LARGEST_INT <= value < _LARGEST_INT else float(value)


def _number(digits: str) -> float:
    return float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [one for one in level if isinstance(one, list | dict)]
        if not level:
            return False
        level = list(
            chain.from_iterable(one.values() if isinstance(one, dict) else one for one in level)
        )
    return True


def encode(value: Any) -> bytes | None:
    """Return `json_encode($value)`: None for PHP's false."""
    if _deeper_than(value, MAX_DEPTH):
        return None
    written: list[str] = []
    waiting: list[tuple[str, Any]] = [("value", value)]
    try:
        while waiting:
            kind, one = waiting.pop()
            if kind == "text":
                written.append(one)
            elif isinstance(one, list | dict):
                waiting += _unfolded(one)
            else:
                written.append(_scalar(one))
    except ValueError:
        return None
    return "".join(written).encode("ascii")


def _unfolded(value: Any) -> list[tuple[str, Any]]:
    """Return the pieces of an array, the last one first."""
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    pieces: list[tuple[str, Any]] = [("text", opening)]
    for index, (key, item) in enumerate(items(value)):
        before = "," if index else ""
        before += f"{_string(key)}:" if opening == "{" else ""
        pieces += [("text", before), ("value", item)]
    return [*pieces, ("text", closing)][::-1]


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    return _float(value) if isinstance(value, float) else str(value)


def _float(value: float) -> str:
    """Return a number as PHP writes it: 1.0 as `1`, exponents from 1.0e+17 and 1.0e-5 on."""
    if not math.isfinite(value):
        raise ValueError("Inf and NaN cannot be JSON encoded")
    exponent = int(f"{value:e}".partition("e")[2])
    digits = repr(value).partition("e")[0].replace(".", "").replace("-", "").strip("0") or "0"
    sign = "-" if math.copysign(1, value) < 0 else ""
    if -5 < exponent <= 16:
        plain = f"{abs(value):.{max(len(digits) - 1 - exponent, 0)}f}"
        return sign + plain
    return f"{sign}{digits[0]}.{digits[1:] or '0'}e{exponent:+d}"


def _string(value: str) -> str:
    r"""Return a string with \uXXXX for all that is not ASCII, and with the slash escaped."""
    value.encode("utf-8")  # a lone surrogate, or a byte that is not UTF-8, is an error
    return f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def stored(value: Any, *, otherwise: Any = None) -> Any:
    """Return `json_decode(json_encode($value), true)`, or `otherwise` if it cannot be encoded."""
    text = encode(value)
    return otherwise if text is None else decode(text)

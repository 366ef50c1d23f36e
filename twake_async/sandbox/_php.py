"""PHP's own ways with values, as far as the server's answers show them.

A PHP array is a `list` when its keys are 0, 1, 2, … in order, and a `dict` with string keys
otherwise; an empty `dict` is an object of which JSON shows nothing. A PHP string is a `str`; bytes
that are not UTF-8 are kept as lone surrogates (`surrogateescape`), which `encode` refuses as
`json_encode` does.
"""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MAX_DEPTH",
    "PhpError",
    "append",
    "array",
    "decode",
    "encode",
    "field",
    "has",
    "items",
    "key",
    "loosely_equal",
    "stored",
    "truthy",
]

MAX_DEPTH = 512
_LARGEST_INT = 2**63
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_NUMERIC = re.compile(r"[ \t\n\r\v\f]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?[ \t\n\r\v\f]*")
_INTEGER_KEY = re.compile(r"0|-?[1-9]\d{0,17}")
_ESCAPED = re.compile(r'[\x00-\x1f"\\/]|[^\x00-\x7f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f"} | {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


class PhpError(Exception):
    """A PHP `Error` that nothing in the server catches: the answer is a bare 500."""


def truthy(value: Any) -> bool:
    """What `if ($value)` says."""
    return bool(value) and value != "0"


def has(array: Any, key: str) -> bool:
    """What `isset($array[$key])` says: null is as good as absent, and a scalar has no keys."""
    return isinstance(array, dict) and array.get(key) is not None


def field(array: Any, key: str) -> Any:
    """`$array[$key]` in PHP 8: null for what is not there, an error on a string."""
    if isinstance(array, str):
        raise PhpError(f"Cannot access offset of type string on string: {key}")
    return array.get(key) if isinstance(array, dict) else None


def items(value: Any) -> list[tuple[str, Any]]:
    """What `foreach ($value as $key => $item)` walks over; nothing, when it is no array."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return [(str(index), item) for index, item in enumerate(value)]
    return []


def array(pairs: Iterable[tuple[str, Any]] | Mapping[str, Any]) -> Any:
    """Key and value pairs as a PHP array: `{}` and `{"0": …, "1": …}` are lists."""
    found = dict(pairs)
    if all(key == str(index) for index, key in enumerate(found)):
        return list(found.values())
    return found


def append(value: Any, item: Any) -> Any:
    """`$value[] = $item`, as a new array."""
    pairs = items(value)
    taken = [int(key) for key, _ in pairs if _INTEGER_KEY.fullmatch(key)]
    return array([*pairs, (str(max(taken, default=-1) + 1), item)])


def key(value: Any) -> str:
    """A value as the key of an array."""
    if isinstance(value, list | dict):
        raise PhpError("Illegal offset type")
    if isinstance(value, bool | float):
        return str(int(value)) if math.isfinite(value) else "0"
    return "" if value is None else str(value)


def loosely_equal(left: Any, right: Any) -> bool:
    """What `$left == $right` says in PHP 8, for the values that JSON can make."""
    if isinstance(left, bool | None) or isinstance(right, bool | None):
        return _equal_to_bool_or_null(left, right)
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return _equal_arrays(left, right)
    if isinstance(left, str) and isinstance(right, str):
        if _NUMERIC.fullmatch(left) and _NUMERIC.fullmatch(right):
            return float(left) == float(right)
        return left == right
    for text, number in ((left, right), (right, left)):
        if isinstance(text, str):
            return bool(_NUMERIC.fullmatch(text)) and float(text) == number
    return bool(left == right)


def _equal_to_bool_or_null(left: Any, right: Any) -> bool:
    for one, other in ((left, right), (right, left)):
        if one is None and isinstance(other, str):
            return other == ""
    return truthy(left) == truthy(right)


def _equal_arrays(left: Any, right: Any) -> bool:
    """Walk both at once, without recursion: contents may be nested 512 deep."""
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        if not isinstance(one, list | dict) and not isinstance(other, list | dict):
            if not loosely_equal(one, other):
                return False
            continue
        if isinstance(one, bool | None) or isinstance(other, bool | None):
            if truthy(one) != truthy(other):
                return False
            continue
        ones, others = dict(items(one)), dict(items(other))
        if type(one) not in (list, dict) or type(other) not in (list, dict):
            return False
        if ones.keys() != others.keys():
            return False
        pending += [(item, others[key]) for key, item in ones.items()]
    return True


def decode(body: bytes) -> Any:
    """What `json_decode($body, true)` makes of it: None for whatever PHP cannot read."""
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
    """What `json_encode($value)` gives: None where PHP gives false."""
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
    """The pieces of an array, last one first."""
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
    """`1.0` is written `1`, and exponents begin at 1.0e+17 and 1.0e-5."""
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
    r"""Everything outside ASCII as \uXXXX, and the slash escaped."""
    value.encode("utf-8")  # a lone surrogate, or a byte that is not UTF-8, is an error
    return f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def stored(value: Any, *, otherwise: Any = None) -> Any:
    """What comes back of `json_decode(json_encode($value), true)`; `otherwise` if it cannot be."""
    text = encode(value)
    return otherwise if text is None else decode(text)

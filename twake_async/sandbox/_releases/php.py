"""PHP's rules for values: truth, arrays, comparison.

A PHP array is a `list` when its keys are 0, 1, 2, … in order, and a `dict` with string keys
otherwise; an empty `dict` is an object without visible fields. A PHP string is a `str`; bytes
that are not UTF-8 are kept as lone surrogates (`surrogateescape`), which `php_json.encode` refuses
as `json_encode` does.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "PhpError",
    "append",
    "array",
    "field",
    "has",
    "items",
    "key",
    "loosely_equal",
    "truthy",
]

_NUMERIC = re.compile(r"[ \t\n\r\v\f]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?[ \t\n\r\v\f]*")
_INTEGER_KEY = re.compile(r"0|-?[1-9]\d{0,17}")


class PhpError(Exception):
    """A PHP `Error` that the server does not catch: the answer is an empty 500."""


def truthy(value: Any) -> bool:
    """Return the result of the test `if ($value)`."""
    return bool(value) and value != "0"


def has(array: Any, key: str) -> bool:
    """Return `isset($array[$key])`: false for null, and for a key of a scalar."""
    return isinstance(array, dict) and array.get(key) is not None


def field(array: Any, key: str) -> Any:
    """Return `$array[$key]` in PHP 8: null for a missing key; raise `PhpError` for a string."""
    if isinstance(array, str):
        raise PhpError(f"Cannot access offset of type string on string: {key}")
    return array.get(key) if isinstance(array, dict) else None


def items(value: Any) -> list[tuple[str, Any]]:
    """Return the pairs of `foreach ($value as $key => $item)`; none if it is not an array."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return [(str(index), item) for index, item in enumerate(value)]
    return []


def array(pairs: Iterable[tuple[str, Any]] | Mapping[str, Any]) -> Any:
    """Return pairs as a PHP array: `{}` and `{"0": …, "1": …}` are lists."""
    found = dict(pairs)
    if all(key == str(index) for index, key in enumerate(found)):
        return list(found.values())
    return found


def append(value: Any, item: Any) -> Any:
    """Return the array after `$value[] = $item`."""
    pairs = items(value)
    taken = [int(key) for key, _ in pairs if _INTEGER_KEY.fullmatch(key)]
    return array([*pairs, (str(max(taken, default=-1) + 1), item)])


def key(value: Any) -> str:
    """Return a value as the key of an array."""
    if isinstance(value, list | dict):
        raise PhpError("Illegal offset type")
    if isinstance(value, bool | float):
        return str(int(value)) if math.isfinite(value) else "0"
    return "" if value is None else str(value)


def loosely_equal(left: Any, right: Any) -> bool:
    """Return `$left == $right` in PHP 8, for values that JSON can have."""
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
    """Compare without recursion: contents may be nested 512 deep."""
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

"""JSON for the wire: what it cannot hold is refused by name, before any byte leaves."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from .errors import InvalidDraftError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_DEPTH", "check_json", "dump", "load"]

#: The server reads a request to a depth of 512 and answers a deeper one as if it had no group
#: (wire cases 22g, 22zd); the rest is for what wraps the content.
MAX_DEPTH = 500

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_SCALARS = (str, int, type(None))


def _refuse(field: str, why: str) -> InvalidDraftError:
    return InvalidDraftError(f"{field} {why}", field=field)


def check_json(field: str, value: Any) -> None:
    """Raise `InvalidDraftError` where JSON, or the server's depth of it, cannot hold the value."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for item in level:
            below.extend(_children(field, item))
        level, depth = below, depth + 1
        if depth > MAX_DEPTH + 1:
            raise _refuse(field, f"is nested deeper than {MAX_DEPTH} levels, or contains itself")


def _children(field: str, item: Any) -> Any:
    if isinstance(item, _SCALARS):
        return ()
    if isinstance(item, float):
        if math.isfinite(item):
            return ()
        raise _refuse(field, f"holds {item}, which JSON does not know: send a string instead")
    if isinstance(item, list | tuple):
        return item
    if not isinstance(item, dict):
        raise _refuse(field, f"holds a {type(item).__name__}, which JSON does not know")
    if not all(isinstance(key, str) for key in item):
        raise _refuse(field, "holds a map with a key that is not a string")
    return item.values()


def dump(document: Mapping[str, Any], fields: Mapping[str, Any]) -> bytes:
    """Return the document as UTF-8.

    Args:
        document: What goes on the wire; its nested values were checked by `check_json`.
        fields: The draft's fields by name, to find the culprit where that fails.

    Raises:
        InvalidDraftError: A string holds half a character (a lone surrogate), or the document is
            too deep for the caller's stack.

    """
    try:
        return _encode(document).encode()
    except (UnicodeEncodeError, RecursionError):
        pass
    culprit = next((field for field, value in fields.items() if _is_broken(value)), "content")
    raise _refuse(
        culprit, "holds half a character (a lone surrogate), or is too deep for the stack"
    )


def _is_broken(value: Any) -> bool:
    try:
        _encode(value).encode()
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def load(body: bytes) -> Any:
    """Return the value of a JSON text; raise `ValueError` for anything else."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None

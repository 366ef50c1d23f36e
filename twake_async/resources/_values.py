"""Reads single values of the server's JSON, whose types differ between releases and reloads."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["flag", "number", "same_id", "text", "texts"]


def text(value: Any) -> str:
    """Return a string; `""` for anything else."""
    return value if isinstance(value, str) else ""


def texts(value: Any) -> tuple[str, ...]:
    """Return the strings of a list."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def same_id(value: Any, wanted: str) -> bool:
    """Say whether a value is the wanted id: servers answer ids in small letters."""
    return isinstance(value, str) and value.lower() == wanted.lower()


def flag(value: Any) -> bool:
    """Say whether a value stands for true: `true`, `1`, `"1"` or `"true"`."""
    return value in (True, 1, "1", "true")


#: No size has more digits; Python refuses numbers of more than a few thousand digits.
_DIGITS = re.compile("[0-9]{1,18}")


def number(value: Any) -> int | None:
    """Return a whole number that is given as one or as digits; None for anything else."""
    if type(value) is int:  # and no boolean
        return value
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else None

"""Compares JSON that was sent with JSON that a server of JavaScript gave back. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["is_same"]


def is_same(sent: Any, answered: Any) -> bool:
    """Say whether two JSON values are the same: numbers by their value, as 1.0 comes back as 1.

    Args:
        sent: What was sent; maps may be of any class, lists may be tuples.
        answered: What came back.

    """
    work = [(sent, answered)]
    while work:  # a loop: the values may be nested deeper than the stack is
        one, other = work.pop()
        if isinstance(one, Mapping):
            if not isinstance(other, Mapping) or one.keys() != other.keys():
                return False
            work.extend((value, other[name]) for name, value in one.items())
        elif isinstance(one, list | tuple):
            if not isinstance(other, list) or len(one) != len(other):
                return False
            work.extend(zip(one, other, strict=True))
        elif not _is_same_leaf(one, other):
            return False
    return True


def _is_same_leaf(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or _as_double(one) == _as_double(other)
    if isinstance(one, str):
        return isinstance(other, str) and one == other
    return one is other  # null


def _as_double(number: float) -> float:
    """Return a number as JavaScript stores it."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")

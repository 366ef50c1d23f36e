"""Names of parametrized cases that stay the same in each collection."""

from __future__ import annotations

__all__ = ["plain_id"]


def plain_id(value: object) -> str:
    """Return a value as ASCII without backslashes.

    pytest escapes a backslash once more each time that a process collects the tests, and mutmut
    collects them repeatedly.
    """
    return ascii(value).replace("\\", "/")

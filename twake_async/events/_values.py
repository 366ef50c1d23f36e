"""Reads values of an event's JSON; a browser may have sent any value."""

from __future__ import annotations

from typing import Any

__all__ = ["mapping", "text"]


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object; PHP may send it as a list. Return {} for any other value."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return {}


def text(value: Any) -> str | None:
    """Return a string that is not empty; None for any other value."""
    return value if isinstance(value, str) and value else None

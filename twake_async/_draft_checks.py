"""Checks of the fields of a draft and of a reference to a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import InvalidDraftError

__all__ = ["as_dict", "as_list", "as_override", "check_flag", "check_front_id", "check_id"]


def check_id(field: str, value: object, *, empty: bool = False) -> None:
    """Raise `InvalidDraftError` for what is no id; `empty` says whether it may be empty."""
    if not isinstance(value, str):
        raise InvalidDraftError(
            f"{field} must be a string, not {type(value).__name__}", field=field
        )
    if not value and not empty:
        raise InvalidDraftError(f"{field} is empty: give the id that Twake shows", field=field)
    if value and (not value.isprintable() or value.isspace()):
        raise InvalidDraftError(
            f"{field} is blank or holds a control character or a lone surrogate: "
            "give the id that Twake shows",
            field=field,
        )


def check_front_id(value: object) -> None:
    """Raise `InvalidDraftError` for a `front_id` that a server loses or replaces."""
    # The server answers an integer or a map as if it had stored the message, and stores nothing.
    # PHP treats "" and "0" as empty: it replaces them with an id of its own (wire cases 15c, 15i).
    if not isinstance(value, str) or value in ("", "0"):
        raise InvalidDraftError(
            'front_id must be a non-empty string other than "0": the server loses or replaces '
            "any other",
            field="front_id",
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidDraftError("front_id holds a lone surrogate", field="front_id") from None


def check_flag(field: str, value: object, *, optional: bool) -> None:
    """Raise `InvalidDraftError` for what is no boolean; None is allowed if `optional`."""
    # The server treats the string "false" as true (wire case 22y), so only real booleans pass.
    if not isinstance(value, bool) and not (optional and value is None):
        raise InvalidDraftError(f"{field} must be True or False", field=field)


def as_list(field: str, value: object, of: str) -> Sequence[Any]:
    """Return a list or a tuple; raise `InvalidDraftError` for what is no list `of` something."""
    # An iterator would be empty when the message is sent, and show an ephemeral one to everyone.
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return tuple(value)
    raise InvalidDraftError(
        f"{field} must be a list of {of}, not {type(value).__name__}", field=field
    )


def as_dict(field: str, value: object) -> dict[str, Any]:
    """Return a dict; raise `InvalidDraftError` for what is no mapping."""
    # v2023.Q1.1223 answers 500 to hidden data that is a string, or stores it under another
    # front_id (wire case 12b).
    if isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    raise InvalidDraftError(f"{field} must be a mapping, not {type(value).__name__}", field=field)


def as_override(value: object) -> dict[str, str]:
    """Return a title and a picture; raise `InvalidDraftError` for anything else."""
    given = as_dict("override", value)
    for name, text in given.items():
        if name not in ("title", "picture") or not isinstance(text, str) or not text:
            raise InvalidDraftError(
                "override has a title and a picture, both non-empty strings: "
                f"{name!r} does not fit",
                field="override",
            )
    return given

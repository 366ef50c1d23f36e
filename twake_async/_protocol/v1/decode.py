"""Decodes the `object` of an answer as a `Message`; no field of it is lost. No I/O."""

from __future__ import annotations

import datetime
import functools
from typing import TYPE_CHECKING, Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from twake_async.messages import Message, Reaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["decode_message", "shown_content"]

# Each of these hooks accepts the forms that PHP may give a field, and returns the field's default
# for None. It raises ValueError for any other value, which is then kept in `extra` under its name.


def _misfit(value: Any) -> ValueError:
    return ValueError(type(value).__name__)


def _text(value: Any, _: Any) -> str:
    if type(value) is str:
        return value
    raise _misfit(value)


def _text_or_empty(value: Any, _: Any) -> str:
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise _misfit(value)


def _name(value: Any, _: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    raise _misfit(value)


def _flag(value: Any, _: Any) -> bool:
    if value is None or value in (False, True):
        return bool(value)
    raise _misfit(value)


def _count(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if value is None or value in ({}, []):
        return 0
    if type(value) is str and value.isdecimal() and str(int(value)) == value:
        return int(value)
    raise _misfit(value)


def _mapping(value: Any, _: Any) -> dict[str, Any]:
    if type(value) is dict:
        return value
    if value is None:
        return {}
    if type(value) is list:
        return {str(index): item for index, item in enumerate(value)}
    raise _misfit(value)


def _date(value: Any, _: Any) -> datetime.datetime | None:
    if not value:
        return None
    if type(value) is not int:
        raise _misfit(value)
    try:
        return datetime.datetime.fromtimestamp(value, datetime.UTC)
    except (OverflowError, OSError):
        raise _misfit(value) from None


def _users(value: Any, _: Any) -> tuple[str, ...]:
    return tuple(_text(user, None) for user in _mapping(value, None).values())


def _reactions(value: Any, _: Any) -> dict[str, Reaction]:
    if value in (None, [], {}):  # as in the answer to each new message
        return {}
    found = _mapping(value, None)
    for reaction in found.values():
        if type(reaction) is not dict or not reaction.keys() <= {"users", "count"}:
            raise _misfit(reaction)
    return {emoji: _converter().structure(one, Reaction) for emoji, one in found.items()}


def shown_content(content: Any, _: Any = None) -> Any:
    """Return the text of a plain text in the portable form; return other content as it is.

    The portable form holds a plain text three times.
    """
    if type(content) is dict and len(content) == 3:
        text = content.get("original_str")
        if type(text) is str and content.get("fallback_string") == text:
            return text if content.get("prepared") == [text] else content
    return content


def _by_user(value: Any, _: Any) -> dict[str, dict[str, Any]]:
    return {user: _mapping(seen, None) for user, seen in _mapping(value, None).items()}


_HOOKS: dict[str, Callable[[Any, Any], Any]] = {
    "id": _text,
    "front_id": _text_or_empty,
    "channel_id": _text_or_empty,
    "parent_message_id": _text_or_empty,
    "sender": _name,
    "application_id": _name,
    "content": shown_content,
    "edited": _flag,
    "pinned": _flag,
    "hidden_data": _mapping,
    "reactions": _reactions,
    "creation_date": _date,
    "modification_date": _date,
    "responses_count": _count,
    "message_type": _count,
    "user_specific_content": _by_user,
    "increment_at_time": _count,
    "ephemeral_id": _name,
}


_NAMES = frozenset(_HOOKS)


@functools.cache
def _converter() -> cattrs.Converter:
    # Made for the first answer, because it takes time: cattrs generates and compiles code.
    converter = cattrs.Converter(detailed_validation=False)
    hooks: Any = {"users": override(struct_hook=_users), "count": override(struct_hook=_count)}
    converter.register_structure_hook(
        Reaction, make_dict_structure_fn(Reaction, converter, **hooks)
    )
    # Fields that this API does not have keep their defaults.
    hooks = {field.name: override(omit=True) for field in attrs.fields(Message)}
    hooks |= {name: override(struct_hook=hook) for name, hook in _HOOKS.items()}
    hooks["extra"] = override(struct_hook=lambda value, _: value)
    converter.register_structure_hook(Message, make_dict_structure_fn(Message, converter, **hooks))
    return converter


@functools.cache
def _structure() -> Callable[[Any, Any], Message]:
    """Return the function that makes a `Message` of its fields."""
    return _converter().get_structure_hook(Message)


def decode_message(found: Mapping[str, Any]) -> Message:
    """Return the message of an answer's `object`, which must have an `id`.

    Fields that `Message` does not know, and values of another type, are in `extra` under their
    names.
    """
    extra: dict[str, Any] = {}
    if not _NAMES.issuperset(found):
        extra.update((name, value) for name, value in found.items() if name not in _NAMES)
    known = {**found, "extra": extra}
    try:
        return _structure()(known, Message)
    except (ValueError, TypeError, AttributeError, KeyError):
        pass
    for name, value in found.items():
        if name in _NAMES and not _fits(name, value):
            extra[name] = known.pop(name)
    return _structure()(known, Message)


def _fits(name: str, value: Any) -> bool:
    try:
        _HOOKS[name](value, None)
    except (ValueError, TypeError, AttributeError, KeyError):
        return False
    return True

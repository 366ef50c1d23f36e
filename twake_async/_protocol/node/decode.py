"""Decodes the `resource` of an answer as a `Message`; no field of it is lost. No I/O."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from twake_async.messages import Message, Reaction

from .api import FRONT_ID, MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["content_of", "decode_message"]


def content_of(text: Any, blocks: Any) -> Any:
    """Return the content of a message: its text, or its tree in the portable form of Twacode.

    Args:
        text: The `text` of the message.
        blocks: The `blocks` of the message.

    """
    is_one = isinstance(blocks, list) and len(blocks) == 1 and isinstance(blocks[0], dict)
    block = blocks[0] if is_one else {}
    tree = block.get("elements")
    if block.keys() != {"type", "elements"} or block["type"] != "twacode" or tree == [text]:
        return text
    return {"original_str": text, "fallback_string": text, "prepared": tree}


def decode_message(found: Mapping[str, Any]) -> Message:
    """Return the message of a `resource`, which must have an `id`.

    Fields that `Message` does not know, and values of another type, are in `extra` under their
    names.
    """
    left = {name: value for name, value in found.items() if value is not None}
    known: dict[str, Any] = {}
    for name, take in _TAKE.items():
        if name in left and _fill(known, take, left[name]) and name not in _ALSO_KEPT:
            del left[name]
    _take_marker(found.get("context"), left)
    text, blocks = found.get("text"), left.get("blocks")
    known["content"] = content_of(text, blocks)
    left.pop("text", None)
    if known["content"] is not text or _is_plain(text, blocks):
        left.pop("blocks", None)
    _fill_from_others(known, left)
    return Message(**known, extra=left)


def _take_marker(context: Any, left: dict[str, Any]) -> None:
    if isinstance(context, dict) and isinstance(context.get(FRONT_ID), str) and MARKER in context:
        left[MARKER] = context[MARKER]


def _is_plain(text: Any, blocks: Any) -> bool:
    return blocks in ([], [{"type": "twacode", "elements": [text]}])


def _fill(
    known: dict[str, Any], take: Callable[[Any], Mapping[str, Any] | None], value: Any
) -> bool:
    """Add the fields that a value gives; say whether nothing of it is left."""
    fields = take(value)
    if fields is None:
        return False
    known.update(fields)
    return True


def _fill_from_others(known: dict[str, Any], left: dict[str, Any]) -> None:
    """Add the fields that depend on several values; what they leave out stays in `extra`."""
    if left.get("thread_id") == known["id"]:
        del left["thread_id"]
    elif isinstance(left.get("thread_id"), str):
        known["parent_message_id"] = left.pop("thread_id")
    application, user = known.get("application_id"), left.get("user_id")
    if isinstance(user, str):
        known["sender"] = None if user == application else user
        del left["user_id"]
    # The server says 1 for a user's message in `type`, too: who sent it tells.
    kind = 2 if left.get("subtype") == "system" else int(application is not None)
    known["message_type"] = kind
    known["pinned"] = "pinned_info" in left
    known["edited"] = "edited" in left
    replies = left["stats"].get("replies") if isinstance(left.get("stats"), dict) else None
    if type(replies) is int:
        known["responses_count"] = max(0, replies - 1)  # it counts the message itself


def _text(field: str) -> Callable[[Any], Mapping[str, Any] | None]:
    return lambda value: {field: value} if isinstance(value, str) else None


def _date(field: str) -> Callable[[Any], Mapping[str, Any] | None]:
    def take(value: Any) -> Mapping[str, Any] | None:
        if type(value) is not int:
            return None
        try:
            return {field: datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)}
        except (OverflowError, OSError, ValueError):
            return None

    return take


def _context(value: Any) -> Mapping[str, Any] | None:
    if not isinstance(value, dict):
        return None
    front_id = value.get(FRONT_ID)
    if not isinstance(front_id, str):
        return {"hidden_data": value}
    hidden = {name: item for name, item in value.items() if name not in (FRONT_ID, MARKER)}
    return {"front_id": front_id, "hidden_data": hidden}


def _place(value: Any) -> Mapping[str, Any] | None:
    if not isinstance(value, dict):
        return None
    names = ("channel_id", "workspace_id")
    return {name: value[name] for name in names if isinstance(value.get(name), str)}


def _reactions(value: Any) -> Mapping[str, Any] | None:
    if not isinstance(value, list):
        return None
    reactions: dict[str, Reaction] = {}
    for one in value:
        if not isinstance(one, dict) or one.keys() != {"name", "users", "count"}:
            return None
        if not isinstance(one["name"], str) or type(one["count"]) is not int:
            return None
        if not isinstance(one["users"], list):
            return None
        reactions[one["name"]] = Reaction(tuple(map(str, one["users"])), one["count"])
    return {"reactions": reactions}


def _override(value: Any) -> Mapping[str, Any] | None:
    return {"override": value} if isinstance(value, dict) else None


def _ephemeral(value: Any) -> Mapping[str, Any] | None:
    return {"ephemeral_id": value["id"]} if _has_id(value) else None


def _has_id(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)


#: Values that hold more than the message takes from them.
_ALSO_KEPT = frozenset({"cache", "ephemeral"})

#: What each value of an answer gives to the message; None where it does not fit.
_TAKE: dict[str, Callable[[Any], Mapping[str, Any] | None]] = {
    "id": _text("id"),
    "application_id": _text("application_id"),
    "context": _context,
    "cache": _place,
    "reactions": _reactions,
    "override": _override,
    "ephemeral": _ephemeral,
    "created_at": _date("creation_date"),
    "updated_at": _date("modification_date"),
}

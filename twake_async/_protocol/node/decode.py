"""Decodes the `resource` of an answer as a `Message`; no field of it is lost. No I/O."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from twake_async.messages import Message, Reaction

from .api import FRONT_ID, MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Take = Callable[[dict[str, Any], Any], bool]

__all__ = ["decode_message"]


def _tree_of(blocks: Any) -> Any:
    """Return the tree of a Twacode block; None where there is another block, or several."""
    if not isinstance(blocks, list) or len(blocks) != 1 or not isinstance(blocks[0], dict):
        return None
    block = blocks[0]
    is_twacode = block.keys() == {"type", "elements"} and block["type"] == "twacode"
    return block["elements"] if is_twacode else None


def _is_only(text: Any, tree: Any) -> bool:
    """Say whether a tree is a text and nothing else."""
    return isinstance(text, str) and isinstance(tree, list) and len(tree) == 1 and tree[0] == text


def decode_message(found: Mapping[str, Any]) -> Message:
    """Return the message of a `resource`, which must have an `id`.

    Fields that `Message` does not know, and values of another type, are in `extra` under their
    names. Private keys of applications are removed, from the `resource` too.
    """
    _drop_keys([found[name] for name in _WITH_APPLICATIONS if found.get(name)])
    left: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for name, value in found.items():
        if value is None:
            continue
        take = _TAKE.get(name)
        if take is None or not take(known, value) or name in _ALSO_KEPT:
            left[name] = value
    _take_marker(found.get("context"), left)
    _take_content(known, left)
    _fill_from_others(known, left)
    return Message(**known, extra=left)


def _drop_keys(values: list[Any]) -> None:
    """Remove the private keys of applications from the values of a message.

    A server of 2023 answers the application whose message is quoted as a whole (`send-quote`).
    """
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if isinstance(value.get("api"), dict):
                value["api"].pop("private_key", None)
            values.extend(value[name] for name in _WITH_APPLICATIONS if value.get(name))
        elif isinstance(value, list):
            values.extend(value)


def _take_marker(context: Any, left: dict[str, Any]) -> None:
    """Keep the marker, which no field has: an edit with hidden data sends it again."""
    if "context" not in left and isinstance(context, dict) and MARKER in context:
        left["context"] = {MARKER: context[MARKER]}


def _take_content(known: dict[str, Any], left: dict[str, Any]) -> None:
    """Add the content: the text, or the tree in the portable form of Twacode."""
    text, blocks = left.pop("text", None), left.get("blocks")
    tree = _tree_of(blocks)
    known["content"] = text
    if blocks == [] or _is_only(text, tree):
        del left["blocks"]
    elif tree:
        known["content"] = {"original_str": text, "fallback_string": text, "prepared": tree}
        del left["blocks"]


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
    known["pinned"] = bool(left.get("pinned_info"))
    known["edited"] = bool(left.get("edited"))
    replies = left["stats"].get("replies") if isinstance(left.get("stats"), dict) else None
    if type(replies) is int:
        known["responses_count"] = max(0, replies - 1)  # it counts the message itself


def _text(field: str) -> Take:
    def take(known: dict[str, Any], value: Any) -> bool:
        if not isinstance(value, str):
            return False
        known[field] = value
        return True

    return take


def _date(field: str) -> Take:
    def take(known: dict[str, Any], value: Any) -> bool:
        if type(value) is not int:
            return False
        try:
            known[field] = datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
        except (OverflowError, OSError, ValueError):
            return False
        return True

    return take


def _context(known: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    front_id = value.get(FRONT_ID) or ""
    if not isinstance(front_id, str):
        return False
    known["front_id"] = front_id
    known["hidden_data"] = {
        name: item for name, item in value.items() if name not in (FRONT_ID, MARKER)
    }
    return True


def _place(known: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    for name in ("channel_id", "workspace_id"):
        if isinstance(value.get(name), str):
            known[name] = value[name]
    return True


def _reactions(known: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, list):
        return False
    reactions: dict[str, Reaction] = {}
    for one in value:
        if not isinstance(one, dict) or one.keys() != {"name", "users", "count"}:
            return False
        name, users, count = one["name"], one["users"], one["count"]
        if not isinstance(name, str) or name in reactions or type(count) is not int:
            return False
        if not isinstance(users, list) or not all(isinstance(user, str) for user in users):
            return False
        reactions[name] = Reaction(tuple(users), count)
    known["reactions"] = reactions
    return True


def _override(known: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    shown = {name: text for name, text in value.items() if text is not None}
    if not all(isinstance(text, str) for text in shown.values()):
        return False
    known["override"] = shown
    return True


def _ephemeral(known: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return False
    known["ephemeral_id"] = value["id"]
    return True


#: Values of a message that are an application, or may hold one.
_WITH_APPLICATIONS = ("application", "quote_message", "last_replies")

#: Values that hold more than the message takes from them.
_ALSO_KEPT = frozenset({"cache", "ephemeral"})

#: Adds what each value of an answer gives to the message; says whether it fits.
_TAKE: dict[str, Take] = {
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

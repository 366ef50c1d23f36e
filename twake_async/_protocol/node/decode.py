"""Decodes the `resource` of an answer as a `Message`; no field of it is lost. No I/O.

A send waits for it, so it looks at each value once, and calls nothing for a missing one.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from twake_async.messages import Message, Reaction

from .api import FRONT_ID, MARKER

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["decode_message"]

#: Values of a message that are an application, or may hold one.
_WITH_APPLICATIONS = ("application", "quote_message", "last_replies")


def decode_message(found: Mapping[str, Any]) -> Message:
    """Return the message of a `resource`, which must have an `id`.

    Fields that `Message` does not know, and values of another type, are in `extra` under their
    names. Private keys of applications are removed, from the `resource` too.
    """
    _drop_keys(found)
    return _make({name: value for name, value in found.items() if value is not None})


def _make(extra: dict[str, Any]) -> Message:
    """Return the message of these values; those that fit no field are left in `extra`."""
    take, left = extra.pop, extra.get
    name = take("id")
    application, sender = _senders(take("application_id", None), take("user_id", None), extra)
    front_id, hidden_data = _context(take("context", None), extra)
    creation, modification = _dates(take("created_at", None), take("updated_at", None), extra)
    channel, workspace = _place(left("cache"))
    return Message(
        id=name,
        front_id=front_id,
        channel_id=channel,
        parent_message_id=_parent(take("thread_id", None), name, extra),
        sender=sender,
        application_id=application,
        content=_content(take("text", None), take("blocks", None), extra),
        edited=bool(left("edited")),
        pinned=bool(left("pinned_info")),
        hidden_data=hidden_data,
        reactions=_reactions(take("reactions"), extra) if "reactions" in extra else {},
        creation_date=creation,
        modification_date=modification,
        responses_count=_replies(left("stats")),
        # The server also sets `type` to 1 for a user's message: only the sender differs.
        message_type=2 if left("subtype") == "system" else int(application is not None),
        ephemeral_id=_ephemeral(extra["ephemeral"]) if "ephemeral" in extra else None,
        workspace_id=workspace,
        override=_override(take("override"), extra) if "override" in extra else {},
        extra=extra,
    )


def _drop_keys(found: Mapping[str, Any]) -> None:
    """Remove the private keys of applications from the values of a message.

    A server of 2023 returns the whole application whose message is quoted (`send-quote`).
    """
    values: list[Any] = [found]
    for value in values:  # those that are added here, too
        if type(value) is list:
            values += value
        elif type(value) is dict:
            if type(api := value.get("api")) is dict:
                api.pop("private_key", None)
            for name in _WITH_APPLICATIONS:
                if inner := value.get(name):
                    values.append(inner)


def _senders(application: Any, user: Any, extra: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the application that sent a message, and the user in whose name it is shown."""
    if application is not None and not isinstance(application, str):
        extra["application_id"], application = application, None
    if user is not None and not isinstance(user, str):
        extra["user_id"], user = user, None
    return application, None if user == application else user


def _context(context: Any, extra: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the `front_id` and the hidden data.

    The marker, which no field has, is kept in `extra`: an edit with hidden data sends it again.
    """
    front_id = (context.get(FRONT_ID) or "") if isinstance(context, dict) else None
    if not isinstance(front_id, str):
        if context is not None:
            extra["context"] = context
        return "", {}
    hidden_data = context.copy()
    hidden_data.pop(FRONT_ID, None)
    if MARKER in hidden_data:
        extra["context"] = {MARKER: hidden_data.pop(MARKER)}
    return front_id, hidden_data


def _dates(
    created: Any, updated: Any, extra: dict[str, Any]
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """Return when a message was sent, and when it was last changed."""
    creation = _date("created_at", created, extra)
    if creation is not None and type(updated) is int and updated == created:  # a new message
        return creation, creation
    return creation, _date("updated_at", updated, extra)


def _date(name: str, value: Any, extra: dict[str, Any]) -> datetime.datetime | None:
    if type(value) is int:
        try:
            return datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
        except (OverflowError, OSError, ValueError):
            pass
    if value is not None:
        extra[name] = value
    return None


def _place(cache: Any) -> tuple[str, str]:
    """Return the channel and the workspace of a message."""
    if not isinstance(cache, dict):
        return "", ""
    channel, workspace = cache.get("channel_id"), cache.get("workspace_id")
    return (
        channel if isinstance(channel, str) else "",
        workspace if isinstance(workspace, str) else "",
    )


def _parent(thread: Any, name: str, extra: dict[str, Any]) -> str:
    """Return the thread of a message with an id; `""` where it is the message itself."""
    if thread == name:
        return ""
    if isinstance(thread, str):
        return thread
    if thread is not None:
        extra["thread_id"] = thread
    return ""


def _content(text: Any, blocks: Any, extra: dict[str, Any]) -> Any:
    """Return the content: the text, or the tree in the portable form of Twacode."""
    if not blocks and (blocks is None or blocks == []):
        return text
    tree = _tree_of(blocks)
    if type(tree) is list and len(tree) == 1 and type(text) is str and tree[0] == text:
        return text
    if tree:
        return {"original_str": text, "fallback_string": text, "prepared": tree}
    extra["blocks"] = blocks
    return text


def _tree_of(blocks: Any) -> Any:
    """Return the tree of a Twacode block; None where there is another block, or several."""
    if type(blocks) is not list or len(blocks) != 1:
        return None
    block = blocks[0]
    if type(block) is not dict or len(block) != 2 or block.get("type") != "twacode":
        return None
    return block.get("elements")


def _replies(stats: Any) -> int:
    """Return how many replies a message has: the server counts the message itself."""
    replies = stats.get("replies") if isinstance(stats, dict) else None
    return max(0, replies - 1) if type(replies) is int else 0


def _reactions(value: Any, extra: dict[str, Any]) -> dict[str, Reaction]:
    """Return the reactions by emoji."""
    found = _read_reactions(value)
    if found is None:
        extra["reactions"] = value
    return found or {}


def _read_reactions(value: Any) -> dict[str, Reaction] | None:
    """Return the reactions by emoji; None where one of them has another form."""
    if not isinstance(value, list):
        return None
    reactions: dict[str, Reaction] = {}
    for one in value:
        if not isinstance(one, dict) or one.keys() != {"name", "users", "count"}:
            return None
        name, users, count = one["name"], one["users"], one["count"]
        if not isinstance(name, str) or name in reactions or type(count) is not int:
            return None
        if not isinstance(users, list) or not all(isinstance(user, str) for user in users):
            return None
        reactions[name] = Reaction(tuple(users), count)
    return reactions


def _override(value: Any, extra: dict[str, Any]) -> dict[str, str]:
    """Return the title and the picture: both are texts."""
    if isinstance(value, dict):
        shown = {name: text for name, text in value.items() if text is not None}
        if all(isinstance(text, str) for text in shown.values()):
            return shown
    extra["override"] = value
    return {}


def _ephemeral(value: Any) -> str | None:
    """Return the id that replaces an ephemeral message."""
    name = value.get("id") if isinstance(value, dict) else None
    return name if isinstance(name, str) else None

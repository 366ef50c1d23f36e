"""The view of one person on a channel: messages, and content for that person only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._world.node_store import moment
from twake_async.sandbox._world.rows import same_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twake_async.sandbox._world.rows import User

__all__ = ["as_seen", "is_for", "seen"]

_INSIDE = ("content", "prepared", "formatted")


def seen(
    messages: Iterable[dict[str, Any]], ephemerals: Iterable[dict[str, Any]], user: User
) -> list[dict[str, Any]]:
    """Return the messages that a user sees in a channel, oldest first.

    Args:
        messages: Its messages.
        ephemerals: The ephemeral messages that were shown in it.
        user: The user.

    """
    shown = list(messages)
    for ephemeral in ephemerals:
        if is_for(ephemeral, user):
            before = [index for index, one in enumerate(shown, 1) if _time(one) <= _time(ephemeral)]
            shown.insert(max(before, default=0), ephemeral)
    return [as_seen(one, user) for one in shown]


def _time(message: Mapping[str, Any]) -> tuple[int, int]:
    """Return the time of a message: the second, and the time in its id."""
    return int(message["creation_date"]), moment(str(message["id"]))


def is_for(ephemeral: Mapping[str, Any], user: User) -> bool:
    """Return whether a user sees an ephemeral message; every user sees one without recipients."""
    recipients = ephemeral.get("ephemeral_message_recipients")
    if isinstance(recipients, dict):
        recipients = list(recipients.values())
    named = recipients if isinstance(recipients, list) else [recipients]
    wanted = [one for one in named if one is not None]
    return not wanted or any(same_id(one, user.id) for one in wanted)


def as_seen(message: dict[str, Any], user: User) -> dict[str, Any]:
    """Return a message with the content that only that user sees.

    Source: `Messages.js` lines 406-459.
    """
    specific = message.get("user_specific_content")
    mine: Any = None
    if isinstance(specific, dict):
        mine = next((held for key, held in specific.items() if same_id(key, user.id)), None)
    own = mine if isinstance(mine, dict) else {}
    return message | {"content": _put(message["content"], own), "user_specific_content": []}


def _put(node: Any, own: Mapping[str, Any]) -> Any:
    """Return a content with its keyed nodes replaced; keys inside a replacement are ignored."""
    if isinstance(node, list):
        return [_put(one, own) for one in node]
    if not isinstance(node, dict):
        return node
    key = node.get("key")
    if node.get("content") and isinstance(key, str) and own.get(key):
        return node | {"content": own[key]}
    return {name: _put(one, own) if name in _INSIDE else one for name, one in node.items()}

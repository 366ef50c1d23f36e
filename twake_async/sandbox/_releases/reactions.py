"""Reactions to a message, with the shapes that PHP gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases import php

if TYPE_CHECKING:
    from twake_async.sandbox._world.rows import Message, User

__all__ = ["react"]


def react(message: Message, user: User, wanted: Any) -> None:
    """Set the reaction of a user to a message; an empty one removes it."""
    had = message.reacted.get(user.id)
    if had is not None and php.loosely_equal(wanted, had):
        return
    if php.truthy(wanted):
        message.reacted[user.id] = wanted
        message.reactions = _added(message.reactions, php.key(wanted), user.id)
    elif had is not None:
        del message.reacted[user.id]
    if had is not None:
        message.reactions = _removed(message.reactions, php.key(had), user.id)


def _added(reactions: Any, name: str, user_id: str) -> Any:
    held = dict(php.items(reactions))
    entry = dict(php.items(held.get(name)))
    entry["users"] = php.append(entry.get("users", []), user_id)
    entry["count"] = entry.get("count", 0) + 1
    return php.array({**held, name: entry}.items())


def _removed(reactions: Any, name: str, user_id: str) -> Any:
    """Return reactions without one user. The others keep their keys: `users` may become a map."""
    held = dict(php.items(reactions))
    if name not in held:
        return reactions
    entry = dict(php.items(held[name]))
    users = php.items(entry.get("users"))
    leaves = next((key for key, one in users if one == user_id), "0")
    entry["users"] = php.array((key, one) for key, one in users if key != leaves)
    entry["count"] = entry.get("count", 0) - 1
    held[name] = entry
    if entry["count"] == 0:
        del held[name]
    return php.array(held.items())

"""Writes and changes a person's messages on a v1 server, and returns their browser form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases import messages_2020
from twake_async.sandbox._world.rows import row_key, same_id
from twake_async.sandbox._world.seeded import user_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.rows import Message, User
    from twake_async.sandbox._world.world import World

__all__ = ["change", "ephemeral", "find", "head", "held", "is_own", "remove", "write"]


def find(world: World, message_id: str) -> Message | None:
    """Return the stored message with that id."""
    return world.messages.get(row_key(message_id))


def head(world: World, message: Message) -> Message:
    """Return the first message of a message's thread."""
    return find(world, str(message.parent_message_id)) or message


def held(world: World, message: Message) -> dict[str, Any]:
    """Return a message as a browser holds it."""
    del world
    return message.as_array()


def ephemeral(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ephemeral message as a browser holds it."""
    return dict(shown)


def is_own(message: Message, user: User) -> bool:
    """Return whether a user wrote a message."""
    return message.application_id is None and same_id(message.sender, user.id)


def write(
    world: World,
    release: str,
    user: User,
    channel: Mapping[str, Any],
    *,
    text: str,
    thread_id: str,
) -> None:
    """Store a text of a user, at the root of a channel or in a thread."""
    content = _content(text)
    if release == "2020":
        given = {"channel_id": channel["id"], "parent_message_id": thread_id, "content": content}
        messages_2020.save(world, {**given, "hidden_data": [], "pinned": False}, user, None)
        return
    message = user_message(world, content, channel["id"], user.id, thread_id)
    world.add(message)
    parent = world.find(channel["id"], "", thread_id)
    if parent is not None:
        parent.responses_count = (parent.responses_count or 0) + 1


def _content(text: str) -> dict[str, Any]:
    return {"fallback_string": text, "original_str": text, "prepared": [text]}


def change(
    world: World,
    release: str,
    user: User,
    message: Message,
    *,
    text: str | None = None,
    reactions: list[str] | None = None,
    pinned: bool | None = None,
) -> None:
    """Edit a message, react to it or pin it."""
    del release
    given: dict[str, Any] = {
        "id": message.id,
        "channel_id": message.channel_id,
        "parent_message_id": message.parent_message_id,
    }
    if text is not None:
        given["content"] = _content(text)
    if reactions is not None:
        given["_user_reaction"] = reactions[0] if reactions else ""
    if pinned is not None:
        given["pinned"] = pinned
    messages_2020.save(world, given, user, None)


def remove(world: World, release: str, user: User, message: Message) -> None:
    """Remove a message; a message with replies stays."""
    del release, user
    given = {"channel_id": message.channel_id, "id": message.id}
    messages_2020.remove(world, {**given, "parent_message_id": message.parent_message_id})

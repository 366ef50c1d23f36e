"""Writes and changes a person's messages on a Node server, and returns their browser form.

Each act runs the same code of the server as a request of an application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases.node import messages, threads
from twake_async.sandbox._releases.node.call import Call
from twake_async.sandbox._world.rows import row_key, same_id
from twake_async.sandbox._world.tokens import Bearer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.node_rows import NodeMessage
    from twake_async.sandbox._world.rows import User
    from twake_async.sandbox._world.world import World

__all__ = ["change", "ephemeral", "find", "head", "held", "is_own", "remove", "write"]


def find(world: World, message_id: str) -> NodeMessage | None:
    """Return the stored message with that id."""
    return world.node.messages.get(row_key(message_id))


def head(world: World, message: NodeMessage) -> NodeMessage:
    """Return the first message of a message's thread."""
    return find(world, message.thread_id) or message


def held(world: World, message: NodeMessage) -> dict[str, Any]:
    """Return a message as a browser holds it."""
    del world
    row = message.as_row(with_status=True)
    row["blocks"] = message.blocks or [{"type": "twacode", "elements": [message.text]}]
    return row


def ephemeral(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ephemeral message as a browser holds it."""
    content = shown["content"]
    recipient = shown["ephemeral_message_recipients"][0]
    return {
        "id": shown["id"],
        "ephemeral": {"id": shown["ephemeral_id"], "recipient": recipient},
        "type": "message",
        "created_at": shown["creation_date"] * 1000,
        "application_id": shown["application_id"],
        "text": content["original_str"],
        "blocks": [{"type": "twacode", "elements": content["prepared"]}],
        "thread_id": shown["parent_message_id"] or shown["id"],
        "subtype": "application",
        "user_id": shown["sender"] or shown["application_id"],
        "context": shown["hidden_data"],
        "cache": {"channel_id": shown["channel_id"]},
    }


def is_own(message: NodeMessage, user: User) -> bool:
    """Return whether a user wrote a message."""
    return message.application_id is None and same_id(message.user_id, user.id)


def write(
    world: World,
    release: str,
    user: User,
    channel: Mapping[str, Any],
    *,
    text: str,
    thread_id: str,
) -> None:
    """Store a text of a user: open a thread with it, or reply in a thread."""
    path = [channel["group_id"]]
    if thread_id:
        body: Any = {"resource": {"text": text}}
        messages.save(_call(world, release, user, [*path, thread_id], body))
        return
    place = {"company_id": channel["group_id"], "workspace_id": channel["workspace_id"]}
    participants = [{"type": "channel", "id": channel["id"], **place}]
    body = {"resource": {"participants": participants}, "options": {"message": {"text": text}}}
    threads.create_thread(_call(world, release, user, path, body))


def change(
    world: World,
    release: str,
    user: User,
    message: NodeMessage,
    *,
    text: str | None = None,
    reactions: list[str] | None = None,
    pinned: bool | None = None,
) -> None:
    """Edit a message, react to it or pin it."""
    path = ["", message.thread_id, message.id]
    if text is not None:
        messages.save(_call(world, release, user, path, {"resource": {"text": text}}))
    if reactions is not None:
        messages.react(_call(world, release, user, path, {"reactions": reactions}))
    if pinned is not None:
        messages.pin(_call(world, release, user, path, {"pin": pinned}))


def remove(world: World, release: str, user: User, message: NodeMessage) -> None:
    """Remove a message."""
    messages.delete(_call(world, release, user, ["", message.thread_id, message.id], None))


def _call(world: World, release: str, user: User, path: list[str], body: Any) -> Call:
    return Call(world, release, Bearer(user.id, is_application=False), path, {}, body)

"""Converts messages between the form of v1 and the form of the Node server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._world.node_rows import NodeMessage, Thread
from twake_async.sandbox._world.rows import Message, row_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.world import World

__all__ = ["as_v1", "node_row", "shown_on_node", "store_on_node"]

_FROM_AN_APPLICATION = 1


def as_v1(message: NodeMessage, replies: int) -> Message:
    """Return a message of the Node server in the form of v1.

    Args:
        message: The row of the Node server.
        replies: How many replies the thread has, if the message is its first one.

    """
    context, place = message.context, message.cache or {}
    is_head = message.id == message.thread_id
    sender = None if message.user_id == message.application_id else message.user_id
    return Message(
        id=message.id,
        front_id=context.get("_front_id") if isinstance(context, dict) else None,
        channel_id=place.get("channel_id"),
        parent_message_id="" if is_head else message.thread_id,
        message_type=_FROM_AN_APPLICATION if message.application_id else 0,
        sender=sender,
        application_id=message.application_id,
        content=_content(message),
        creation_date=message.created_at // 1000,
        modification_date=message.updated_at // 1000,
        responses_count=replies if is_head else 0,
        edited=message.edited is not None,
        pinned=message.pinned_info is not None,
        hidden_data=context,
        reactions=message.reactions or [],
        increment_at_time=0,
        node={"files": message.files, "subtype": message.subtype},
    )


def shown_on_node(world: World, message: NodeMessage) -> dict[str, Any]:
    """Return a message of the Node server as `Sandbox.messages` shows it.

    That is the form of v1, but without the `front_id` in the hidden data, and with `workspace_id`
    and `override` in addition.
    """
    thread = world.node.thread(message.thread_id)
    replies = 0 if thread is None else len(thread.message_ids) - 1
    shown = as_v1(message, max(replies, 0)).as_array()
    hidden = message.context
    if isinstance(hidden, dict):
        hidden = {name: value for name, value in hidden.items() if name != "_front_id"} or None
    return shown | {
        "hidden_data": hidden,
        "workspace_id": (message.cache or {}).get("workspace_id"),
        "override": message.override,
    }


def _content(message: NodeMessage) -> dict[str, Any]:
    elements = message.blocks or [message.text]
    if isinstance(elements, list) and len(elements) == 1 and isinstance(elements[0], dict):
        [block] = elements
        elements = block.get("elements") if block.get("type") == "twacode" else elements
    return {
        "fallback_string": message.text,
        "original_str": message.text,
        "prepared": elements,
    }


def store_on_node(world: World, message: Message) -> None:
    """Store a message of v1 in the form of the Node server; it replaces one with the same id."""
    store, key = world.node, row_key(message.id)
    channel = world.channel(message.channel_id) or {}
    row = node_row(message, channel)
    if key in store.messages:
        store.messages[key] = row
        return
    thread = store.thread(row.thread_id)
    if thread is None:
        thread = _thread(row, channel)
        store.add_thread(thread)
    store.add(thread, row)
    thread.answers += 1
    thread.last_activity = row.created_at
    if isinstance(row.text, str):  # without a text, no channel shows it
        store.show(thread, row.id)


def node_row(message: Message, channel: Mapping[str, Any]) -> NodeMessage:
    """Return a message of v1 in the form of the Node server.

    Args:
        message: The message.
        channel: Its channel, with the ids of its company and its workspace.

    """
    content: Any = message.content
    is_prepared = isinstance(content, dict)
    text = content.get("original_str") if is_prepared else content
    elements = content.get("prepared") if is_prepared else None
    return NodeMessage(
        thread_id=row_key(message.parent_message_id or message.id),
        id=row_key(message.id),
        subtype=message.node.get("subtype"),
        created_at=message.creation_date * 1000,
        updated_at=message.modification_date * 1000,
        user_id=message.sender or message.application_id,
        application_id=message.application_id,
        text=text,
        blocks=[] if elements is None else [{"type": "twacode", "elements": elements}],
        files=message.node.get("files"),
        context=message.hidden_data or None,
        quote_message=None,
        override=None,
        cache={
            "company_id": channel.get("group_id"),
            "workspace_id": channel.get("workspace_id"),
            "channel_id": message.channel_id,
        },
        status="sent",
        edited={"edited_at": message.modification_date * 1000} if message.edited else None,
    )


def _thread(row: NodeMessage, channel: Mapping[str, Any]) -> Thread:
    """Return the thread that a message opens."""
    opened = {"created_by": row.user_id, "created_at": row.created_at}
    place = row.cache or {}
    where = {
        "type": "channel",
        "id": place.get("channel_id"),
        "company_id": channel.get("group_id"),
        "workspace_id": channel.get("workspace_id"),
    }
    opener = {} if row.application_id else {"type": "user", "id": row.user_id}
    return Thread(
        id=row.thread_id,
        created_by=row.user_id,
        created_at=row.created_at,
        updated_at=row.created_at,
        last_activity=row.created_at,
        participants=[opened | opener, opened | where],
    )

"""How the Node server shows rows: messages, and threads with their first message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twake_async.sandbox._releases.node.call import Call
    from twake_async.sandbox._world.node_rows import NodeMessage, Thread

__all__ = ["shown", "shown_reply", "shown_thread", "shown_with_replies"]

_LAST_REPLIES = 3


def shown(call: Call, message: NodeMessage) -> dict[str, Any]:
    """Return a message as it is shown: a text without blocks gets a block of its own."""
    row = message.as_row(with_status=call.with_status)
    row["blocks"] = message.blocks or [{"type": "twacode", "elements": [message.text]}]
    row["quote_message"] = _quoted(call, message)
    return row


def _quoted(call: Call, message: NodeMessage) -> dict[str, Any] | None:
    """Return the quoted message; None if there is none, or if it is unknown."""
    quote = message.quote_message
    if not isinstance(quote, dict):
        return None
    found = call.world.node.message(str(quote.get("thread_id")), str(quote.get("id")))
    if found is None:
        return None
    return shown_with_replies(call, found) if call.release == "2022" else shown(call, found)


def shown_with_replies(call: Call, message: NodeMessage) -> dict[str, Any]:
    """Return a message as it is shown; the first of a thread with the thread's last messages."""
    row = shown(call, message)
    thread = call.world.node.thread(message.thread_id)
    if message.id != message.thread_id or thread is None:
        return row
    return row | _activity(call, thread)


def _activity(call: Call, thread: Thread) -> dict[str, Any]:
    last = call.world.node.last_replies(thread, _LAST_REPLIES)
    return {
        "stats": {"replies": thread.answers, "last_activity": thread.last_activity},
        "last_replies": [shown(call, one) for one in last],
    }


def shown_thread(call: Call, thread: Thread) -> dict[str, Any]:
    """Return a thread with its first message; if that was deleted, without the message's fields."""
    head = call.world.node.message(thread.id, thread.id)
    message = _activity(call, thread) if head is None else shown_with_replies(call, head)
    return {**thread.as_row(), "message": message}


def shown_reply(call: Call, message: NodeMessage, ephemeral: Any) -> dict[str, Any]:
    """Return the answer to a reply: fields in another order, and no id if it is ephemeral."""
    row = shown(call, message)
    stored, updated = {"id": row.pop("id")}, {"updated_at": row.pop("updated_at")}
    if ephemeral is not None:
        stored, updated = {}, {}
    status = {"status": row.pop("status")} if call.with_status else {}
    cache = row.pop("cache")
    del row["links"]
    first = ("type", "created_at", "application_id", "text", "blocks", "thread_id")
    ordered = {name: row.pop(name) for name in first}
    return stored | {"ephemeral": ephemeral} | ordered | row | status | {"cache": cache} | updated

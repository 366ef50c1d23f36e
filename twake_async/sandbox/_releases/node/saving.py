"""The common steps of sends, replies and edits: make a row, store it, announce it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases.node.call import Call, field
from twake_async.sandbox._releases.node.errors import CrashError
from twake_async.sandbox._world.happened import Happened
from twake_async.sandbox._world.node_rows import NodeMessage
from twake_async.sandbox._world.translate import as_v1

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.node_rows import Thread

__all__ = ["announce", "check_content", "filled", "is_ephemeral", "show_once", "store", "tell"]

_PLACE = ("company_id", "workspace_id", "channel_id")


def is_ephemeral(given: Any) -> bool:
    """Return whether a message is ephemeral."""
    return bool(field(given, "ephemeral"))


def filled(call: Call, thread: Thread, given: dict[str, Any], message_id: str) -> NodeMessage:
    """Return the row of a new message, from the fields that it was given."""
    now = call.now()
    sender = call.bearer
    cache = _cache(thread)
    return NodeMessage(
        thread_id=thread.id,
        id=message_id,
        subtype="application" if given.get("subtype") == "application" else None,
        created_at=now,
        updated_at=now,
        user_id=(given.get("user_id") if sender.is_application else None) or sender.id,
        application_id=sender.id if sender.is_application else None,
        text=given.get("text", ""),
        blocks=given.get("blocks") or [],
        files=given.get("files") or None,
        context=given.get("context"),
        quote_message=_quote(call, given.get("quote_message"), cache),
        override=given.get("override"),
        cache=cache,
        status="read" if _is_alone(call, cache) else "sent",
    )


def _cache(thread: Thread) -> dict[str, Any] | None:
    """Return the place of a thread, from its first channel; None if it is in no channel."""
    for channel in thread.channels():
        place = {**channel, "channel_id": channel.get("id")}
        return {name: place[name] for name in _PLACE if name in place}
    return None


def _quote(call: Call, quote: Any, cache: Mapping[str, Any] | None) -> Any:
    """Return the stored form of a quote; 2023 adds the place."""
    if not isinstance(quote, dict) or call.release == "2022":
        return quote or None
    place = {name: (cache or {}).get(name) for name in reversed(_PLACE)}
    return {**place, "id": quote.get("id"), "thread_id": quote.get("thread_id")}


def _is_alone(call: Call, cache: Mapping[str, Any] | None) -> bool:
    """Return whether the channel is known and has at most one member."""
    channel = (cache or {}).get("channel_id")
    known = call.world.channel(channel) if isinstance(channel, str) else None
    return known is not None and call.world.members_of(known["id"]) <= 1


def store(call: Call, thread: Thread, message: NodeMessage) -> None:
    """Store a message, and then fail if its content cannot be shown.

    Raises:
        CrashError: The text is no string, the blocks are no list, or the quoted message is unknown.
            The message is stored, and no channel shows it.

    """
    call.world.node.add(thread, message)
    check_content(call, message)
    if not isinstance(message.text, str):
        raise CrashError


def check_content(call: Call, message: NodeMessage) -> None:
    """Raise `CrashError` if blocks are no list, or if 2023 does not know the quoted message."""
    if not isinstance(message.blocks, list):
        raise CrashError
    quote = message.quote_message
    if call.release == "2022" or not isinstance(quote, dict):
        return
    if call.world.node.message(str(quote["thread_id"]), str(quote["id"])) is None:
        raise CrashError


def announce(call: Call, thread: Thread, message_id: str) -> None:
    """Count a stored message, and show its thread as the one with the last activity.

    Raises:
        CrashError: The files of the message are no list of files. The message is stored and shown.

    """
    now = call.now()
    thread.answers += 1
    thread.last_activity = thread.updated_at = now
    call.world.node.show(thread, message_id)
    files = call.world.node.messages[message_id].files
    if files is not None and not _are_files(files):
        raise CrashError


def _are_files(files: Any) -> bool:
    return isinstance(files, list) and all(
        isinstance(one, dict) and isinstance(one.get("metadata"), dict) for one in files
    )


def show_once(call: Call, thread: Thread, given: dict[str, Any]) -> NodeMessage:
    """Show an ephemeral message, which replaces one with the same id; return the unstored row."""
    message = filled(call, thread, given, call.world.new_id())
    ephemeral = given["ephemeral"]
    asked = ephemeral if isinstance(ephemeral, dict) else {}
    key = str(asked.get("id"))
    if given.get("subtype") == "deleted":
        call.world.hide(key)
        return message
    shown = as_v1(message, 0).as_array() | {
        "parent_message_id": "" if call.world.node.thread(thread.id) is None else thread.id,
        "ephemeral_id": asked.get("id"),
        "ephemeral_message_recipients": [asked.get("recipient")],
        "_user_ephemeral": True,
    }
    call.world.show(shown, key)
    return message


def tell(
    call: Call, thread: Thread, message: NodeMessage, shown: Mapping[str, Any], *, is_new: bool
) -> None:
    """Record for the applications what happened to a message, if it is in a channel.

    Args:
        call: The request.
        thread: The thread, as it is after the request.
        message: The message.
        shown: The message in the event.
        is_new: Whether the message was stored now.

    """
    channel_id = (message.cache or {}).get("channel_id")
    if isinstance(channel_id, str):
        happened = Happened(
            channel_id, message.application_id, dict(shown), thread.as_row(), is_new=is_new
        )
        call.world.happened.append(happened)

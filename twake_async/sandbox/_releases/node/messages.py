"""Reply, edit, delete, react, pin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from twake_async.sandbox._releases.node.call import Call, field
from twake_async.sandbox._releases.node.errors import CrashError, NodeError
from twake_async.sandbox._releases.node.saving import (
    announce,
    check_content,
    filled,
    is_ephemeral,
    show_once,
    store,
    tell,
)
from twake_async.sandbox._releases.node.shapes import shown, shown_reply

if TYPE_CHECKING:
    from twake_async.sandbox._world.node_rows import NodeMessage, Thread

__all__ = ["delete", "pin", "react", "save"]

_EDITABLE = ("text", "blocks", "context", "override")
_NOTHING_LEFT: dict[str, Any] = {"text": "Deleted message", "blocks": [], "files": []} | {
    "reactions": []
}
"""The fields of a removed message in the event for applications."""


def save(call: Call) -> dict[str, Any]:
    """Edit the message that the path or the body names; if neither names one, reply."""
    given = field(call.body, "resource")
    given = given if isinstance(given, dict) else {}
    message_id = call.path[2] if len(call.path) > 2 else field(given, "id")
    thread = _open_thread(call)
    if message_id:
        return {"resource": _edit(call, thread, given, message_id)}
    if is_ephemeral(given):
        message = show_once(call, thread, given)
        return {"resource": shown_reply(call, message, given["ephemeral"])}
    message = filled(call, thread, given, call.world.new_id())
    store(call, thread, message)
    announce(call, thread, message.id)
    resource = shown_reply(call, message, None)
    tell(call, thread, message, resource, is_new=True)
    return {"resource": resource}


def _open_thread(call: Call) -> Thread:
    """Return the thread; 2023 lets an application write only in threads in which it takes part.

    Raises:
        CrashError: There is no such thread.
        NodeError: The application does not take part in it.

    """
    thread = call.world.node.thread(call.path[1])
    if thread is None:
        raise CrashError
    bound = call.bearer.is_application and call.release != "2022"
    if bound and not thread.has_participant(call.bearer.id):
        raise NodeError(404, "You can't post in this thread")
    return thread


def _is_own(call: Call, message: NodeMessage) -> bool:
    if call.bearer.is_application:
        return message.application_id == call.bearer.id
    return message.application_id is None and message.user_id == call.bearer.id


def _edit(call: Call, thread: Thread, given: dict[str, Any], message_id: Any) -> dict[str, Any]:
    """Replace the given fields; in a message of another sender, change only `updated_at`.

    Raises:
        CrashError: There is no such message in the thread; or, after storing, 2023 fails on a text
            that is no string.

    """
    message = call.world.node.message(thread.id, str(message_id))
    if message is None:
        raise CrashError
    message.updated_at = call.now()
    if not _is_own(call, message):
        return shown(call, message)
    for name in _EDITABLE:
        if name in given:
            setattr(message, name, given[name])
    message.blocks = message.blocks or []
    message.edited = {"edited_at": message.updated_at}
    check_content(call, message)
    if call.release != "2022" and not isinstance(message.text, str | None):
        raise CrashError
    resource = shown(call, message)
    tell(call, thread, message, resource, is_new=False)
    return resource


def delete(call: Call) -> dict[str, Any]:
    """Remove a message; succeed also if it does not exist.

    Raises:
        CrashError: Another sender wrote the message.

    """
    message = call.world.node.message(call.path[1], call.path[2])
    if message is not None:
        if not _is_own(call, message):
            raise CrashError
        call.world.node.remove(message)
        left = evolve(message, subtype="deleted", updated_at=call.now(), **_NOTHING_LEFT)
        _tell(call, left)
    return {"status": "success"}


def _tell(call: Call, message: NodeMessage) -> None:
    """Record the row of a message for the applications."""
    thread = call.world.node.thread(message.thread_id)
    if thread is not None:
        row = message.as_row(with_status=call.with_status)
        tell(call, thread, message, row, is_new=False)


def _known(call: Call) -> NodeMessage:
    message = call.world.node.message(call.path[1], call.path[2])
    if message is None:
        raise CrashError
    return message


def react(call: Call) -> dict[str, Any]:
    """Replace the reactions of the sender of the request."""
    message, who = _known(call), call.bearer.id
    names = field(call.body, "reactions")
    wanted = [one for one in names if isinstance(one, str)] if isinstance(names, list) else []
    users: dict[str, list[str]] = {
        one["name"]: [user for user in one["users"] if user != who]
        for one in message.reactions or []
    }
    for name in wanted:
        users.setdefault(name, []).append(who)
    message.reactions = [
        {"name": name, "count": len(found), "users": found}
        for name, found in users.items()
        if found
    ]
    message.updated_at = call.now()
    _tell(call, message)
    return {"resource": message.as_row(with_status=call.with_status)}


def pin(call: Call) -> dict[str, Any]:
    """Pin or unpin a message."""
    message = _known(call)
    pinned = bool(field(call.body, "pin"))
    info = {"pinned_by": call.bearer.id, "pinned_at": call.now()}
    message.pinned_info = info if pinned else None
    message.updated_at = call.now()
    _tell(call, message)
    return {"resource": message.as_row(with_status=call.with_status)}

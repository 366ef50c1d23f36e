"""Open a thread with a message, and change the participants of a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases.node.call import Call, field
from twake_async.sandbox._releases.node.errors import CrashError
from twake_async.sandbox._releases.node.saving import (
    announce,
    filled,
    is_ephemeral,
    show_once,
    store,
    tell,
)
from twake_async.sandbox._releases.node.shapes import shown_reply, shown_thread
from twake_async.sandbox._world.node_rows import Thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twake_async.sandbox._world.tokens import Bearer

__all__ = ["change_thread", "create_thread"]


def create_thread(call: Call) -> dict[str, Any]:
    """Store a thread, then its first message, then show it in its channels."""
    resource, options = field(call.body, "resource"), field(call.body, "options")
    participants = field(resource, "participants")
    given = field(options, "message")
    if participants is None or given is None:
        raise CrashError
    thread = _thread(call, _objects(call, participants))
    if is_ephemeral(given):
        show_once(call, thread, given)
        return {"resource": {"message": None}}
    call.world.node.add_thread(thread)
    if not isinstance(given, dict) or given.get("id") or _quotes_nowhere(call, thread, given):
        raise CrashError
    message = filled(call, thread, given, thread.id)
    store(call, thread, message)
    announce(call, thread, thread.id)
    tell(call, thread, message, shown_reply(call, message, None), is_new=True)
    return {"resource": shown_thread(call, thread)}


def _objects(call: Call, participants: Any) -> list[dict[str, Any]]:
    """Return the participants that are objects; 2023 fails on a null among them."""
    given = participants if isinstance(participants, list) else []
    if call.release != "2022" and None in given:
        raise CrashError
    return [one for one in given if isinstance(one, dict)]


def _thread(call: Call, given: Iterable[dict[str, Any]]) -> Thread:
    now = call.now()
    opened = {"created_by": call.bearer.id, "created_at": now}
    return Thread(
        id=call.world.new_id(),
        created_by=call.bearer.id,
        created_at=now,
        updated_at=now,
        last_activity=now,
        participants=[opened | _opener(call.bearer), *(opened | one for one in given)],
    )


def _opener(bearer: Bearer) -> dict[str, Any]:
    """Return the fields that name the opener; empty for an application."""
    return {} if bearer.is_application else {"type": "user", "id": bearer.id}


def _quotes_nowhere(call: Call, thread: Thread, given: dict[str, Any]) -> bool:
    """Return whether 2023 fails because a message with a quote is in no channel."""
    return call.release != "2022" and bool(given.get("quote_message")) and not thread.channels()


def change_thread(call: Call) -> dict[str, Any]:
    """Add and remove participants of a thread; the sender may be one of them or not."""
    resource, options = field(call.body, "resource"), field(call.body, "options")
    thread = call.world.node.thread(call.path[1])
    if resource is None or options is None or thread is None:
        raise CrashError
    change = field(options, "participants")
    added = _objects(call, field(change, "add")) if isinstance(change, dict) else []
    removed = _objects(call, field(change, "remove")) if isinstance(change, dict) else []
    now = call.now()
    _join(thread, [{"created_by": call.bearer.id, "created_at": now} | one for one in added])
    gone = [_name(one) for one in removed]
    thread.participants = [one for one in thread.participants if _name(one) not in gone]
    thread.updated_at = now
    return {"resource": shown_thread(call, thread)}


def _join(thread: Thread, added: list[dict[str, Any]]) -> None:
    for one in added:
        if _name(one) not in [_name(known) for known in thread.participants]:
            thread.participants.append(one)


def _name(participant: dict[str, Any]) -> tuple[Any, Any]:
    return participant.get("type"), participant.get("id")

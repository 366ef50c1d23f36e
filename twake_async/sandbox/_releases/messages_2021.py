"""Save and remove a message over v1 as servers from mid-2021 to 2022 do.

Recorded from the PHP that release v2023.Q1.1223 still ships, on PHP 7.1.

This PHP forwards messages to a Node service. PHP's part was recorded with a substitute for the Node
service, so the sandbox gives only the recorded answers. The answer for an unknown id is a message
whose id is null.

On PHP 7.1 `"Hello"["formatted"]` is `"H"`. So plain text is cut to its first byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from twake_async.sandbox._releases import php, php_json
from twake_async.sandbox._world.rows import Message

if TYPE_CHECKING:
    from twake_async.sandbox._world.rows import App
    from twake_async.sandbox._world.world import World

__all__ = ["remove", "save"]

_FROM_AN_APPLICATION = 1


def remove(world: World, given: dict[str, Any]) -> None:
    """Remove a message, if its thread has that id."""
    message = _known(world, given)
    if message is not None:
        world.remove(message)


def save(world: World, given: dict[str, Any], app: App) -> dict[str, Any]:
    """Create or edit a message; return the message of the answer."""
    if php.truthy(given.get("id")):
        return _edit(world, given)
    if php.has(given, "_user_reaction"):
        return _nothing(given["channel_id"])
    thread_id = given.get("parent_message_id")
    if not php.truthy(thread_id):
        return _create(world, given, app, None)
    parent = world.find(given["channel_id"], "", str(thread_id))
    if parent is None:
        return _nothing(given["channel_id"])
    return _create(world, given, app, parent)


def _offset(value: Any, key: str) -> Any:
    """Return `$value[$key]` on PHP 7.1: for a string, its first byte."""
    if isinstance(value, str):
        first = value.encode("utf-8", "surrogateescape")[:1]
        return first.decode("utf-8", "surrogateescape")
    return php.field(value, key)


def _either(*values: Any) -> Any:
    """Return `a ?: b ?: c`."""
    return next((value for value in values if php.truthy(value)), values[-1])


def _resource(given: dict[str, Any]) -> dict[str, Any]:
    """Return the message that PHP sends to the Node service."""
    content = given.get("content")
    formatted, prepared = _offset(content, "formatted"), _offset(content, "prepared")
    return {
        "text": _either(_offset(content, "original_str"), _offset(content, "fallback_string")),
        "elements": _either(formatted, prepared, content),
        "files": given.get("files"),
        "context": _context(given.get("hidden_data"), given.get("front_id")),
    }


def _context(hidden_data: Any, front_id: Any) -> Any:
    """Return the hidden data after `$hidden_data["_front_id"] = $front_id` on PHP 7.1.

    In a string, this replaces the first byte.
    """
    if isinstance(hidden_data, str) and hidden_data:
        start = _offset(front_id, "") if isinstance(front_id, str) else ""
        return start + hidden_data[1:] if start else hidden_data
    if isinstance(hidden_data, list | dict) or not hidden_data:
        return php.array([*php.items(hidden_data), ("_front_id", front_id)])
    return hidden_data


def _create(
    world: World, given: dict[str, Any], app: App, parent: Message | None
) -> dict[str, Any]:
    message = _filled(world, _blank(world, given, app, parent.id if parent else ""), given)
    if php.truthy(given.get("_once_ephemeral_message")) or php.truthy(given.get("ephemeral_id")):
        return _shown_once(world, message, given)
    world.add(message)
    if parent is not None:
        parent.responses_count = (parent.responses_count or 0) + 1
    return _shown(message)


def _blank(world: World, given: dict[str, Any], app: App, thread_id: str) -> Message:
    return Message(
        id=world.new_id(),
        front_id=None,
        channel_id=given["channel_id"],
        parent_message_id=thread_id,
        message_type=_FROM_AN_APPLICATION,
        sender=None,
        application_id=app.id,
        content=None,
        creation_date=world.now(),
        modification_date=world.now(),
        pinned=False,
        increment_at_time=0,
    )


def _filled(world: World, message: Message, given: dict[str, Any]) -> Message:
    resource = php_json.stored(_resource(given))
    if resource is not None:
        return _with(message, resource)
    return evolve(  # JSON cannot hold it, so the Node service was sent nothing
        message,
        parent_message_id=message.parent_message_id or world.new_id(),
        message_type=0,
        content=_content(None, []),
        front_id=message.id,
        node={"files": [], "subtype": None},
    )


def _with(message: Message, resource: dict[str, Any]) -> Message:
    context = resource["context"]
    return evolve(
        message,
        front_id=_either(_offset(context, "_front_id"), message.id),
        hidden_data=context,
        content=_content(resource["text"], resource["elements"]),
        node={"files": resource["files"], "subtype": "application"},
    )


def _content(text: Any, elements: Any) -> dict[str, Any]:
    return {"fallback_string": text, "original_str": text, "prepared": elements}


def _edit(world: World, given: dict[str, Any]) -> dict[str, Any]:
    """Replace a whole message: content, hidden data and pin are lost if they are not given.

    If no text is given, the recorded answer shows the old text, because the substitute for the Node
    service kept it. The real Node service, recorded alone, stores the null that PHP sends.
    """
    message = _known(world, given)
    if message is None:
        return _nothing(given["channel_id"])
    message.pinned = php.truthy(given.get("pinned"))
    resource = php_json.stored(_resource(given))
    if php.has(given, "_user_reaction") or resource is None:
        return _shown(message)
    edited = evolve(_with(message, resource), modification_date=world.now())
    world.add(edited)
    if resource["text"] is None:
        text, elements = message.content["original_str"], edited.content["prepared"]
        edited = evolve(edited, content=_content(text, elements))
    return _shown(edited)


def _known(world: World, given: dict[str, Any]) -> Message | None:
    """Return the message, if it is in the given thread, or at the root if no thread is given."""
    thread_id = given.get("parent_message_id")
    thread_id = thread_id if php.truthy(thread_id) else ""
    message_id = given.get("id")
    return world.find(given["channel_id"], thread_id, str(message_id) if message_id else None)


def _shown(message: Message) -> dict[str, Any]:
    """Return PHP's form of the Node service's message, then that message's own fields."""
    shown = message.as_array()
    text, context = message.content["original_str"], message.hidden_data
    ordered: dict[str, Any] = {}
    for name, value in shown.items():
        ordered["_reactions" if name == "reactions" else name] = value
    written = "" if text is None else text
    return ordered | {
        "thread_id": message.parent_message_id,
        "created_at": message.creation_date,
        "user_id": None,
        "text": written,
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": written}}],
        "files": message.node["files"],
        "context": context,
        "title": _offset(context, "custom_title"),
        "picture": _offset(context, "custom_icon"),
        "stats": {"last_activity": message.modification_date, "replies": message.responses_count},
        "pinned_info": {"pinned_by": None, "pinned_at": 0},
        "reactions": message.reactions,
        "type": "message",
        "subtype": message.node["subtype"],
    }


def _shown_once(world: World, message: Message, given: dict[str, Any]) -> dict[str, Any]:
    """Show an ephemeral message; return the message of the answer."""
    recipients = php.items(given.get("ephemeral_message_recipients"))
    shown = _shown(message) | {
        "front_id": message.id,
        "ephemeral_id": message.id,
        "ephemeral_message_recipients": [recipients[0][1] if recipients else None],
        "_user_ephemeral": True,
    }
    world.show(shown)
    return shown


def _nothing(channel_id: Any) -> dict[str, Any]:
    """Return the message of the answer for an id that the Node service does not know."""
    empty = Message(
        id="",
        front_id=None,
        channel_id=channel_id,
        parent_message_id="",
        message_type=0,
        sender=None,
        application_id=None,
        content=_content(None, []),
        creation_date=0,
        modification_date=0,
        pinned=False,
        increment_at_time=0,
        node={"files": None, "subtype": None},
    )
    return _shown(empty) | {"id": None}

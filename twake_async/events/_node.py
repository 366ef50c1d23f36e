"""Events of the Node servers: hooks by the server, actions by browsers.

Source: the captures of v2022.Q2.975 and v2023.Q1.1223 (wire/node/events).
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._protocol.node.decode import decode_message

from ._actions import as_message, made, make_event
from ._events import Event, MessageChanged, MessageRemoved, NewMessage
from ._values import mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.messages import Message

__all__ = ["read_node"]

#: The longest time between the creation and the last change of a new message.
_SOON = datetime.timedelta(seconds=0.5)
#: The server adds the user to each event of a browser; in its own hooks, these are null.
_OF_BROWSERS = ("user_id", "connection_id", "company_id")


def read_node(document: dict[str, Any], *, signed: bool) -> Event:
    """Return the event of a body of the Node form.

    Args:
        document: The body, with a `type` and its `content`.
        signed: Whether its signature fits.

    """
    content = mapping(document.get("content"))
    fields = _fields(document, content, signed=signed)

    def decode(found: Mapping[str, Any]) -> Message:
        message = decode_message(found)
        if message.channel_id and message.workspace_id:
            return message
        return attrs.evolve(
            message,
            channel_id=message.channel_id or fields["channel_id"] or "",
            workspace_id=message.workspace_id or fields["workspace_id"] or "",
        )

    if fields["origin"] == "browser":
        return make_event(fields, content, decode)
    found = mapping(mapping(content.get("message")).get("message"))
    message = as_message(found, decode)
    return made(Event, fields) if message is None else _hook(fields, found, message)


def _fields(
    document: dict[str, Any], content: Mapping[str, Any], *, signed: bool
) -> dict[str, Any]:
    """Return what all events have; their message is None."""
    outer = mapping(content.get("message")) if document["type"] == "hook" else content
    channel = mapping(outer.get("channel"))
    cache = mapping(mapping(outer.get("message")).get("cache"))
    return {
        "type": document["type"],
        "name": text(document.get("name")) or "",
        "api": "node",
        "signed": signed,
        "origin": _origin(document),
        "group_id": _first("company_id", document, channel, cache, outer),
        "workspace_id": "direct"
        if channel.get("visibility") == "direct"
        else _first("workspace_id", channel, cache, document),
        "channel_id": text(channel.get("id")) or text(cache.get("channel_id")),
        "user_id": text(document.get("user_id")),
        "connection_id": text(document.get("connection_id")),
        "message": None,
        "raw": document,
    }


def _first(name: str, *places: Mapping[str, Any]) -> str | None:
    """Return a field from the first place that has it."""
    for place in places:
        if (found := text(place.get(name))) is not None:
            return found
    return None


def _origin(document: Mapping[str, Any]) -> Literal["server", "browser"]:
    if document["type"] != "hook":
        return "browser"
    is_own = all(document.get(name) is None for name in _OF_BROWSERS)
    return "server" if is_own else "browser"


def _hook(fields: dict[str, Any], found: Mapping[str, Any], message: Message) -> Event:
    """Return the event of a hook, which does not say what happened to its message."""
    if found.get("subtype") == "deleted":
        return made(MessageRemoved, fields, message=message)
    if any(found.get(name) for name in ("edited", "reactions", "pinned_info")):
        return made(MessageChanged, fields, message=message)
    begun, changed = message.creation_date, message.modification_date
    if begun is None or changed is None or abs(changed - begun) > _SOON:
        return made(MessageChanged, fields, message=message)
    sender = message.sender if message.application_id is None else None
    return made(NewMessage, fields, message=message, user_id=sender)

"""Events of the v1 servers: hooks by the server, actions by browsers, resources.

Source: the captures of v2020.Q3.107 and one of v2023.Q1.1223 (wire/events).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._protocol.v1.decode import decode_message

from ._actions import as_message, made, make_event, make_resource
from ._events import Event, MessageChanged, NewMessage
from ._values import mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.messages import Message

__all__ = ["read_v1"]

#: The server adds these to each event of a browser, and to no hook about a message.
_OF_BROWSERS = frozenset({"user", "group", "workspace"})


def read_v1(document: dict[str, Any], *, signed: bool) -> Event:
    """Return the event of a body of the v1 form.

    Args:
        document: The body, with a `type` and its `data`.
        signed: Whether its signature fits.

    """
    data = mapping(document.get("data"))
    channel, message = mapping(data.get("channel")), mapping(data.get("message"))
    user_id = _id_of(data, "user")
    channel_id = text(channel.get("id")) or text(message.get("channel_id"))
    origin = _origin(document["type"], data, user_id)
    fields: dict[str, Any] = {
        "type": document["type"],
        "name": text(document.get("event")) or "",
        "api": "v1",
        "signed": signed,
        "origin": origin,
        "group_id": _id_of(data, "group") or text(channel.get("original_group")),
        "workspace_id": _id_of(data, "workspace") or text(channel.get("original_workspace")),
        "channel_id": channel_id,
        "user_id": user_id,
        "connection_id": text(data.get("connection_id")),
        "message": None,
        "raw": document,
    }

    def decode(found: Mapping[str, Any]) -> Message:
        message = decode_message(found)
        if message.channel_id:
            return message
        return attrs.evolve(message, channel_id=channel_id or "")

    if origin == "browser":
        return make_event(fields, data, decode)
    if document["type"] == "resource":
        return make_resource(fields, data)
    return _hook(fields, as_message(data.get("message"), decode))


def _id_of(data: Mapping[str, Any], name: str) -> str | None:
    found = data.get(name)
    return text(found.get("id")) if isinstance(found, dict) else None


def _origin(
    kind: str, data: Mapping[str, Any], user_id: str | None
) -> Literal["server", "browser"]:
    """Say who made an event: the server adds the user to each event of a browser.

    Hooks about files and resources have users, too: as entities, which have no `id` in JSON.
    """
    of_server = kind in ("hook", "resource") and user_id is None
    if of_server and "message" in data and not _OF_BROWSERS.isdisjoint(data):
        of_server = False
    return "server" if of_server else "browser"


def _hook(fields: dict[str, Any], message: Message | None) -> Event:
    name = fields["name"]
    if message is None or name not in ("new_message", "edit_message"):
        return made(Event, fields)
    if name == "edit_message":
        return made(MessageChanged, fields, message=message)
    sender = message.sender if message.application_id is None else None
    return made(NewMessage, fields, message=message, user_id=sender)

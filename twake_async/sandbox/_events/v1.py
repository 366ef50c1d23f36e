"""The events of the v1 servers, with their keys in the recorded order.

Source: the captures of v2020.Q3.107, and one of v2023.Q1.1223.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from twake_async.sandbox._events.outgoing import Outgoing, v1_event
from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.routes import profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.happened import Happened
    from twake_async.sandbox._world.rows import User
    from twake_async.sandbox._world.world import World

__all__ = ["browser_channel", "browser_event", "hook"]

_ORIGIN = {"_origin": "http://localhost:8000/"}


def hook(world: World, application_id: str, happened: Happened) -> Outgoing:
    """Return the event that tells an application of a message, as a server of 2020 sends it."""
    channel = world.channels[happened.channel_id.lower()]
    data = {"message": happened.message, "channel": _channel(world, channel, happened)}
    name = "new_message" if happened.is_new else "edit_message"
    return v1_event(application_id, _encoded({"type": "hook", "event": name, "data": data}))


def _channel(world: World, channel: Mapping[str, Any], happened: Happened) -> dict[str, Any]:
    """Return a channel as `Channel.getAsArray` does."""
    return {
        "id": channel["id"],
        "front_id": _front_id(channel),
        "icon": "",
        "name": channel.get("name", ""),
        "description": "",
        "channel_group_name": "",
        "private": False,
        "direct": False,
        "application": bool(channel.get("application")),
        "app_id": channel.get("app") or "",
        "app_group_id": "",
        "app_bot_identifier": "",
        "original_workspace": channel["workspace_id"],
        "original_group": channel["group_id"],
        "members_count": None,
        "last_activity": happened.message["creation_date"],
        "members": [],
        "ext_members": [],
        "connectors": [],
        "tabs": [],
        "messages_increment": sum(1 for _ in world.in_channel(channel["id"])),
    }


def _front_id(channel: Mapping[str, Any]) -> str:
    return hashlib.sha1(channel["id"].encode(), usedforsecurity=False).hexdigest()


def browser_channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a channel that a browser sends."""
    return {
        "id": channel["id"],
        "front_id": _front_id(channel),
        "name": channel.get("name", ""),
    }


def browser_event(
    world: World,
    application_id: str,
    kind: str,
    name: str,
    data: Mapping[str, Any],
    *,
    user: User,
    workspace: Mapping[str, Any],
    release: str,
) -> Outgoing:
    """Return an event that a browser sent, with what the server adds to it.

    PHP makes an empty list of each empty object. The server replaces `workspace`, `group` and
    `user` where the browser sends them.

    Args:
        world: The world.
        application_id: The application.
        kind: The type.
        name: The event.
        data: What the browser sends.
        user: The user of the browser.
        workspace: The workspace of the browser: its id, name and group.
        release: The release of the server.

    """
    sent = php_json.decode(json.dumps(data).encode()) or {}
    sent = sent if isinstance(sent, dict) else {}
    group = _group(workspace["group"])
    added = {
        "workspace": _workspace(world, workspace, group),
        "group": group,
        "user": profile(world, user),
    }
    event: dict[str, Any] = {"type": kind, "event": name, "data": {**sent, **added}}
    return v1_event(application_id, _encoded(event | ({} if release == "2020" else _ORIGIN)))


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": group["id"],
        "unique_name": group["name"].lower(),
        "name": group["name"],
        "plan": None,
        "logo": "",
        "isBlocked": False,
        "free_offer_end": None,
        "total_members": "0",
    }


def _workspace(
    world: World, workspace: Mapping[str, Any], group: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": workspace["id"],
        "private": False,
        "logo": "",
        "wallpaper": "",
        "color": "#7E7A6D",
        "group": group,
        "name": workspace["name"],
        "total_members": len(world.users),
        "total_guests": 0,
        "total_pending": 0,
        "unique_name": workspace["name"].lower(),
        "is_archived": False,
        "is_new": True,
    }


def _encoded(event: Mapping[str, Any]) -> bytes:
    return php_json.encode(dict(event)) or b"{}"

"""The events of the Node servers, with their keys in the recorded order, and their signature.

Source: the captures of v2022.Q2.975 and v2023.Q1.1223.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._events.outgoing import Outgoing, node_event
from twake_async.sandbox._releases.node.js_json import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.happened import Happened
    from twake_async.sandbox._world.rows import App
    from twake_async.sandbox._world.world import World

__all__ = ["browser_channel", "browser_event", "hook"]

_OF_THE_SERVER = {"connection_id": None, "user_id": None, "company_id": None}


def hook(world: World, app: App, happened: Happened, *, release: str) -> Outgoing:
    """Return the event that tells an application of a message, as a Node server sends it.

    The event does not say what happened to the message.

    Args:
        world: The world.
        app: The application.
        happened: What happened.
        release: "2022" or "2023".

    """
    channel = world.channels[happened.channel_id.lower()]
    message = {
        "type": "message",
        "application_id": app.id,
        "company_id": channel["group_id"],
        "channel": _channel(world, app, channel, happened, release),
        "thread": happened.thread,
        "message": happened.message,
    }
    event = {"type": "hook", "name": None, "content": {"message": message}, **_OF_THE_SERVER}
    return node_event(app.id, app.key, encode({**event, "workspace_id": None}))


def _channel(
    world: World, app: App, channel: Mapping[str, Any], happened: Happened, release: str
) -> dict[str, Any]:
    readonly = {} if release == "2022" else {"is_readonly": False}
    begun = int(world.begun * 1000)
    return readonly | {
        "is_default": False,
        "archived": False,
        "members": [],
        "connectors": [app.id],
        "last_activity": _last_activity(world, channel, happened) or begun,
        "company_id": channel["group_id"],
        "workspace_id": channel["workspace_id"],
        "id": channel["id"],
        "name": channel.get("name", ""),
        "icon": None,
        "description": None,
        "channel_group": None,
        "visibility": "public",
        "archivation_date": 0,
        "owner": next((user.id for user in world.users.values()), None),
        "updated_at": begun,
        "created_at": begun,
        "default": False,
    }


def _last_activity(world: World, channel: Mapping[str, Any], happened: Happened) -> int:
    """Return the time of the last message in the channel, without the one that is new."""
    new = happened.message["id"] if happened.is_new else None
    times = (one.created_at for one in world.node.in_channel(channel["id"]) if one.id != new)
    return max(times, default=0)


def browser_channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a channel that a browser sends."""
    return {
        "id": channel["id"],
        "company_id": channel["group_id"],
        "workspace_id": channel["workspace_id"],
        "name": channel.get("name", ""),
    }


def browser_event(
    app: App,
    kind: str,
    name: str,
    content: Mapping[str, Any],
    *,
    connection_id: str,
    user_id: str,
    company_id: str,
    workspace_id: str | None,
) -> Outgoing:
    """Return an event that a browser sent; only `user_id` comes from the server.

    Args:
        app: The application.
        kind: The type.
        name: The name.
        content: What the browser sends.
        connection_id: The connection of the browser.
        user_id: The user of the browser.
        company_id: The company that the browser names.
        workspace_id: The workspace that the browser names.

    """
    event = {
        "type": kind,
        "name": name,
        "content": content,
        "connection_id": connection_id,
        "user_id": user_id,
        "company_id": company_id,
        "workspace_id": workspace_id,
    }
    return node_event(app.id, app.key, encode(event))

"""Channels, as v2020.Q3.107 shows and creates them for an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from twake_async.sandbox._world.rows import row_key, same_id
from twake_async.sandbox._world.seeded import user_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.rows import App
    from twake_async.sandbox._world.world import World

__all__ = ["direct_channel", "of_workspace"]


def direct_channel(world: World, app: App, group_id: str, user_id: Any) -> dict[str, Any] | None:
    """Return the channel of an application and a user, and create it if there is none.

    Return None for an unknown user.
    """
    user = world.user(user_id)
    if user is None:
        return None
    name = f"{group_id}_app_{app.id}_{user.id}"
    for channel in world.channels.values():
        if channel.get("front_id") == name:
            return _shown_direct(channel, fresh=False)
    channel = {
        "id": world.new_id(),
        "front_id": name,
        "name": "",
        "group_id": None,
        "workspace_id": None,
        "direct": True,
        "app": app.id,
        "app_group_id": group_id,
        "members": [user.id],
        "last_activity": world.now(),
    }
    world.channels[row_key(channel["id"])] = channel
    world.members.add((row_key(channel["id"]), row_key(user.id)))
    _add_first_message(world, channel["id"], app)
    return _shown_direct(channel, fresh=True)


def _add_first_message(world: World, channel_id: str, app: App) -> None:
    """Store the message that the server writes into a new channel; its words were not recorded."""
    message = user_message(world, [{"type": "init"}], channel_id, None, "")
    world.add(evolve(message, message_type=1, application_id=app.id))


def _shown_direct(channel: Mapping[str, Any], *, fresh: bool) -> dict[str, Any]:
    """Return a direct channel; types differ before and after it was read from the database."""
    group_id, app_id = channel["app_group_id"], channel["app"]
    return {
        "id": channel["id"],
        "front_id": channel["front_id"],
        "icon": "",
        "name": "",
        "description": "",
        "channel_group_name": "",
        "private": 0 if fresh else False,
        "direct": True,
        "application": 0 if fresh else False,
        "app_id": app_id,
        "app_group_id": group_id,
        "app_bot_identifier": f"{group_id}_app_{app_id}",
        "original_workspace": None,
        "original_group": None,
        "members_count": 0 if fresh else None,
        "last_activity": channel["last_activity"],
        "members": channel["members"],
        "ext_members": [],
        "connectors": [],
        "tabs": [],
        "messages_increment": 0,
    }


def of_workspace(world: World, workspace_id: Any, user_id: Any) -> list[dict[str, Any]] | None:
    """Return the channels of a workspace that a user is in; None if the server refuses."""
    user = world.user(user_id)
    if user is None or not isinstance(workspace_id, str):
        return None
    if (row_key(workspace_id), row_key(user.id)) not in world.workspace_users:
        return None
    return [
        _shown(world, channel)
        for channel in world.channels.values()
        if same_id(channel.get("workspace_id"), workspace_id)
        and not channel.get("app")
        and world.is_member(channel["id"], user.id)
    ]


def _shown(world: World, channel: Mapping[str, Any]) -> dict[str, Any]:
    members = [user.id for user in world.users.values() if world.is_member(channel["id"], user.id)]
    return {
        "id": channel["id"],
        "front_id": channel["id"],
        "icon": "",
        "name": channel.get("name", ""),
        "description": "",
        "channel_group_name": "",
        "private": False,
        "direct": False,
        "application": False,
        "app_id": None,
        "app_group_id": "",
        "app_bot_identifier": "",
        "original_workspace": channel.get("workspace_id"),
        "original_group": channel.get("group_id"),
        "members_count": len(members),
        "last_activity": world.now(),
        "members": members,
        "ext_members": [],
        "connectors": [],
        "tabs": [],
        "messages_increment": 0,
        "_user_last_message_increment": 0,
        "_user_last_access": world.now(),
        "_user_muted": False,
        "_user_last_quoted_message_id": "",
    }

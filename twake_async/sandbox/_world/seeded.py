"""A world made from a seed, in the format of `_seed.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from twake_async.sandbox._world.rows import App, GroupApp, Message, User, row_key
from twake_async.sandbox._world.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["seeded_world", "user_message"]


def seeded_world(seed: Mapping[str, Any], *, max_messages: int = 10_000) -> World:
    """Return the world that a seed describes.

    Args:
        seed: The groups, workspaces, users, channels, applications and messages to begin with.
        max_messages: How many messages the world keeps.

    """
    group_ids = {name: group["id"] for name, group in seed.get("groups", {}).items()}
    world = World(max_messages=max_messages, groups=group_ids)
    _add_users_and_channels(world, seed)
    _add_apps(world, seed)
    _add_messages(world, seed)
    _add_workspaces(world, seed)
    return world


def _add_workspaces(world: World, seed: Mapping[str, Any]) -> None:
    users, workspaces = seed.get("users", {}), seed.get("workspaces", {})
    for workspace, user, *_ in seed.get("workspace_users", []):
        if workspace in workspaces:
            key = (row_key(workspaces[workspace]["id"]), row_key(users[user]["id"]))
            world.workspace_users.add(key)
    for entry in seed.get("tokens", []):
        world.page_tokens[entry["token"]] = {
            "user_id": users[entry["user"]]["id"],
            "workspace_id": workspaces[entry["ws"]]["id"],
            "group_id": world.groups[entry["group"]],
            "app_id": seed["apps"][entry["app"]]["id"],
        }


def _add_users_and_channels(world: World, seed: Mapping[str, Any]) -> None:
    users, channels = seed.get("users", {}), seed.get("channels", {})
    for user in users.values():
        world.users[row_key(user["id"])] = User(user["id"], user.get("username", ""), user)
    for channel in channels.values():
        world.channels[row_key(channel["id"])] = {
            **channel,
            "group_id": world.groups.get(channel.get("group")),
            "workspace_id": seed.get("workspaces", {}).get(channel.get("ws"), {}).get("id"),
            "app": seed.get("apps", {}).get(channel.get("app"), {}).get("id"),
        }
    for resource in seed.get("resources", []):
        if resource.get("type") == "channel" and "message" in resource.get("hooks", ()):
            app_id = seed["apps"][resource["app"]]["id"]
            world.resources.add((row_key(app_id), row_key(resource["rid"])))
    for channel, user in seed.get("channel_members", []):
        world.members.add((row_key(channels[channel]["id"]), row_key(users[user]["id"])))


def _add_apps(world: World, seed: Mapping[str, Any]) -> None:
    for app in seed.get("apps", {}).values():
        world.apps[row_key(app["id"])] = App(
            app["id"],
            app["key"],
            world.groups.get(app.get("group"), ""),
            tuple(app.get("capabilities", ())),
            tuple(app.get("privileges", ())),
            app.get("allowed_ips", "*"),
        )
    for entry in seed.get("group_apps", []):
        privileges = entry.get("privileges", ())
        world.group_apps.append(
            GroupApp(
                seed["apps"][entry["app"]]["id"],
                world.groups[entry["group"]],
                tuple(entry.get("capabilities") or ()),
                None if privileges is None else tuple(privileges),
            )
        )


def _add_messages(world: World, seed: Mapping[str, Any]) -> None:
    ids = [message["id"] for message in seed.get("messages", [])]
    for index, entry in enumerate(seed.get("messages_seed", [])):
        sender = seed["users"][entry["sender"]]["id"] if entry.get("sender") else None
        channel_id = seed["channels"][entry["channel"]]["id"]
        message = user_message(world, entry.get("content"), channel_id, sender, "")
        world.add(evolve(message, id=ids[index]) if index < len(ids) else message)


def user_message(
    world: World, content: Any, channel_id: str, user_id: str | None, parent_id: str
) -> Message:
    """Return a new message of a user, without storing it."""
    return Message(
        id=world.new_id(),
        front_id=world.new_front_id(),
        channel_id=channel_id,
        parent_message_id=parent_id,
        message_type=0,
        sender=user_id,
        application_id=None,
        content=content,
        creation_date=world.now(),
        modification_date=world.now(),
        hidden_data=[],
        pinned=False,
        increment_at_time="1",
        node={"files": None, "subtype": None},
    )

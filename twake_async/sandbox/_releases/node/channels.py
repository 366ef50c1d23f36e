"""Read: the channels of a workspace, one channel, its members, a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from twake_async.sandbox._releases.node.errors import NodeError
from twake_async.sandbox._world.rows import same_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twake_async.sandbox._releases.node.call import Call
    from twake_async.sandbox._world.rows import User

__all__ = ["channel_members", "channels_of_workspace", "one_channel", "one_user"]

T = TypeVar("T")

#: The parameters of a query for a list, and their defaults.
_PAGES = {"limit": 100, "page_token": 1}


def channels_of_workspace(call: Call) -> dict[str, Any]:
    """Return the channels of a workspace, including private ones."""
    company, workspace = call.path
    found = [
        channel
        for channel in call.world.channels.values()
        if same_id(channel.get("workspace_id"), workspace)
    ]
    rows, token = _page(call, found)
    end = {"next_page_token": token} if token else {}
    return {"resources": [_listed(call, channel, company) for channel in rows], **end}


def one_channel(call: Call) -> dict[str, Any]:
    """Return a channel, with the room that its browsers listen to."""
    channel = _channel(call)
    room = f"/channels/{channel['id']}"
    return {
        "websocket": {"name": channel.get("name", ""), "room": room, "token": "none"},
        "resource": _alone(call, channel),
    }


def channel_members(call: Call) -> dict[str, Any]:
    """Return the members of a channel; 2022 gives only their ids."""
    channel = _channel(call)
    users = [one for one in call.world.users.values() if _is_in(call, channel, one)]
    rows, token = _page(call, users)
    end = {"next_page_token": token} if token or call.release != "2022" else {}
    return {"resources": [_member(call, channel, user) for user in rows], **end}


def _page(call: Call, rows: Sequence[T]) -> tuple[Sequence[T], str | bool]:
    """Return the page that a query names, and the token of the next page, or False.

    Source: `Pagination`, and `MongoPagination`, whose tokens are numbers of pages.
    """
    limit, page = (_number(call.query.get(name), of) for name, of in _PAGES.items())
    shown = rows[(page - 1) * limit : page * limit]
    return shown, len(shown) == limit and str(page + 1)


def _number(value: str | None, default: int) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and int(value) else default


def one_user(call: Call) -> dict[str, Any]:
    """Return a user; null for an unknown one."""
    user = call.world.user(call.path[0])
    if user is None:
        return {"resource": None}
    return {
        "resource": _profile(call, user, last=""),
        "websocket": {"room": f"/me/{user.id}", "token": "none"},
    }


def _channel(call: Call) -> Mapping[str, Any]:
    """Return the channel of a path.

    Raises:
        NodeError: The workspace has no such channel.

    """
    _, workspace, channel_id, *_ = call.path
    channel = call.world.channel(channel_id)
    if channel is None or not same_id(channel.get("workspace_id"), workspace):
        raise NodeError(404, f"Channel {channel_id} not found")
    return channel


def _is_in(call: Call, channel: Mapping[str, Any], user: User) -> bool:
    return call.world.is_member(channel["id"], user.id)


def _stats(call: Call, channel: Mapping[str, Any]) -> dict[str, int]:
    messages = call.world.node.in_channel(channel["id"])
    return {"members": call.world.members_of(channel["id"]), "messages": len(list(messages))}


def _read_only(call: Call) -> dict[str, bool]:
    return {"is_readonly": False} if call.release != "2022" else {}


def _listed(call: Call, channel: Mapping[str, Any], company: str) -> dict[str, Any]:
    """Return a channel as a list shows it; empty fields are null there."""
    return {
        **_read_only(call),
        "is_default": False,
        "archived": False,
        "members": [],
        "connectors": [],
        "last_activity": 0,
        "company_id": company,
        "workspace_id": channel.get("workspace_id"),
        "id": channel["id"],
        "name": channel.get("name", ""),
        "icon": None,
        "description": None,
        "channel_group": None,
        "visibility": channel.get("visibility", "public"),
        "archivation_date": 0,
        "owner": "",
        "updated_at": call.now(),
        "created_at": call.now(),
        "default": False,
        "stats": _stats(call, channel),
    }


def _alone(call: Call, channel: Mapping[str, Any]) -> dict[str, Any]:
    """Return a channel as a single resource; empty fields are empty strings there."""
    return {
        "id": channel["id"],
        "company_id": call.path[0],
        "workspace_id": channel.get("workspace_id"),
        "name": channel.get("name", ""),
        "description": "",
        "archivation_date": 0,
        "archived": False,
        "channel_group": "",
        "connectors": [],
        "icon": "",
        "default": False,
        "members": [],
        "owner": "",
        "visibility": channel.get("visibility", "public"),
        "last_activity": call.now(),
        "user_member": None,
        "stats": _stats(call, channel),
        **_read_only(call),
    }


def _member(call: Call, channel: Mapping[str, Any], user: User) -> dict[str, Any]:
    member = {
        "type": "member",
        "favorite": False,
        "notification_level": "all",
        "id": user.id,
        "company_id": call.path[0],
        "workspace_id": call.path[1],
        "channel_id": channel["id"],
        "user_id": user.id,
    }
    if call.release != "2022":
        member["user"] = _profile(call, user, last=None) | _in_lists(call, user)
    return member


def _profile(call: Call, user: User, *, last: str | None) -> dict[str, Any]:
    """Return a person; `last` is the value of a missing picture and a missing status."""
    companies = list(call.world.groups.values())
    return {
        "id": user.id,
        "provider": "console",
        "provider_id": user.id,
        "email": user.profile.get("email", ""),
        "username": user.name,
        "is_verified": False,
        "picture": last,
        "first_name": user.profile.get("first", ""),
        "last_name": user.profile.get("last", ""),
        "created_at": int(call.world.begun * 1000),
        "deleted": False,
        "status": last,
        "last_activity": 0,
        **({"cache": {"companies": companies}} if call.release != "2022" else {}),
    }


def _in_lists(call: Call, user: User) -> dict[str, Any]:
    """Return the fields that a list of 2023 adds to a person."""
    preferences = {"locale": "en", "timezone": 0, "allow_tracking": False}
    name = f"{user.profile.get('first', '')} {user.profile.get('last', '')}".strip()
    companies = [
        {"role": "member", "status": "active", "company": {"id": one, "name": key, "logo": None}}
        for key, one in call.world.groups.items()
    ]
    return {
        "full_name": name,
        "preferences": preferences,
        "companies": companies,
        "preference": preferences,
    }

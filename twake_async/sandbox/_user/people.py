"""Finds users by name, channels, and the members of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.rows import User
    from twake_async.sandbox._world.world import World

__all__ = ["channel_of", "is_in", "names", "user_named"]


def names(words: list[str]) -> str:
    """Return names for an error message: quoted, in order, without repetition."""
    return ", ".join(repr(one) for one in sorted(set(words))) or "nothing"


def user_named(world: World, name: str) -> User:
    """Return the user with that username or id.

    Raises:
        LookupError: There is no such user.

    """
    found = world.user(name) or next((u for u in world.users.values() if u.name == name), None)
    if found is None:
        known = names([user.name for user in world.users.values()])
        raise LookupError(f"this sandbox has no user {name!r}, but {known}")
    return found


def channel_of(world: World, channel_id: str, user: User) -> Mapping[str, Any]:
    """Return a channel that the user is in.

    Raises:
        LookupError: There is no such channel, or the user is not in it.

    """
    channel = world.channel(channel_id)
    if channel is None:
        raise LookupError(f"this sandbox has no channel {channel_id!r}")
    if not is_in(world, channel_id, user):
        raise LookupError(f"{user.name} is not in the channel {channel.get('name', '')!r}")
    return channel


def is_in(world: World, channel_id: str, user: User) -> bool:
    """Return whether a user is in a channel; every user is in a channel without named members."""
    return world.is_member(channel_id, user.id) or not world.members_of(channel_id)

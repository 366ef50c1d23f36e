"""The world: finds, adds and removes rows. No I/O.

The clock and the ids come from outside, so that a test can set them.
"""

from __future__ import annotations

import time
import uuid
from secrets import randbits, token_hex
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._world.drive import Drive
from twake_async.sandbox._world.node_store import NodeStore
from twake_async.sandbox._world.rows import App, GroupApp, Message, User, Window, row_key, same_id
from twake_async.sandbox._world.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from twake_async.sandbox._world.happened import Happened

__all__ = ["IdError", "World"]


class IdError(Exception):
    """The value for an id is a list or an object, on which the database of the server fails."""


def _check_id(identifier: Any) -> None:
    """Raise `IdError` for a list or an object: PHP 8 fails on every such value."""
    if isinstance(identifier, list | dict):
        raise IdError("Unsupported operand types: string + int")


def _new_ids() -> Callable[[], str]:
    """Return a maker of time UUIDs (version 1) of one random node: they sort by time."""
    node = randbits(48) | 1 << 40
    sequence = randbits(14)
    return lambda: str(uuid.uuid1(node, sequence))


@define(slots=True)
class World:
    """All rows, with the last `max_messages` messages."""

    groups: dict[str, str] = field(factory=dict)
    channels: dict[str, Mapping[str, Any]] = field(factory=dict)
    members: set[tuple[str, str]] = field(factory=set)
    users: dict[str, User] = field(factory=dict)
    apps: dict[str, App] = field(factory=dict)
    group_apps: list[GroupApp] = field(factory=list)
    messages: dict[str, Message] = field(factory=dict)
    ephemerals: dict[str, dict[str, Any]] = field(factory=dict)
    max_messages: int = 10_000
    node: NodeStore = field(factory=NodeStore)
    """The tables of the Node server."""
    drive: Drive = field(factory=Drive)
    """The files of all workspaces."""
    tokens: Tokens = field(factory=Tokens)
    node_requests: int = 0
    """How many requests the Node server numbered."""
    logins: int = 0
    """How many logins were answered with a token."""
    resources: set[tuple[str, str]] = field(factory=set)
    """Pairs of an application and a channel to which a seed adds it."""
    workspace_users: set[tuple[str, str]] = field(factory=set)
    """Pairs of a workspace and a member."""
    page_tokens: dict[str, Mapping[str, str]] = field(factory=dict)
    """The tokens of opened pages, each with its user and its place."""
    windows: dict[str, Window] = field(factory=dict)
    """The configuration window of each user, by the key of the user."""
    happened: list[Happened] = field(factory=list)
    """The changes that the server has not yet told to applications."""
    clock: Callable[[], float] = time.time
    begun: float = field(factory=time.time)
    """When the world began, in Unix seconds."""
    new_id: Callable[[], str] = field(factory=_new_ids)

    def __attrs_post_init__(self) -> None:
        self.node.max_messages = self.max_messages

    def now(self) -> int:
        """Return the time in Unix seconds."""
        return int(self.clock())

    def new_front_id(self) -> str:
        """Return a new front_id in the server's form: Unix seconds and 40 hexadecimal digits."""
        return f"{self.now()}{token_hex(20)}"

    def channel(self, channel_id: Any) -> Mapping[str, Any] | None:
        """Return the channel with that id."""
        _check_id(channel_id)
        return self.channels.get(row_key(channel_id)) if isinstance(channel_id, str) else None

    def user(self, user_id: Any) -> User | None:
        """Return the user with that id."""
        return self.users.get(row_key(user_id)) if isinstance(user_id, str) else None

    def app(self, app_id: str) -> App | None:
        """Return the application with that id."""
        return self.apps.get(row_key(app_id))

    def group_app(self, app_id: str, group_id: Any) -> GroupApp | None:
        """Return the permissions of an application in a company; None if it is not installed."""
        _check_id(group_id)
        for entry in self.group_apps:
            if same_id(entry.app_id, app_id) and same_id(entry.group_id, group_id):
                return entry
        return None

    def is_member(self, channel_id: str, user_id: str) -> bool:
        """Return whether the user is in the channel."""
        return (row_key(channel_id), row_key(user_id)) in self.members

    def members_of(self, channel_id: str) -> int:
        """Return how many users are in the channel."""
        key = row_key(channel_id)
        return sum(channel == key for channel, _ in self.members)

    def find(self, channel_id: Any, parent_id: Any, message_id: Any) -> Message | None:
        """Return the message, if it is in that channel and under that parent ("" is the root)."""
        _check_id(channel_id)
        _check_id(message_id)
        message = self.messages.get(row_key(message_id)) if isinstance(message_id, str) else None
        if message is None or not same_id(message.channel_id, channel_id):
            return None
        return message if message.parent_message_id == parent_id else None

    def replies(self, message: Message) -> list[Message]:
        """Return the replies to a message."""
        return [
            one
            for one in self.messages.values()
            if same_id(one.parent_message_id, message.id)
            and same_id(one.channel_id, message.channel_id)
        ]

    def in_channel(self, channel_id: str) -> Iterator[Message]:
        """Return the messages of a channel, oldest first."""
        return (one for one in self.messages.values() if same_id(one.channel_id, channel_id))

    def hears(self, app_id: str, channel: Mapping[str, Any]) -> bool:
        """Return whether an application is told of the messages of a channel.

        No application is told of a channel without a workspace. If the seed names no
        resources of an application, it is told of all other channels of the companies that
        installed it.
        """
        if not channel.get("workspace_id") or channel.get("direct"):
            return False
        if channel.get("app"):
            return same_id(channel["app"], app_id)
        named = {key for app, key in self.resources if app == row_key(app_id)}
        if named:
            return row_key(channel["id"]) in named
        return self.group_app(app_id, channel["group_id"]) is not None

    def add(self, message: Message) -> None:
        """Store a message; past `max_messages`, remove the oldest."""
        self.messages[row_key(message.id)] = message
        _trim(self.messages, self.max_messages)

    def remove(self, message: Message) -> None:
        """Remove a message."""
        self.messages.pop(row_key(message.id), None)

    def show(self, shown: dict[str, Any], key: str | None = None) -> None:
        """Keep an ephemeral message as shown; it replaces one with the same key or id."""
        self.ephemerals[str(shown["id"]) if key is None else key] = shown
        _trim(self.ephemerals, self.max_messages)

    def open_window(self, user_id: Any, connection_id: Any, window: Window) -> None:
        """Show a configuration window, in place of the last one, if the user has that connection.

        Source: the web application shows only what names its own connection.
        """
        user = self.user(user_id)
        if user is not None and connection_id == user.connection_id:
            self.windows[row_key(user.id)] = window

    def close_window(self, user_id: Any) -> None:
        """Close the configuration window of a user."""
        if isinstance(user_id, str):
            self.windows.pop(row_key(user_id), None)

    def hide(self, key: str) -> None:
        """Remove an ephemeral message from the shown ones."""
        self.ephemerals.pop(key, None)


def _trim(held: dict[str, Any], limit: int) -> None:
    while len(held) > limit:
        del held[next(iter(held))]

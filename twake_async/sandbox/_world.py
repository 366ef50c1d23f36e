"""The world behind the server: companies, channels, people, applications, messages, in memory.

Built from a seed in the format of `world.json`. Nothing here does I/O; the clock and the ids
come in from outside, so that a test can fix them.
"""

from __future__ import annotations

import time
import uuid
from secrets import randbits, token_hex
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox import _php

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


__all__ = ["App", "GroupApp", "Message", "User", "World", "same_id"]


def same_id(left: Any, right: Any) -> bool:
    """Whether two UUIDs are one for the server's database: it does not mind their case."""
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    return _key(left) == _key(right)


def _key(identifier: str) -> str:
    return identifier.lower()


@define(frozen=True, slots=True)
class User:
    """A person."""

    id: str
    name: str
    profile: Mapping[str, Any]


@define(frozen=True, slots=True)
class App:
    """An application; its key is masked in the repr."""

    id: str
    key: str = field(repr=lambda _: "'[secret]'")
    group_id: str
    capabilities: tuple[str, ...]
    privileges: tuple[str, ...]


@define(frozen=True, slots=True)
class GroupApp:
    """What one company lets one application do."""

    app_id: str
    group_id: str
    capabilities: tuple[str, ...]
    privileges: tuple[str, ...] | None


@define(slots=True)
class Message:
    """A message as its row in the database.

    `reacted` is who reacted with what; `node` what only the server of 2023 keeps.
    """

    id: Any
    front_id: Any
    channel_id: Any
    parent_message_id: Any
    message_type: int | None
    sender: str | None
    application_id: str | None
    content: Any
    creation_date: int
    modification_date: int
    responses_count: int | None = 0
    edited: bool = False
    pinned: Any = None
    hidden_data: Any = None
    reactions: Any = field(factory=list)
    user_specific_content: Any = field(factory=list)
    increment_at_time: Any = None
    reacted: dict[str, Any] = field(factory=dict)
    node: Mapping[str, Any] = field(factory=dict)

    def as_array(self) -> dict[str, Any]:
        """The fields in the order in which the server writes them."""
        return {
            "id": self.id,
            "front_id": self.front_id,
            "channel_id": self.channel_id,
            "parent_message_id": self.parent_message_id,
            "responses_count": self.responses_count,
            "message_type": self.message_type,
            "sender": self.sender,
            "application_id": self.application_id,
            "edited": self.edited,
            "pinned": self.pinned,
            "hidden_data": self.hidden_data,
            "reactions": self.reactions,
            "modification_date": self.modification_date,
            "creation_date": self.creation_date,
            "content": self.content,
            "user_specific_content": self.user_specific_content,
            "increment_at_time": self.increment_at_time,
        }


def _one_value(identifier: Any) -> None:
    """PHP 8 fails on a search for a list of UUIDs, whatever is in it."""
    if isinstance(identifier, list | dict):
        raise _php.PhpError("Unsupported operand types: string + int")


def _new_ids() -> Callable[[], str]:
    """Time UUIDs (version 1) of one random node: they sort as they were made."""
    node = randbits(48) | 1 << 40
    sequence = randbits(14)
    return lambda: str(uuid.uuid1(node, sequence))


@define(slots=True)
class World:
    """All that exists, and the messages that were stored: `max_messages` of them at most."""

    groups: dict[str, str] = field(factory=dict)
    channels: dict[str, Mapping[str, Any]] = field(factory=dict)
    members: set[tuple[str, str]] = field(factory=set)
    users: dict[str, User] = field(factory=dict)
    apps: dict[str, App] = field(factory=dict)
    group_apps: list[GroupApp] = field(factory=list)
    messages: dict[str, Message] = field(factory=dict)
    ephemerals: dict[str, dict[str, Any]] = field(factory=dict)
    max_messages: int = 10_000
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = field(factory=_new_ids)

    @classmethod
    def from_seed(cls, seed: Mapping[str, Any], *, max_messages: int = 10_000) -> World:
        """The world that a seed in the format of `world.json` describes."""
        group_ids = {name: group["id"] for name, group in seed.get("groups", {}).items()}
        world = cls(max_messages=max_messages, groups=group_ids)
        users = seed.get("users", {})
        for user in users.values():
            world.users[_key(user["id"])] = User(user["id"], user.get("username", ""), user)
        channels = seed.get("channels", {})
        for channel in channels.values():
            world.channels[_key(channel["id"])] = {
                **channel,
                "group_id": group_ids.get(channel.get("group")),
                "workspace_id": seed.get("workspaces", {}).get(channel.get("ws"), {}).get("id"),
            }
        for channel, user in seed.get("channel_members", []):
            world.members.add((_key(channels[channel]["id"]), _key(users[user]["id"])))
        world._seed_apps(seed, group_ids)
        world._seed_messages(seed)
        return world

    def _seed_apps(self, seed: Mapping[str, Any], group_ids: Mapping[str, str]) -> None:
        for app in seed.get("apps", {}).values():
            self.apps[_key(app["id"])] = App(
                app["id"],
                app["key"],
                group_ids.get(app.get("group"), ""),
                tuple(app.get("capabilities", ())),
                tuple(app.get("privileges", ())),
            )
        for entry in seed.get("group_apps", []):
            privileges = entry.get("privileges", ())
            self.group_apps.append(
                GroupApp(
                    seed["apps"][entry["app"]]["id"],
                    group_ids[entry["group"]],
                    tuple(entry.get("capabilities") or ()),
                    None if privileges is None else tuple(privileges),
                )
            )

    def _seed_messages(self, seed: Mapping[str, Any]) -> None:
        ids = [message["id"] for message in seed.get("messages", [])]
        for index, entry in enumerate(seed.get("messages_seed", [])):
            sender = seed["users"][entry["sender"]]["id"] if entry.get("sender") else None
            self.add(
                Message(
                    id=ids[index] if index < len(ids) else self.new_id(),
                    front_id=self.new_front_id(),
                    channel_id=seed["channels"][entry["channel"]]["id"],
                    parent_message_id="",
                    message_type=0,
                    sender=sender,
                    application_id=None,
                    content=entry.get("content"),
                    creation_date=self.now(),
                    modification_date=self.now(),
                    hidden_data=[],
                    pinned=False,
                    increment_at_time="1",
                )
            )

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())

    def new_front_id(self) -> str:
        """The shape of those that the server makes: Unix seconds and 40 hexadecimal digits."""
        return f"{self.now()}{token_hex(20)}"

    def channel(self, channel_id: Any) -> Mapping[str, Any] | None:
        """The channel of that id."""
        _one_value(channel_id)
        return self.channels.get(_key(channel_id)) if isinstance(channel_id, str) else None

    def user(self, user_id: Any) -> User | None:
        """The person of that id."""
        return self.users.get(_key(user_id)) if isinstance(user_id, str) else None

    def app(self, app_id: str) -> App | None:
        """The application of that id."""
        return self.apps.get(_key(app_id))

    def group_app(self, app_id: str, group_id: Any) -> GroupApp | None:
        """What the company of that id lets the application do; None if it is not installed."""
        _one_value(group_id)
        for entry in self.group_apps:
            if same_id(entry.app_id, app_id) and same_id(entry.group_id, group_id):
                return entry
        return None

    def is_member(self, channel_id: str, user_id: str) -> bool:
        """Whether the person is in the channel."""
        return (_key(channel_id), _key(user_id)) in self.members

    def find(self, channel_id: Any, parent_id: Any, message_id: Any) -> Message | None:
        """The stored message, if it is in that channel and under that parent ("" is the root)."""
        _one_value(channel_id)
        _one_value(message_id)
        message = self.messages.get(_key(message_id)) if isinstance(message_id, str) else None
        if message is None or not same_id(message.channel_id, channel_id):
            return None
        return message if message.parent_message_id == parent_id else None

    def replies(self, message: Message) -> list[Message]:
        """The messages under that one."""
        return [
            one
            for one in self.messages.values()
            if same_id(one.parent_message_id, message.id)
            and same_id(one.channel_id, message.channel_id)
        ]

    def in_channel(self, channel_id: str) -> Iterator[Message]:
        """The stored messages of a channel, oldest first."""
        return (one for one in self.messages.values() if same_id(one.channel_id, channel_id))

    def add(self, message: Message) -> None:
        """Store a message; the oldest ones make room past `max_messages`."""
        self.messages[_key(message.id)] = message
        _trim(self.messages, self.max_messages)

    def remove(self, message: Message) -> None:
        """Forget a stored message."""
        self.messages.pop(_key(message.id), None)

    def show(self, shown: dict[str, Any]) -> None:
        """Keep an ephemeral message as it was shown; one of the same id is replaced."""
        self.ephemerals[str(shown["id"])] = shown
        _trim(self.ephemerals, self.max_messages)


def _trim(held: dict[str, Any], limit: int) -> None:
    while len(held) > limit:
        del held[next(iter(held))]

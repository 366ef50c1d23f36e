"""The rows of the database: users, applications, their permissions, and messages."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["App", "GroupApp", "Message", "User", "Window", "row_key", "same_id"]

_CONNECTIONS = uuid.UUID("7a1c0e61-5b1d-11eb-9c06-0242ac130002")


def row_key(identifier: str) -> str:
    """Return an id as the key of its row: the database ignores the case of UUIDs."""
    return identifier.lower()


def same_id(left: Any, right: Any) -> bool:
    """Return whether two ids name the same row."""
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    return row_key(left) == row_key(right)


@define(frozen=True, slots=True)
class User:
    """A user."""

    id: str
    name: str
    profile: Mapping[str, Any]

    @property
    def connection_id(self) -> str:
        """The connection of the user's browser."""
        return str(uuid.uuid5(_CONNECTIONS, row_key(self.id)))


@define(frozen=True, slots=True)
class Window:
    """A configuration window that an application opened in a user's browser."""

    application_id: str
    form: Any
    hidden_data: Any
    id: Any = None
    """The id of the window, on the Node server."""


@define(frozen=True, slots=True)
class App:
    """An application; its key is masked in the repr."""

    id: str
    key: str = field(repr=lambda _: "'[secret]'")
    group_id: str
    capabilities: tuple[str, ...]
    privileges: tuple[str, ...]
    allowed_ips: str = "*"
    """The addresses from which the Node server takes its requests, with commas between them."""


@define(frozen=True, slots=True)
class GroupApp:
    """The permissions of one application in one company."""

    app_id: str
    group_id: str
    capabilities: tuple[str, ...]
    privileges: tuple[str, ...] | None


@define(slots=True)
class Message:
    """A message as its row in the database.

    `reacted` is the reaction of each user; `node` has the fields that only the server of 2021 has.
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
        """Return the fields in the order in which the server writes them."""
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

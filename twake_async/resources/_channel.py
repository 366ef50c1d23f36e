"""A channel as the server describes it, and the functions that read it from an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from twake_async._protocol.documents import mismatch
from twake_async.errors import NotFoundError, TwakeError

from ._users import User, read_user
from ._values import flag, same_id, text, texts

__all__ = [
    "Channel",
    "channel_reader",
    "direct_reader",
    "page_of",
    "read_channel",
    "read_member",
    "rows_of",
]

T = TypeVar("T")


@attrs.frozen
class Channel:
    """A channel, as the server describes it."""

    id: str
    """The id: what `send_message` takes."""

    name: str = ""
    """The name that people see; `""` for a direct channel."""

    description: str = ""
    """What it is for, in its owner's words."""

    workspace_id: str | None = None
    """The workspace that it belongs to; `"direct"` for a direct channel."""

    group_id: str | None = None
    """The group (company) that it belongs to; None if the server does not name it."""

    is_direct: bool = False
    """Whether it belongs to its members alone, and to no workspace."""

    is_private: bool = False
    """Whether only its members see it."""

    members: tuple[str, ...] = ()
    """The ids of its members, if the server names them."""

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)
    """All that the server answered about it, as JSON."""


def read_channel(found: object) -> Channel | None:
    """Return the channel that the server describes; None for no channel."""
    if not isinstance(found, dict) or not text(found.get("id")):
        return None
    is_direct = flag(found.get("direct")) or found.get("visibility") == "direct"
    workspace = text(found.get("original_workspace")) or text(found.get("workspace_id"))
    group = text(found.get("original_group")) or text(found.get("company_id"))
    return Channel(
        id=text(found["id"]),
        name=text(found.get("name")),
        description=text(found.get("description")),
        workspace_id="direct" if is_direct else workspace or None,
        group_id=group or text(found.get("app_group_id")) or None,
        is_direct=is_direct,
        is_private=flag(found.get("private")) or found.get("visibility") == "private",
        members=texts(found.get("members")),
        raw=found,
    )


def read_member(row: object) -> User | None:
    """Return the member of a channel that the server describes; None for no member."""
    member = row if isinstance(row, dict) else {}
    # v2022.Q2.975 gives the id of the member alone.
    return read_user(member.get("user")) or read_user({"id": member.get("user_id")})


def rows_of(name: str, read_row: Callable[[object], T | None]) -> Any:
    """Return a function that reads the rows of an answer.

    Args:
        name: The field that holds them.
        read_row: Reads a row; returns None for any other value.

    """

    def read(document: Mapping[str, Any]) -> tuple[T, ...] | TwakeError:
        rows = document.get(name)
        if not isinstance(rows, list):
            return mismatch("holds no list")
        return tuple(found for row in rows if (found := read_row(row)) is not None)

    return read


def page_of(read_row: Callable[[object], T | None]) -> Any:
    """Return a reader for a page of a list over Node: its rows, and the next page's token."""
    read_rows = rows_of("resources", read_row)

    def read(document: Mapping[str, Any]) -> tuple[tuple[T, ...], str] | TwakeError:
        rows: tuple[T, ...] | TwakeError = read_rows(document)
        return (
            rows if isinstance(rows, TwakeError) else (rows, text(document.get("next_page_token")))
        )

    return read


def channel_reader(channel_id: str) -> Any:
    """Return a function that reads an answer that must be about one channel."""

    def read(document: Mapping[str, Any]) -> Channel | TwakeError:
        channel = read_channel(document.get("resource"))
        if channel is None or not same_id(channel.id, channel_id):
            return mismatch("is not about this channel")
        return channel

    return read


def direct_reader(user_id: str) -> Any:
    """Return a function that reads an answer that must hold the channel with one person."""

    def read(document: Mapping[str, Any]) -> Channel | TwakeError:
        found = document.get("object", False)
        if found is None:
            return NotFoundError(f"the server knows no user {user_id!r}", status=200)
        channel = read_channel(found)
        if channel is None or not any(same_id(one, user_id) for one in channel.members):
            return mismatch("holds no channel with this user")
        return channel

    return read

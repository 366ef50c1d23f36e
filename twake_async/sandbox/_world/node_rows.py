"""The rows of the Node server: threads, their messages, and the places that show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

__all__ = ["NodeMessage", "Place", "Thread"]

Place = tuple[str, str, str]
"""A company, a workspace and a channel: the key of the view of a channel."""


@define(slots=True)
class Thread:
    """A thread: its participants, and the number of counted messages."""

    id: str
    created_by: str
    created_at: int
    """Unix milliseconds, like all times of these rows."""
    updated_at: int
    last_activity: int
    participants: list[dict[str, Any]]
    answers: int = 0
    message_ids: list[str] = field(factory=list)
    """The stored messages of the thread, oldest first; the real row has no such column."""

    def as_row(self) -> dict[str, Any]:
        """Return the columns in the order in which the server writes them."""
        return {
            "id": self.id,
            "created_by": self.created_by,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "last_activity": self.last_activity,
            "answers": self.answers,
            "participants": list(self.participants),
        }

    def channels(self) -> list[Mapping[str, Any]]:
        """Return the participants that are channels."""
        return [one for one in self.participants if one.get("type") == "channel"]

    def has_participant(self, participant_id: str) -> bool:
        """Return whether a user or an application opened the thread or takes part in it."""
        return self.created_by == participant_id or any(
            one.get("id") == participant_id for one in self.participants
        )

    def places(self) -> list[Place]:
        """Return the places that show the thread."""
        return [
            (str(one.get("company_id", "")), str(one.get("workspace_id", "")), str(one.get("id")))
            for one in self.channels()
        ]


@define(slots=True)
class NodeMessage:
    """A message as its row in the database."""

    thread_id: str
    id: str
    subtype: str | None
    created_at: int
    updated_at: int
    user_id: Any
    application_id: str | None
    text: Any
    blocks: Any
    files: Any
    context: Any
    quote_message: Any
    override: Any
    cache: Mapping[str, Any] | None
    status: str
    edited: dict[str, Any] | None = None
    pinned_info: dict[str, Any] | None = None
    reactions: list[dict[str, Any]] | None = None

    def as_row(self, *, with_status: bool) -> dict[str, Any]:
        """Return the columns in the order in which the server writes them.

        Args:
            with_status: Whether the release has the column `status`.

        """
        row: dict[str, Any] = {
            "thread_id": self.thread_id,
            "id": self.id,
            "type": "message",
            "subtype": self.subtype,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "user_id": self.user_id,
            "application_id": self.application_id,
            "text": self.text,
            "blocks": self.blocks,
            "files": self.files,
            "context": self.context,
            "edited": self.edited,
            "pinned_info": self.pinned_info,
            "quote_message": self.quote_message,
            "reactions": self.reactions,
            "bookmarks": None,
            "override": self.override,
            "cache": self.cache,
            "links": None,
        }
        return row | {"status": self.status} if with_status else row

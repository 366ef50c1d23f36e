"""The posted events, for tests to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import define, field

__all__ = ["PostedEvent", "record"]


@define(frozen=True, slots=True)
class PostedEvent:
    """One event that the sandbox posted to an application.

    Attributes:
        type: The type of the event, such as "hook".
        name: The name of the event, such as "new_message"; "" for a message on Node.
        status: The status of the application's answer; None without a whole answer.
        seconds: Seconds from the post to the answer, or until the server stopped waiting.
        error: Why there is no complete answer; None if there is one.
        application_id: The application.
        event: The event, as the application reads it.
        headers: The headers of the request.
        body: The body of the request, which a Node server signs.

    """

    type: str
    """The type of the event, such as "hook"."""
    name: str
    """The name of the event, such as "new_message"; "" for a message on Node."""
    status: int | None
    """The status of the application's answer; None without a whole answer."""
    seconds: float
    """Seconds from the post to the answer, or until the server stopped waiting."""
    error: str | None = None
    """Why there is no complete answer; None if there is one."""
    application_id: str = ""
    """The application."""
    event: Mapping[str, Any] = field(factory=dict, repr=False)
    """The event, as the application reads it."""
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    """The headers of the request."""
    body: bytes = field(default=b"", repr=False)
    """The body of the request, which a Node server signs."""


def record(
    application_id: str,
    body: bytes,
    headers: list[tuple[str, str]],
    *,
    status: int | None,
    seconds: float,
    error: str | None,
) -> PostedEvent:
    """Return the record of a posted event."""
    event = json.loads(body)
    name = event.get("event", event.get("name"))
    return PostedEvent(
        str(event["type"]),
        "" if name is None else str(name),
        status,
        seconds,
        error,
        application_id,
        event,
        dict(headers),
        body,
    )

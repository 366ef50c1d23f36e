"""A change of a message, as the server tells it to applications. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Happened"]


@define(frozen=True, slots=True)
class Happened:
    """A message was stored, changed or removed."""

    channel_id: str
    application_id: str | None
    """The application that wrote the message; None for a user."""
    message: Mapping[str, Any] = field(repr=False)
    """The message as the server shows it after the change."""
    thread: Mapping[str, Any] = field(factory=dict, repr=False)
    """The thread, on the Node server."""
    is_new: bool = True

"""The drafts with which an event is answered. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from twake_async._sending.sender import thread_of
from twake_async.errors import InvalidDraftError
from twake_async.messages import MessageDraft, MessageRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.events import Event

__all__ = ["answer_to", "has_reader", "message_of", "notice_for", "replacement_of"]


def answer_to(
    event: Event,
    content: Any,
    *,
    ephemeral: bool,
    hidden_data: Mapping[str, Any] | None,
    front_id: str | None,
) -> MessageDraft:
    """Return the draft of an answer: in the thread of the event's message, or in its channel.

    Raises:
        InvalidDraftError: The event has no channel, or no user to show it to.

    """
    message = event.message
    channel_id = event.channel_id if message is None else message.channel_id or event.channel_id
    if not channel_id:
        raise InvalidDraftError("the event has no channel to answer in", field="event")
    reader: dict[str, Any] = {}
    if ephemeral:
        if not event.user_id:
            raise InvalidDraftError("the event has no user to show it to", field="ephemeral")
        reader = {"ephemeral_to": (event.user_id,), "connection_id": event.connection_id}
    return MessageDraft(
        channel_id,
        content,
        parent_message_id=None if message is None else thread_of(message),
        ephemeral=ephemeral,
        hidden_data=hidden_data,
        front_id=front_id,
        workspace_id=(message and message.workspace_id) or event.workspace_id,
        **reader,
    )


def replacement_of(
    event: Event, content: Any, hidden_data: Mapping[str, Any] | None
) -> MessageDraft | None:
    """Return the draft that replaces the ephemeral message of an event, for the event's user.

    None if the message of the event is not ephemeral, or there is none.

    Raises:
        InvalidDraftError: The event has no channel, or no user to show it to.

    """
    if event.message is None or not event.message.ephemeral_id:
        return None
    draft = answer_to(event, content, ephemeral=True, hidden_data=hidden_data, front_id=None)
    return attrs.evolve(draft, ephemeral_id=event.message.ephemeral_id)


def message_of(event: Event) -> MessageRef:
    """Return a reference to the message of an event: only its ids.

    Raises:
        InvalidDraftError: The event has no message.

    """
    message = event.message
    if message is None:
        raise InvalidDraftError("the event has no message to update", field="event")
    return MessageRef(
        message.channel_id or event.channel_id or "",
        message.id,
        message.parent_message_id,
        message.workspace_id or event.workspace_id or "",
    )


def has_reader(event: Event) -> bool:
    """Say whether an ephemeral message can be shown to the user of an event."""
    if not (event.user_id and (event.channel_id or event.message)):
        return False
    return event.api == "v1" or event.connection_id is not None


def notice_for(event: Event, text: str) -> MessageDraft:
    """Return the draft of a text that only the user of an event sees."""
    return answer_to(event, text, ephemeral=True, hidden_data=None, front_id=None)

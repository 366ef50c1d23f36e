"""Checks what this API cannot do, before a draft is encoded. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twake_async.errors import InvalidDraftError

from .api import FRONT_ID, MARKER

if TYPE_CHECKING:
    from twake_async.messages import MessageDraft

__all__ = ["check_draft"]


def check_draft(draft: MessageDraft) -> None:
    """Check whether this API can send a draft.

    Raises:
        InvalidDraftError: It cannot; the error names the field, and the API that can.

    """
    _check_content(draft)
    if draft.pinned is not None:
        raise _only_v1("pinned", "pin a message with messages.pin")
    if draft.user_specific:
        raise _only_v1("user_specific", "there, all readers see the same message")
    if draft.hidden_data is not None:
        for name in (FRONT_ID, MARKER):
            if name in draft.hidden_data:
                raise InvalidDraftError(
                    f"hidden_data holds {name!r}, a name that the session uses for the id of the "
                    f"message: rename it",
                    field="hidden_data",
                )
    if draft.is_ephemeral:
        _check_ephemeral(draft)


def _check_content(draft: MessageDraft) -> None:
    if draft.id is None:
        if not draft.content:
            raise InvalidDraftError(
                "content is empty, but a new message needs content", field="content"
            )
        return
    if draft.content is None and draft.hidden_data is None and not draft.override:
        raise InvalidDraftError("an edit needs content, hidden_data or override", field="content")
    if draft.sender is not None:
        raise InvalidDraftError("an edit cannot change the sender of a message", field="sender")


def _check_ephemeral(draft: MessageDraft) -> None:
    if len(draft.ephemeral_to) != 1:
        raise InvalidDraftError(
            'over api="node" an ephemeral message is for exactly one user: give one id in '
            'ephemeral_to (api="v1" shows it to several users, or to all of the channel)',
            field="ephemeral_to",
        )
    if draft.connection_id is None:
        raise InvalidDraftError(
            'over api="node" an ephemeral message needs connection_id: the connection of the user, '
            'from an event of that user (api="v1" needs none)',
            field="connection_id",
        )


def _only_v1(field: str, why: str) -> InvalidDraftError:
    return InvalidDraftError(
        f'{field} can be sent over api="v1" only, not over api="node": {why}', field=field
    )

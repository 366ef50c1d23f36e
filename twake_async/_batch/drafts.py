"""Reads a draft from an element of a batch's input: a `MessageDraft`, a mapping or a pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from twake_async.errors import InvalidDraftError
from twake_async.messages import MessageDraft

__all__ = ["read_draft"]

_FIELDS = tuple(field.name for field in attrs.fields(MessageDraft))
_PAIR = 2


def read_draft(given: Any) -> MessageDraft:
    """Return the draft that the input gave.

    Args:
        given: A `MessageDraft`; a mapping with the names of its fields; or a tuple of a channel's
            id and a content.

    Raises:
        InvalidDraftError: It is no draft, or one that cannot be sent.

    """
    if isinstance(given, MessageDraft):
        return given
    if isinstance(given, tuple) and len(given) == _PAIR:
        return MessageDraft(given[0], given[1])
    if isinstance(given, Mapping):
        return _read_mapping(given)
    raise InvalidDraftError(
        f"the input has a {type(given).__name__}, but send_many takes a MessageDraft, a mapping "
        "with its fields, or a tuple of channel_id and content",
        field="drafts",
    )


def _read_mapping(mapping: Mapping[Any, Any]) -> MessageDraft:
    try:
        fields = dict(mapping)
        unknown = [name for name in fields if name not in _FIELDS]
    except Exception as exc:
        raise InvalidDraftError("the mapping cannot be read", field="drafts") from exc
    if unknown:
        raise InvalidDraftError(
            f"{unknown[0]!r} is not a field of a draft: there are {', '.join(_FIELDS)}",
            field=str(unknown[0]),
        )
    if "channel_id" not in fields:
        raise InvalidDraftError("the mapping has no channel_id", field="channel_id")
    return MessageDraft(**fields)

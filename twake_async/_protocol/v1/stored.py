"""Compares a message that a server of 2020 stored with the request that asked for it. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .decode import shown_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.messages import Message

__all__ = ["created_fields", "is_stored"]


def created_fields(body: bytes) -> Mapping[str, Any]:
    """Return the message that the body of a create asks for, as it was sent."""
    fields: Mapping[str, Any] = json.loads(body)["message"]
    return fields


def is_stored(body: bytes, message: Message) -> bool:
    """Say whether a message is the one that a create asks for, as the server stores it.

    The channel, the parent, the `front_id` and the content must be equal. A server that drops an
    unknown parent stores another message than was asked for: it does not count.

    Args:
        body: The body of the create.
        message: The message of an event.

    """
    asked = created_fields(body)
    if (
        message.channel_id.lower() != asked["channel_id"].lower()
        or message.parent_message_id != asked.get("parent_message_id", "")
        or message.front_id != asked["front_id"]
    ):
        return False
    try:
        return _as_stored(shown_content(asked["content"])) == _as_stored(message.content)
    except RecursionError:
        return False


def _as_stored(content: Any) -> str:
    """Return content as JSON, in one form for all values that the server does not distinguish.

    PHP has one type for lists and objects: an object with the keys 0, 1, 2 and so on comes back as
    a list, an empty one as an empty list. It writes 1.0 as 1, and on PHP 7.1 it keeps a number as a
    double (wire cases 02e, 12f, 12g, 12h).
    """
    text = json.dumps(content)
    same = json.loads(text, object_pairs_hook=_array, parse_int=_number, parse_float=_number)
    return json.dumps(same, sort_keys=True)


def _array(pairs: list[tuple[str, Any]]) -> dict[str, Any] | list[Any]:
    if all(key == str(index) for index, (key, _) in enumerate(pairs)):
        return [value for _, value in pairs]
    return dict(pairs)


def _number(text: str) -> float:
    return float(text) + 0.0  # without the sign of -0.0, which PHP drops

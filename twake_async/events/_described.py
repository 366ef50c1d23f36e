"""An event in one short line: what the person said or did, then who and where."""

from __future__ import annotations

from typing import Any

from twake_async._summary import excerpt, summary

__all__ = ["described"]

_SAID = ("command", "action_id", "place", "resource_type")
_OWN = (*_SAID, "resource_id", "form", "context")


def described(event: Any, *, is_known: bool) -> str:
    """Return the `repr` of an event.

    Args:
        event: The event.
        is_known: Whether it has a class of its own, which then says what it is.

    """
    own = {name: getattr(event, name, None) for name in _OWN}
    text = None if event.message is None else event.message.text
    said = next((own.pop(name) for name in _SAID if own[name]), text)
    return summary(
        event,
        "" if said is None else excerpt(said),
        type=None if is_known else event.type,
        name=None if is_known else event.name,
        user=event.user_id,
        channel=event.channel_id,
        message=None if event.message is None else event.message.id,
        **own,
        signed=event.signed,
    )

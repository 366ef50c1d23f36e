"""The messages of the sandbox as `Message` objects of the SDK.

In the sandbox, only this module and the page use the SDK. No code that answers a request uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from twake_async._protocol.v1.decode import decode_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.messages import Message

__all__ = ["typed"]

_NODE_ONLY = ("workspace_id", "override")


def typed(row: Mapping[str, Any]) -> Message:
    """Return a message of `messages` as a `Message`."""
    known = {name: value for name, value in row.items() if name not in _NODE_ONLY}
    message = decode_message(known)
    return evolve(
        message,
        workspace_id=str(row.get("workspace_id") or ""),
        override=row.get("override") or {},
    )

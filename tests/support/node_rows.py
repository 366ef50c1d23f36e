"""Messages in the form in which the servers of Node answer them."""

from __future__ import annotations

import json
from typing import Any

from twake_async._protocol.exchange import Answer

__all__ = ["answer", "in_thread", "row"]

#: The fields of a message that the server adds, in the order of the recorded ones.
_EMPTY = dict.fromkeys(
    (
        *("subtype", "files", "context", "edited", "pinned_info", "quote_message"),
        *("reactions", "bookmarks", "override", "links"),
    )
)


def row(
    fields: dict[str, Any], *, name: str, thread: str, application: str | None, **cache: str
) -> dict[str, Any]:
    """Return a message as it is answered: `send-text` and `reply-own` are recorded so."""
    text = fields.get("text", "")
    return {
        "thread_id": thread,
        "id": name,
        "type": "message",
        **_EMPTY,
        "created_at": 1795640789421,
        "updated_at": 1795640789421,
        "user_id": application,
        "application_id": application,
        "cache": cache,
        "status": "sent",
        **fields,
        "text": text,
        "blocks": fields.get("blocks") or [{"type": "twacode", "elements": [text]}],
    }


def in_thread(message: dict[str, Any], participants: list[Any] = []) -> dict[str, Any]:  # noqa: B006 - read
    """Return the thread that a message began, as a new message is answered."""
    stats = {"replies": 1, "last_activity": 1795640789422}
    last = {**message, "stats": stats, "last_replies": [message]}
    return {"id": message["id"], "answers": 1, "participants": participants, "message": last}


def answer(document: Any, status: int = 200, kind: str = "application/json") -> Answer:
    """Return an answer with a JSON document, or with a body as it is."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, [(b"Content-Type", f"{kind}; charset=utf-8".encode())], body)

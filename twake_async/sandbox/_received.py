"""What was received, for tests to look at, and the line about it that a person reads.

No header is kept or written, the key least of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox import _php
from twake_async.sandbox._faults import CONNECTION

if TYPE_CHECKING:
    from twake_async.sandbox._faults import Fault
    from twake_async.sandbox._server import Request, Response

__all__ = ["ReceivedRequest", "is_question", "line", "received"]

_EXCERPT = 40


@define(frozen=True, slots=True)
class ReceivedRequest:
    """One request that the sandbox received."""

    method: str
    """GET, POST and so on."""
    path: str
    """The path, without the query."""
    status: int | None
    """The status that was answered; None where no byte was answered."""
    body: Any
    """The body, decoded if it is JSON; text otherwise."""


def is_question(request: Request) -> bool:
    """Whether it is a save that names no channel: `check` makes such, and none can be stored."""
    body = _php.decode(request.body)
    if not isinstance(body, dict) or not request.path.rstrip("/").endswith("/save"):
        return False
    message = body.get("message")
    return message is None or (isinstance(message, dict) and "channel_id" not in message)


def received(request: Request, response: Response, fault: Fault | None) -> ReceivedRequest:
    """What to keep of a request."""
    unanswered = fault is not None and fault.action in CONNECTION
    body = _php.decode(request.body)
    return ReceivedRequest(
        request.method,
        request.path,
        None if unanswered else response.status,
        request.body.decode("utf-8", "replace") if body is None else body,
    )


def line(request: ReceivedRequest, response: Response, fault: Fault | None) -> str:
    """What was asked, and what was answered."""
    asked = f"{request.method} {_printable(request.path)}"
    message = request.body.get("message") if isinstance(request.body, dict) else None
    if isinstance(message, dict) and "content" in message:
        asked += f' "{_excerpt(message["content"])}"'
    elif isinstance(message, dict) and isinstance(message.get("id"), str):
        asked += f" {_printable(message['id'])}"
    return f"{asked} -> {_told(request, response, fault)}"


def _told(request: ReceivedRequest, response: Response, fault: Fault | None) -> str:
    if fault is not None and request.status is None:
        done = "carried out" if fault.stores else "not carried out"
        return f"no answer (fault: {fault.action}; {done})"
    told = str(request.status)
    value = _php.decode(response.body)
    if isinstance(value, dict) and "error" in value:
        told += f" refused: {value['error']}"
    elif isinstance(value, dict) and isinstance(value.get("object"), dict):
        shown = value["object"]
        told += " ephemeral" if shown.get("_user_ephemeral") else " message"
        told += f" {shown.get('id')}"
    return told if fault is None else f"{told} (fault: {fault.action})"


def _excerpt(content: Any) -> str:
    text = content if isinstance(content, str) else ""
    if isinstance(content, dict):
        text = str(content.get("fallback_string") or content.get("original_str") or "")
    text = text or "…"
    return _printable(text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…")


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)

"""One line about one request, for a person to read. No header is in it, and no key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox import _php
from twake_async.sandbox._faults import CONNECTION, Fault
from twake_async.sandbox._server import Response

if TYPE_CHECKING:
    from twake_async.sandbox._sandbox import ReceivedRequest

__all__ = ["line"]

_TEXT = 40


def line(received: ReceivedRequest, response: Response, fault: Fault | None) -> str:
    """What was asked, and what was answered."""
    asked = f"{received.method} {_printable(received.path)}"
    message = _php.field(received.body, "message") if isinstance(received.body, dict) else None
    if isinstance(message, dict) and "content" in message:
        asked += f' "{_excerpt(message["content"])}"'
    return f"{asked} -> {_told(received, response, fault)}"


def _told(received: ReceivedRequest, response: Response, fault: Fault | None) -> str:
    if fault is not None and fault.action in CONNECTION:
        kept = "carried out" if fault.stores else "not carried out"
        return f"no answer ({fault.action}; {kept})"
    told = f"{received.status}"
    value = _php.decode(response.body)
    if isinstance(value, dict) and "error" in value:
        told += f" refused: {value['error']}"
    elif isinstance(value, dict) and isinstance(value.get("object"), dict):
        shown = value["object"]
        told += " ephemeral" if shown.get("_user_ephemeral") else " message"
        told += f" {shown.get('id')}"
    return f"{told} (fault: {fault.action})" if fault is not None else told


def _excerpt(content: Any) -> str:
    text = content if isinstance(content, str) else ""
    if isinstance(content, dict):
        text = str(content.get("fallback_string") or content.get("original_str") or "")
    text = text or "…"
    return _printable(text if len(text) <= _TEXT else text[: _TEXT - 1] + "…")


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)

"""The line of the log for a request. Text that the client sent is cleaned and shortened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._checks import is_as_check_expects, is_check
from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.node.server import LOGIN
from twake_async.sandbox._serving.limits import FOREIGN_HOST, NODE_TOO_LARGE, TOO_LARGE, TOO_SLOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._http import Request, Response
    from twake_async.sandbox._received import ReceivedRequest

__all__ = ["log_line"]

_EXCERPT = 40
_LONGEST = 200
"""The most characters of a path, an id or an error in a line."""


def log_line(
    request: Request, kept: ReceivedRequest, response: Response, fault: Fault | None
) -> str:
    """Return one line about a request and its answer.

    Args:
        request: The request as it arrived.
        kept: The same request, decoded.
        response: The response after its fault.
        fault: The fault that it met.

    """
    asked = f"{_cleaned(kept.method)} {_cleaned(kept.path)}"
    message = _message(kept.body)
    if is_check(kept.path, kept.body):
        asked += " (check)"
    elif "content" in message:
        asked += f' "{_excerpt(message["content"])}"'
    elif "text" in message:
        asked += f' "{_excerpt(message["text"])}"'
    elif isinstance(message.get("id"), str):
        asked += f" {_cleaned(message['id'])}"
    told = _limit_told(request, response) or _told(kept, response, fault)
    return f"{asked} -> {told}"


def _message(body: Any) -> Mapping[str, Any]:
    """Return the message in a body: of v1, of a new thread, or of a reply or an edit."""
    if not isinstance(body, dict):
        return {}
    options = body.get("options")
    in_options = options.get("message") if isinstance(options, dict) else None
    found = body.get("message") or in_options or body.get("resource")
    return found if isinstance(found, dict) else {}


def _limit_told(request: Request, response: Response) -> str:
    if response is FOREIGN_HOST:
        host = _cleaned(request.headers.get("host", ""))
        return f'{response.status} refused: the Host "{host}" is not allowed'
    if response is TOO_LARGE or response is NODE_TOO_LARGE:
        return f"{response.status} refused: the body is too large"
    return f"{response.status} refused: the body did not end" if response is TOO_SLOW else ""


def _told(request: ReceivedRequest, response: Response, fault: Fault | None) -> str:
    if fault is not None and request.status is None:
        done = "carried out" if fault.stores else "not carried out"
        return f"no answer (fault: {fault.action}; {done})"
    told = str(request.status)
    value = php_json.decode(response.body)
    if fault is None and is_as_check_expects(request.path, request.body, request.status, value):
        return f"{told}, and nothing stored, as it should be"
    value = value if isinstance(value, dict) else {}
    if "error" in value:
        told += f" refused: {_cleaned(str(value.get('message') or value['error']))}"
    elif isinstance(value.get("object"), dict):
        shown = value["object"]
        told += " ephemeral" if shown.get("_user_ephemeral") else " message"
        told += f" {_cleaned(str(shown.get('id')))}"
    elif isinstance(value.get("resource"), dict) and request.path != LOGIN:
        told += _told_of(value["resource"])
    return told if fault is None else f"{told} (fault: {fault.action})"


def _told_of(resource: Mapping[str, Any]) -> str:
    """Return what a Node server showed: a message, or an ephemeral one, which has no id."""
    shown = resource.get("message", resource)
    if isinstance(shown, dict) and "id" in shown:
        return f" message {_cleaned(str(shown['id']))}"
    return " ephemeral"


def _excerpt(content: Any) -> str:
    text = content if isinstance(content, str) else ""
    if isinstance(content, dict):
        text = str(content.get("fallback_string") or content.get("original_str") or "")
    return _cleaned(text or "…", _EXCERPT)


def _cleaned(text: str, longest: int = _LONGEST) -> str:
    """Return a text without control characters, line ends or changes of direction, shortened."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(one if one.isprintable() else "?" for one in cut)

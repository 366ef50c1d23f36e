"""The route with which a program on this machine lets the next requests fail, as `fail_next` does.

Twake has no such route. The Host must be a name of this machine or an allowed one. A web page sends
its Origin with each POST, and is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twake_async.sandbox._faults.fault import failure, refused
from twake_async.sandbox._faults.names import REFUSALS
from twake_async.sandbox._serving.asgi import read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._serving.asgi import ASGIApp, Receive, Scope, Send
    from twake_async.sandbox._serving.limits import Limits

__all__ = ["PATH", "with_control"]

PATH = "/_sandbox/fail"
_LARGEST = 65_536
"""The most bytes of a request."""
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "action": (str, int),
    "after_storing": (bool,),
    "retry_after": (str, int, float, type(None)),
    "times": (int,),
    "on": (str,),
}
_LISTED = ", ".join(_FIELDS)


def with_control(
    app: ASGIApp,
    add_fault: Callable[[Fault, int, Any], None],
    forget_faults: Callable[[], None],
    limits: Limits,
) -> ASGIApp:
    """Return an application that also has the route.

    Args:
        app: The application.
        add_fault: Queues a fault for a number of requests of a kind.
        forget_faults: Removes all faults that wait.
        limits: Which hosts may be named.

    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        problem = _refusal(scope["method"], headers, limits)
        if problem is not None:
            await _answer(send, *problem)
            return
        body = await read_body(receive, _LARGEST)
        try:
            _ask(json.loads(body or b"null"), add_fault, forget_faults)
        except (ValueError, TypeError, RecursionError) as exc:
            await _answer(send, 400, str(exc))
        else:
            await _answer(send, 200, "")

    return served


def _refusal(method: str, headers: Mapping[str, str], limits: Limits) -> tuple[int, str] | None:
    """Return the status and the text of a refusal; None for a program that may use the route."""
    # Without its User-Agent, no request counts as one of the SDK. Those may name any host.
    if limits.refusal({**headers, "user-agent": ""}) is not None:
        return 421, "this route answers to names of its own machine only"
    if "origin" in headers or "sec-fetch-site" in headers:
        return 403, "this route answers to programs, not to web pages"
    if method != "POST":
        return 405, "this route takes a POST"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, "this route takes JSON"
    return None


def _ask(
    document: Any,
    add_fault: Callable[[Fault, int, Any], None],
    forget_faults: Callable[[], None],
) -> None:
    """Queue the fault that a document asks for; "none" removes all queued faults.

    Raises:
        ValueError: The fault is unknown, or this release does not have it.
        TypeError: The document is no object, or a field has a wrong type.

    """
    if not isinstance(document, dict):
        raise TypeError(f"give an object with {_LISTED}")
    for name, value in document.items():
        if not isinstance(value, _FIELDS.get(name, ())):
            raise TypeError(f"{name} is no field, or has a wrong type: there are {_LISTED}")
    action, after_storing = document.get("action"), document.get("after_storing", False)
    if action == "none":
        forget_faults()
        return
    times, kind = document.get("times", 1), document.get("on", "write")
    retry_after = document.get("retry_after")
    if action in REFUSALS:
        if after_storing:
            raise ValueError(f"{action!r} is said before storing")
        add_fault(refused(action, retry_after), times, kind)
        return
    before, after = (None, action) if after_storing else (action, None)
    add_fault(failure(before, after, retry_after), times, kind)


async def _answer(send: Send, status: int, problem: str) -> None:
    body = json.dumps({"error": problem} if problem else {}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

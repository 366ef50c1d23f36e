"""The fault script: what the next requests meet instead of a plain answer."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from attrs import define, field

from twake_async.sandbox import _gate, _php
from twake_async.sandbox._server import Request, Response
from twake_async.sandbox._world import Message, World

__all__ = ["ACTIONS", "CONNECTION", "REFUSALS", "Fault", "Script", "altered", "checked", "refusal"]

CONNECTION = ("close", "reset", "silent")
"""Actions after which no byte is answered."""
DELIVERY = ("cut", "cut_chunked", "drip")
"""Actions that break the way in which the answer arrives."""
CONTENT = ("empty", "html", "bad_gzip", "php_trace", "null_object", "null_id", "other_message")
"""Actions that put another answer in place of the right one."""
ACTIONS = (*CONNECTION, *DELIVERY, *CONTENT)
REFUSALS = ("authentication", "group", "capability")

_HTML = {"content-type": "text/html; charset=UTF-8"}
_JSON = {"all-cookies": "[]", "content-type": "application/json; charset=utf-8"}
_WARNING = (
    b"<br />\n<b>Warning</b>:  Invalid argument supplied for foreach() in "
    b"<b>twake/backend/core/src/Twake/Discussion/Services/MessageSystem.php</b> "
    b"on line <b>696</b><br />\n"
)
_FATAL = (
    b"<br />\n<b>Fatal error</b>:  Uncaught Error: Call to a member function "
    b"setLastMessagesIncrement() on null in "
    b"twake/backend/core/src/Twake/Discussion/Services/MessageSystem.php:470\n"
    b"Stack trace:\n#0 {main}\n  thrown in <b>twake/backend/core/src/Twake/Discussion/"
    b"Services/MessageSystem.php</b> on line <b>470</b><br />\n"
)
_PAGE = b"<!doctype html><html><head><title>Twake</title></head><body></body></html>"


@define(frozen=True, slots=True)
class Fault:
    """What happens to one save or remove: whether it is carried out, and what comes back."""

    action: str | int
    stores: bool
    retry_after: str | None = None


def checked(action: str | int) -> str | int:
    """The action, if it is one; a ValueError that names the choices otherwise."""
    if isinstance(action, str) and action in ACTIONS:
        return action
    if isinstance(action, int) and not isinstance(action, bool) and 200 <= action <= 599:
        return action
    choices = ", ".join(ACTIONS)
    raise ValueError(
        f"unknown action {action!r}: use a status from 200 to 599, or one of {choices}"
    )


@define(slots=True)
class Script:
    """Faults in the order in which they were asked for; may be fed from any thread."""

    _waiting: deque[Fault] = field(factory=deque[Fault])
    _lock: threading.Lock = field(factory=threading.Lock)

    def add(self, fault: Fault, times: int) -> None:
        """Let the next `times` requests that no earlier fault awaits meet this one."""
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise ValueError(f"times must be an integer of at least 1, not {times!r}")
        with self._lock:
            self._waiting.extend([fault] * times)

    def take(self) -> Fault | None:
        """The fault that the next request meets."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def clear(self) -> None:
        """Forget what was asked for."""
        with self._lock:
            self._waiting.clear()


def refusal(word: str, group_id: Any) -> Response:
    """The 200 with which the server refuses, in its own words."""
    errors = {
        "authentication": _gate.BAD_CREDENTIALS,
        "group": _gate.bad_group(group_id),
        "capability": _gate.missing_capabilities(["messages_save"]),
    }
    return Response(200, _JSON, _php.encode({**errors[word], "_cookies": []}) or b"")


def altered(world: World, request: Request, good: Response | None, fault: Fault) -> Response:
    """The answer as the fault leaves it; `good` is the right one, if the request was carried out."""
    if isinstance(fault.action, int):
        return _with_status(fault.action, good, fault.retry_after)
    if fault.action in REFUSALS:
        return refusal(fault.action, _group_id(request))
    if fault.action == "warning" and good is not None:
        return Response(good.status, _HTML, _WARNING + good.body)
    if fault.action in DELIVERY:
        return good or Response(200, _JSON, _object(_somebody_elses(world)))
    contents: dict[str, tuple[dict[str, str], bytes]] = {
        "empty": (_HTML, b""),
        "html": (_HTML, _PAGE),
        "php_trace": (_HTML, _FATAL),
        "bad_gzip": (
            {**_JSON, "content-encoding": "gzip"},
            b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20,
        ),
        "null_object": (_JSON, _object(None)),
        "null_id": (_JSON, _object({**_somebody_elses(world), **_NOTHING})),
        "other_message": (_JSON, _object(_somebody_elses(world))),
    }
    headers, body = contents[fault.action]
    return Response(200, headers, body)


_NOTHING = {"id": None, "front_id": None, "modification_date": 0, "creation_date": 0}


def _group_id(request: Request) -> Any:
    fields = _php.decode(request.body)
    return fields.get("group_id") if isinstance(fields, dict) else None


def _with_status(status: int, good: Response | None, retry_after: str | None) -> Response:
    headers = dict(_HTML)
    if retry_after is not None:
        headers["retry-after"] = retry_after
    if 300 <= status < 400:
        headers["location"] = "http://127.0.0.1/elsewhere"
    if status < 300 and status not in (204, 205) and good is not None:
        return Response(status, {**good.headers}, good.body)
    return Response(status, headers)


def _object(value: Any) -> bytes:
    return _php.encode({"object": value, "_cookies": []}) or b""


def _somebody_elses(world: World) -> dict[str, Any]:
    """A message that nobody here sent."""
    return Message(
        id=world.new_id(),
        front_id=world.new_front_id(),
        channel_id=world.new_id(),
        parent_message_id="",
        message_type=1,
        sender=None,
        application_id=world.new_id(),
        content="somebody else's message",
        creation_date=world.now(),
        modification_date=world.now(),
    ).as_array()

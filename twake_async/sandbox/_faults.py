"""The fault script: what the next requests meet instead of a plain answer."""

from __future__ import annotations

import gzip
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, get_args

from attrs import define, field

from twake_async.sandbox import _gate, _php
from twake_async.sandbox._server import HTML, JSON, Response
from twake_async.sandbox._world import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twake_async.sandbox._server import Request
    from twake_async.sandbox._world import World

__all__ = [
    "CONNECTION",
    "Action",
    "Fault",
    "Form",
    "Refusal",
    "Script",
    "altered",
    "failure",
    "formed",
    "late",
    "refused",
]

Silence = Literal["close", "reset", "silent"]
Delivery = Literal["cut", "cut_chunked", "cut_reset", "cut_silent", "drip"]
Content = Literal[
    "empty",
    "html",
    "bad_gzip",
    "cut_json",
    "php_trace",
    "error_words",
    "null_object",
    "null_id",
    "other_message",
]
Action = Silence | Delivery | Content | int
Form = Literal["warnings", "gzip", "chunked", "connection_close", "hang_up"]
Refusal = Literal["authentication", "group", "capability", "privileges"]

CONNECTION: tuple[str, ...] = get_args(Silence)
"""Actions after which no byte is answered."""
DELIVERY: tuple[str, ...] = get_args(Delivery)
"""Actions that break the way in which the answer arrives."""
ACTIONS: tuple[str, ...] = (*CONNECTION, *DELIVERY, *get_args(Content))
FORMS: tuple[str, ...] = get_args(Form)
"""Forms of a good answer."""
REFUSALS: tuple[str, ...] = get_args(Refusal)

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
    delay: float = 0.0
    """Seconds for which this one answer is held back."""


def failure(
    before_storing: str | int | None,
    after_storing: str | int | None,
    retry_after: float | str | None = None,
) -> Fault:
    """A failure before or after the request is carried out; a ValueError that says the choices."""
    if (before_storing is None) == (after_storing is None):
        raise ValueError("give either before_storing or after_storing")
    action = after_storing if before_storing is None else before_storing
    assert action is not None  # noqa: S101
    stores = before_storing is None
    return Fault(_checked(action), stores=stores, retry_after=_header(retry_after))


def refused(status: str | int, retry_after: float | str | None) -> Fault:
    """A refusal, with a status or in the server's words; a ValueError that says the choices."""
    if isinstance(status, str) and status not in REFUSALS:
        raise ValueError(f"unknown refusal {status!r}: use a status, or one of {_told(REFUSALS)}")
    action = status if isinstance(status, str) else _checked(status)
    return Fault(action, stores=False, retry_after=_header(retry_after))


def formed(form: str) -> Fault:
    """A good answer in an unusual form; a ValueError that says the choices."""
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r}: use one of {_told(FORMS)}")
    return Fault(form, stores=True)


def late(seconds: float) -> Fault:
    """A good answer so many seconds after the request was carried out; a ValueError below 0."""
    if seconds < 0:
        raise ValueError(f"seconds must not be negative: {seconds!r}")
    return Fault("late", stores=True, delay=float(seconds))


def _header(retry_after: float | str | None) -> str | None:
    text = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
    if text is not None and not text.isprintable():
        raise ValueError(f"retry_after is no header: {text!r}")
    return text


def _checked(action: str | int) -> str | int:
    if isinstance(action, str) and action in ACTIONS:
        return action
    if isinstance(action, int) and not isinstance(action, bool) and 200 <= action <= 599:
        return action
    choices = f"a status from 200 to 599, or one of {_told(ACTIONS)}"
    raise ValueError(f"unknown action {action!r}: use {choices}")


def _told(words: Iterable[str]) -> str:
    return ", ".join(words)


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


def _refusal(word: str, group_id: Any) -> Response:
    """The 200 with which the server refuses, in its own words."""
    errors = {
        "authentication": _gate.BAD_CREDENTIALS,
        "group": _gate.bad_group(group_id),
        "capability": _gate.missing_capabilities(["messages_save"]),
        "privileges": _gate.missing_privileges(["channels"]),
    }
    return Response(200, JSON, _php.encode({**errors[word], "_cookies": []}) or b"")


def altered(world: World, request: Request, good: Response | None, fault: Fault) -> Response:
    """The answer as the fault leaves it; `good` is the right one, if there is one."""
    if fault.action in CONNECTION:
        return Response(500, HTML)  # not a byte of it is sent
    if isinstance(fault.action, int):
        return _with_status(fault.action, good, fault.retry_after)
    if fault.action in REFUSALS:
        return _refusal(fault.action, _group_id(request))
    if good is not None and (fault.action in FORMS or fault.action == "late"):
        return _in_form(fault.action, good)
    whole = good or Response(200, JSON, _object(_somebody_elses(world)))
    if fault.action in DELIVERY:
        return whole
    contents: dict[str, tuple[Mapping[str, str], bytes]] = {
        "empty": (HTML, b""),
        "html": (HTML, _PAGE),
        "php_trace": (HTML, _FATAL),
        "bad_gzip": (
            {**JSON, "content-encoding": "gzip"},
            b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20,
        ),
        "cut_json": (JSON, whole.body[: len(whole.body) // 2]),
        "error_words": (JSON, _php.encode({**_SWALLOWED, "_cookies": []}) or b""),
        "null_object": (JSON, _object(None)),
        "null_id": (JSON, _object({**_somebody_elses(world), **_NOTHING})),
        "other_message": (JSON, _object(_somebody_elses(world))),
    }
    headers, body = contents[fault.action]
    return Response(200, headers, body)


_SWALLOWED = {"error": "unknown error or malformed query."}
_NOTHING = {"id": None, "front_id": None, "modification_date": 0, "creation_date": 0}


def _in_form(form: str, good: Response) -> Response:
    if form == "warnings":
        return Response(good.status, HTML, _WARNING + good.body)
    if form == "gzip":
        headers = {**good.headers, "content-encoding": "gzip"}
        return Response(good.status, headers, gzip.compress(good.body))
    return good


def _group_id(request: Request) -> Any:
    fields = _php.decode(request.body)
    return fields.get("group_id") if isinstance(fields, dict) else None


def _with_status(status: int, good: Response | None, retry_after: str | None) -> Response:
    headers = dict(HTML)
    if retry_after is not None:
        headers["retry-after"] = retry_after
    if 300 <= status < 400:
        headers["location"] = "http://127.0.0.1/elsewhere"
    if status < 300 and status not in (204, 205) and good is not None:
        return Response(status, good.headers, good.body)
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

"""What was received, for tests to look at, and the line about it that a person reads.

No header is kept, and none but a foreign Host is written; the key least of all.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox import _php
from twake_async.sandbox._door import FOREIGN_HOST, TOO_LARGE, TOO_SLOW
from twake_async.sandbox._faults import CONNECTION
from twake_async.sandbox._gate import BAD_CREDENTIALS

if TYPE_CHECKING:
    from twake_async.sandbox._faults import Fault
    from twake_async.sandbox._server import Request, Response

__all__ = ["Received", "ReceivedRequest", "is_check", "line", "received"]

_EXCERPT = 40
_LONGEST = 200
"""How much of a path, an id or an error a line shows."""
_KEPT_BYTES = 64 * 1_048_576
_SAVE = "/api/v1/messages/save"


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
    """The body, decoded if it is JSON; text otherwise. Empty where the sandbox did not take it."""


@define(slots=True)
class Received:
    """The requests that are kept, with the size of each: bounded in number and in bytes."""

    _most: int
    _bytes: int = 0
    _held: deque[tuple[ReceivedRequest, int]] = field(
        factory=deque[tuple[ReceivedRequest, int]], init=False
    )

    def add(self, request: ReceivedRequest, size: int) -> None:
        """Keep a request; the oldest make room, and the newest always stays."""
        self._held.append((request, size))
        self._bytes += size
        while len(self._held) > self._most or (self._bytes > _KEPT_BYTES and len(self._held) > 1):
            self._bytes -= self._held.popleft()[1]

    def all(self) -> list[ReceivedRequest]:
        """What is kept, oldest first."""
        return [request for request, _ in self._held]

    def clear(self) -> None:
        """Forget all of it."""
        self._held.clear()
        self._bytes = 0


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


def line(request: Request, kept: ReceivedRequest, response: Response, fault: Fault | None) -> str:
    """What was asked, and what was answered. The client's words in it are cleaned and cut."""
    asked = f"{_cleaned(kept.method)} {_cleaned(kept.path)}"
    message = kept.body.get("message") if isinstance(kept.body, dict) else None
    if is_check(kept.path, kept.body):
        asked += " (check)"
    elif isinstance(message, dict) and "content" in message:
        asked += f' "{_excerpt(message["content"])}"'
    elif isinstance(message, dict) and isinstance(message.get("id"), str):
        asked += f" {_cleaned(message['id'])}"
    told = _turned_away(request, response) or _told(kept, response, fault)
    return f"{asked} -> {told}"


def _turned_away(request: Request, response: Response) -> str:
    if response is FOREIGN_HOST:
        host = _cleaned(request.headers.get("host", ""))
        return f'{response.status} refused: the Host "{host}" is not let in'
    if response is TOO_LARGE:
        return f"{response.status} refused: the body is too large"
    return f"{response.status} refused: the body did not end" if response is TOO_SLOW else ""


def _told(request: ReceivedRequest, response: Response, fault: Fault | None) -> str:
    if fault is not None and request.status is None:
        done = "carried out" if fault.stores else "not carried out"
        return f"no answer (fault: {fault.action}; {done})"
    told = str(request.status)
    value = _php.decode(response.body)
    if fault is None and _is_as_check_expects(request, value):
        return f"{told}, and nothing stored, as it should be"
    if isinstance(value, dict) and "error" in value:
        told += f" refused: {_cleaned(str(value['error']))}"
    elif isinstance(value, dict) and isinstance(value.get("object"), dict):
        shown = value["object"]
        told += " ephemeral" if shown.get("_user_ephemeral") else " message"
        told += f" {_cleaned(str(shown.get('id')))}"
    return told if fault is None else f"{told} (fault: {fault.action})"


# The questions of TwakeSession.check, which no server stores and each server refuses

_NOBODYS = "00000000-0000-0000-0000-000000000000"
_NOTHING = {"content": {"original_str": "check", "prepared": ["check"]}}
_MALFORMED = "unknown error or malformed query."


def is_check(path: str, body: Any) -> bool:
    """Whether this is one of the two saves with which `check()` asks, and which name no channel."""
    if path != _SAVE or not isinstance(body, dict):
        return False
    rest = {name: value for name, value in body.items() if name != "group_id"}
    return "group_id" in body and rest in ({}, {"message": _NOTHING})


def _is_as_check_expects(request: ReceivedRequest, value: Any) -> bool:
    """Whether all is well as far as this question goes."""
    if not is_check(request.path, request.body):
        return False
    error = value.get("error") if isinstance(value, dict) else None
    if request.body["group_id"] == _NOBODYS:
        return bool(error != BAD_CREDENTIALS["error"])
    return error == _MALFORMED or (error is None and request.status == 200)


# The client's words


def _excerpt(content: Any) -> str:
    text = content if isinstance(content, str) else ""
    if isinstance(content, dict):
        text = str(content.get("fallback_string") or content.get("original_str") or "")
    return _cleaned(text or "…", _EXCERPT)


def _cleaned(text: str, longest: int = _LONGEST) -> str:
    """A text that moves no cursor, ends no line and turns no reading direction."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(one if one.isprintable() else "?" for one in cut)

"""The requests of `TwakeSession.check`, which no server stores and each server refuses."""

from __future__ import annotations

from typing import Any

from twake_async.sandbox._releases.node.server import LOGIN
from twake_async.sandbox._releases.node.server_info import SERVER
from twake_async.sandbox._releases.permissions import BAD_CREDENTIALS

__all__ = ["is_as_check_expects", "is_check"]

_SAVE = "/api/v1/messages/save"
_NO_GROUP = "00000000-0000-0000-0000-000000000000"
_CONTENT = {"content": {"original_str": "check", "prepared": ["check"]}}
_NO_THREAD = "/threads/00000000-0000-1000-8000-000000000000/messages"
#: A Node server does not know this application, and PHP does not know this path.
_NO_LOGIN = (403, 500)
_EMPTY: tuple[Any, ...] = ({}, [])  # PHP reads an empty object as an empty list
_MALFORMED = "unknown error or malformed query."


def is_check(path: str, body: Any) -> bool:
    """Return whether a request is one of those of `check`.

    These are saves that name no channel, a login that names no application, a read of a thread
    that cannot exist, and the request for the version. The login that tests the credentials is not
    one of them.
    """
    if path == SERVER or path.endswith(_NO_THREAD):
        return True
    if path in (LOGIN, _SAVE) and body in _EMPTY:
        return True
    if path != _SAVE or not isinstance(body, dict):
        return False
    rest = {name: value for name, value in body.items() if name != "group_id"}
    return "group_id" in body and rest in ({}, {"message": _CONTENT})


def is_as_check_expects(path: str, body: Any, status: int | None, answer: Any) -> bool:
    """Return whether the answer to a request of `check` says that nothing is wrong."""
    if not is_check(path, body):
        return False
    if path.endswith(_NO_THREAD):
        return bool(answer == {"resources": []})
    if path == LOGIN:
        return status in _NO_LOGIN
    if path == SERVER or body in _EMPTY:
        return True
    error = answer.get("error") if isinstance(answer, dict) else None
    if body["group_id"] == _NO_GROUP:
        return bool(error != BAD_CREDENTIALS["error"])
    return error == _MALFORMED or (error is None and status == 200)

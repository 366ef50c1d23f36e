"""What a request is to the faults: a write, a read, a login, a change of a thread, or nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twake_async.sandbox._checks import is_check
from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.node.server import LOGIN
from twake_async.sandbox._releases.server import NODE_RELEASES

if TYPE_CHECKING:
    from twake_async.sandbox._faults.names import Aim
    from twake_async.sandbox._http import Request

__all__ = ["aim_of", "thread_of"]

_V1 = ("/api/v1/messages/save", "/api/v1/messages/remove")
_MESSAGES = r"/(?:api|internal/services)/messages/v1/companies/[^/]+"
_THREADS = re.compile(rf"{_MESSAGES}/threads(?:/[^/]+/messages(?:/.*)?)?")
_ONE_THREAD = re.compile(r"/threads/([^/]+)")
_THREAD = re.compile(rf"{_MESSAGES}/threads/[^/]+")
_FEED = re.compile(rf"{_MESSAGES}/workspaces/[^/]+/channels/[^/]+/feed")


def aim_of(request: Request, release: str) -> Aim | None:
    """Return which faults a request meets; None for one that meets none, as those of `check`."""
    path = request.path.partition("?")[0]
    if path.rstrip("/") in _V1:
        writes = request.method == "POST" and release != "2023"
        return "write" if writes and not _is_check(path, request) else None
    if release not in NODE_RELEASES:
        return None
    if request.method == "GET":
        return "read" if _FEED.fullmatch(path) or _THREADS.fullmatch(path) else None
    if path == LOGIN:
        return None if _is_check(path, request) else "login"
    if _THREAD.fullmatch(path):
        return "join"
    return "write" if _THREADS.fullmatch(path) else None


def thread_of(request: Request) -> str:
    """Return the id of the thread that a request to the Node server names; "" for none."""
    found = _ONE_THREAD.search(request.path.partition("?")[0])
    return found[1] if found else ""


def _is_check(path: str, request: Request) -> bool:
    return is_check(path, php_json.decode(request.body))

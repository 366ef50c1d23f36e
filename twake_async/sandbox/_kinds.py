"""The kind of a request, by which faults are chosen: write, read, login, join, or none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twake_async.sandbox._checks import is_check
from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.node.server import LOGIN
from twake_async.sandbox._releases.server import NODE_RELEASES
from twake_async.sandbox._releases.v1_of_2022 import named_messages

if TYPE_CHECKING:
    from twake_async.sandbox._faults.names import RequestKind
    from twake_async.sandbox._http import Request
    from twake_async.sandbox._world.world import World

__all__ = ["kind_of", "thread_of"]

_V1 = (
    *("/api/v1/messages/save", "/api/v1/messages/remove"),
    *("/api/v1/drive/save", "/api/v1/drive/remove"),
    *("/api/v1/general/configure", "/api/v1/general/configure_close"),
)
_V1_READS = (
    *("/api/v1/users/get", "/api/v1/core/token"),
    *("/api/v1/channels/get_direct_channel", "/api/v1/channels/get_by_workspace"),
    *("/api/v1/drive/list", "/api/v1/drive/find", "/api/v1/drive/download"),
)
_CONFIGURE = "/api/console/v1/configure"
_MESSAGES = r"/(?:api|internal/services)/messages/v1/companies/[^/]+"
_THREADS = re.compile(rf"{_MESSAGES}/threads(?:/[^/]+/messages(?:/.*)?)?")
_ONE_THREAD = re.compile(r"/threads/([^/]+)")
_THREAD = re.compile(rf"{_MESSAGES}/threads/[^/]+")
_FEED = re.compile(rf"{_MESSAGES}/workspaces/[^/]+/channels/[^/]+/feed")
#: The resources besides messages: channels, people and files.
_AROUND = re.compile(
    r"/(?:api|internal/services)/(?:channels|files)/v1/companies/.*"
    r"|/internal/services/users/v1/users/[^/]+"
)


def kind_of(request: Request, release: str) -> RequestKind | None:
    """Return the kind of a request; None if it meets no faults, such as those of `check`."""
    path = request.path.partition("?")[0]
    kind = _kind(request.method, path, release)
    return None if kind is None or is_check(path, php_json.decode(request.body)) else kind


def _kind(method: str, path: str, release: str) -> RequestKind | None:
    if path.startswith("/api/v1/"):
        return _v1_kind(path.rstrip("/")) if method == "POST" and release != "2023" else None
    if release not in NODE_RELEASES:
        return None
    if method == "GET":
        is_read = any(one.fullmatch(path) for one in (_FEED, _THREADS, _AROUND))
        return "read" if is_read else None
    if path == LOGIN:
        return "login"
    if _THREAD.fullmatch(path):
        return "join"
    is_write = path == _CONFIGURE or _THREADS.fullmatch(path) or _AROUND.fullmatch(path)
    return "write" if is_write else None


def _v1_kind(path: str) -> RequestKind | None:
    if path in _V1:
        return "write"
    return "read" if path in _V1_READS else None


def thread_of(world: World, request: Request) -> str:
    """Return the id of the thread that a write names; "" for none."""
    if request.path.startswith("/api/v1/"):
        rows = (world.node.messages.get(one) for one in named_messages(request.body))
        return next((row.thread_id for row in rows if row is not None), "")
    found = _ONE_THREAD.search(request.path.partition("?")[0])
    return found[1] if found else ""

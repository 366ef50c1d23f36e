"""The paths of the Node server's services, below `/internal/services`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases.node.channels import (
    channel_members,
    channels_of_workspace,
    one_channel,
    one_user,
)
from twake_async.sandbox._releases.node.files import download_file, one_file, save_file
from twake_async.sandbox._releases.node.messages import delete, pin, react, save
from twake_async.sandbox._releases.node.threads import change_thread, create_thread
from twake_async.sandbox._releases.node.views import feed, one_message, thread_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.sandbox._http import Response
    from twake_async.sandbox._releases.node.call import Call

__all__ = ["UNSERVED", "Route", "find_route", "unserved"]

Route = tuple["Callable[[Call], dict[str, Any] | Response]", tuple[str, ...]]
"""The handler of a request, and the ids in its path."""

_THREADS = "messages/v1/companies/*/threads"
_FILES = "files/v1/companies/*/files"
_MESSAGE = f"{_THREADS}/*/messages/*"
_CHANNELS = "channels/v1/companies/*/workspaces/*/channels"
UNSERVED = "The sandbox does not serve this path of the API."


def _patterns(
    routes: Mapping[tuple[str, str], Callable[[Call], dict[str, Any] | Response]],
) -> dict[
    tuple[str, int], list[tuple[tuple[str, ...], Callable[[Call], dict[str, Any] | Response]]]
]:
    """Return the routes by method and number of parts."""
    found: dict[Any, Any] = {}
    for (method, pattern), handler in routes.items():
        parts = tuple(pattern.split("/"))
        found.setdefault((method, len(parts)), []).append((parts, handler))
    return found


_ROUTES = _patterns(
    {
        ("POST", _FILES): save_file,
        ("POST", f"{_FILES}/*"): save_file,
        ("GET", f"{_FILES}/*"): one_file,
        ("GET", f"{_FILES}/*/download"): download_file,
        ("POST", _THREADS): create_thread,
        ("POST", f"{_THREADS}/*"): change_thread,
        ("GET", f"{_THREADS}/*/messages"): thread_messages,
        ("POST", f"{_THREADS}/*/messages"): save,
        ("GET", _MESSAGE): one_message,
        ("POST", _MESSAGE): save,
        ("DELETE", _MESSAGE): delete,
        ("POST", f"{_MESSAGE}/delete"): delete,
        ("POST", f"{_MESSAGE}/reaction"): react,
        ("POST", f"{_MESSAGE}/pin"): pin,
        ("GET", "messages/v1/companies/*/workspaces/*/channels/*/feed"): feed,
        ("GET", _CHANNELS): channels_of_workspace,
        ("GET", f"{_CHANNELS}/*"): one_channel,
        ("GET", f"{_CHANNELS}/*/members"): channel_members,
        ("GET", "users/v1/users/*"): one_user,
    }
)
_SERVICES = frozenset(
    {
        *("applications", "channels", "documents", "files", "messages"),
        *("notifications", "tags", "users", "workspaces"),
    }
)
"""The services of the real server."""


def find_route(method: str, path: str) -> Route | None:
    """Return the route of a request, and the ids in its path; None if there is no route."""
    parts = path.split("/")
    for pattern, handler in _ROUTES.get((method, len(parts)), ()):
        pairs = list(zip(pattern, parts, strict=True))
        if all(part == wanted or (wanted == "*" and part) for wanted, part in pairs):
            return handler, tuple(part for wanted, part in pairs if wanted == "*")
    return None


def unserved(path: str) -> bool:
    """Return whether the real server has a service for a path that the sandbox does not serve."""
    return path.partition("/")[0] in _SERVICES

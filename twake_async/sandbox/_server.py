"""One request in, one response out: the server as a function, without I/O.

`answer` is all there is to it; it changes nothing but the world it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from twake_async.sandbox import _gate, _messages2020, _php
from twake_async.sandbox._forms import post_fields
from twake_async.sandbox._world import App, User, World

__all__ = ["RELEASES", "Request", "Response", "answer"]

RELEASES = ("2020", "2023")
_HTML = "text/html; charset=UTF-8"
_JSON = "application/json; charset=utf-8"
_MALFORMED = {"error": "unknown error or malformed query."}
_TRACE = b'string(23) "#0 RepositoryAdapter.php"\n'


@define(frozen=True, slots=True)
class Request:
    """What arrived. Header names are in lower case; the body is as it was sent."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


@define(frozen=True, slots=True)
class Response:
    """What goes back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def answer(world: World, request: Request, *, release: str = "2020") -> Response:
    """What the server of that release answers, having done to the world what it does."""
    if request.method.upper() == "OPTIONS":
        return _html(200)
    path = _routed_path(request.path)
    route = _ROUTES.get(path)
    if route is None:
        return _html(500, f'{{"error": "Route not found: "{path}/""}}')
    if request.method.upper() != "POST":
        method = request.method.lower()
        return _html(500, f'{{"error": "Route "{path}/" or method "{method}" not allowed."}}')
    try:
        return route(world, request, _fields(request))
    except _php.PhpError:
        return _html(500)


def _routed_path(target: str) -> str:
    """The path that the router sees: of `//host/path` it takes the first part for a host."""
    path = target.partition("?")[0]
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    return path.removesuffix("/")


def _fields(request: Request) -> Any:
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith("application/json"):
        return post_fields(content_type, request.body)
    fields = _php.decode(request.body)
    return fields if isinstance(fields, list | dict) else []


def _html(status: int, text: str = "") -> Response:
    return Response(status, {"content-type": _HTML}, text.encode())


def _json(value: dict[str, Any], *, before: bytes = b"") -> Response:
    """An answer that JSON cannot hold is an empty 200."""
    body = _php.encode({**value, "_cookies": []})
    return Response(200, {"all-cookies": "[]", "content-type": _JSON}, before + (body or b""))


def _save(world: World, request: Request, fields: Any) -> Response:
    app = _permitted(world, request, fields, ("messages_save",))
    if not isinstance(app, App):
        return _json(app)
    given = _php.field(fields, "message")
    _php.field(given, "channel_id")  # of a string, this is an error
    sender, trace = _sender(world, given)
    shown = _messages2020.save(world, given, sender, app)
    return _json({"object": shown} if shown else _MALFORMED, before=trace)


def _sender(world: World, given: Any) -> tuple[User | None, bytes]:
    """A sender that is an array without an id leaves a stack trace in front of the answer."""
    sender = given["sender"] if _php.has(given, "sender") else None
    if isinstance(sender, list | dict) and sender:
        if not _php.has(sender, "id"):
            return None, _TRACE
        sender = _php.field(sender, "id")
    return world.user(sender), b""


def _remove(world: World, request: Request, fields: Any) -> Response:
    app = _permitted(world, request, fields)
    if not isinstance(app, App):
        return _json(app)
    given = _php.field(fields, "message")
    _messages2020.remove(world, given)
    return _json({"result": given})


def _permitted(
    world: World,
    request: Request,
    fields: Any,
    capabilities: tuple[str, ...] = (),
    privileges: tuple[str, ...] = (),
) -> App | dict[str, Any]:
    group_id = _php.field(fields, "group_id")
    authorization = request.headers.get("authorization", "")
    return _gate.permitted(world, authorization, group_id, capabilities, privileges)


_ROUTES: Mapping[str, Callable[[World, Request, Any], Response]] = {
    "/api/v1/messages/save": _save,
    "/api/v1/messages/remove": _remove,
}

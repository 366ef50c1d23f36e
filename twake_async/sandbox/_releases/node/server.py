"""The Node server as a function: its login, its services, and the proxy that drops statuses.

`/api/<service>/<version>/companies/...` passes a request on to the service at
`/internal/services/...`. The proxy answers every error of the service with status 200.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from attrs import evolve

from twake_async.sandbox._http import Response
from twake_async.sandbox._releases.node.bodies import read_body
from twake_async.sandbox._releases.node.call import Call
from twake_async.sandbox._releases.node.configure import configure
from twake_async.sandbox._releases.node.errors import (
    FOREIGN_ADDRESS,
    NOT_FOUND,
    CrashError,
    NodeError,
    crashed,
)
from twake_async.sandbox._releases.node.js_json import encode
from twake_async.sandbox._releases.node.login import bearer_of, login
from twake_async.sandbox._releases.node.routes import UNSERVED, find_route, unserved
from twake_async.sandbox._releases.node.server_info import SERVER, server_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.sandbox._http import Request
    from twake_async.sandbox._world.world import World

__all__ = ["JSON_HEADERS", "LOGIN", "answer_node", "json_response"]

JSON_HEADERS = {"content-type": "application/json; charset=utf-8"}
LOGIN = "/api/console/v1/login"
_SERVICES = "/internal/services/"
_PROXIED = re.compile(r"/api/([a-z]+/v[0-9]+/companies/.*)")
_HERE = "127.0.0.1"
"""The address of each client of a sandbox."""
_PROXIED_METHODS = ("GET", "POST", "PUT", "DELETE")
_ME = "/api/console/v1/me"
_CONFIGURE = "/api/console/v1/configure"
_WEB_APP = (
    b"Twake frontend is not here, please do one of the following:<br/>\n"
    b"- use the nginx container as a separate process<br/>\n"
    b"- attach the built frontend to this container and use the STATIC_ROOT env variable<br/>\n"
    b"- use the production container"
)


def answer_node(world: World, request: Request, *, release: str) -> Response:
    """Carry out a request as the Node server of a release does, and return its response.

    Args:
        world: The world, which the request may change.
        request: The request.
        release: "2022" or "2023".

    """
    path, _, query = request.path.partition("?")
    if not path.startswith(("/api/", "/internal/")):
        return Response(200, {"content-type": "text/html"}, _WEB_APP)
    response = _guarded(world, lambda: _outer(world, request, path, query, release))
    return Response(response.status, response.headers) if request.method == "HEAD" else response


def json_response(status: int, value: Any) -> Response:
    """Return a response with JSON."""
    return Response(status, JSON_HEADERS, encode(value))


def _guarded(world: World, carry_out: Callable[[], Response]) -> Response:
    """Return the response, or the response of a raised error."""
    world.node_requests += 1
    try:
        return carry_out()
    except NodeError as exc:
        return json_response(exc.status, exc.body())
    except CrashError:
        return json_response(500, crashed(world.node_requests))


def _outer(world: World, request: Request, path: str, query: str, release: str) -> Response:
    """Answer a request as it arrived."""
    if path == SERVER and request.method == "GET":
        return json_response(200, server_info(release))
    if path == LOGIN and request.method == "POST":
        return json_response(200, login(world, release, read_body(request, release)))
    authorization = request.headers.get("authorization", "")
    if path.startswith(_SERVICES):
        body = read_body(request, release)
        call = Call(world, release, bearer_of(world, authorization), (), _fields(query), body)
        return _service(call, request.method, path[len(_SERVICES) :])
    proxied = _PROXIED.fullmatch(path)
    if proxied is not None and request.method in _PROXIED_METHODS:
        body = read_body(request, release)
        call = Call(world, release, bearer_of(world, authorization), (), _fields(query), body)
        return _passed_on(call, request.method, proxied[1])
    return _console(world, request, path, release)


def _console(world: World, request: Request, path: str, release: str) -> Response:
    """Answer a request to a path for applications that is not a service."""
    if path not in (_ME, _CONFIGURE):
        return json_response(404, NOT_FOUND)
    bearer = bearer_of(world, request.headers.get("authorization", ""))
    if path == _CONFIGURE and request.method == "POST":
        return json_response(200, configure(world, bearer, read_body(request, release)))
    return Response(501, {"content-type": "text/plain"}, UNSERVED.encode())


def _fields(query: str) -> dict[str, str]:
    return dict(parse_qsl(query))


def _passed_on(call: Call, method: str, path: str) -> Response:
    """Answer as the service does, but always with status 200.

    Only applications may use the proxy, from their allowed addresses; for a user it fails. A text
    is passed on without its content type, so the service refuses it.
    """
    if not call.bearer.is_application:
        raise CrashError
    app = call.world.app(call.bearer.id)
    if app is not None and app.allowed_ips not in ("", "*") and _HERE not in app.allowed_ips:
        return json_response(403, FOREIGN_ADDRESS)
    if isinstance(call.body, str):
        told = "%s" if call.release == "2022" else ""
        refused = NodeError(
            415, f"Unsupported Media Type: {told}", "FST_ERR_CTP_INVALID_MEDIA_TYPE"
        )
        return json_response(200, refused.body())
    if isinstance(call.body, bytes):
        call = evolve(call, body=None)  # it drops the body of a form with a file
    response = _guarded(call.world, lambda: _service(call, method, path))
    kept = response.status == 501
    return response if kept else Response(200, response.headers, response.body)


def _service(call: Call, method: str, path: str) -> Response:
    """Answer as a service does."""
    route = find_route(method, path)
    if route is None:
        if unserved(path):
            return Response(501, {"content-type": "text/plain"}, UNSERVED.encode())
        return json_response(404, NOT_FOUND)
    handler, ids = route
    answer = handler(call.at(ids))
    return answer if isinstance(answer, Response) else json_response(200, answer)

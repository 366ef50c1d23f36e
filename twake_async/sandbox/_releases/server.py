"""One request in, one response out: the server as a function, without I/O.

`answer` is all there is to it; it changes nothing but the world it is given.
"""

from __future__ import annotations

from typing import Any

from twake_async.sandbox._http import HTML, JSON, Request, Response
from twake_async.sandbox._releases import php, php_json
from twake_async.sandbox._releases.php_forms import post_fields
from twake_async.sandbox._releases.routes import ROUTES, Answer, Call
from twake_async.sandbox._world.world import IdError, World

__all__ = ["RELEASES", "answer"]

RELEASES = ("2020", "2023")


def answer(world: World, request: Request, *, release: str = "2020") -> Response:
    """What the server of that release answers, having done to the world what it does."""
    method = request.method.lower()
    if method == "options":
        return Response(200, HTML)
    path = _routed_path(request.path)
    route = ROUTES.get(path)
    if route is None:
        return Response(500, HTML, f'{{"error": "Route not found: "{path}/""}}'.encode())
    if method != "post":
        told = f'{{"error": "Route "{path}/" or method "{method}" not allowed."}}'
        return Response(500, HTML, told.encode())
    authorization = request.headers.get("authorization", "")
    try:
        return _written(route(Call(world, release, authorization, _fields(request, release))))
    except (php.PhpError, IdError):
        return Response(500, HTML)


def _routed_path(target: str) -> str:
    """The path that the router sees: of `//host/path` it takes the first part for a host."""
    path = target.partition("?")[0]
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    return path.rstrip("/")


def _fields(request: Request, release: str) -> Any:
    """The body as a PHP array; 2023 takes JSON under any content type."""
    content_type = request.headers.get("content-type", "")
    is_json = content_type.startswith("application/json")
    decoded = php_json.decode(request.body) if is_json or release == "2023" else None
    if isinstance(decoded, list | dict):
        return php.array(php.items(decoded))
    return [] if is_json else post_fields(content_type, request.body)


def _written(answer: Answer) -> Response:
    """An answer as bytes; what JSON cannot hold is an empty 200."""
    if isinstance(answer.value, str):
        return Response(answer.status, HTML, (answer.before + answer.value).encode())
    body = php_json.encode({**answer.value, "_cookies": []}) or b""
    return Response(answer.status, JSON, answer.before.encode() + body)

"""The PHP server as a function: one request in, one response out, without I/O."""

from __future__ import annotations

from typing import Any

from twake_async.sandbox._http import HTML, JSON, Request, Response
from twake_async.sandbox._releases import php, php_json
from twake_async.sandbox._releases.drive_routes import DRIVE_ROUTES
from twake_async.sandbox._releases.php_forms import post_fields, post_file
from twake_async.sandbox._releases.routes import ROUTES, Answer, Call
from twake_async.sandbox._world.world import IdError, World

__all__ = ["answer_php"]


def answer_php(world: World, request: Request, *, release: str = "2020") -> Response:
    """Carry out a request as the PHP server of a release does, and return its response.

    Args:
        world: The world, which the request may change.
        request: The request.
        release: "2020" or "2021".

    """
    method = request.method.lower()
    if method == "options":
        return Response(200, HTML)
    path = _routed_path(request.path)
    route = ROUTES.get(path) or DRIVE_ROUTES.get(path)
    if route is None:
        return Response(500, HTML, f'{{"error": "Route not found: "{path}/""}}'.encode())
    if method != "post":
        told = f'{{"error": "Route "{path}/" or method "{method}" not allowed."}}'
        return Response(500, HTML, told.encode())
    authorization = request.headers.get("authorization", "")
    try:
        fields, posted = _fields(request, release), _posted(request)
        return _written(route(Call(world, release, authorization, fields, posted)))
    except (php.PhpError, IdError):
        return Response(500, HTML)


def _routed_path(target: str) -> str:
    """Return the path that the router sees; in `//host/path` it takes the first part for a host."""
    path = target.partition("?")[0]
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    return path.rstrip("/")


def _fields(request: Request, release: str) -> Any:
    """Return the body as a PHP array; 2021 accepts JSON with any content type."""
    content_type = request.headers.get("content-type", "")
    is_json = content_type.startswith("application/json")
    decoded = php_json.decode(request.body) if is_json or release == "2021" else None
    if isinstance(decoded, list | dict):
        return php.array(php.items(decoded))
    return [] if is_json else post_fields(content_type, request.body)


def _posted(request: Request) -> bytes | None:
    """Return the file of a form, if there is one."""
    return post_file(request.headers.get("content-type", ""), request.body)


def _written(answer: Answer) -> Response:
    """Return an answer as bytes; a value that cannot be JSON becomes an empty 200."""
    if answer.raw is not None:
        return Response(answer.status, answer.headers, answer.raw)
    if isinstance(answer.value, str):
        return Response(answer.status, HTML, (answer.before + answer.value).encode())
    body = php_json.encode({**answer.value, "_cookies": []}) or b""
    return Response(answer.status, JSON, answer.before.encode() + body)

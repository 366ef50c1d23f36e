"""The server of any release as a function: one request in, one response out, without I/O.

`answer` changes only the world that it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twake_async.sandbox._http import Response
from twake_async.sandbox._releases.node.server import answer_node, json_response
from twake_async.sandbox._releases.node.server_info import SERVER, server_info
from twake_async.sandbox._releases.php_server import answer_php
from twake_async.sandbox._releases.v1_of_2022 import answer_v1_of_2022

if TYPE_CHECKING:
    from twake_async.sandbox._http import Request
    from twake_async.sandbox._world.world import World

__all__ = ["NODE_RELEASES", "RELEASES", "answer"]

RELEASES = ("2020", "2021", "2022", "2023")
NODE_RELEASES = ("2022", "2023")
"""The releases whose Node server answers applications."""


def answer(world: World, request: Request, *, release: str = "2020") -> Response:
    """Carry out a request as the server of a release does, and return its response.

    Args:
        world: The world, which the request may change.
        request: The request.
        release: One of `RELEASES`.

    """
    if release not in NODE_RELEASES:
        if request.method == "GET" and request.path.partition("?")[0] == SERVER:
            return _version(release)
        return answer_php(world, request, release=release)
    if release == "2022" and request.path.startswith("/api/v1/"):
        return answer_v1_of_2022(world, request)
    return answer_node(world, request, release=release)


def _version(release: str) -> Response:
    """Return the answer to SERVER if the Node server has no API for applications.

    The server of 2020 does not know this path: its nginx answers with the web client.
    """
    if release == "2021":
        return json_response(200, server_info(release))
    return Response(200, {"content-type": "text/html"}, b"<!doctype html><title>Twake</title>")

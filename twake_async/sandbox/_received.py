"""The received requests, for tests to read. No header is kept, and so no key."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._faults.names import SILENCES
from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.node import js_json
from twake_async.sandbox._releases.node.errors import CrashError, NodeError
from twake_async.sandbox._releases.node.server import LOGIN

if TYPE_CHECKING:
    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._http import Request, Response

__all__ = ["Received", "ReceivedRequest", "received"]

_KEPT_BYTES = 64 * 1_048_576


@define(frozen=True, slots=True)
class ReceivedRequest:
    """One request that the sandbox received.

    Attributes:
        method: GET, POST and so on.
        path: The path, without the query.
        status: The status of the answer; None if no byte was answered.
        body: The body: decoded if it is JSON, text otherwise, empty if the sandbox refused it.
            Only the id of a login is kept.
        query: The query, without the question mark.

    """

    method: str
    """GET, POST and so on."""
    path: str
    """The path, without the query."""
    status: int | None
    """The status of the answer; None if no byte was answered."""
    body: Any
    """The body: decoded if it is JSON, text otherwise, empty if the sandbox refused it.

    Only the id of a login is kept.
    """
    query: str = ""
    """The query, without the question mark."""


@define(slots=True)
class Received:
    """The requests that are kept, with their sizes, up to a number and a sum of bytes."""

    _most: int
    _bytes: int = 0
    _held: deque[tuple[ReceivedRequest, int]] = field(
        factory=deque[tuple[ReceivedRequest, int]], init=False
    )

    def add(self, request: ReceivedRequest, size: int) -> None:
        """Keep a request; past a limit, remove the oldest, but never the newest."""
        self._held.append((request, size))
        self._bytes += size
        while len(self._held) > self._most or (self._bytes > _KEPT_BYTES and len(self._held) > 1):
            self._bytes -= self._held.popleft()[1]

    def all(self) -> list[ReceivedRequest]:
        """Return the kept requests, oldest first."""
        return [request for request, _ in self._held]

    def clear(self) -> None:
        """Remove all kept requests."""
        self._held.clear()
        self._bytes = 0


def received(request: Request, response: Response, fault: Fault | None) -> ReceivedRequest:
    """Return the part of a request that is kept."""
    unanswered = fault is not None and fault.action in (*SILENCES, "later")
    path, _, query = request.path.partition("?")
    return ReceivedRequest(
        request.method,
        path,
        None if unanswered else response.status,
        _kept_body(request, path),
        query,
    )


def _kept_body(request: Request, path: str) -> Any:
    body = _decoded(request.body, path)
    if path.rstrip("/").endswith(LOGIN):  # also below a path that is not served
        given = body if isinstance(body, dict) else {}
        return {"id": given["id"]} if "id" in given else {}
    return request.body.decode("utf-8", "replace") if body is None else body


def _decoded(body: bytes, path: str) -> Any:
    """Return a body as the server reads it: PHP reads an empty object as an empty list."""
    if path.startswith("/api/v1/"):
        return php_json.decode(body)
    try:
        return js_json.decode(body.decode())
    except (UnicodeDecodeError, NodeError, CrashError):
        return None

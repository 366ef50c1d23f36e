"""The good answer to a request, of whichever API it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .node import is_node, node_body, read_node_request
from .request import good_body, read_request

if TYPE_CHECKING:
    from .request import Request
    from .server import FaultServer

__all__ = ["body_of", "request_of"]


def request_of(head: bytes, body: bytes, server: FaultServer) -> Request:
    """Return a complete request."""
    if is_node(head):
        return read_node_request(head, body, server)
    return read_request(head, body, server.front_of)


def body_of(request: Request, **changed: Any) -> bytes:
    """Return the body of the good answer; `changed` changes the message in it."""
    body = node_body if is_node(request.head) else good_body
    return body(request, **changed)

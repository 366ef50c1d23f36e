"""A request as the storm's server reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .stream import Asked, Kind

if TYPE_CHECKING:
    from .server import Server

__all__ = ["read_request"]


def read_request(head: bytes, document: dict[str, Any], server: Server) -> Asked:
    """Return the content of a request; the server mints the id of a new message."""
    message = document["message"]
    kind = _kind(head, message)
    target = message.get("ephemeral_id" if kind == "ephemeral" else "id") or ""
    ident = target or server.new_id()
    front_id = message.get("front_id") or ""
    if kind == "edit":
        front_id = server.front_of.get(target, front_id)
    elif kind == "ephemeral" and target:
        front_id = target
    token = document["group_id"]
    return Asked(token, kind, front_id, ident, target, message.get("content"))


def _kind(head: bytes, message: dict[str, Any]) -> Kind:
    if b"/remove " in head[: head.find(b"\r\n")]:
        return "remove"
    if message.get("_once_ephemeral_message") or message.get("ephemeral_id"):
        return "ephemeral"
    return "edit" if message.get("id") is not None else "create"

"""The requests of the Node API as the fault server reads them, and the answers of the real server.

A message stands in the context's `_front_id`. What was stored is read again as the real server
gives it: the latest messages of a channel from old to new, those of a thread from new to old.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from .request import Request

if TYPE_CHECKING:
    from .server import FaultServer

__all__ = ["UNAUTHORIZED", "is_node", "is_refused", "node_body", "read_node_request"]

UNAUTHORIZED = b'{"statusCode":401,"error":"Unauthorized","message":"Bad credentials"}'

APPLICATION = "app"
LOGIN = "/api/console/v1/login"
SERVER = "/internal/services/general/v1/server"
#: The thread that a check reads; it does not exist.
NO_THREAD = "00000000-0000-1000-8000-000000000000"
#: The parts that are in the paths of this API.
_PARTS = tuple(part.encode() for part in ("/api/messages/v1/", LOGIN, SERVER))
_MESSAGES = re.compile(r"/api/messages/v1/companies/([^/]+)(/.*)")
_THREADS = re.compile(r"/threads(?:/([^/]+)(/messages(?:/([^/]+)(/delete)?)?)?)?")
_ORIGIN = re.compile(r"https?://[^/]*")
_FEED = re.compile(r"/workspaces/[^/]+/channels/([^/]+)/feed")


def is_node(head: bytes) -> bool:
    """Say whether a request is one of the Node API."""
    line = head[: head.find(b"\r\n")]
    return any(part in line for part in _PARTS)


def is_refused(request: Request, server: FaultServer) -> bool:
    """Say whether a request has another token than the last one; each is good for some requests."""
    if request.kind in ("login", "question") or not is_node(request.head):
        return False
    server.token_uses += 1
    if server.token_life and server.token_uses >= server.token_life:
        server.token_uses = 0
        server.tokens.append("nobody's")
    return request.header("Authorization") != f"Bearer {server.tokens[-1]}"


def read_node_request(head: bytes, body: bytes, server: FaultServer) -> Request:
    """Return a complete request, with the good answer to it."""
    method, target = head.partition(b"\r\n")[0].decode().split(" ")[:2]
    target = _ORIGIN.sub("", target)  # a proxy forwards the whole address
    document = json.loads(body) if body else {}
    request = Request(
        method=method,
        target=target,
        head=head,
        body=body,
        json=document,
        message={},
        kind="read",
        front_id="",
        id="",
    )
    if target == SERVER or (target == LOGIN and not document) or NO_THREAD in target:
        request.kind = "question"
        request.answer = {"resources": []} if NO_THREAD in target else {"error": "Not found"}
    elif target == LOGIN:
        request.kind = "login"
        request.answer = _grant(server)
    elif method == "GET":
        request.answer = {"resources": _rows(target, server)}
    else:
        _read_write(request, server)
    return request


def _grant(server: FaultServer) -> dict[str, Any]:
    now = int(time.time())
    token = {"time": now, "expiration": now + 3600, "value": uuid.uuid4().hex, "refresh": "r"}
    server.tokens.append(token["value"])
    return {"resource": {"access_token": token}}


def _rows(target: str, server: FaultServer) -> list[dict[str, Any]]:
    """Return the latest messages of a channel or a thread, those behind a page token for one."""
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    found = _MESSAGES.fullmatch(parts.path)
    assert found
    feed, thread = _FEED.fullmatch(found[2]), _THREADS.fullmatch(found[2])
    place = ("channel", unquote(feed[1])) if feed else ("thread", thread[1] if thread else "")
    rows = list(server.rows.get(place, ()))
    if last := query.get("page_token"):
        rows = rows[: [row["id"] for row in rows].index(last) + 1]
    rows = rows[-int(query["limit"]) :]
    return rows if feed else rows[::-1]


def _read_write(request: Request, server: FaultServer) -> None:
    found = _MESSAGES.fullmatch(request.target)
    assert found
    parts = _THREADS.fullmatch(found[2])
    assert parts
    thread, messages, ident, delete = parts.groups()
    if delete:
        request.kind, request.id, request.front_id = "remove", ident, server.front_of.get(ident, "")
        request.answer = {"status": "success"}
    elif thread and not messages:
        request.kind = "join"
        people = [{"type": "user", "id": APPLICATION}]
        request.answer = {"resource": {"id": thread, "participants": people}}
    else:
        _read_message(request, server, thread, ident)


def _read_message(
    request: Request, server: FaultServer, thread: str | None, ident: str | None
) -> None:
    resource = request.json["resource"]
    sent = resource if thread else request.json["options"]["message"]
    request.message, request.id = sent, ident or str(uuid.uuid1())
    request.kind = "edit" if ident else ("ephemeral" if "ephemeral" in sent else "create")
    front_id = (sent.get("context") or {}).get("_front_id", "")
    request.front_id = server.front_of.get(request.id, front_id) if ident else front_id
    if request.kind == "create":
        channel = resource["participants"][0] if not thread else {}
        request.row = _row(request, sent, thread or request.id, channel)
        request.place = ("thread", thread) if thread else ("channel", channel["id"])


def _row(request: Request, sent: Any, thread: str, channel: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {
        "thread_id": thread,
        "id": request.id,
        "type": "message",
        "created_at": now,
        "updated_at": now,
        "user_id": APPLICATION,
        "application_id": APPLICATION,
        **sent,
        "cache": {"channel_id": channel.get("id"), "workspace_id": channel.get("workspace_id")},
    }


def node_body(request: Request, **changed: Any) -> bytes:
    """Return the JSON of the good answer; `changed` changes the message in it."""
    return json.dumps(_document(request, changed), separators=(",", ":")).encode()


def _document(request: Request, changed: dict[str, Any]) -> Any:
    if request.answer is not None:
        return request.answer
    if request.kind == "ephemeral" and not request.row:
        return {"resource": {"message": None}}
    row = request.row or _row(request, request.message, request.target.split("/")[7], {})
    row = row | {"id": changed.get("id", row["id"])}
    if "front_id" in changed:
        row["context"] = {"_front_id": changed["front_id"]}
    if request.target.endswith("/threads"):
        return {"resource": {"id": row["id"], "participants": [], "message": row}}
    return {"resource": row}

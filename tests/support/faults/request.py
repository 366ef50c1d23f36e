"""One request as the fault server read it, and the good answer that the real server gives it."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any, Literal

import attrs

Kind = Literal["create", "edit", "remove", "ephemeral", "login", "read", "join"]

NOBODYS = "00000000-0000-0000-0000-000000000000"
APPLICATION_ID = "45566769-0f29-11eb-9a29-0242ac1b0006"


@attrs.define(slots=True)
class Request:
    """A complete request: its head as bytes, its body decoded, and the ids its answer carries."""

    method: str
    target: str
    head: bytes
    body: bytes
    json: dict[str, Any]
    message: dict[str, Any]
    kind: Kind
    front_id: str
    id: str
    answer: dict[str, Any] | None = None
    """The good answer of a Node server, where it holds no message."""
    row: dict[str, Any] | None = None
    """The message as a Node server stores it."""
    place: tuple[str, str] | None = None
    """The place where a Node server shows it: a channel or a thread."""

    def header(self, name: str) -> str | None:
        """Return one header's value, or None."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode("latin-1").lower() == name.lower():
                return value.strip().decode("latin-1")
        return None


def read_request(head: bytes, body: bytes, front_of: dict[str, str]) -> Request:
    """Decode a complete request; `front_of` knows the front_id of each id that is stored."""
    method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    target = rest.rpartition(" ")[0]
    document = _decoded(body)
    message = document.get("message")
    if not isinstance(message, dict):
        message = {}
    kind = _kind(target, message)
    ident = str(message.get("id") or "") if kind in ("edit", "remove") else ""
    if kind == "ephemeral":
        ident = str(message.get("ephemeral_id") or "")
    front = str(message.get("front_id") or "")
    if kind == "edit":
        front = front_of.get(ident, front)
    elif kind == "ephemeral" and ident:
        front = ident
    return Request(
        method=method,
        target=target,
        head=head,
        body=body,
        json=document,
        message=message,
        kind=kind,
        front_id=front or uuid.uuid4().hex,
        id=ident or str(uuid.uuid1()),
    )


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _kind(target: str, message: dict[str, Any]) -> Kind:
    if target.rstrip("/").endswith("/remove"):
        return "remove"
    if message.get("_once_ephemeral_message") or message.get("ephemeral_id"):
        return "ephemeral"
    return "edit" if message.get("id") is not None else "create"


def is_question(request: Request) -> bool:
    """Say whether it is one of the requests of `check`, which no server can store."""
    is_save = request.target.endswith("/messages/save")
    return request.kind == "question" or (is_save and "channel_id" not in request.message)


def answer_to_question(request: Request) -> bytes:
    """Return the answer of the server of 2020: it refuses the group that does not exist, no other.

    Questions to the Node API have their answers already.
    """
    if request.answer is not None:
        return json.dumps(request.answer).encode()
    if request.json.get("group_id") == NOBODYS:
        error = "you_need_to_provide_a_valid_group_id_field_in_any_api_request"
        return php_json({"error": error, "group_id": NOBODYS, "_cookies": []})
    return php_json({"error": "unknown error or malformed query.", "_cookies": []})


def answered_object(request: Request, **changed: Any) -> dict[str, Any]:
    """Return the `object` of a good answer, in the real server's order, with fields changed."""
    message, edit = request.message, request.kind == "edit"
    now = int(time.time())
    body = {
        "id": request.id,
        "front_id": request.front_id,
        "channel_id": message.get("channel_id", ""),
        "parent_message_id": message.get("parent_message_id") or "",
        "responses_count": None if edit else 0,
        "message_type": 1,
        "sender": message.get("sender"),
        "application_id": APPLICATION_ID,
        "edited": edit,
        "pinned": message.get("pinned"),
        "hidden_data": message.get("hidden_data"),
        "reactions": [],
        "modification_date": now,
        "creation_date": now,
        "content": message.get("content"),
        "user_specific_content": [],
        "increment_at_time": "1" if edit else {},
    }
    if request.kind == "ephemeral":
        body |= {"ephemeral_id": request.id, "_user_ephemeral": True}
        if "ephemeral_message_recipients" in message:
            body["ephemeral_message_recipients"] = message["ephemeral_message_recipients"]
    return body | changed


def php_json(value: Any) -> bytes:
    """Encode as PHP does: compact, ASCII, slashes escaped."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def good_body(request: Request, **changed: Any) -> bytes:
    """Return the JSON of the good answer to a save or a remove."""
    if request.kind == "remove":
        result = request.json.get("message")
        return php_json({"result": result and result | changed, "_cookies": []})
    return php_json({"object": answered_object(request, **changed), "_cookies": []})

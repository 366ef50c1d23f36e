"""The error texts and contents of faults, as PHP or the Node server sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox._http import JSON, Response
from twake_async.sandbox._releases import permissions, php_json
from twake_async.sandbox._releases.node import errors
from twake_async.sandbox._releases.node.server import json_response
from twake_async.sandbox._world.rows import Message
from twake_async.sandbox._world.translate import node_row

if TYPE_CHECKING:
    from twake_async.sandbox._faults.names import RequestKind
    from twake_async.sandbox._http import Request
    from twake_async.sandbox._world.world import World

__all__ = ["Words", "node_words", "php_words"]

_ERROR_WORDS = {"error": "unknown error or malformed query."}
_NULL_ID = {"id": None, "front_id": None, "modification_date": 0, "creation_date": 0}


@define(frozen=True, slots=True)
class Words:
    """The answers of a server, by the names of refusals and contents."""

    refusals: Mapping[str, Response]
    error_words: Response
    null_object: Response
    null_id: Response
    other_message: Response


def php_words(world: World, request: Request) -> Words:
    """Return the answers of PHP."""
    fields = php_json.decode(request.body)
    group_id = fields.get("group_id") if isinstance(fields, dict) else None
    other = _other_message(world).as_array()
    refusals: dict[str, Mapping[str, Any]] = {
        "authentication": permissions.BAD_CREDENTIALS,
        "group": permissions.bad_group(group_id),
        "capability": permissions.missing_capabilities(["messages_save"]),
        "privileges": permissions.missing_privileges(["channels"]),
    }
    return Words(
        refusals={word: _php(error) for word, error in refusals.items()},
        error_words=_php(_ERROR_WORDS),
        null_object=_php({"object": None}),
        null_id=_php({"object": {**other, **_NULL_ID}}),
        other_message=_php({"object": other}),
    )


def _php(value: Mapping[str, Any]) -> Response:
    return Response(200, JSON, php_json.encode({**value, "_cookies": []}) or b"")


def node_words(world: World, request: Request, kind: RequestKind) -> Words:
    """Return the answers of the Node server to a request of that kind.

    The Node server has no groups, capabilities and privileges. For "group" the answer is that the
    company is not one of the user's, as other services answer. For "capability" and "privileges"
    the answer is that the address is not allowed.
    """
    dropped = 200 if request.path.startswith("/api/") else None  # the proxy drops the status
    if kind == "login":
        wrong = json_response(403, errors.WRONG_SECRET)
    else:
        wrong = json_response(401, errors.BAD_CREDENTIALS)
    address = json_response(403, errors.FOREIGN_ADDRESS)
    other = _other_on_node(world, kind)
    return Words(
        refusals={
            "authentication": wrong,
            "group": json_response(dropped or 403, errors.NOT_OF_COMPANY),
            "capability": address,
            "privileges": address,
        },
        error_words=json_response(dropped or 500, errors.crashed(world.node_requests)),
        null_object=json_response(200, {"resource": None}),
        null_id=json_response(200, {"resource": _without_ids(other)}),
        other_message=json_response(200, {"resource": other}),
    )


def _other_message(world: World) -> Message:
    """Return a message that no request asked for."""
    return Message(
        id=world.new_id(),
        front_id=world.new_front_id(),
        channel_id=world.new_id(),
        parent_message_id="",
        message_type=1,
        sender=None,
        application_id=world.new_id(),
        content="somebody else's message",
        creation_date=world.now(),
        modification_date=world.now(),
    )


def _other_on_node(world: World, kind: RequestKind) -> dict[str, Any]:
    """Return such a message in the form of the Node server, for a write within its thread."""
    other = node_row(_other_message(world), {}).as_row(with_status=True)
    if kind == "read":
        return other
    return {"id": other["id"], "thread_id": other["id"], "message": other}


def _without_ids(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource whose ids are null, also those of the message in it."""
    found = {name: None if name in ("id", "thread_id") else one for name, one in resource.items()}
    message = found.get("message")
    return found | {"message": _without_ids(message)} if isinstance(message, dict) else found

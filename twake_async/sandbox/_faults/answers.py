"""What a fault makes of the answer to a request."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

from twake_async.sandbox._faults.names import DELIVERIES, FORMS, REFUSALS, SILENCES
from twake_async.sandbox._http import HTML, JSON, Response
from twake_async.sandbox._releases import permissions, php_json
from twake_async.sandbox._world.rows import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._http import Request
    from twake_async.sandbox._world.world import World

__all__ = ["altered"]

_WARNING = (
    b"<br />\n<b>Warning</b>:  Invalid argument supplied for foreach() in "
    b"<b>twake/backend/core/src/Twake/Discussion/Services/MessageSystem.php</b> "
    b"on line <b>696</b><br />\n"
)
_FATAL = (
    b"<br />\n<b>Fatal error</b>:  Uncaught Error: Call to a member function "
    b"setLastMessagesIncrement() on null in "
    b"twake/backend/core/src/Twake/Discussion/Services/MessageSystem.php:470\n"
    b"Stack trace:\n#0 {main}\n  thrown in <b>twake/backend/core/src/Twake/Discussion/"
    b"Services/MessageSystem.php</b> on line <b>470</b><br />\n"
)
_PAGE = b"<!doctype html><html><head><title>Twake</title></head><body></body></html>"


_ERROR_WORDS = {"error": "unknown error or malformed query."}
_NULL_ID = {"id": None, "front_id": None, "modification_date": 0, "creation_date": 0}


def altered(world: World, request: Request, good: Response | None, fault: Fault) -> Response:
    """Return the response that a fault leaves.

    Args:
        world: The world of the sandbox, for ids.
        request: The request that met the fault.
        good: The right response; None if the request was not carried out.
        fault: The fault.

    """
    action = fault.action
    if action in SILENCES:
        return Response(500, HTML)  # none of it is sent
    if isinstance(action, int):
        return _with_status(action, good, fault.retry_after)
    if action in REFUSALS:
        return _refusal(action, _group_id(request))
    if good is not None and (action in FORMS or action == "late"):
        return _in_form(action, good)
    whole = good or Response(200, JSON, _object(_other_message(world)))
    return whole if action in DELIVERIES else _content(action, world, whole)


def _content(action: str, world: World, whole: Response) -> Response:
    """Return a 200 with another body than the right one."""
    contents: dict[str, tuple[Mapping[str, str], bytes]] = {
        "empty": (HTML, b""),
        "html": (HTML, _PAGE),
        "php_trace": (HTML, _FATAL),
        "bad_gzip": (
            {**JSON, "content-encoding": "gzip"},
            b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20,
        ),
        "cut_json": (JSON, whole.body[: len(whole.body) // 2]),
        "error_words": (JSON, _json(_ERROR_WORDS)),
        "null_object": (JSON, _object(None)),
        "null_id": (JSON, _object({**_other_message(world), **_NULL_ID})),
        "other_message": (JSON, _object(_other_message(world))),
    }
    headers, body = contents[action]
    return Response(200, headers, body)


def _with_status(status: int, good: Response | None, retry_after: str | None) -> Response:
    headers = dict(HTML)
    if retry_after is not None:
        headers["retry-after"] = retry_after
    if 300 <= status < 400:
        headers["location"] = "http://127.0.0.1/elsewhere"
    if status < 300 and status not in (204, 205) and good is not None:
        return Response(status, good.headers, good.body)
    return Response(status, headers)


def _refusal(word: str, group_id: Any) -> Response:
    """Return the 200 with which the server refuses in words."""
    errors = {
        "authentication": permissions.BAD_CREDENTIALS,
        "group": permissions.bad_group(group_id),
        "capability": permissions.missing_capabilities(["messages_save"]),
        "privileges": permissions.missing_privileges(["channels"]),
    }
    return Response(200, JSON, _json(errors[word]))


def _in_form(form: str, good: Response) -> Response:
    if form == "warnings":
        return Response(good.status, HTML, _WARNING + good.body)
    if form == "gzip":
        headers = {**good.headers, "content-encoding": "gzip"}
        return Response(good.status, headers, gzip.compress(good.body))
    return good


def _group_id(request: Request) -> Any:
    fields = php_json.decode(request.body)
    return fields.get("group_id") if isinstance(fields, dict) else None


def _json(value: Mapping[str, Any]) -> bytes:
    return php_json.encode({**value, "_cookies": []}) or b""


def _object(value: Any) -> bytes:
    return _json({"object": value})


def _other_message(world: World) -> dict[str, Any]:
    """Return a message that no request of ours asked for."""
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
    ).as_array()

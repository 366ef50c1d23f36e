"""How a fault changes the answer to a request."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from twake_async.sandbox._faults.names import DELIVERIES, FORMS, REFUSALS, SILENCES
from twake_async.sandbox._http import HTML, JSON, Response

if TYPE_CHECKING:
    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._faults.words import Words

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


def altered(words: Words, good: Response | None, fault: Fault) -> Response:
    """Return the response after a fault has changed it.

    Args:
        words: The error texts of the server.
        good: The right response; None if the request was not carried out.
        fault: The fault.

    """
    action = fault.action
    if action in SILENCES or action == "later":
        return Response(500, HTML)  # none of it is sent
    if isinstance(action, int):
        return _with_status(action, good, fault.retry_after)
    if action in REFUSALS:
        return words.refusals[action]
    if good is not None and (action in FORMS or action in ("late", "swallowed")):
        return _in_form(action, good)
    whole = good or words.other_message
    return whole if action in DELIVERIES else _content(action, words, whole)


def _content(action: str, words: Words, whole: Response) -> Response:
    """Return a 200 with a wrong body."""
    half = whole.body[: len(whole.body) // 2]
    contents: dict[str, Response] = {
        "empty": Response(200, HTML),
        "html": Response(200, HTML, _PAGE),
        "php_trace": Response(200, HTML, _FATAL),
        "bad_gzip": Response(
            200,
            {**JSON, "content-encoding": "gzip"},
            b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20,
        ),
        "cut_json": Response(200, whole.headers, half),
        "error_words": words.error_words,
        "null_object": words.null_object,
        "null_id": words.null_id,
        "other_message": words.other_message,
    }
    return contents[action]


def _with_status(status: int, good: Response | None, retry_after: str | None) -> Response:
    headers = dict(HTML)
    if retry_after is not None:
        headers["retry-after"] = retry_after
    if 300 <= status < 400:
        headers["location"] = "http://127.0.0.1/elsewhere"
    if status < 300 and status not in (204, 205) and good is not None:
        return Response(status, good.headers, good.body)
    return Response(status, headers)


def _in_form(form: str, good: Response) -> Response:
    if form == "warnings":
        return Response(good.status, HTML, _WARNING + good.body)
    if form == "gzip":
        headers = {**good.headers, "content-encoding": "gzip"}
        return Response(good.status, headers, gzip.compress(good.body))
    return good

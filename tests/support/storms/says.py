"""Whole answers as bytes, and the meaning of each."""

from __future__ import annotations

import json
from typing import Any

from faults.answers import FATAL, TRACE, WARNING, page

from .stream import Asked, Said

JSON = b"application/json; charset=utf-8"
HTML = b"text/html; charset=UTF-8"
#: Statuses that mean REFUSED by themselves: the server sends them only if nothing is stored.
REFUSING = (401, 407, 411, 413, 414, 431)
#: Statuses of a gateway, which may come after the server stored the message.
GATEWAY = (
    *(300, 301, 302, 303, 305, 307, 308),
    *(400, 402, 403, 404, 405, 406, 408, 409, 410, 412, 415, 416, 417, 418),
    *(421, 422, 423, 424, 425, 426, 428, 451, 494, 499),
)

_APPLICATION = b"45566769-0f29-11eb-9a29-0242ac1b0006"
_OBJECT = (
    b'{"object":{"id":%b,"front_id":%b,"channel_id":%b,"parent_message_id":"",'
    b'"responses_count":%b,"message_type":1,"sender":null,"application_id":"'
    + _APPLICATION
    + b'","edited":%b,"pinned":null,"hidden_data":null,"reactions":[],'
    b'"modification_date":1795356930,"creation_date":1795356930,"content":%b,'
    b'"user_specific_content":[],"increment_at_time":%b%b},"_cookies":[]}'
)


def whole(
    body: bytes,
    status: int = 200,
    kind: bytes = JSON,
    *,
    more: bytes = b"",
    length: int | None = None,
    version: bytes = b"1.1",
) -> bytes:
    """Return an answer; `more` is whole header lines; a length below 0 leaves it out."""
    size = len(body) if length is None else length
    counted = b"Content-Length: %d\r\n" % size if size >= 0 else b""
    return b"HTTP/%b %d X\r\nAll-Cookies: []\r\nContent-Type: %b\r\n%b%b\r\n%b" % (
        version,
        status,
        kind,
        counted,
        more,
        body,
    )


# --- good answers ------------------------------------------------------------------------------


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def good_body(asked: Asked, **changed: Any) -> bytes:
    """Return the JSON of the good answer to a request, perhaps with another id or front_id."""
    ident = changed.get("id", asked.id)
    if asked.kind == "remove":
        return b'{"result":{"channel_id":"c","id":%b},"_cookies":[]}' % _dumped(ident)
    edit = asked.kind == "edit"
    shown = b',"ephemeral_id":%b' % _dumped(ident) if asked.kind == "ephemeral" else b""
    return _OBJECT % (
        _dumped(ident),
        _dumped(changed.get("front_id", asked.front_id)),
        b'"c"',
        b"null" if edit else b"0",
        b"true" if edit else b"false",
        _dumped(changed.get("content", asked.content)),
        b'"1"' if edit else b"{}",
        shown,
    )


def good(asked: Asked, data: bytes = b"", *, name: str = "the good answer", **changed: Any) -> Said:
    """Return the good answer to a request, as these bytes or in its plain form."""
    return Said(
        name,
        data or whole(good_body(asked, **changed)),
        "good",
        asked,
        "result" if asked.kind == "remove" else "object",
        changed.get("id", asked.id),
        changed.get("front_id", asked.front_id),
        changed.get("content", asked.content),
    )


# --- refusals in words -------------------------------------------------------------------------

WORDS = (
    b'{"error":"unknown_application_or_bad_private_key","_cookies":[]}',
    (
        b'{"error":"you_need_to_provide_a_valid_group_id_field_in_any_api_request",'
        b'"group_id":null,"_cookies":[]}'
    ),
    (
        b'{"error":"you_do_not_have_this_set_of_required_capabilities",'
        b'"capabilities":["messages_save"],"_cookies":[]}'
    ),
    (
        b'{"error":"you_do_not_have_this_set_of_required_privileges",'
        b'"privileges":["channels"],"_cookies":[]}'
    ),
)
_NODE = b'{"statusCode":%d,"error":"X","message":"Y"}'


def _refusals() -> dict[str, bytes]:
    """Return all answers that refuse by their words, or by one of the statuses that prove it."""
    found = {f"words {n}": whole(words) for n, words in enumerate(WORDS)}
    for number, words in enumerate(WORDS):
        found[f"words {number} after warnings"] = whole(WARNING * 2 + words, kind=HTML)
        found[f"words {number} after a trace"] = whole(TRACE + words, kind=HTML)
    for status in REFUSING:
        found[f"{status}"] = whole(page(b"%d" % status), status, HTML)
    for status in (400, 401, 403, 404, 422):
        found[f"Node's {status}"] = whole(_NODE % status, status)
        found[f"Node's {status} in a 200"] = whole(_NODE % status)
    found["a server without v1"] = whole(b'{"error":"Not found"}', 404)
    return found


def _laters() -> dict[str, bytes]:
    values = {"absent": b"", "zero": b"0", "past": b"Thu, 01 Jan 1970 00:00:00 GMT", "odd": b"soon"}
    return {
        f"429 with Retry-After {name}": whole(
            page(b"429"), 429, HTML, more=b"Retry-After: %b\r\n" % value if value else b""
        )
        for name, value in values.items()
    }


REFUSALS = _refusals()
LATERS = _laters()


# --- answers that prove nothing ----------------------------------------------------------------


def _location(status: int, target: bytes) -> bytes:
    return whole(page(b"%d" % status), status, HTML, more=b"Location: %b\r\n" % target)


def _gateways() -> dict[str, bytes]:
    """Return the answers of gateways in place of the server's, whatever the server did."""
    found = {f"a gateway's {s}": whole(page(b"%d" % s), s, HTML) for s in GATEWAY}
    found["a gateway's 304"] = whole(b"", 304, HTML, length=-1)
    for status in (301, 302, 303, 307, 308):
        found[f"{status} elsewhere"] = _location(status, b"https://sorry.example/")
        found[f"{status} to a path"] = _location(status, b"/50x.html")
    # Only 301 and 308 to https at the same host and path come before forwarding.
    same = b"https://127.0.0.1/api/v1/messages/save"
    found |= {f"{status} to https": _location(status, same) for status in (302, 303, 307)}
    forbidden = b'{"error":"forbidden"}'
    found |= {f"{s} with JSON": whole(forbidden, s) for s in (400, 403, 404, 405, 422)}
    found["404 almost a server without v1"] = whole(b'{"error":"Not found","path":"\\/"}', 404)
    found["404 in HTML with Node's words"] = whole(b'{"error":"Not found"}', 404, HTML)
    found["403 with another statusCode"] = whole(_NODE % 404, 403)
    found["404 with half of Node's JSON"] = whole(b'{"statusCode":404,"error":"X"}', 404)
    return found


#: Lines that PHP does not write, so that a refusal behind them proves nothing.
_JUNK = {
    "a page": page(b"Welcome") + b"\n",
    "words": b"upstream answered:\n",
    "a tag": b"<!-- served by -->\n",
    "a line like PHP's": b"<br />\n<b>Caution</b>:  x in <b>y.php</b> on line <b>3</b><br />\n",
    "a log line": b"[24-Nov-2026 10:00:00 UTC] something else\n",
    "a number": b"0\n",
    "warnings and words": WARNING + b"and then\n",
}


def _unproven_words() -> dict[str, bytes]:
    found = {
        f"words {n} behind {name}": whole(junk + words, kind=HTML)
        for name, junk in _JUNK.items()
        for n, words in enumerate(WORDS)
    }
    both = b'{"object":{"id":"x"},' + WORDS[0][1:]
    found["words and an object"] = whole(both)
    found["words, then junk"] = whole(WORDS[0] + b"\n<!-- end -->", kind=HTML)
    found["words in capitals"] = whole(WORDS[0].upper())
    found["words as a list"] = whole(b"[" + WORDS[0] + b"]")
    return found


def _others() -> dict[str, bytes]:
    found = {f"{s}": whole(page(b"%d" % s), s, HTML) for s in (500, 502, 503, 504, 520, 599, 999)}
    found |= {f"an empty {s}": whole(b"", s, HTML) for s in (200, 201, 202, 205, 500)}
    found["503 with Retry-After"] = whole(b"", 503, HTML, more=b"Retry-After: 0\r\n")
    found["204"] = whole(b"", 204, HTML, length=-1)
    found["Node's 500"] = whole(_NODE % 500, 500)
    found["Node's 500 in a 200"] = whole(_NODE % 500)
    for text in ("null", "[]", "0", '"x"', "{}", '{"_cookies":[]}', '{"object":null}'):
        found[f"200 {text}"] = whole(text.encode())
    for words in ("unknown error or malformed query.", "payload_error", "something new"):
        found[f"200 {words}"] = whole(_dumped({"error": words, "_cookies": []}))
    found["200 an error that is no text"] = whole(b'{"error":{"code":1}}')
    found["200 page"] = whole(page(b"Welcome to nginx!"), kind=HTML)
    found["200 fatal error"] = whole(FATAL, kind=HTML)
    found["500 fatal error"] = whole(FATAL, 500, HTML)
    found["200 trace"] = whole(TRACE, kind=HTML)
    found["200 with persist"] = whole(b"ERROR with persist", kind=HTML)
    return found


#: All answers that prove nothing, by name.
OTHERS = _gateways() | _unproven_words() | _others()


def refusal(name: str, about: Asked | None = None) -> Said:
    """Return one of the refusals."""
    return Said(name, REFUSALS[name], "refusal", about)


def later(name: str, about: Asked | None = None) -> Said:
    """Return one of the answers that say "later"."""
    return Said(name, LATERS[name], "later", about)


def other(name: str, about: Asked | None = None) -> Said:
    """Return one of the answers that prove nothing."""
    return Said(name, OTHERS[name], "other", about)

"""Every fault by name. `stores_x` and `loses_x` are the same on the wire; only the truth differs.

Prefixes: `good_` proves delivery; `stores_` was stored, and the client cannot know it; `loses_` was
not stored, and the client cannot know it; `refuses_` was not stored, and the answer says so; the
others act before the request was read. What follows the prefix is the name that the sandbox uses
(`twake_async/sandbox/_faults/names.py`), where the sandbox has the same fault.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import attrs

from . import acts
from .answers import FATAL, GARBAGE, HTML, JSON, TRACE, WARNING, page
from .fault import Claim, Fault, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from .acts import Act

FAULTS: dict[str, Fault] = {}

_UNKNOWN: frozenset[Claim] = frozenset({"unknown"})
_DELIVERED: frozenset[Claim] = frozenset({"delivered"})
_REFUSED: frozenset[Claim] = frozenset({"refused"})


def _add(
    name: str,
    act: Act,
    stage: Stage,
    allowed: frozenset[Claim],
    stores: bool = False,
    **more: object,
) -> Fault:
    fault = Fault(name=name, stage=stage, stores=stores, allowed=allowed, act=act)
    FAULTS[name] = fault = attrs.evolve(fault, **more)  # type: ignore[arg-type]
    return fault


def _either(name: str, act: Act, stage: Stage = "answer", **more: object) -> None:
    """Add faults that look the same to the client whether or not the message was stored."""
    _add(f"stores_{name}", act, stage, _UNKNOWN, stores=True, **more)
    _add(f"loses_{name}", act, stage, _UNKNOWN, **more)


def _good(name: str, act: Act, **more: object) -> None:
    _add(f"good{name}", act, "answer", _DELIVERED, stores=True, **more)


def _refuses(name: str, act: Act, **more: object) -> None:
    _add(f"refuses_{name}", act, "answer", _REFUSED, **more)


# Before the request was read.
_add("close_at_accept", acts.close, "accept", _UNKNOWN)
_add("reset_at_accept", acts.reset, "accept", _UNKNOWN)
_add("silent_at_accept", acts.silent, "accept", _UNKNOWN)
_add("close_before_reading", acts.close_unread, "accept", _UNKNOWN)
_at_first_byte = _add("close_at_first_byte", acts.close, "request", _UNKNOWN, at=1)
_add("close_mid_head", acts.close, "request", _UNKNOWN, at=40)
_add("reset_mid_head", acts.reset, "request", _UNKNOWN, at=40)
_add("close_mid_body", acts.close, "request", _UNKNOWN, at=10, where="body")
_add("reset_mid_body", acts.reset, "request", _UNKNOWN, at=10, where="body")
_add("silent_mid_body", acts.silent, "request", _UNKNOWN, at=10, where="body")
_add("refuses_413_early", acts.early_413, "request", _REFUSED, at=10, where="body")
_add(
    "refuses_413_early_reset",
    acts.early_413_then_close,
    "request",
    _REFUSED | _UNKNOWN,  # the RST for unread bytes may destroy the answer on its way
    at=10,
    where="body",
)

# Read, and no answer.
_either("close", acts.close, "read")
_either("reset", acts.reset, "read")
_either("silent", acts.silent, "read")
_read_then_close = FAULTS["loses_close"]

# Answers that prove nothing.
_either("500", acts.answer(b"", 500, HTML))
_either("502", acts.answer(page(b"502 Bad Gateway"), 502, HTML))
_either("503", acts.answer(page(b"503 Service Unavailable"), 503, HTML))
_either("503_retry_after", acts.answer(page(b"503"), 503, HTML), retry_after="1")
_either("504", acts.answer(page(b"504 Gateway Time-out"), 504, HTML))
_either("500_fatal_html", acts.answer(FATAL, 500, HTML))
_either("500_good_json", acts.good(500))
_either("201", acts.good(201))
_either("202", acts.answer(b"", 202, HTML))
_either("empty", acts.answer(b"", 200, HTML))
_either("html", acts.answer(page(b"Welcome to nginx!"), 200, HTML))
_either("php_trace", acts.answer(FATAL, 200, HTML))
_either("php_dump", acts.answer(TRACE, 200, HTML))
_either("error_words", acts.answer(b'{"error":"unknown error or malformed query.","_cookies":[]}'))
_either("payload_error", acts.answer(b'{"error":"payload_error","_cookies":[]}'))
_either("error_with_persist", acts.answer(b"ERROR with persist", 200, HTML))
_either("json_null", acts.answer(b"null"))
_either("json_list", acts.answer(b"[]"))
_either("json_empty", acts.answer(b'{"_cookies":[]}'))
_either("null_object", acts.answer(b'{"object":null,"_cookies":[]}'))
_either("list_object", acts.answer(b'{"object":[],"_cookies":[]}'))
_either("null_id", acts.good(id=None, creation_date=0, modification_date=0))
_either("zero_id", acts.good(id=0))
_either("empty_id", acts.good(id=""))
_either("other_message", acts.other_message)
_either("cut_json", acts.cut_json)
_either("cut", acts.cut)
_either("cut_reset", acts.cut_reset)
_either("cut_silent", acts.cut_silent)
_either("head_then_silent", acts.head_then_silent)
_either("head_then_close", acts.head_then_close)
_either("cut_chunked", acts.cut_chunked)
_either("bad_chunk_size", acts.bad_chunk_size)
_either("gzip_cut", acts.gzip_cut)
_either("gzip_corrupt", acts.gzip_corrupt)
_either("bad_gzip", acts.bad_gzip)
_either("gzip_bomb", acts.gzip_bomb)
_either("br", acts.br)
_either("drip", acts.drip)
_either("drip_head", acts.drip_head)
_either("endless_headers", acts.endless_headers)
_either("big_declared", acts.big(declared=True))
_either("big_chunked", acts.big(declared=False))
_either("garbage", acts.raw(GARBAGE))

# Good answers, in every form.
_good("", acts.good())
_good("_late", acts.late)
_good("_chunked", acts.chunked_good)
_good("_gzip", acts.gzip_good)
_good("_after_100", acts.after(b"HTTP/1.1 100 Continue\r\n\r\n"))
_good("_after_103", acts.after(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"))
_good("_warnings", acts.good(prefix=WARNING * 2, kind=HTML))
_good("_after_php_dump", acts.good(prefix=TRACE, kind=HTML))
_good("_connection_close", acts.good_closing(b"1.1"))
_good("_http10", acts.good_closing(b"1.0"))
_good("_until_close", acts.until_close)
_good("_hang_up", acts.hang_up)
_good("_then_close_on_reuse", acts.good(), then=_at_first_byte)
_good("_then_close_on_read", acts.good(), then=_read_then_close)

# Refusals: nothing was stored, and the answer says so.
for _word, _more in {
    "authentication": b'"error":"unknown_application_or_bad_private_key"',
    "group": b'"error":"you_need_to_provide_a_valid_group_id_field_in_any_api_request","group_id":null',
    "capability": b'"error":"you_do_not_have_this_set_of_required_capabilities","capabilities":["messages_save"]',
    "privileges": b'"error":"you_do_not_have_this_set_of_required_privileges","privileges":["channels"]',
}.items():
    _refuses(_word, acts.answer(b'{%b,"_cookies":[]}' % _more))
    _refuses(
        f"{_word}_warnings",
        acts.answer(b'%b{%b,"_cookies":[]}' % (WARNING, _more), 200, HTML),
    )
# Gateways say these too, but only before they forward.
for _status in (401, 407, 411, 413, 414, 431):
    _refuses(f"{_status}", acts.answer(page(b"%d" % _status), _status, HTML))
for _status in (301, 308):
    _refuses(f"{_status}_to_tls", acts.redirect_to_tls(_status))
# A Node server of Twake's, in front of v1 or in its place.
_refuses("404_no_v1", acts.answer(b'{"error":"Not found"}', 404, JSON))
for _status in (400, 403, 404, 415):
    _words = b'{"statusCode":%d,"error":"No","message":"it may not"}' % _status
    _refuses(f"node_{_status}", acts.answer(_words, _status, JSON))
    _refuses(f"node_{_status}_in_200", acts.answer(_words))

# Gateways say the same before they forward and after the server has stored.
for _status in (400, 402, 403, 404, 405, 406, 408, 409, 410, 412, 415, 418, 421, 422, 451, 499):
    _either(f"{_status}", acts.answer(page(b"%d" % _status), _status, HTML))
_either("403_json", acts.answer(b'{"error":"forbidden"}', 403, JSON))
_either("404_no_v1_html", acts.answer(b'{"error":"Not found"}', 404, HTML))
_either("node_500_in_200", acts.answer(b'{"statusCode":500,"error":"No","message":"it broke"}'))
for _status in (300, 301, 302, 303, 304, 307, 308):
    _either(f"{_status}", acts.redirect(_status))
for _status in (302, 307):
    _either(f"{_status}_to_tls", acts.redirect_to_tls(_status))
_either(
    "refusal_behind_others_words",
    acts.answer(
        page(b"Welcome") + b'\n{"error":"unknown_application_or_bad_private_key","_cookies":[]}',
        200,
        HTML,
    ),
)


def _http_date(offset: float) -> Callable[[], str]:
    return lambda: formatdate(time.time() + offset, usegmt=True)


RETRY_AFTER: dict[str, str | Callable[[], str] | None] = {
    "seconds": "1",
    "zero": "0",
    "date": _http_date(2),
    "past_date": _http_date(-3600),
    "absent": None,
    "negative": "-5",
    "huge": "99999999999999999999",
    "far_date": "Fri, 31 Dec 9999 23:59:59 GMT",
    "words": "soon",
    "float": "0.5",
    "empty": "",
    "nan": "nan",
    "infinite": "inf",
    "digits": "\u0661",  # a digit to str.isdigit(), not to HTTP
}
for _form, _value in RETRY_AFTER.items():
    _refuses(f"429_{_form}", acts.answer(page(b"429"), 429, HTML), retry_after=_value)

"""Checks a request to the event address: its size, content type, signature and JSON."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any, NoReturn

from ._errors import EventError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async._arguments import Hidden

    from ._rules import Rules

__all__ = ["MAX_BODY", "MAX_DEPTH", "check_kind", "check_signature", "read_document"]

#: The most bytes of a body; the largest message is a fraction of it.
MAX_BODY = 1_048_576
#: The most levels of a body: as many as PHP writes.
MAX_DEPTH = 512

_SIGNATURE = "x-twake-signature"


def check_kind(body: bytes, headers: Mapping[str, str]) -> None:
    """Check the size of a body, and that its content type is JSON.

    Raises:
        EventError: It is too large, or of another content type.

    """
    if len(body) > MAX_BODY:
        raise EventError("the body is over 1 MiB", status=413)
    kind = _header(headers, "content-type") or ""
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise EventError("the content type is not application/json", status=415)


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    """Return a header; the case of its name does not matter."""
    if (found := headers.get(wanted)) is not None:
        return found
    for name, value in headers.items():
        if name.lower() == wanted:
            return value
    return None


def check_signature(body: bytes, headers: Mapping[str, str], rules: Rules) -> bool:
    """Say whether a body is signed with the application's key.

    Raises:
        EventError: Its signature does not fit, or is missing where one is required.

    """
    given = _header(headers, _SIGNATURE)
    if rules.key is None:
        return False
    if given is None:
        if rules.require_signature:
            raise EventError("the request has no signature", status=401)
        return False
    if not _fits(rules.key, body, given):
        raise EventError("the signature does not fit", status=401)
    return True


def _fits(key: Hidden[hmac.HMAC], body: bytes, given: str) -> bool:
    # No frame that raises holds the right signature: a reader of the log could forge an event.
    signing = key.value.copy()
    signing.update(body)
    return given.isascii() and hmac.compare_digest(signing.hexdigest(), given)


def read_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises:
        EventError: It is no JSON object, or is nested too deeply.

    """
    try:
        document = _load(body.decode())
    except RecursionError:
        document = _TOO_DEEP
    except ValueError:  # also for what is not UTF-8, and for a number of thousands of digits
        document = None
    if document is _TOO_DEEP or _is_deep(body, document):
        raise EventError(f"the body is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(document, dict):
        raise EventError("the body is not a JSON object in UTF-8")
    return document


_TOO_DEEP = object()


def _refuse(_: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are no JSON


#: Made once: `json.loads` would make a decoder for each event.
_decoder = json.JSONDecoder(parse_constant=_refuse)


def _load(text: str) -> Any:
    """Return the value of JSON, as `json.loads` does; faster if no white space surrounds it."""
    if text.startswith("{"):
        document, end = _decoder.raw_decode(text)
        if end == len(text):
            return document
    return _decoder.decode(text)


def _is_deep(body: bytes, document: Any) -> bool:
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:  # nearly every event
        return False
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        level = [
            child for item in level for child in (item.values() if isinstance(item, dict) else item)
        ]
    return True

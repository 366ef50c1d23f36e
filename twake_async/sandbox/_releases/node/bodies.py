"""The body of a request as Fastify reads it, by its content type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from twake_async.sandbox._releases.node.errors import NodeError
from twake_async.sandbox._releases.node.js_json import decode
from twake_async.sandbox._releases.php_forms import post_file

if TYPE_CHECKING:
    from twake_async.sandbox._http import Request

__all__ = ["read_body"]

_BODILESS = ("GET", "HEAD")
_FILES = "/files/v1/companies/"
_WRONG_LENGTH = "Request body size did not match Content-Length"
_EMPTY = "Body cannot be empty when content-type is set to 'application/json'"


def read_body(request: Request, release: str) -> Any:
    """Return the decoded body: a JSON value, a form as an object, a text, or None if empty.

    For a form with a file, sent to the service of files, return the bytes of the file.

    Raises:
        NodeError: The server does not read the body.
        CrashError: The sandbox does not read the body.

    """
    if request.method in _BODILESS:
        return None
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip()
    kind = kind if release == "2022" else kind.lower()
    if not content_type and not request.body:
        return None
    if kind == "multipart/form-data" and _FILES in request.path:
        return post_file(content_type, request.body)
    if kind not in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        message = f"Unsupported Media Type: {content_type}"
        raise NodeError(415, message, "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    if kind == "application/json" and not request.body:
        raise NodeError(400, _EMPTY, "FST_ERR_CTP_EMPTY_JSON_BODY")
    text = _text(request.body)
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(text, keep_blank_values=True))
    return decode(text) if kind == "application/json" else text


def _text(body: bytes) -> str:
    """Return the body as text; if it is not UTF-8, raise the server's error of a wrong length."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise NodeError(400, _WRONG_LENGTH, "FST_ERR_CTP_INVALID_CONTENT_LENGTH") from None

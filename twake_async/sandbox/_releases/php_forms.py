"""PHP's `$_POST`: form-encoded and multipart bodies, with names like `message[id]`."""

from __future__ import annotations

import re
from email.parser import BytesParser
from typing import Any
from urllib.parse import unquote_to_bytes

from twake_async.sandbox._releases import php

__all__ = ["post_fields", "post_file"]

_MAX_VARIABLES = 1000
_NAME = re.compile(r"([^\[]+)((?:\[[^\]]*\])*)", re.DOTALL)
_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]+)\"|([^\s;]+))", re.IGNORECASE)
_FILE = re.compile(rb'name="file";[^\r\n]*filename=', re.IGNORECASE)
_KEY = re.compile(r"\[([^\]]*)\]")


def post_fields(content_type: str, body: bytes) -> Any:
    """Return the fields of a body as a PHP array; empty if its content type is not a form."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _nested(_urlencoded(body))
    if kind == "multipart/form-data":
        return _nested(_multipart(content_type, body))
    return []


def post_file(content_type: str, body: bytes) -> bytes | None:
    """Return the bytes of the file `file` in a multipart body; None if there is no such file."""
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/form-data"):
        return None
    for part in (b"\r\n" + body).split(b"\r\n--" + (found[1] or found[2]).encode("latin-1")):
        head, _, content = part.partition(b"\r\n\r\n")
        if _FILE.search(head):
            return content
    return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for part in body.split(b"&"):
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        if name:
            fields.append((_text(unquote_to_bytes(name)), _text(unquote_to_bytes(value))))
    return fields


def _multipart(content_type: str, body: bytes) -> list[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    fields: list[tuple[str, str]] = []
    for part in BytesParser().parsebytes(head + body).walk():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str) or part.get_filename() is not None:
            continue
        payload = part.get_payload(decode=True)
        fields.append((name, _text(payload if isinstance(payload, bytes) else b"")))
    return fields


def _nested(fields: list[tuple[str, str]]) -> Any:
    root: dict[str, Any] = {}
    for name, value in fields[:_MAX_VARIABLES]:
        match = _NAME.match(name)
        if match is None:
            continue
        keys = [match[1].strip().replace(".", "_").replace(" ", "_"), *_KEY.findall(match[2])]
        _put(root, keys, value)
    return _tidy(root)


def _put(root: dict[str, Any], keys: list[str], value: str) -> None:
    here = root
    for key in keys[:-1]:
        below = here.setdefault(key or _next_key(here), {})
        if not isinstance(below, dict):
            below = here[key] = {}
        here = below
    here[keys[-1] or _next_key(here)] = value


def _next_key(array: dict[str, Any]) -> str:
    return str(max((int(key) for key in array if key.isdecimal()), default=-1) + 1)


def _tidy(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return php.array((key, _tidy(item)) for key, item in value.items())

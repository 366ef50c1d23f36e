"""Reads one request to the bot, and answers it: its path, its body, its headers."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from twake_async._arguments import Hidden

__all__ = [
    "BODY_TIMEOUT",
    "MAX_BODY",
    "BodyError",
    "Disconnected",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "answer",
    "event_headers",
    "fits_secret",
    "last_part",
    "read_body",
]

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

#: The most bytes of a body; the largest event is a fraction of it.
MAX_BODY = 1_048_576
#: Seconds that a whole body may take. A server of 2020 waits three seconds for all.
BODY_TIMEOUT = 5.0

#: The headers that an event needs.
_WANTED = (b"content-type", b"x-twake-signature")


class BodyError(Exception):
    """A body cannot be read; `args` are the status to answer, and why."""


class Disconnected(Exception):  # noqa: N818 - it is no error, and nobody is there to answer
    """The client went away before its body was complete."""


def last_part(scope: Scope) -> str:
    """Return the last part of the path, whatever the bot is mounted under."""
    path: str = scope["path"]
    return path[path.rfind("/") + 1 :]


def fits_secret(part: str, secret: Hidden[bytes]) -> bool:
    """Compare a part of the path with the secret, in a time that does not tell how much fits."""
    return hmac.compare_digest(part.encode("utf-8", "surrogatepass"), secret.value)


def event_headers(scope: Scope) -> dict[str, str]:
    """Return the headers that an event needs, and of them the last of each name."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _WANTED
    }


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        BodyError: It is too large, or comes too slowly.
        Disconnected: The client went away.

    """
    for name, value in scope["headers"]:
        if name == b"content-length" and not _is_small(value):
            raise BodyError(413, "the body is over 1 MiB")
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                body: bytes = message.get("body", b"")  # in one piece, as nearly all
            else:
                body = await _join(message, receive)
    except TimeoutError:
        raise BodyError(408, "the body came too slowly") from None
    if len(body) > MAX_BODY:
        raise BodyError(413, "the body is over 1 MiB")
    return body


def _is_small(length: bytes) -> bool:
    return length.isdigit() and len(length) <= 7 and int(length) <= MAX_BODY


async def _join(message: Message, receive: Receive) -> bytes:
    parts, size = [], 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise BodyError(413, "the body is over 1 MiB")
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise Disconnected


async def answer(
    send: Send, status: int, body: bytes = b"{}", *more: tuple[bytes, bytes], head: bool = False
) -> None:
    """Answer a request with JSON. What is sent is new each time: middleware may change it."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})

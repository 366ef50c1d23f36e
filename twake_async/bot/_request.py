"""One request to the bot: its path, its headers, and its answer."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from twake_async._arguments import Hidden

__all__ = [
    "Message",
    "Receive",
    "Scope",
    "Send",
    "answer",
    "event_headers",
    "fits_secret",
    "last_part",
]

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

#: The headers that an event needs.
_WANTED = frozenset({b"content-type", b"content-length", b"x-twake-signature"})


def last_part(scope: Scope) -> str:
    """Return the last part of the path; the bot may be mounted under any path."""
    path: str = scope["path"]
    return path[path.rfind("/") + 1 :]


def fits_secret(part: str, secret: Hidden[bytes]) -> bool:
    """Compare a part of the path with the secret; the time does not show how much fits."""
    return hmac.compare_digest(part.encode("utf-8", "surrogatepass"), secret.value)


def event_headers(scope: Scope) -> dict[str, str]:
    """Return the headers that an event needs; the last one of each name."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _WANTED
    }


async def answer(
    send: Send, status: int, body: bytes = b"", *more: tuple[bytes, bytes], head: bool = False
) -> None:
    """Answer a request, with JSON or with nothing.

    An empty answer is the cheapest: a server sends a body after its head, in a second system call.
    Each message is a new object, because middleware may change it.
    """
    headers = [(b"content-length", b"%d" % len(body)), *more]
    if body:
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})

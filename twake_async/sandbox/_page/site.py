"""Serves the page over HTTP: the check of the caller, the answers, and the security headers.

The Host is checked before, as for every request. A request that changes something must come from
the page itself: the browser says so in the Origin, and the body is JSON, which a form of another
page cannot send.
"""

from __future__ import annotations

import html
import json
import secrets
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox._page.acting import FAULTS, ActError
from twake_async.sandbox._page.builder import EXAMPLES
from twake_async.sandbox._serving.asgi import read_body
from twake_async.twacode._rendering.page import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._page.acting import Acting
    from twake_async.sandbox._page.stream import Stream
    from twake_async.sandbox._serving.asgi import Receive, Scope, Send

__all__ = ["PATHS", "Site"]

PATHS = ("/", "/_page/events", "/_page/act")
"""The paths of the page."""

_LARGEST = 1_048_576
"""The most bytes of an act."""
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS: Mapping[str, str] = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_TEXT: Mapping[str, str] = {"content-type": "text/plain; charset=utf-8"}
_JSON: Mapping[str, str] = {"content-type": "application/json"}


@define(frozen=True, slots=True)
class Site:
    """The page, its events and its acts."""

    acting: Acting
    stream: Stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to one of `PATHS` with an allowed Host."""
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        path, method = scope["path"], scope["method"]
        if is_foreign(headers):
            await _answer(send, 403, _TEXT, b"The page answers to itself only.\n")
        elif path == "/_page/act":
            await self._act(method, headers, receive, send)
        elif method not in ("GET", "HEAD"):
            await _answer(send, 405, {**_TEXT, "allow": "GET"}, b"Only GET is answered here.\n")
        elif path == "/":
            await _answer(send, 200, *page())
        else:
            query = scope.get("query_string", b"").decode("latin-1")
            await self.stream.serve(query, headers.get("last-event-id", ""), receive, send)

    async def _act(
        self, method: str, headers: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method != "POST":
            await _answer(send, 405, {**_TEXT, "allow": "POST"}, b"Only POST is answered here.\n")
        elif "origin" not in headers or kind != "application/json":
            told = b"An act is JSON, and names its origin.\n"
            await _answer(send, 403, _TEXT, told)
        elif (body := await read_body(receive, _LARGEST)) is None:
            await _answer(send, 413, _TEXT, b"An act has at most 1 MiB.\n")
        else:
            status, told_of = await self._done(body)
            await _answer(send, status, _JSON, json.dumps(told_of).encode())

    async def _done(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            return 200, await self.acting.act(json.loads(body))
        except (LookupError, RuntimeError) as exc:
            return 409, {"error": str(exc.args[0]) if exc.args else str(exc)}
        except (ActError, ValueError) as exc:
            return 400, {"error": str(exc)}


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Return whether another page sent a request: its origin is not that of the sandbox."""
    if "origin" in headers:
        return headers["origin"] != f"http://{headers.get('host', '')}"
    mode = headers.get("sec-fetch-mode", "navigate")
    return mode != "navigate" and headers.get("sec-fetch-site", "none") not in (
        "same-origin",
        "none",
    )


def page() -> tuple[dict[str, str], bytes]:
    """Return the headers and the HTML of the page, for a nonce that is used once."""
    nonce = secrets.token_urlsafe(16)
    text = files("twake_async.sandbox._page").joinpath("page.html").read_text(encoding="utf-8")
    given = json.dumps({"faults": FAULTS, "examples": EXAMPLES})
    for place, value in (
        ("NONCE", nonce),
        ("/*TWACODE*/", STYLE),
        ("GIVEN", html.escape(given)),
    ):
        text = text.replace(place, value)
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": _POLICY.format(nonce=nonce),
    }
    return headers, text.encode()


async def _answer(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    named = {**_ALWAYS, **headers, "content-length": str(len(body))}
    if status == 413:
        named["connection"] = "close"
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})

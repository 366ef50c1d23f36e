"""The bot as an ASGI application: what each request and the lifespan of a server do."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import attrs

from twake_async.events import EventError

from ._body import Bodies, BodyError, DisconnectedError
from ._request import answer, event_headers, fits_secret, last_part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from twake_async._arguments import Hidden
    from twake_async.events import Event, Parser

    from ._request import Receive, Scope, Send

__all__ = ["Endpoint"]

log: logging.Logger = logging.getLogger("twake_async.bot")

_CLOSE = (b"connection", b"close")


@attrs.define(eq=False)
class Endpoint:
    """Answers requests: events to `…/<secret>`, `GET …/health`, and nothing else.

    Args:
        parser: Reads events.
        secret: The last part of the event address; None for any address.
        accept: Takes an event; says whether it will be handled.
        health: Returns whether events are taken, and further facts for a monitor.
        shut_down: Called when the server ends.

    """

    parser: Parser
    secret: Hidden[bytes] | None
    accept: Callable[[Event], Awaitable[bool]] = attrs.field(kw_only=True)
    health: Callable[[], tuple[bool, Mapping[str, object]]] = attrs.field(kw_only=True)
    shut_down: Callable[[], Awaitable[None]] = attrs.field(kw_only=True)
    bodies: Bodies = attrs.field(factory=Bodies, init=False)
    _reported: set[str] = attrs.field(factory=set, init=False)
    """The reasons of refused requests: each is logged as a warning only once."""

    async def other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a lifespan, and refuse a WebSocket."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})  # before it is accepted: 403
        else:
            raise RuntimeError(f"a bot serves http and lifespan, not {kind}")

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        part, method = last_part(scope), scope["method"]
        if part == "health" and method in ("GET", "HEAD"):
            await self._health(send, head=method == "HEAD")
        elif self.secret is not None and not fits_secret(part, self.secret):
            await answer(send, 404)
        elif method != "POST":
            await answer(send, 405, b"", (b"allow", b"POST"))
        else:
            await self._event(scope, receive, send)

    async def _health(self, send: Send, *, head: bool) -> None:
        good, shown = self.health()
        await answer(send, 200 if good else 503, json.dumps(shown).encode(), head=head)

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = event_headers(scope)
            body = await self.bodies.read(headers.get("content-length"), receive)
            event = self.parser.parse(body, headers)
        except EventError as exc:
            await self._refuse(send, exc.status, str(exc))
        except BodyError as exc:
            status, why = exc.args
            await self._refuse(send, status, why, _CLOSE)
        except DisconnectedError:
            log.debug("a client went away before its event was complete")
        else:
            await answer(send, 200 if await self.accept(event) else 503)

    async def _refuse(self, send: Send, status: int, why: str, *more: tuple[bytes, bytes]) -> None:
        level = logging.DEBUG if why in self._reported else logging.WARNING
        self._reported.add(why)
        log.log(level, "a request was refused with %d: %s", status, why)
        await answer(send, status, json.dumps({"error": why}).encode(), *more)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        try:
            await self.shut_down()
        except Exception as exc:
            log.exception("the bot did not close as it should")
            await send({"type": "lifespan.shutdown.failed", "message": type(exc).__name__})
        else:
            await send({"type": "lifespan.shutdown.complete"})

"""The ASGI application: reads a request, has it carried out, and sends the response."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

from attrs import define, evolve

from twake_async.sandbox._http import Request, Response
from twake_async.sandbox._serving.delivery import deliver, response_start
from twake_async.sandbox._serving.limits import TOO_SLOW, Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from twake_async.sandbox._events.outgoing import Outgoing
    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._serving.asgi import ASGIApp, Receive, Scope, Send
    from twake_async.sandbox._traffic import Traffic

    Handle = Callable[[Request, Response | None], tuple[Response, Fault | None, Sequence[Outgoing]]]

__all__ = ["asgi_app"]

_LINGER = 2.0
"""Seconds for which the rest of a refused body is read and discarded."""


def asgi_app(
    handle: Handle,
    announce: Callable[[Sequence[Outgoing]], Awaitable[None]],
    delay: Callable[[], float],
    connection: Callable[[Any], asyncio.Transport | None],
    limits: Limits,
    *,
    traffic: Traffic,
) -> ASGIApp:
    """Return the ASGI application of a sandbox.

    Args:
        handle: Carries out a request, and returns the response, the fault that it met and the
            events to be posted. If a limit refuses the request, it is called with the refusal, and
            only records the request.
        announce: Posts events, and waits as long as the server does before it answers.
        delay: Returns the seconds by which every response is delayed.
        connection: Returns the transport of a client address; None if nothing is served.
        limits: The limits that refuse a request before it is carried out.
        traffic: Keeps each request that was carried out, and its answer.

    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = time.monotonic()
        request, incoming = _request(scope), _Incoming(receive)
        taken = limits.refusal(request.headers) or await incoming.read(limits)
        if taken is None:
            return
        if isinstance(taken, Response):
            handle(request, taken)
            await _refuse(taken, incoming, send, served=limits.patience is not None)
            return
        request = evolve(request, body=taken)
        response, fault, events = handle(request, None)
        exchange = traffic.begin(request, response, fault)
        try:
            if events:
                await announce(events)
            if (seconds := delay() + (fault.delay if fault else 0)) > 0:
                await asyncio.sleep(seconds)
            await deliver(response, fault, connection(scope.get("client")), receive, send)
        finally:
            traffic.end(exchange, time.monotonic() - begun)

    return app


def _request(scope: Scope) -> Request:
    """Return the request without its body."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    path = scope.get("raw_path") or scope["path"].encode()
    path += b"?" + query if (query := scope.get("query_string", b"")) else b""
    return Request(scope["method"], path.decode("latin-1"), headers)


@define(slots=True)
class _Incoming:
    """The body of a request, as it arrives."""

    receive: Receive
    ended: bool = False

    async def read(self, limits: Limits) -> bytes | Response | None:
        """Return the body; a refusal if it is too large or too slow; None if the client left."""
        body = bytearray()
        time_limit = nullcontext() if limits.patience is None else asyncio.timeout(limits.patience)
        try:
            async with time_limit:
                while not self.ended:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        return None
                    self.ended = not message.get("more_body", False)
                    body += message.get("body", b"")
                    if len(body) > limits.max_body:
                        return limits.too_large
        except TimeoutError:
            return TOO_SLOW
        return bytes(body)

    async def drop(self) -> None:
        """Read the rest and discard it."""
        while not self.ended:
            message = await self.receive()
            self.ended = not message.get("more_body", False)


async def _refuse(response: Response, incoming: _Incoming, send: Send, *, served: bool) -> None:
    """Send the refusal at once, then read on: some clients send everything before they read."""
    start = response_start(response, len(response.body))
    start["headers"].append((b"connection", b"close"))
    await send(start)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    if served:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await incoming.drop()
    await send({"type": "http.response.body", "body": b""})

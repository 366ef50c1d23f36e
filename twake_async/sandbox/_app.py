"""The server as an ASGI application: bytes in and out, faults, delays, and what was received."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext, suppress
from typing import Any

from attrs import define, evolve

from twake_async.sandbox._door import TOO_LARGE, TOO_SLOW, Door
from twake_async.sandbox._faults import CONNECTION, Fault
from twake_async.sandbox._server import Request, Response

__all__ = ["ASGIApp", "asgi_app"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_DRIP = 0.01
"""Seconds between two bytes of an answer that drips."""
_CUTS = frozenset({"cut", "cut_chunked", "cut_reset", "cut_silent"})


_LINGER = 2.0
"""Seconds for which the rest of a body is read, and dropped, after the request was turned away."""


def asgi_app(
    handle: Callable[[Request, Response | None], tuple[Response, Fault | None]],
    delay: Callable[[], float],
    connection: Callable[[Any], asyncio.Transport | None],
    door: Door,
) -> ASGIApp:
    """The ASGI application of a sandbox.

    Args:
        handle: Carries out a request, as far as its fault lets it; the answer, and the fault. Of a
            request that is turned away it is given the answer, too, and carries nothing out.
        delay: Seconds for which an answer is held back.
        connection: The transport of a client address; None when nothing is served.
        door: What is turned away.

    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request, incoming = _head(scope), _Incoming(receive)
        taken = door.refusal(request.headers) or await incoming.read(door)
        if taken is None:
            return
        if isinstance(taken, Response):
            handle(request, taken)
            await _turned_away(taken, incoming, send, served=door.patience is not None)
            return
        response, fault = handle(evolve(request, body=taken), None)
        if (seconds := delay() + (fault.delay if fault else 0)) > 0:
            await asyncio.sleep(seconds)
        transport = connection(scope.get("client"))
        await _answered(response, fault, transport, receive, send)

    return app


def _head(scope: Scope) -> Request:
    """The request without its body."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    path = scope.get("raw_path") or scope["path"].encode()
    return Request(scope["method"], path.decode("latin-1"), headers)


@define(slots=True)
class _Incoming:
    """The body of a request, as it comes in."""

    receive: Receive
    ended: bool = False

    async def read(self, door: Door) -> bytes | Response | None:
        """The body; the answer to one that is too large or too slow; None if the client left."""
        body = bytearray()
        try:
            async with nullcontext() if door.patience is None else asyncio.timeout(door.patience):
                while not self.ended:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        return None
                    self.ended = not message.get("more_body", False)
                    body += message.get("body", b"")
                    if len(body) > door.max_body:
                        return TOO_LARGE
        except TimeoutError:
            return TOO_SLOW
        return bytes(body)

    async def drop(self) -> None:
        """Read the rest, and keep none of it."""
        while not self.ended:
            message = await self.receive()
            self.ended = not message.get("more_body", False)


async def _turned_away(
    response: Response, incoming: _Incoming, send: Send, *, served: bool
) -> None:
    """Answer at once; then read on, for a client that reads no answer before it has sent all."""
    head = _head_of(response, len(response.body))
    head["headers"].append((b"connection", b"close"))
    await send(head)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    if served:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await incoming.drop()
    await send({"type": "http.response.body", "body": b""})


async def _answered(
    response: Response,
    fault: Fault | None,
    transport: asyncio.Transport | None,
    receive: Receive,
    send: Send,
) -> None:
    action = fault.action if fault else None
    if action == "silent":
        await _client_gone(receive)
    elif action in CONNECTION:
        await _broken(transport, receive, reset=action == "reset")
    elif action in _CUTS:
        await _cut(response, send, declared=action != "cut_chunked")
        if action == "cut_silent":
            await _client_gone(receive)
        await _broken(transport, receive, reset=action == "cut_reset")
    else:
        await _sent(response, send, form=action)
        if action == "hang_up" and transport is not None:
            transport.close()


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _broken(transport: asyncio.Transport | None, receive: Receive, *, reset: bool) -> None:
    """Close or reset the connection; in-process there is none, and this is what is raised."""
    if transport is None:
        raise ConnectionResetError("the sandbox broke the connection, as it was asked to")
    if reset:
        _reset(transport)
    else:
        transport.close()
    await _client_gone(receive)


def _reset(transport: asyncio.Transport) -> None:
    """Close with an RST instead of a FIN."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _head_of(response: Response, length: int | None) -> MutableMapping[str, Any]:
    headers = [
        (name.encode(), value.encode())  # what is not ASCII in a fault's header stays itself
        for name, value in response.headers.items()
    ]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": response.status, "headers": headers}


async def _cut(response: Response, send: Send, *, declared: bool) -> None:
    """Half of the body: after a length that promises it all, or in chunks that never end."""
    await send(_head_of(response, len(response.body) if declared else None))
    half = response.body[: len(response.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


async def _sent(response: Response, send: Send, *, form: str | int | None) -> None:
    drip = form == "drip"
    bodiless = response.status in (204, 304) or form == "chunked"
    head = _head_of(response, None if bodiless else len(response.body))
    if form == "connection_close":
        head["headers"].append((b"connection", b"close"))
    await send(head)
    for index in range(len(response.body) if drip else 0):
        byte = response.body[index : index + 1]
        await send({"type": "http.response.body", "body": byte, "more_body": True})
        await asyncio.sleep(_DRIP)
    await send({"type": "http.response.body", "body": b"" if drip else response.body})

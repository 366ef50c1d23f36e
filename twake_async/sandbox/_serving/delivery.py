"""Sends a response: whole, in a form, cut, byte by byte, or not at all."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from twake_async.sandbox._faults.names import SILENCES

if TYPE_CHECKING:
    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._http import Response
    from twake_async.sandbox._serving.asgi import Message, Receive, Send

__all__ = ["deliver", "response_start"]

_DRIP = 0.01
"""Seconds between two bytes of a response for the fault "drip"."""
_CUTS = frozenset({"cut", "cut_chunked", "cut_reset", "cut_silent"})


async def deliver(
    response: Response,
    fault: Fault | None,
    transport: asyncio.Transport | None,
    receive: Receive,
    send: Send,
) -> None:
    """Send a response as its fault says.

    Args:
        response: The response.
        fault: The fault that the request met.
        transport: The transport of the client's connection; None in-process.
        receive: The ASGI callable.
        send: The ASGI callable.

    Raises:
        ConnectionResetError: In-process, for a fault that ends the connection.

    """
    action = fault.action if fault else None
    if action in ("silent", "later"):
        await _until_client_leaves(receive)
    elif action in SILENCES:
        await _break(transport, receive, reset=action == "reset")
    elif action in _CUTS:
        await _send_half(response, send, declared=action != "cut_chunked")
        if action == "cut_silent":
            await _until_client_leaves(receive)
        await _break(transport, receive, reset=action == "cut_reset")
    elif action == "drip":
        await _send_slowly(response, send)
    else:
        await _send_whole(response, send, form=action)
        if action == "hang_up" and transport is not None:
            transport.close()


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _break(transport: asyncio.Transport | None, receive: Receive, *, reset: bool) -> None:
    """End the connection with a FIN or an RST; in-process, raise."""
    if transport is None:
        raise ConnectionResetError("the sandbox broke the connection, as it was asked to")
    if reset:
        _reset(transport)
    else:
        transport.close()
    await _until_client_leaves(receive)


def _reset(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def response_start(response: Response, length: int | None) -> Message:
    """Return the ASGI message that begins a response.

    Args:
        response: The response.
        length: The content-length in bytes; None for chunks.

    """
    headers = [
        (name.encode(), value.encode())  # what is not ASCII in a fault's header stays itself
        for name, value in response.headers.items()
    ]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": response.status, "headers": headers}


async def _send_half(response: Response, send: Send, *, declared: bool) -> None:
    """Send half of the body, after the length of the whole body, or in chunks without an end."""
    await send(response_start(response, len(response.body) if declared else None))
    half = response.body[: len(response.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


async def _send_slowly(response: Response, send: Send) -> None:
    await send(response_start(response, len(response.body)))
    for index in range(len(response.body)):
        byte = response.body[index : index + 1]
        await send({"type": "http.response.body", "body": byte, "more_body": True})
        await asyncio.sleep(_DRIP)
    await send({"type": "http.response.body", "body": b""})


async def _send_whole(response: Response, send: Send, *, form: str | int | None) -> None:
    bodiless = response.status in (204, 304) or form == "chunked"
    start = response_start(response, None if bodiless else len(response.body))
    if form == "connection_close":
        start["headers"].append((b"connection", b"close"))
    await send(start)
    await send({"type": "http.response.body", "body": response.body})

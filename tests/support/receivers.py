"""Applications that events are posted to: as ASGI in this process, and on a socket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["AsgiBot", "SocketBot"]


class AsgiBot:
    """An ASGI application that keeps what it gets, and answers 200 once `work` is done."""

    def __init__(self, work: Callable[[dict[str, Any]], Awaitable[object]] | None = None) -> None:
        self.work = work
        self.status = 200
        self.got: list[dict[str, Any]] = []
        self.scopes: list[dict[str, Any]] = []
        self.ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        event = json.loads((await receive())["body"])
        self.got.append(event)
        self.scopes.append(scope)
        try:
            if self.work is not None:
                await self.work(event)
        finally:
            self.ended += 1
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many events came, and return all."""
        while len(self.got) < count:
            await asyncio.sleep(0)
        return self.got


class SocketBot:
    """A server that keeps the bytes of each request, and answers with bytes."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.answer = answer
        self.got: list[bytes] = []
        self.open = 0

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        self.url = f"http://{self.host}/hook/endpoint"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            self.got.append(head + await reader.readexactly(length))
            writer.write(self.answer)
            await reader.read()  # until the other side closes
        except (ConnectionError, asyncio.CancelledError):
            pass  # the test has ended
        finally:
            self.open -= 1
            writer.close()

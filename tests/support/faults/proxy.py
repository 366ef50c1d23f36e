"""An HTTP proxy on loopback: tunnels for CONNECT, forwards plain requests, or fails on request."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from typing import Literal, Self
from urllib.parse import urlsplit

from .pipes import close, copy, first_of
from .ports import hold_port

How = Literal[
    "works", "407", "502", "503", "close", "reset", "silent", "garbage", "forwards_then_502"
]

REFUSALS: tuple[How, ...] = ("407", "502", "503")
BREAKS: tuple[How, ...] = ("close", "reset", "garbage")

_REASONS = {"407": "Proxy Authentication Required", "502": "Bad Gateway", "503": "Unavailable"}
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


def _refusal(status: str) -> bytes:
    more = 'Proxy-Authenticate: Basic realm="proxy"\r\n' if status == "407" else ""
    return f"HTTP/1.1 {status} {_REASONS[status]}\r\n{more}Content-Length: 0\r\n\r\n".encode()


class Proxy:
    """Listens on 127.0.0.1 between `async with`; `how` may be changed at any time.

    CONNECT and plain requests fail alike. `forwards_then_502` is for plain requests: the origin
    gets the request, its answer is thrown away, and the client reads 502. `cut_up` and `cut_down`
    close a working tunnel after exactly so many bytes from the client, or to it.
    """

    def __init__(
        self, how: How = "works", *, cut_up: int | None = None, cut_down: int | None = None
    ) -> None:
        self.how = how
        self.cut_up, self.cut_down = cut_up, cut_down
        self.accepted = self.connects = self.tunnels = self.plain = self.forwarded = 0
        self.targets: deque[str] = deque(maxlen=1_000)
        self.heads: deque[bytes] = deque(maxlen=1_000)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._held = hold_port()
        self.port = self._held.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    def close_port(self) -> None:
        """Stop listening; the port stays taken until the proxy ends."""
        self._server.close()

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self._held.close()
        await asyncio.sleep(0)  # a connection that was just accepted gets its task
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before it starts closes nothing itself.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            await close(writer)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether the connection may carry another."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        self.heads.append(head)
        self.targets.append(target)
        connect = method == "CONNECT"
        self.connects += connect
        self.plain += not connect
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length and not connect else b""
        if self.how == "works":
            await self._tunnel(target, b"" if connect else head + body, reader, writer)
            return False
        if self.how == "forwards_then_502":
            await self._swallow(target, head + body)
        return await self._fail(reader, writer)

    async def _fail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.how == "silent":
            while await reader.read(1 << 16):
                pass
        elif self.how == "reset":
            writer.transport.abort()
        elif self.how == "garbage":
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
            await writer.drain()
        elif self.how != "close":
            writer.write(_refusal("502" if self.how == "forwards_then_502" else self.how))
            await writer.drain()
            return True
        return False

    async def _swallow(self, target: str, request: bytes) -> None:
        reader, writer = await _origin(target)
        try:
            self.forwarded += 1
            writer.write(request)
            await reader.read(1 << 16)
        finally:
            await close(writer)

    async def _tunnel(
        self,
        target: str,
        first: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            origin_reader, origin_writer = await _origin(target)
        except OSError:
            writer.write(_refusal("502"))
            return await writer.drain()
        self.tunnels += 1
        try:
            if first:
                self.forwarded += 1
                origin_writer.write(first)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await first_of(
                copy(reader, origin_writer, self.cut_up),
                copy(origin_reader, writer, self.cut_down),
            )
        finally:
            await close(origin_writer)


async def _origin(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(target if "://" in target else f"//{target}")
    return await asyncio.open_connection(parts.hostname, parts.port or 80)

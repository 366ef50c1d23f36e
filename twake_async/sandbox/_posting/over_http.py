"""Posts one event over one connection, with only the recorded headers."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import define, field

if TYPE_CHECKING:
    from twake_async.sandbox._events.outgoing import Outgoing

__all__ = ["Url", "checked_url"]

_PORTS = {"http": 80, "https": 443}
_LARGEST_ANSWER = 1_048_576
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])\b")


@define(frozen=True, slots=True)
class Url:
    """The address of an application. Its path may be a secret."""

    scheme: str
    name: str
    port: int
    host: str
    """The value of the Host header."""
    target: str = field(repr=False)
    """The path and the query."""

    async def post(self, event: Outgoing) -> int:
        """Post an event, and return the status of the answer once it is whole.

        Raises:
            OSError: The connection failed or broke.
            ValueError: The answer is not HTTP.
            EOFError: The answer ended too early.

        """
        context = ssl.create_default_context() if self.scheme == "https" else None
        reader, writer = await asyncio.open_connection(self.name, self.port, ssl=context)
        try:
            lines = [f"POST {self.target} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in event.headers(self.host)]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + event.body)
            await writer.drain()
            return await _answered(reader)
        finally:
            # Nothing more is to be sent: the answer is whole, or the server stopped waiting.
            writer.transport.abort()
            await asyncio.sleep(0)


def checked_url(url: str, *, is_node: bool) -> Url:
    """Return the address of an application.

    A v1 server replaces several slashes by one. It posts nothing to an address without a path.

    Args:
        url: The address.
        is_node: Whether a Node server posts to it.

    Raises:
        ValueError: The address is not http or https, or a v1 server would post nothing to it.

    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or not url.isascii():
        raise ValueError("events are posted to an address such as http://127.0.0.1:8000/secret")
    path = parts.path or "/"
    if not is_node:
        path = re.sub("/{2,}", "/", path)
        if path == "/":
            raise ValueError("a v1 server posts no events to an address without a path")
    target = path + (f"?{parts.query}" if parts.query else "")
    if not target.isprintable() or " " in target:
        raise ValueError("the path of the address has a character that a URL cannot have")
    host = parts.netloc.rpartition("@")[2]
    return Url(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], host, target)


async def _answered(reader: asyncio.StreamReader) -> int:
    """Read a whole answer, and return its status."""
    status, head = 100, b""
    while status < 200:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        found = _STATUS.match(head.upper())
        if found is None:
            raise ValueError("the answer is no HTTP")
        status = int(found[1])
    await _read_body(reader, status, head)
    return status


async def _read_body(reader: asyncio.StreamReader, status: int, head: bytes) -> None:
    if status in (204, 304):
        return
    if b"transfer-encoding: chunked" in head:
        await _read_chunks(reader)
    elif length := re.search(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", head):
        await _read(reader, int(length[1]))
    else:
        while part := await reader.read(65_536):
            _check_size(len(part))


async def _read_chunks(reader: asyncio.StreamReader) -> None:
    size = -1
    while size:
        size = int((await reader.readline()).partition(b";")[0], 16)
        await _read(reader, size + 2)


async def _read(reader: asyncio.StreamReader, size: int) -> None:
    _check_size(size)
    await reader.readexactly(size)


def _check_size(size: int) -> None:
    if size > _LARGEST_ANSWER:
        raise ValueError("the answer is over 1 MiB")

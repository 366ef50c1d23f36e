"""A server of plain sockets that plays the drive: it reads whole uploads, and answers on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs

__all__ = ["Drive", "answer_with", "file_answer", "json_answer", "play"]

Answer = Callable[["Drive", asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


@attrs.define(eq=False)
class Drive:
    """The requests that the server saw, and its way to answer."""

    answer: Answer
    url: str = ""
    heads: list[bytes] = attrs.field(factory=list, repr=False)
    bodies: list[bytes] = attrs.field(factory=list, repr=False)
    connections: int = 0
    running: dict[asyncio.Task[Any], asyncio.StreamWriter] = attrs.field(factory=dict, repr=False)

    @property
    def body(self) -> bytes:
        """The body of the last request."""
        return self.bodies[-1]

    def part(self, name: str) -> bytes:
        """Return a part of the last form."""
        found = re.search(
            rb'name="' + re.escape(name.encode()) + rb'"[^\n]*\r\n(?:Content-Type[^\n]*\r\n)?\r\n'
            rb"(.*?)\r\n--twake-async-",
            self.body,
            re.DOTALL,
        )
        assert found, self.body[:2000]
        return found[1]


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Read the body of a request, by its length or in chunks."""
    length = re.search(rb"content-length: (\d+)", head.lower())
    if length:
        return await reader.readexactly(int(length[1]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


async def play_connection(
    drive: Drive, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Read a request and answer it."""
    drive.connections += 1
    task = asyncio.current_task()
    assert task is not None
    drive.running[task] = writer
    try:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            drive.heads.append(head)
            await drive.answer(drive, reader, writer, head)
            await writer.drain()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        del drive.running[task]


@contextlib.asynccontextmanager
async def play(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Drive]:
    """Serve until the end of the context."""
    drive = Drive(answer)
    server = await asyncio.start_server(
        lambda reader, writer: play_connection(drive, reader, writer), "127.0.0.1", ssl=tls
    )
    port = server.sockets[0].getsockname()[1]
    drive.url = f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}"
    try:
        yield drive
    finally:
        server.close()
        tasks = list(drive.running)
        for task in tasks:
            drive.running[task].transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raw_answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return the bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def json_answer(document: Any, status: str = "200 OK") -> bytes:
    """Return the bytes of an answer in JSON."""
    return raw_answer(
        json.dumps(document).encode(), "Content-Type: application/json", status=status
    )


def file_answer(content: bytes, name: str = 'filename="note.txt"') -> bytes:
    """Return the bytes of an answer that is a file, as a server of 2020 gives it."""
    return raw_answer(
        content,
        "Content-Type: application/force-download",
        f"Content-Disposition: attachment; {name}",
    )


def answer_with(*answers: bytes) -> Answer:
    """Return a function that reads each request whole, and answers with these bytes in turn."""
    left = list(answers)

    async def answer(
        drive: Drive, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        drive.bodies.append(await read_body(reader, head))
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return answer

"""The server behind a gateway: it stores as Twake does, fails on request, and remembers."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import socket
import struct
from collections import Counter
from typing import TYPE_CHECKING, Literal, Self

import attrs
from faults import answers
from faults.request import Request, good_body, read_request

if TYPE_CHECKING:
    import pathlib

#: The acts of the upstream on a save or a remove.
Act = Literal[
    "deliver",
    "warn",
    "refuse",
    "refuse_with_warnings",
    "no_api",
    "store_then_close",
    "store_then_reset",
    "store_then_cut",
    "store_then_500",
    "store_then_fatal",
    "store_then_hang",
    "hang_then_store",
    "lose",
]
#: The group that does not exist: `check()` asks for it first.
NOBODY = "00000000-0000-0000-0000-000000000000"

_REFUSAL = b'{"error":"unknown_application_or_bad_private_key","_cookies":[]}'
_NO_GROUP = b'{"error":"you_need_to_provide_a_valid_group_id_field_in_any_api_request","group_id":null,"_cookies":[]}'
_MALFORMED = b'{"error":"unknown error or malformed query.","_cookies":[]}'
_NOT_FOUND = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n"
    b'{"error":"Not found"}'
)
_RESET = struct.pack("ii", 1, 0)


@attrs.define
class Memory:
    """The received and stored requests, in order, by the key of each request.

    The key of a create is its `front_id`; that of an edit and of a remove is the message's id.
    With a file, each entry is also written to it at once, and so survives a kill.
    """

    file: pathlib.Path | None = None
    received: Counter[str] = attrs.field(factory=Counter)
    stored: Counter[str] = attrs.field(factory=Counter)
    order: list[tuple[str, str]] = attrs.field(factory=list)
    """The stored requests: channel and key."""

    def note(self, event: Literal["received", "stored"], request: Request) -> None:
        """Note that a request was received or stored."""
        entry = (event, str(request.message.get("channel_id", "")), key_of(request))
        self._take(*entry)
        if self.file is not None:
            with self.file.open("ab", buffering=0) as file:
                file.write(json.dumps(entry).encode() + b"\n")

    def _take(self, event: str, channel: str, key: str) -> None:
        if event == "received":
            self.received[key] += 1
        else:
            self.stored[key] += 1
            self.order.append((channel, key))

    @classmethod
    def read(cls, file: pathlib.Path) -> Memory:
        """Return the memory of an upstream from its file, after the upstream has ended."""
        memory = cls()
        for line in file.read_text("utf-8").splitlines() if file.exists() else ():
            memory._take(*json.loads(line))
        return memory


def key_of(request: Request) -> str:
    """Return the key of a request."""
    return request.front_id if request.kind == "create" else request.id


@attrs.define(eq=False)
class Upstream:
    """Listens on a port of loopback between `start` and `stop`; it can be started again.

    `act` says what happens to saves and removes, and `first` what happens to the next ones, one
    for each; change them at any time.
    """

    port: int
    act: Act = "deliver"
    first: collections.deque[Act] = attrs.field(factory=collections.deque)
    memory: Memory = attrs.field(factory=Memory)
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Task[None]] = attrs.field(factory=set)
    _busy: int = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def stored(self) -> Counter[str]:
        """How many times each key was stored."""
        return self.memory.stored

    @property
    def received(self) -> Counter[str]:
        """How many whole requests came for each key."""
        return self.memory.received

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 25, backlog=512
        )

    async def stop(self) -> None:
        """Listen no more, and cut off all connections."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def settled(self) -> None:
        """Wait until no request is under way: all that will be stored is stored."""
        async with asyncio.timeout(10):
            while self._busy:
                await asyncio.sleep(0.005)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # A client may leave at any time: that is no failure of the upstream.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer_one(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read and answer one request; say whether another may follow on this connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        request = read_request(head, await _body(head, reader), {})
        self._busy += 1
        try:
            return await self._act_on(request, reader, writer)
        finally:
            self._busy -= 1

    async def _act_on(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        question = _answer_to_check(request)
        if question is not None:
            writer.write(answers.whole(question))
            await writer.drain()
            return True
        act = self.first.popleft() if self.first else self.act
        self.memory.note("received", request)
        if act.startswith("store_") or act in ("deliver", "warn"):
            self.memory.note("stored", request)
        if act.endswith(("_hang", "_store")):
            await _gone(reader)  # the gateway's patience ended
            if act == "hang_then_store":
                self.memory.note("stored", request)
            return False
        if act == "store_then_reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if act in ("store_then_close", "store_then_reset", "lose"):
            return False
        answer = _answer(act, request)
        writer.write(answer[: len(answer) - 40] if act == "store_then_cut" else answer)
        await writer.drain()
        return act != "store_then_cut"


def _answer_to_check(request: Request) -> bytes | None:
    """Return the answer to a question that stores nothing, or None where it is a message."""
    if request.json.get("group_id") == NOBODY:
        return _NO_GROUP
    return None if request.message else _MALFORMED


def _answer(act: Act, request: Request) -> bytes:
    """Return the answer that the upstream itself gives."""
    body = good_body(request)
    made = {
        "refuse": lambda: answers.whole(_REFUSAL),
        "refuse_with_warnings": lambda: answers.whole(
            answers.WARNING + _REFUSAL, kind=answers.HTML
        ),
        "no_api": lambda: _NOT_FOUND,
        "store_then_500": lambda: answers.whole(b"", 500, answers.HTML),
        "store_then_fatal": lambda: answers.whole(answers.FATAL, kind=answers.HTML),
        "warn": lambda: answers.whole(answers.WARNING + body, kind=answers.HTML),
    }
    return made.get(act, lambda: answers.whole(body))()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if fields.get(b"expect", b"").lower() == b"100-continue":
        raise AssertionError("a gateway asks for 100 Continue, which this upstream does not know")
    if b"chunked" not in fields.get(b"transfer-encoding", b""):
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


async def _gone(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed the connection."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass


async def run(port: int, file: pathlib.Path) -> None:
    """Serve until the process is killed."""
    async with Upstream(port, memory=Memory(file)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    import pathlib
    import sys

    os.umask(0o077)
    asyncio.run(run(int(sys.argv[1]), pathlib.Path(sys.argv[2])))

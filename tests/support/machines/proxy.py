"""A proxy between a worker and PostgreSQL: it cuts connections, and swallows packets."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Self

from faults.pipes import close, first_of

_LINGER_ZERO = struct.pack("ii", 1, 0)


class DatabaseProxy:
    """Forwards bytes from 127.0.0.1 to a port of 127.0.0.1, between `async with`.

    While it swallows, nothing gets through, and no connection is closed: as behind a firewall that
    forgot a connection, or an unplugged cable. Bytes under way arrive when it forwards again.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self.flow()
        self.accepted = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await asyncio.sleep(0)  # a connection that was just accepted gets its task
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset all connections, on both sides."""
        for writer in self._writers:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            writer.transport.abort()

    def swallow(self, *, answers_only: bool = False) -> None:
        """Forward nothing, or nothing that PostgreSQL answers."""
        if not answers_only:
            self._up.clear()
        self._down.clear()

    def flow(self) -> None:
        """Forward everything again."""
        self._up.set()
        self._down.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            await self._forward(reader, writer)
        except OSError:
            pass  # the server is down: the client sees that its connection ends
        finally:
            self._tasks.discard(task)
            await close(writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        both = {writer, back}
        self._writers |= both
        try:
            await first_of(_copy(reader, back, self._up), _copy(there, writer, self._down))
        finally:
            self._writers -= both
            await close(back)


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event
) -> None:
    while True:
        await flows.wait()
        data = await reader.read(1 << 16)
        await flows.wait()
        if not data:
            return
        writer.write(data)
        await writer.drain()

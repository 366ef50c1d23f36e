"""The storm's server, in a process of its own: `python -m storms.server` prints its two ports.

Messages come to the first. The second takes one JSON line for each command and answers with one:
`begin` with a seed, `stray` while the client sends nothing, `deaf` to accept nothing for a moment,
and `end`, which returns all that is remembered. The process ends with its control connection.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import Counter, deque
from typing import Any

from . import odd
from .connection import LATE, Connection
from .stream import Asked, Said

#: The facts that are kept of requests that should not have come on their connection.
_KEPT = 20


class Server:
    """The requests, the acts on them, and the messages of the channel."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1 << 18))
        self.connections: set[Connection] = set()
        self.head_size = 250
        self.listener: asyncio.Server
        self.hears: asyncio.Task[None] | None = None
        self.ids = self.accepted = self.port = 0
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Forget everything, and act by another seed."""
        self.seed = seed
        self.sends: dict[str, list[Asked]] = {}
        self.front_of: dict[str, str] = {}
        self.answers_about: dict[str, Said] = {}
        self.recent: deque[Said] = deque(maxlen=64)
        self.crossing: tuple[Connection, Said] | None = None
        self.acted: Counter[str] = Counter()
        self.left_over: set[str] = set()
        self.breaches: list[str] = []
        self.failures: list[str] = []

    async def listen(self) -> None:
        """Accept connections, on the earlier port if there was one."""
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(
            self._connect, "127.0.0.1", self.port, backlog=4096, reuse_address=True
        )
        self.port = self.listener.sockets[0].getsockname()[1]

    def _connect(self) -> Connection:
        self.accepted += 1
        return Connection(self, self.accepted)

    # Methods that connections call.

    def new_id(self) -> str:
        """Return an id in the form of the real server's."""
        self.ids += 1
        return f"{self.ids:08x}-e67f-11f1-bdbe-aa7dee5775f4"

    def take(self, asked: Asked) -> Asked:
        """Remember an attempt."""
        self.sends.setdefault(asked.token, []).append(asked)
        return asked

    def store(self, asked: Asked) -> None:
        """Store a message once more, or apply an edit or a remove."""
        asked.copies += 1
        self.front_of[asked.id] = asked.front_id

    def remember(self, said: Said) -> None:
        """Keep a good answer, to send it again unsolicited."""
        if said.says == "good":
            self.recent.append(said)
            self.answers_about.setdefault(said.id, said)

    def note(self, act: str) -> None:
        """Count an act."""
        self.acted[act] += 1

    def forget(self, connection: Connection) -> None:
        """Take note of a connection's end."""
        self.connections.discard(connection)
        if connection.cut:
            self.left_over.add(connection.stream.left_over())
        if connection.stream.breach:
            self.breaches.append(connection.stream.breach)

    # Methods that the control connection calls.

    def stray(self, draw: int) -> int:
        """Put unsolicited answers on about half of the idle connections."""
        count = 0
        for connection in list(self.connections):
            chance = zlib.crc32(f"{self.seed}/{draw}/{connection.stream.number}".encode())
            ready = connection.stream.requests and connection.stream.idle and not connection.stuck
            if ready and chance % 2 and not connection.transport.is_closing():
                connection.say_seen(self._stray(connection, chance >> 1))
                count += 1
        self.acted["stray while idle"] += count
        return count

    def _stray(self, connection: Connection, draw: int) -> Said:
        if draw % 3 == 0 and connection.last is not None:
            return connection.last
        if draw % 3 == 1 and self.recent:
            return self.recent[(draw >> 2) % len(self.recent)]
        return odd.stray(draw >> 2)

    async def deaf(self) -> None:
        """Close the listening socket for a moment: nobody can connect."""
        self.listener.close()
        self.acted["deaf"] += 1
        self.hears = asyncio.create_task(self._hear_again())

    async def _hear_again(self) -> None:
        await asyncio.sleep(0.01)
        await self.listen()

    async def end(self) -> dict[str, Any]:
        """Return the memory, when all connections are gone."""
        if self.hears is not None:
            await self.hears
        left = await self._left_open()
        await asyncio.sleep(2 * LATE)
        return {
            "sends": {
                token: [[a.copies, sorted(a.excuses), a.id, a.history] for a in attempts]
                for token, attempts in self.sends.items()
            },
            "acted": self.acted,
            "left_over": sorted(self.left_over - {""}),
            "breaches": len(self.breaches),
            "first_breaches": self.breaches[:_KEPT],
            "left_open": left,
            "failures": self.failures,
        }

    async def _left_open(self) -> int:
        """Return how many connections the client did not close in a second; close them."""
        for _ in range(100):
            if not self.connections:
                return 0
            await asyncio.sleep(0.01)
        left = len(self.connections)
        for connection in list(self.connections):
            connection.transport.abort()
        while self.connections:
            await asyncio.sleep(0.01)
        return left


async def _command(server: Server, line: bytes) -> Any:
    command, number = json.loads(line)
    if command == "begin":
        return server.begin(number)
    if command == "stray":
        return server.stray(number)
    return await (server.deaf() if command == "deaf" else server.end())


async def main() -> None:
    """Serve until the control connection ends."""
    server, loop = Server(), asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: server.failures.append(str(context)))
    over = asyncio.Event()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(await _command(server, line)).encode() + b"\n")
            await writer.drain()
        writer.close()
        over.set()

    await server.listen()
    commands = await asyncio.start_server(control, "127.0.0.1", 0)
    print(server.port, commands.sockets[0].getsockname()[1], flush=True)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main())

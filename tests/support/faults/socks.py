"""A SOCKS5 proxy on loopback: connects, refuses to, or says nothing."""

from __future__ import annotations

import asyncio
from typing import Self

from .pipes import close, copy, first_of


class Socks:
    """A SOCKS5 proxy on loopback that asks for no password.

    Args:
        how: `"works"`, `"refuses"` to connect, or `"silent"`.

    """

    def __init__(self, how: str = "works") -> None:
        self.how = how
        self.accepted = 0
        self.tasks: list[asyncio.Task] = []

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"socks5://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: the greeting, the address, and then a tunnel."""
        self.tasks.append(asyncio.current_task())
        self.accepted += 1
        try:
            await reader.readexactly(3)
            if self.how == "silent":
                await reader.read()
            writer.write(b"\x05\x00")
            asked = await reader.readexactly(10)  # to an address of IPv4
            if self.how == "refuses":
                writer.write(b"\x05\x05\x00\x01" + bytes(6))
                return
            port = int.from_bytes(asked[8:], "big")
            back, onward = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"\x05\x00\x00\x01" + bytes(6))
                await first_of(copy(reader, onward, None), copy(back, writer, None))
            finally:
                await close(onward)
        finally:
            await close(writer)

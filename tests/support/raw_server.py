"""A server that answers each request with the same bytes."""

from __future__ import annotations

import asyncio
from typing import Self

__all__ = ["HANGING", "RawServer"]

#: A refusal whose body never comes to its end.
HANGING = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\nha"


class RawServer:
    """A server that answers each request with the given bytes and keeps the connection open."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.accepted = 0

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer any bytes that come."""
        self.accepted += 1
        while await reader.read(65_536):
            writer.write(self.answer)
        writer.close()

"""A Twake that can be killed: it writes down each message before it answers. `restarted.py PORT FILE`.

What is written outlives the process, so that a test can hold claims against it.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys

from faults.answers import whole
from faults.request import answer_to_question, good_body, is_question, read_request

#: Seconds that a save takes, so that some are always on their way.
_TAKES = 0.003


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if found and len(body) >= length:
            self.received = body[length:]
            asyncio.get_running_loop().call_later(_TAKES, self.answer, head, body[:length])

    def answer(self, head: bytes, body: bytes) -> None:
        request = read_request(head, body, {})
        if is_question(request):
            self.transport.write(whole(answer_to_question(request)))
            return
        os.write(self.file, f"{request.front_id}\n".encode())
        self.transport.write(whole(good_body(request)))


async def serve(port: int, path: pathlib.Path) -> None:
    """Serve until the process is killed."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(file), "127.0.0.1", port, reuse_address=True
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), pathlib.Path(sys.argv[2])))

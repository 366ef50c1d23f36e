"""What one send costs: CPU of this SDK as a ratio to plain `httpx.AsyncClient.post`.

Run by `nox -s bench`, on a clean install of this package. The server is a process of its own, so
that its CPU is not counted, and answers at once. Each client is a process of its own too; the two
take turns, round by round, so that a busy machine is unfair to both alike. A figure is the median
of the rounds, in milliseconds of CPU for one send.
"""

import asyncio
import base64
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

# Concurrent senders, sends in a round, rounds that count.
LOADS = ((1, 400, 9), (10, 600, 9), (100, 600, 7), (1000, 1000, 5))
CLIENTS = ("httpx", "sdk")
PATH = "/api/v1/messages/save"
TEXT = "Hello, this is my first message !"

Send = Callable[[], Awaitable[object]]


class Echo(asyncio.Protocol):
    """Answers every save at once, as if it had been stored."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if found and len(body) >= length:
            self.received = body[length:]
            self.transport.write(answer_to(body[:length]))


def answer_to(request: bytes) -> bytes:
    """The whole answer to one request, about the message that it holds."""
    message = json.loads(request)["message"]
    stored = {
        "id": "11111111-2222-1333-8444-555555555555",
        "front_id": message["front_id"],
        "channel_id": message["channel_id"],
        "parent_message_id": "",
        "sender": None,
        "application_id": "22222222-2222-1333-8444-555555555555",
        "message_type": 1,
        "edited": False,
        "pinned": None,
        "hidden_data": None,
        "reactions": [],
        "creation_date": 1600000000,
        "modification_date": 1600000000,
        "responses_count": 0,
        "content": message["content"],
    }
    body = json.dumps({"object": stored}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def serve() -> None:
    """Serve on a free port, and print it."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def cpu_of_round(send: Send, concurrent: int, sends: int) -> float:
    """Milliseconds of CPU for one send, of so many by so many senders."""
    turns = iter(range(sends))

    async def sender() -> None:
        for _ in turns:
            await send()

    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrent):
            group.create_task(sender())
    return (time.process_time() - began) / sends * 1000


async def answer_rounds(send: Send, concurrent: int, sends: int) -> None:
    """Run a round for each line that comes in, and print its figure."""
    loop = asyncio.get_running_loop()
    # A few first: a thousand at once on a client without a connection, and httpx may hang.
    await cpu_of_round(send, min(concurrent, 10), 100)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(await cpu_of_round(send, concurrent, sends), flush=True)


async def run_httpx(url: str, concurrent: int, sends: int) -> None:
    """Post with one shared client, default limits, and no more work than it takes."""
    import httpx

    headers = {"Authorization": "Basic " + base64.b64encode(b"id:key").decode()}
    message = {"channel_id": "channel", "content": TEXT, "front_id": "a-front-id"}
    request = {"group_id": "group", "message": message}
    # The default timeout of the pool would end most of a thousand concurrent requests.
    async with httpx.AsyncClient(headers=headers, timeout=None) as client:

        async def send() -> None:
            answer = await client.post(url + PATH, json=request)
            answer.raise_for_status()

        await answer_rounds(send, concurrent, sends)


async def run_sdk(url: str, concurrent: int, sends: int) -> None:
    """Send with one session, as it comes, but for a deadline that no busy machine reaches."""
    from twake_async import TwakeSession

    async with TwakeSession("id", "key", group_id="group", base_url=url, deadline=300) as twake:
        await answer_rounds(lambda: twake.send_message("channel", TEXT), concurrent, sends)


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start this script in another part of it."""
    command = [sys.executable, __file__, *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def one_round(client: subprocess.Popen[str]) -> float:
    """Let a client run one round, and take its figure."""
    assert client.stdin
    assert client.stdout
    client.stdin.write("\n")
    client.stdin.flush()
    return float(client.stdout.readline())


def compare(url: str, concurrent: int, sends: int, rounds: int) -> tuple[float, float]:
    """The median of each client's rounds, after one round that warms up and does not count."""
    clients = [start(name, url, concurrent, sends) for name in CLIENTS]
    try:
        figures = [[one_round(client) for client in clients] for _ in range(rounds + 1)][1:]
    finally:
        for client in clients:
            client.communicate()
    plain, ours = (statistics.median(column) for column in zip(*figures, strict=True))
    return plain, ours


def main() -> None:
    """Print the table."""
    began = time.monotonic()
    server = start("serve")
    try:
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        print("concurrent  httpx ms  twake-async ms  ratio")
        for concurrent, sends, rounds in LOADS:
            plain, ours = compare(url, concurrent, sends, rounds)
            ratio = ours / plain
            print(f"{concurrent:>10}  {plain:>8.3f}  {ours:>14.3f}  {ratio:>5.2f}", flush=True)
    finally:
        server.terminate()
        server.communicate()
    print(f"CPU of one send, median of rounds; {time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main()
        case ["serve"]:
            asyncio.run(serve())
        case ["httpx", url, concurrent, sends]:
            asyncio.run(run_httpx(url, int(concurrent), int(sends)))
        case ["sdk", url, concurrent, sends]:
            asyncio.run(run_sdk(url, int(concurrent), int(sends)))
        case unknown:
            sys.exit(f"no such part: {unknown}")

"""What `send_many` costs: throughput beside bare sends, the journal's share, memory by length.

    python tests/benchmarks/stream.py speed     # ratios; at least 0.95, and 0.67 with a journal
    python tests/benchmarks/stream.py memory    # peak RSS of 20,000 and of 200,000 drafts
    python tests/benchmarks/stream.py million   # of 1,000,000

The server is a process of its own that answers at once; each client is one too. The ways to send
take turns, round by round, in one process, so that a busy machine is unfair to all alike; a figure
is the median of the rounds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from twake_async import Journal, MessageDraft, Outcome, TwakeSession

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS, SENDS = 9, 1500
CHANNELS = 500
TEXT = "Hello, this is my first message !"
NUMBERS = itertools.count()


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
    """Return the whole answer to one request, about the message that it holds."""
    asked = json.loads(request)
    if "message" in asked:
        stored = asked["message"] | {"id": f"11111111-2222-1333-8444-{next(NUMBERS):012x}"}
        body = json.dumps({"object": stored}).encode()
    else:  # one of a check's requests, which a batch makes before its first message
        body = b'{"error":"unknown error or malformed query."}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def serve() -> None:
    """Serve on a free port, and print it."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def drafts(count: int) -> Iterator[MessageDraft]:
    """Make drafts one by one, spread over the channels."""
    for number in range(count):
        yield MessageDraft(f"channel {number % CHANNELS}", TEXT)


async def bare(twake: TwakeSession, in_flight: int) -> None:
    """Send with workers that pull from the input: the least that a caller would write."""
    source = drafts(SENDS)

    async def work() -> None:
        for draft in source:
            await twake.send(draft)

    await asyncio.gather(*(work() for _ in range(in_flight)))


async def many(twake: TwakeSession, in_flight: int, journal: Journal | None = None) -> None:
    """Send with `send_many`, in order by channel."""
    deliveries = twake.send_many(drafts(SENDS), in_flight=in_flight, journal=journal)
    count = 0
    async for delivery in deliveries:
        count += delivery.outcome is Outcome.DELIVERED
    assert count == SENDS


async def speed(url: str) -> None:
    """Print CPU and sends a second for each way, and ratios to bare sends."""
    for in_flight in (10, 100):
        with tempfile.TemporaryDirectory() as folder:
            rounds = [await one_round(url, in_flight, f"{folder}/{n}") for n in range(ROUNDS)]
        print(f"in_flight={in_flight:4}      CPU       rate     rate beside bare")
        for name in rounds[0]:
            cpu = statistics.median(figures[name][0] for figures in rounds)
            rate = statistics.median(figures[name][1] for figures in rounds)
            ratio = statistics.median(figures[name][1] / figures["bare"][1] for figures in rounds)
            print(f"  {name:10}{cpu:9.0f} us {rate:8.0f}/s {ratio:8.2f}")
        share = statistics.median(
            figures["journal"][1] / figures["send_many"][1] for figures in rounds
        )
        print(f"  journal beside send_many: {share:.2f}")


async def one_round(url: str, in_flight: int, path: str) -> dict[str, tuple[float, float]]:
    """Return CPU microseconds a send and sends a second, for each way, in random order."""
    ways = {
        "bare": lambda twake: bare(twake, in_flight),
        "send_many": lambda twake: many(twake, in_flight),
        "journal": lambda twake: many(twake, in_flight, Journal(path)),
    }
    found = {}
    for name in random.sample(list(ways), len(ways)):
        async with TwakeSession("id", "key", group_id="g", base_url=url) as twake:
            await asyncio.gather(*(twake.send_message("c", "warm") for _ in range(in_flight)))
            cpu, began = time.process_time(), time.perf_counter()
            await ways[name](twake)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - began
        found[name] = cpu / SENDS * 1e6, SENDS / wall
    return {name: found[name] for name in ways}


async def stream(url: str, count: int) -> None:
    """Stream so many drafts, and print the peak of this process's memory and the time."""
    began = time.perf_counter()
    ended = 0
    async with TwakeSession("id", "key", group_id="g", base_url=url) as twake:
        async for delivery in twake.send_many(drafts(count)):
            ended += delivery.outcome is Outcome.DELIVERED
    assert ended == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = time.perf_counter() - began
    print(f"{count:9,} drafts  peak {peak:8,} KiB  {count / seconds:6.0f} sends/s", flush=True)


def main() -> None:
    """Start a server, then run the chosen benchmark in processes of their own."""
    word, *rest = sys.argv[1:] or ["speed"]
    if word == "serve":
        asyncio.run(serve())
    elif word == "run":
        asyncio.run(speed(rest[0]) if rest[1] == "speed" else stream(rest[0], int(rest[1])))
    else:
        works = {"memory": ["20000", "200000"], "million": ["1000000"]}.get(word, ["speed"])
        command = [sys.executable, __file__]
        with subprocess.Popen([*command, "serve"], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            try:
                for work in works:
                    subprocess.run([*command, "run", url, work], check=True)
            finally:
                server.kill()


if __name__ == "__main__":
    main()

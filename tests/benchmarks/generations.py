"""What a send over `api="node"` costs beside one over `api="v1"`: `python generations.py [ROUNDS]`.

Both servers answer as the recorded ones do, at once. Each run is a process of its own, and the two
APIs take turns, so that other work of the machine affects both alike.
"""

import asyncio
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Any

from server import OF_2023

from twake_async import TwakeSession

SENDS, WARM_UP, ROUNDS = 3000, 300, 9
CONCURRENT = (1, 10, 100)
TRANSPORTS = ("httpx", "fast")
#: The upper limit that the project aims at: times the CPU time of v1.
MOST = 1.1
#: Servers by the release that answers, with the API to ask.
SERVERS = {"v1 of 2020": "v1", "v1 of 2023": "v1", "Node of 2023": "node"}
COMPANY, CHANNEL = "2738494b-0f0b-11eb-9a0b-0242ac1b0006", "f7543179-7b80-48e4-959f-179cff492015"
WORKSPACE = "0fac3dc0-e914-11f1-a2d0-9f7cb434e27b"


async def sends(url: str, server: str, transport: str, concurrent: int) -> float:
    """Return the CPU time of a send, in µs."""
    options: dict[str, Any] = {"api": SERVERS[server]}
    if transport == "fast":
        options["transport"] = "fast"
    async with TwakeSession(
        "10a03ab0-e914-11f1-a2d0-9f7cb434e27b",
        "key",
        group_id=COMPANY if server.endswith("2020") else OF_2023,
        workspace_id=WORKSPACE,
        base_url=url,
        proxy=None,
        **options,
    ) as twake:

        async def sender(count: int) -> None:
            for _ in range(count):
                await twake.send_message(CHANNEL, "Hello, this is my first message !")

        async def all_of(count: int) -> None:
            await asyncio.gather(*(sender(count // concurrent) for _ in range(concurrent)))

        await all_of(WARM_UP)
        began = time.process_time()
        await all_of(SENDS)
        return (time.process_time() - began) / SENDS * 1e6


def one_run(*arguments: str) -> float:
    """Return what a process of its own measured."""
    command = [sys.executable, __file__, "run", *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(url: str, rounds: int) -> None:
    """Print the medians of the rounds, and those of the ratios of each round."""
    for transport in TRANSPORTS:
        for concurrent in CONCURRENT:
            seen: dict[str, list[float]] = {server: [] for server in SERVERS}
            for _ in range(rounds):
                for server, found in seen.items():
                    found.append(one_run(url, server, transport, str(concurrent)))
            costs = (f"{name} {statistics.median(found):.0f} µs" for name, found in seen.items())
            *v1, node = seen.values()
            ratios = (
                statistics.median(b / a for a, b in zip(old, node, strict=True)) for old in v1
            )
            shown = " and ".join(f"{one:.2f}{'' if one <= MOST else '!'}" for one in ratios)
            print(f"{transport}, {concurrent} concurrent: {', '.join(costs)}: {shown} times v1's")


def main(rounds: int) -> None:
    """Start the server, and measure against it."""
    command = [sys.executable, str(pathlib.Path(__file__).with_name("server.py")), "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        compare(f"http://127.0.0.1:{server.stdout.readline().strip()}", rounds)
    finally:
        server.kill()
        server.communicate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        *where, concurrent = sys.argv[2:]
        print(asyncio.run(sends(*where, int(concurrent))))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)

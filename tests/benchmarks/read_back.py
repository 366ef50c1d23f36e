"""What `read_back=True` costs: one send after the other over api="node", without it and with it.

`python read_back.py [ROUNDS]`. The server is the sandbox, in a process of its own, so that its CPU
is not counted.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from typing import Literal

from twake_async import TwakeSession

SENDS, WARM_UP = 400, 100


async def one_round(twake: TwakeSession, sends: int, *, read_back: bool) -> tuple[float, float]:
    """Send, and return the CPU time and the time of one send, in milliseconds."""
    channel_id = os.environ["TWAKE_CHANNEL_ID"]
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(sends):
        await twake.send_message(channel_id, "Hello", read_back=read_back)
    took = time.perf_counter() - began
    return (time.process_time() - cpu) / sends * 1000, took / sends * 1000


async def measure(transport: Literal["fast"] | None, rounds: int) -> None:
    """Print the medians of the rounds; with and without a read take turns."""
    seen: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    async with TwakeSession.from_env(transport=transport) as twake:
        for read_back in seen:
            await one_round(twake, WARM_UP, read_back=read_back)
        for _ in range(rounds):
            for read_back, found in seen.items():
                found.append(await one_round(twake, SENDS, read_back=read_back))
    for read_back, found in seen.items():
        cpu, took = (statistics.median(each) for each in zip(*found, strict=True))
        name = f"{transport or 'httpx'}, {'with' if read_back else 'without'} read_back"
        print(f"{name}: {cpu * 1000:.0f} µs CPU, {took:.1f} ms")


def main(rounds: int) -> None:
    """Start a sandbox of 2023, and measure against it."""
    command = [sys.executable, "-m", "twake_async", "sandbox", "--release", "2023"]
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout
    try:
        for line in server.stdout:
            name, _, value = line.removeprefix("export ").strip().partition("=")
            os.environ[name] = value
            if name == "TWAKE_CHANNEL_ID":
                break
        for transport in (None, "fast"):
            asyncio.run(measure(transport, rounds))
    finally:
        server.terminate()
        server.communicate()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5)

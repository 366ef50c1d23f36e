"""What a journal in PostgreSQL costs beside the SQLite journal, and what two processes reach.

    python tests/benchmarks/shared.py "host=127.0.0.1 dbname=test"

CPU is that of the sending process: at most 1.05 of the SQLite journal's. Sends a second: at least
0.85 of it. The two take turns in one process, as in `stream.py`, whose server they use; a figure is
the median of the rounds. Then one process sends two partitions one after the other, and two
processes send one each.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from typing import TYPE_CHECKING

from twake_async import Journal, MessageDraft, Outcome, TwakeSession
from twake_async.postgres import PostgresJournal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS, SENDS = 9, 1500
CHANNELS = 500
STREAM = pathlib.Path(__file__).with_name("stream.py")


def drafts(part: str) -> Iterator[MessageDraft]:
    """Make drafts one by one, spread over the channels."""
    for number in range(SENDS):
        yield MessageDraft(f"channel {number % CHANNELS}", f"{part}:{number:06d}")


async def send(url: str, in_flight: int, journal: object, part: str = "0") -> tuple[float, float]:
    """Send a batch; return CPU microseconds a send, and sends a second."""
    async with TwakeSession("id", "key", group_id="g", base_url=url) as twake:
        await asyncio.gather(*(twake.send_message("c", "warm") for _ in range(in_flight)))
        cpu, began, count = time.process_time(), time.perf_counter(), 0
        options = {"in_flight": in_flight, "journal": journal, "key": lambda draft: draft.content}
        async for delivery in twake.send_many(drafts(part), **options):
            count += delivery.outcome is Outcome.DELIVERED
        cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    assert count == SENDS
    return cpu / SENDS * 1e6, SENDS / wall


async def compare(url: str, conninfo: str) -> None:
    """Print CPU and sends a second of both journals, and the ratios."""
    for in_flight in (10, 100):
        found: dict[str, list[tuple[float, float]]] = {"sqlite": [], "postgres": []}
        for _ in range(ROUNDS):
            for name in random.sample(list(found), len(found)):
                with tempfile.TemporaryDirectory() as folder:
                    shared = PostgresJournal(conninfo, batch=str(uuid.uuid4())).part(0)
                    journal = Journal(f"{folder}/j") if name == "sqlite" else shared
                    found[name].append(await send(url, in_flight, journal))
        pairs = list(zip(found["postgres"], found["sqlite"], strict=True))
        print(f"in_flight={in_flight}")
        for name, figures in found.items():
            cpu, rate = (statistics.median(one[n] for one in figures) for n in (0, 1))
            print(f"  {name:10}{cpu:9.0f} us {rate:8.0f}/s")
        cpu, rate = (statistics.median(one[n] / other[n] for one, other in pairs) for n in (0, 1))
        print(f"  postgres beside sqlite: CPU {cpu:.2f}, rate {rate:.2f}", flush=True)


def together(url: str, conninfo: str) -> None:
    """Print what one process and two processes reach on two partitions."""
    command = [sys.executable, __file__, conninfo, url]
    for in_flight in (10, 100):
        seconds = {}
        for count in (1, 2):
            batch, began = str(uuid.uuid4()), time.perf_counter()
            parts = ["01"] if count == 1 else ["0", "1"]
            given = [[*command, batch, str(in_flight), part] for part in parts]
            processes = [subprocess.Popen(each) for each in given]
            assert [process.wait() for process in processes] == [0] * count
            seconds[count] = time.perf_counter() - began
        one, two = (2 * SENDS / seconds[count] for count in (1, 2))
        print(f"in_flight={in_flight}: one process {one:.0f}/s, two {two:.0f}/s ({two / one:.2f})")


async def parts_of(url: str, conninfo: str, batch: str, in_flight: int, parts: str) -> None:
    """Send some partitions, one after the other."""
    journal = PostgresJournal(conninfo, batch=batch)
    for part in parts:
        await send(url, in_flight, journal.part(int(part)), part)


def main() -> None:
    """Start a server, then measure."""
    conninfo, *rest = sys.argv[1:]
    if rest:
        url, batch, in_flight, parts = rest
        asyncio.run(parts_of(url, conninfo, batch, int(in_flight), parts))
        return
    with subprocess.Popen([sys.executable, STREAM, "serve"], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        with contextlib.ExitStack() as stack:
            stack.callback(server.kill)
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            asyncio.run(compare(url, conninfo))
            together(url, conninfo)


if __name__ == "__main__":
    main()

"""What many sends that wait for a connection cost: `python waiting.py [COUNT]`.

It prints the longest time for which the event loop stands still while all of them are cancelled,
or reach their deadline, beside as many bare asyncio tasks that wait for a future; and the memory of
each. Every case runs in a process of its own, one after the other, so that nothing is charged for
what another case left behind.
"""

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from twake_async import RetryPolicy, TwakeError, TwakeSession

COUNT = 100_000
#: How many waiting sends are weighed.
WEIGHED = 5_000
#: The upper limits that the project aims at: times the block of bare tasks, bytes for each send.
MOST_TIMES, MOST_BYTES = 1.5, 3_072
WAYS = ("bare", "httpx", "httpx2", "fast")
ENDINGS = ("cancelled", "late")

Wait = Callable[[float], Awaitable[object]]


class Beat:
    """The longest time between two turns of the event loop.

    It is the CPU time of this thread, so that a busy machine is unfair to nobody.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Measure during this context."""
        self._last, self._over = time.thread_time(), False
        self._turn()
        yield
        self._over = True

    def _turn(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        if not self._over:
            asyncio.get_running_loop().call_soon(self._turn)


@contextlib.asynccontextmanager
async def waiting_sends(transport: str | None) -> AsyncIterator[Wait]:
    """Yield a send that waits: another one has the only connection, and the server is silent."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with TwakeSession(
        "app",
        "key",
        group_id="g1",
        base_url=url,
        max_connections=1,
        transport=transport,  # type: ignore[arg-type]
        retry=RetryPolicy.never(),
    ) as twake:
        first = asyncio.create_task(twake.send_message("c1", "Hello", deadline=10_000))
        await asyncio.sleep(0.2)
        yield lambda seconds: twake.send_message("c1", "Hello", deadline=seconds)
        first.cancel()
        await asyncio.wait([first])
    server.close()


@contextlib.asynccontextmanager
async def bare_tasks() -> AsyncIterator[Wait]:
    """Yield a wait for a future under a deadline, and nothing more."""
    loop = asyncio.get_running_loop()

    async def bare(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await loop.create_future()

    yield bare


def waits(way: str) -> contextlib.AbstractAsyncContextManager[Wait]:
    """Return the waits of this kind."""
    return bare_tasks() if way == "bare" else waiting_sends(None if way == "httpx" else way)


async def block(way: str, ending: str, count: int) -> dict[str, float]:
    """Let so many tasks wait and end; return the longest block, and the time until the last end."""
    # All end in one moment: a wait that begins later is shorter.
    loop, beat = asyncio.get_running_loop(), Beat()
    async with waits(way) as wait:
        when = loop.time() + (2 + count * 300e-6 if ending == "late" else 10_000)

        async def one() -> None:
            with contextlib.suppress(TimeoutError, TwakeError):
                await wait(when - loop.time())

        tasks = [asyncio.create_task(one()) for _ in range(count)]
        await asyncio.sleep(0.5)
        if ending == "late":
            left = when - loop.time()
            assert left > 0.1, "all shall wait before the first one is late"
            await asyncio.sleep(left - 0.1)
        with beat.measured():
            await asyncio.sleep(0)
            if ending == "cancelled":
                when = loop.time()
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks)
        return {"block": beat.longest, "all": loop.time() - when}


async def weigh(way: str) -> dict[str, float]:
    """Return the bytes of each waiting task, the task included."""
    async with waits(way) as wait:
        tasks = [asyncio.create_task(wait(10_000)) for _ in range(100)]  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tasks += [asyncio.create_task(wait(10_000)) for _ in range(WEIGHED)]  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return {"bytes": (after - before) / WEIGHED}


def measure(*case: str) -> dict[str, float]:
    """Run one case in a process of its own."""
    command = [sys.executable, __file__, "--case", *case]
    found: dict[str, float] = json.loads(subprocess.check_output(command, text=True))
    return found


def main(count: int) -> int:
    """Print all cases; return 1 if one is beyond its limit."""
    beyond = False
    for ending in ENDINGS:
        bare = 0.0
        for way in WAYS:
            found = measure(way, ending, str(count))
            bare = bare or found["block"]
            times = found["block"] / bare
            beyond |= times > MOST_TIMES
            print(
                f"{count} {ending:9}  {way:6}  longest block {1000 * found['block']:7.0f} ms "
                f"({times:.2f} x bare)  all ended after {found['all']:6.2f} s"
            )
    for way in WAYS:
        size = measure(way, "weigh")["bytes"]
        beyond |= size > MOST_BYTES
        print(f"each that waits  {way:6}  {size:6.0f} bytes")
    return int(beyond)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--case"]:
        sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else COUNT))
    way, what, *rest = sys.argv[2:]
    coroutine = weigh(way) if what == "weigh" else block(way, what, int(rest[0]))
    print(json.dumps(asyncio.run(coroutine)))

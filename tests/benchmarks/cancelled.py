"""What cancelled requests do to a library's own pool: `python cancelled.py` prints it for both.

Tasks send for some seconds, each request under a time limit that often cuts it. Then as many requests
as the pool has places are made at once: each that gets a place holds it, so that the ones that are
answered show how many places still work.
"""

import asyncio
import importlib
import pathlib
import random
import subprocess
import sys
from importlib import metadata
from typing import Any

import clients

SECONDS, TASKS, PLACES = 4.0, 20, 10
#: Seconds that a request may take; the server takes 0.005 to answer.
LONGEST = 0.012
#: Seconds to wait for a place at the end, where the server takes 0.05 to answer.
PATIENCE = 0.03


async def cut(session: Any, url: str, chance: random.Random) -> int:
    """Send until the time is over, and return how many requests were cancelled."""
    loop, cancelled = asyncio.get_running_loop(), 0
    ends = loop.time() + SECONDS
    while loop.time() < ends:
        try:
            async with asyncio.timeout(chance.uniform(0, LONGEST)):
                await session.post(url, json=clients.REQUEST)
        except TimeoutError:
            cancelled += 1
        except Exception:  # noqa: BLE001 - a pool without places says so at the end
            pass
    return cancelled


async def lives(session: Any, url: str, http: Any) -> bool:
    """Say whether a request gets a place."""
    try:
        await session.post(url, json=clients.REQUEST, timeout=http.Timeout(5, pool=PATIENCE))
    except http.PoolTimeout:
        return False
    return True


async def measure(name: str, quick: str, slow: str) -> None:
    """Print how many places still work in a library's pool."""
    http = importlib.import_module(name)
    limits = http.Limits(max_connections=PLACES, max_keepalive_connections=PLACES)
    timeout = http.Timeout(5, pool=LONGEST)
    async with http.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as session:
        chances = [random.Random(number) for number in range(TASKS)]
        counts = await asyncio.gather(*(cut(session, quick, chance) for chance in chances))
        await asyncio.sleep(1)
        alive = await asyncio.gather(*(lives(session, slow, http) for _ in range(PLACES)))
    print(
        f"{name} {metadata.version(name)}: after {sum(counts):,} cancelled requests "
        f"{sum(alive)} of {PLACES} places work"
    )


def main() -> None:
    """Measure each library against a server of its own."""
    path = str(pathlib.Path(__file__).with_name("server.py"))
    for name in ("httpx", "httpx2"):
        server = subprocess.Popen(
            [sys.executable, path, "5", "50"], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout
        try:
            quick, slow = (
                f"http://127.0.0.1:{port}/api/v1/messages/save"
                for port in server.stdout.readline().split()
            )
            asyncio.run(measure(name, quick, slow))
        finally:
            server.kill()
            server.communicate()


if __name__ == "__main__":
    main()

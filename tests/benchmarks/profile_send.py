"""Where the CPU of a send goes: `python profile_send.py [fast]` prints the most costly functions.

cProfile charges each call of Python for its own bookkeeping, so that small functions look slower
than they are: the order tells more than the figures.
"""

import asyncio
import cProfile
import pathlib
import pstats
import subprocess
import sys

import clients

SENDS, CONCURRENT, SHOWN = 3000, 10, 40


async def profile(url: str, name: str) -> cProfile.Profile:
    """Send, profiled, after some sends that warm up."""
    async with clients.CLIENTS[name](url, CONCURRENT) as send:
        await clients.one_round(send, CONCURRENT, 300)
        seen = cProfile.Profile()
        seen.enable()
        await clients.one_round(send, CONCURRENT, SENDS)
        seen.disable()
        return seen


def main(name: str) -> None:
    """Print the profile of one client."""
    command = [sys.executable, str(pathlib.Path(__file__).with_name("server.py")), "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        port = server.stdout.readline().strip()
        seen = asyncio.run(profile(f"http://127.0.0.1:{port}", name))
    finally:
        server.kill()
        server.communicate()
    pstats.Stats(seen).strip_dirs().sort_stats("tottime").print_stats(SHOWN)


if __name__ == "__main__":
    main("twake-async[fast]" if sys.argv[1:] == ["fast"] else "twake-async")

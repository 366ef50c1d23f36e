"""What `import twake_async` costs: CPU as a ratio to importing httpx, attrs and cattrs.

Run by `nox -s bench`. Each import is a process of its own; the two take turns. The second pair of
figures holds what an import may put off: it also builds one client, and closes it.
"""

import statistics
import subprocess
import sys

PLAIN = "import httpx, attrs, cattrs"
OURS = "import twake_async"
PLAIN_USED = """
import asyncio, httpx, attrs, cattrs
async def main():
    async with httpx.AsyncClient(base_url="http://127.0.0.1"): pass
asyncio.run(main())
"""
OURS_USED = """
import asyncio, twake_async
async def main():
    async with twake_async.TwakeSession("id", "key", base_url="http://127.0.0.1"): pass
asyncio.run(main())
"""
ROUNDS = 25


def cpu_of(code: str) -> float:
    """Milliseconds of CPU that a fresh interpreter takes for some code."""
    timed = f"import time; began = time.process_time()\n{code}\nprint(time.process_time() - began)"
    # With its bytecode already there, as after an installation: the first round writes it.
    command = [sys.executable, "-c", timed]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={})
    return float(done.stdout) * 1000


def compare(plain: str, ours: str) -> str:
    """The medians of both, and their ratio, after a round that does not count."""
    figures = [(cpu_of(plain), cpu_of(ours)) for _ in range(ROUNDS + 1)][1:]
    one, other = (statistics.median(column) for column in zip(*figures, strict=True))
    return f"{one:.1f} ms, {other:.1f} ms: ratio {other / one:.2f}"


if __name__ == "__main__":
    print("importing httpx, attrs, cattrs, against twake_async:", compare(PLAIN, OURS))
    print("and building one client of each:", compare(PLAIN_USED, OURS_USED))

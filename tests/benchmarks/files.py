"""What a large file costs: the peak memory and the time of an upload and of a download.

`python files.py [MIB]`, 1024 by default: each transfer has a process of its own, and that of 1 MiB
is the floor. The server is a third process, which keeps nothing.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

MIB = 1_048_576
MOST_MORE = 20.0
"""MiB that a large transfer may take beyond a small one."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read an upload and drop it, or send a generated file."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
    if b"/drive/download" in head:
        size = int(json.loads(await reader.readexactly(length))["file_id"])
        await _send(writer, size)
    else:
        size = await _receive(reader, length)
        body = json.dumps({"object": {"id": "f-1", "name": "file", "size": size}}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
    writer.close()


async def _receive(reader: asyncio.StreamReader, length: int) -> int:
    size, left = 0, length
    while left:
        chunk = await reader.read(min(left, 262_144))
        size = size or int(re.search(rb'object\[name\]"\r\n\r\n(\d+)', chunk)[1])  # type: ignore[index]
        left -= len(chunk)
    return size


async def _send(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Disposition: attachment\r\nContent-Length: %d\r\n\r\n" % size
    )
    chunk = bytes(262_144)
    for start in range(0, size, len(chunk)):
        writer.write(chunk[: size - start])
        await writer.drain()


async def serve() -> None:
    """Serve until the process is ended; the first line of the output is the port."""
    server = await asyncio.start_server(answer, "127.0.0.1", limit=1_048_576)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def transfer(what: str, size: int, url: str) -> None:
    """Make one transfer, and print what it took."""
    from twake_async import TwakeSession

    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "file"
        async with TwakeSession("an-id", "a-key", group_id="g", base_url=url) as twake:
            if what == "up":
                with path.open("wb") as file:
                    file.truncate(size)
            began, cpu = time.perf_counter(), time.process_time()
            if what == "up":
                await twake.files.upload(path, name=str(size), workspace_id="w")
            else:
                await twake.files.download(str(size), path, workspace_id="w")
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert path.stat().st_size == size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    print(json.dumps({"peak": peak_bytes / MIB, "seconds": took, "cpu": cpu}))


def measure(what: str, mib: int, url: str) -> dict[str, float]:
    """Make a transfer in a process of its own, and return what it took."""
    command = [sys.executable, __file__, what, str(mib * MIB), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(mib: int) -> dict[str, float]:
    """Return how many MiB a large transfer takes beyond a small one, up and down."""
    server = subprocess.Popen(
        [sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        more = {}
        for what in ("up", "down"):
            small, large = measure(what, 1, url), measure(what, mib, url)
            more[what] = large["peak"] - small["peak"]
            print(
                f"{what}: {mib:,} MiB in {large['seconds']:.1f} s ({large['cpu']:.1f} s CPU); peak "
                f"{large['peak']:.1f} MiB, that of 1 MiB {small['peak']:.1f} MiB"
            )
        return more
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def main() -> None:
    """Run what the command line says."""
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    elif len(sys.argv) > 2:
        asyncio.run(transfer(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
    else:
        found = compare(int(sys.argv[1]) if sys.argv[1:] else 1024)
        sys.exit(max(found.values()) > MOST_MORE)


if __name__ == "__main__":
    main()

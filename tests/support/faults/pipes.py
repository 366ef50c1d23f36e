"""Bytes from one connection to another, in both directions."""

from __future__ import annotations

import asyncio
import contextlib


async def copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None
) -> None:
    """Copy until the end, or until exactly `limit` bytes have gone through."""
    left = float("inf") if limit is None else limit
    while left > 0:
        data = await reader.read(int(min(left, 1 << 16)))
        if not data:
            return
        writer.write(data)
        await writer.drain()
        left -= len(data)


async def first_of(*pipes: object) -> None:
    """Run both directions until one has ended, then end the other."""
    tasks = [asyncio.ensure_future(pipe) for pipe in pipes]  # type: ignore[type-var]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until it is closed."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()

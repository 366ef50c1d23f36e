"""Acts on a fleet while it sends: each is spread over the batch by the count of stored messages."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from postgres.small_disk import empty

from .work import worker_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from postgres.server import PostgresServer

    from .proxy import DatabaseProxy
    from .storm import Storm

    Act = Callable[[Storm], Awaitable[None]]


async def _moments(storm: Storm, count: int) -> AsyncIterator[None]:
    """Yield at so many moments of the batch."""
    size = storm.work.messages
    for number in range(count):
        await storm.until_stored(
            round(size * (number + storm.fleet.random.random()) / count * 0.95)
        )
        if storm.fleet.is_over:
            return
        yield


def kills(count: int) -> Act:
    """Kill so many workers with SIGKILL."""

    async def act(storm: Storm) -> None:
        async for _ in _moments(storm, count):
            storm.fleet.kill()

    return act


def cuts(proxy: DatabaseProxy, count: int) -> Act:
    """Cut the connections of all workers to PostgreSQL so many times."""

    async def act(storm: Storm) -> None:
        async for _ in _moments(storm, count):
            proxy.cut()

    return act


def crashes(server: PostgresServer, count: int) -> Act:
    """Kill PostgreSQL so many times, and start it again."""

    async def act(storm: Storm) -> None:
        async for _ in _moments(storm, count):
            await asyncio.to_thread(server.crash)
            await asyncio.to_thread(server.start)

    return act


def swallowed(
    proxy: DatabaseProxy, count: int, seconds: float, *, answers_only: bool = False
) -> Act:
    """Swallow what the workers and PostgreSQL say to each other, so many times for so long."""

    async def act(storm: Storm) -> None:
        async for _ in _moments(storm, count):
            proxy.swallow(answers_only=answers_only)
            await asyncio.sleep(seconds)
            proxy.flow()

    return act


def frozen(take_over: Callable[[int], Awaitable[None]] | None = None, within: float = 120) -> Act:
    """Freeze a worker until the others have ended the batch, then let it go on.

    Args:
        take_over: Makes the others take over from the process with this id; None: they do it by
            themselves, in their time.
        within: Seconds that the others have for the rest of the batch.

    """

    async def act(storm: Storm) -> None:
        await storm.until_stored(storm.work.messages // 4)
        pid = await storm.fleet.stop()
        if take_over is not None:
            await take_over(pid)
        with contextlib.suppress(TimeoutError):
            await storm.fleet.until_others_are_over(within)
        storm.continued.append(len(storm.store.sequence))
        storm.fleet.go_on()

    return act


def read_only(server: PostgresServer) -> Act:
    """Make PostgreSQL read-only until a worker has ended for it."""

    async def act(storm: Storm) -> None:
        await storm.until_stored(storm.work.messages // 3)
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, server.read_only())
            await _until_one_ends(storm)
            await asyncio.to_thread(stack.close)

    return act


def full_disk(server: PostgresServer) -> Act:
    """Make room on the disk of the database when a worker has ended for lack of room."""

    async def act(storm: Storm) -> None:
        await _until_one_ends(storm)
        await asyncio.to_thread(empty, server)

    return act


async def _until_one_ends(storm: Storm) -> None:
    fleet, failed = storm.fleet, storm.fleet.failed
    await fleet.until(lambda: fleet.failed > failed or fleet.is_over, storm.within)


def end_sessions_of(server: PostgresServer) -> Callable[[int], Awaitable[None]]:
    """Return a function that ends the database sessions of the worker with a process id."""

    async def end(pid: int) -> None:
        await asyncio.to_thread(
            server.run,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE application_name = '{worker_name(pid)}'",
        )

    return end

"""The storms over a journal on PostgreSQL: each in a size that the caller chooses.

`size` 1 is what `nox -s many_machines` runs; the tests of the suite run a small part of it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
from faults import RandomScript
from postgres.small_disk import fill, small_database

from . import acts
from .proxy import DatabaseProxy
from .store import Store
from .storm import Kind, read_postgres, run
from .work import Work, run_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from postgres.server import PostgresServer

    from .storm import Result

    Scenario = Callable[[PostgresServer, Path, float], Awaitable[Result]]

#: Workers whose journal is on PostgreSQL.
KIND = Kind(run_postgres, read_postgres)
#: The fate of one message in fifty, besides the acts on the workers and the database.
FAULTS = ("stores_close", "loses_close", "refuses_429_absent")
SEED = 7
#: Bytes for the tables, and for less than 1,500 messages.
_ROOM = 500_000


@asynccontextmanager
async def _places(
    server: PostgresServer, folder: Path, *, small: bool = False, **more: object
) -> AsyncIterator[tuple[Work, Store, DatabaseProxy]]:
    """Give a batch in a new database, the server that it goes to, and the proxy before PostgreSQL.

    Args:
        server: The server of the database.
        folder: Where the workers write.
        small: Whether the database's disk has room for a few megabytes only.
        **more: The fields of the batch.

    """
    script = RandomScript(SEED, FAULTS, rate=0.02)
    with small_database(server) if small else server.database() as name:
        async with Store(script) as store, DatabaseProxy(server.port) as proxy:
            conninfo = server.conninfo(name, port=proxy.port)
            work = Work(store.url, folder, conninfo, journal=server.conninfo(name), database=name)
            yield attrs.evolve(work, **more), store, proxy


def _many(size: float, count: int) -> int:
    """Return a count for a storm of this size; at least one."""
    return max(1, round(count * size))


async def kills(server: PostgresServer, folder: Path, size: float) -> Result:
    """Kill 50 workers with SIGKILL over 12,000 messages."""
    messages = _many(size, 12_000)
    more = {"messages": messages, "channels": 64, "parts": 64 if size == 1 else 8}
    async with _places(server, folder, **more) as (work, store, _):
        act = acts.kills(_many(size, 50))
        return await run(KIND, work, store, act, workers=4, within=60 + 600 * size)


async def resends(server: PostgresServer, folder: Path, size: float) -> Result:
    """Kill workers of a batch that resends unknown messages: each copy is reported."""
    more = {"messages": _many(size, 3_000), "channels": 32, "parts": 8, "resume": "resend"}
    async with _places(server, folder, **more) as (work, store, _):
        act = acts.kills(_many(size, 20))
        return await run(KIND, work, store, act, workers=4, within=60 + 300 * size)


async def cuts(server: PostgresServer, folder: Path, size: float) -> Result:
    """Cut the connections to the database 50 times."""
    more = {"messages": _many(size, 6_000), "channels": 32, "parts": 8}
    async with _places(server, folder, **more) as (work, store, proxy):
        act = acts.cuts(proxy, _many(size, 50))
        return await run(KIND, work, store, act, within=60 + 600 * size)


async def crashes(server: PostgresServer, folder: Path, size: float) -> Result:
    """Kill PostgreSQL three times."""
    more = {"messages": _many(size, 6_000), "channels": 32, "parts": 8}
    async with _places(server, folder, **more) as (work, store, _):
        act = acts.crashes(server, _many(size, 3))
        return await run(KIND, work, store, act, within=90 + 600 * size)


async def frozen(server: PostgresServer, folder: Path, size: float) -> Result:
    """Stop a worker with SIGSTOP until the others have taken over, and continue it."""
    more = {"messages": _many(size, 3_000), "channels": 32, "parts": 8}
    async with _places(server, folder, **more) as (work, store, _):
        # The full storm waits until PostgreSQL ends the frozen session by itself, as in production.
        take_over = None if size == 1 else acts.end_sessions_of(server)
        act = acts.frozen(take_over)
        return await run(KIND, work, store, act, within=180 + 300 * size)


async def swallowed(server: PostgresServer, folder: Path, size: float) -> Result:
    """Swallow the packets between the workers and PostgreSQL, for longer than any time-out."""
    more = {"messages": _many(size, 3_000), "channels": 32, "parts": 8}
    async with _places(server, folder, **more) as (work, store, proxy):
        act = acts.swallowed(proxy, _many(size, 4), seconds=8.0 if size == 1 else 0.5)
        return await run(KIND, work, store, act, within=90 + 300 * size)


async def swallowed_answers(server: PostgresServer, folder: Path, size: float) -> Result:
    """Swallow the answers of PostgreSQL: it commits, and no worker learns of it."""
    more = {"messages": _many(size, 3_000), "channels": 32, "parts": 8}
    async with _places(server, folder, **more) as (work, store, proxy):
        seconds = 8.0 if size == 1 else 0.5
        act = acts.swallowed(proxy, _many(size, 4), seconds, answers_only=True)
        return await run(KIND, work, store, act, within=90 + 300 * size)


async def read_only(server: PostgresServer, folder: Path, size: float) -> Result:
    """Make the database read-only, until a worker has ended for it."""
    more = {"messages": _many(size, 3_000), "channels": 32, "parts": 8}
    async with _places(server, folder, **more) as (work, store, _):
        act = acts.read_only(server)
        return await run(KIND, work, store, act, within=90 + 300 * size)


async def full_disk(server: PostgresServer, folder: Path, size: float) -> Result:
    """Leave room for a part of the batch on the disk of the database."""
    more = {"messages": max(1_500, _many(size, 3_000)), "channels": 32, "parts": 8, "small": True}
    async with _places(server, folder, **more) as (work, store, _):
        fill(server, room=_ROOM)
        act = acts.full_disk(server)
        return await run(KIND, work, store, act, within=90 + 300 * size)


async def everything(server: PostgresServer, folder: Path, size: float) -> Result:
    """Kill workers, cut connections and crash PostgreSQL in one batch."""
    more = {"messages": _many(size, 6_000), "channels": 32, "parts": 16}
    async with _places(server, folder, **more) as (work, store, proxy):
        all_acts = (
            acts.kills(_many(size, 20)),
            acts.cuts(proxy, _many(size, 20)),
            acts.crashes(server, 1),
        )
        return await run(KIND, work, store, *all_acts, workers=4, within=120 + 600 * size)


SCENARIOS: dict[str, Scenario] = {
    one.__name__: one
    for one in (
        kills,
        resends,
        cuts,
        crashes,
        frozen,
        swallowed,
        swallowed_answers,
        read_only,
        full_disk,
        everything,
    )
}

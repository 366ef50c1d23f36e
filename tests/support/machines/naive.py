"""Workers as task queues make them: each task is a message; a dead worker's task is given again.

They show that a storm finds the mistakes that it looks for: copies.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg

from .work import Reports

if TYPE_CHECKING:
    from twake_async import TwakeSession

    from .work import Work

_TAKE = "SELECT key, channel FROM task WHERE NOT done ORDER BY key LIMIT 1 FOR UPDATE SKIP LOCKED"


def make_queue(work: Work) -> None:
    """Make a queue with a task for each message."""
    with psycopg.connect(work.conninfo, autocommit=True) as db:
        db.execute(
            "CREATE TABLE task (key text PRIMARY KEY, channel text, done bool DEFAULT false)"
        )
        with db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO task (key, channel) VALUES (%s, %s)", list(work.expected().items())
            )


def run_naive(work: Work, name: str) -> None:
    """Take tasks from the queue until all are done; the task's lock ends with the worker."""
    asyncio.run(_run_naive(work, name))


async def _run_naive(work: Work, name: str) -> None:
    with Reports(work, name):
        async with work.session() as twake:
            await asyncio.gather(*(_take_tasks(work, twake) for _ in range(work.in_flight)))


async def _take_tasks(work: Work, twake: TwakeSession) -> None:
    db = await psycopg.AsyncConnection.connect(work.conninfo)
    async with db:
        while True:
            task = await (await db.execute(_TAKE)).fetchone()
            if task is None:
                return
            key, channel = task
            await twake.send_message(channel, key)
            await db.execute("UPDATE task SET done = true WHERE key = %s", (key,))
            await db.commit()

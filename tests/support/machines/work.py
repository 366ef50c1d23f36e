"""The work and the reports of one worker; each worker is a process of its own.

A worker's batch is the same one each time that it is started: message `n` goes to the channel
`n % channels`, its text and its key are its number, and its partition follows from its channel.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from twake_async import MessageDraft, RetryPolicy, TwakeSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twake_async import Delivery
    from twake_async.postgres import PostgresJournal


@attrs.frozen
class Work:
    """The batch that all workers share, and how they send it."""

    url: str
    """The address of the server."""
    folder: Path
    """The folder for the reports of the workers."""
    conninfo: str = ""
    """The connection string with which the workers reach the database."""
    journal: str = ""
    """The connection string for the journal when all is over."""
    database: str = ""
    """The name of the database."""
    messages: int = 200
    channels: int = 8
    parts: int = 4
    batch: str = "storm"
    resume: str = "report"
    in_flight: int = 10
    concurrency: int = 2
    """How many partitions a worker takes at once."""
    deadline: float = 10.0
    """Seconds for one message."""

    def key(self, number: int) -> str:
        """Return the key of a message, which is its text."""
        return f"{number:06d}"

    def channel(self, number: int) -> str:
        """Return the channel of a message."""
        return f"c{number % self.channels:03d}"

    def expected(self) -> dict[str, str]:
        """Return the channel of each key."""
        return {self.key(number): self.channel(number) for number in range(self.messages)}

    def drafts(self, part: int) -> Iterator[MessageDraft]:
        """Make the drafts of a partition, without regard to the channels of the journal."""
        for number in range(self.messages):
            if number % self.channels % self.parts == part:
                yield MessageDraft(self.channel(number), self.key(number))

    def drafts_of(self, journal: PostgresJournal) -> Callable[[int], Iterator[MessageDraft]]:
        """Return a function that makes the drafts of a partition of the journal."""

        def drafts(part: int) -> Iterator[MessageDraft]:
            for number in range(self.messages):
                channel = self.channel(number)
                if journal.part_of(channel) == part:
                    yield MessageDraft(channel, self.key(number))

        return drafts

    def session(self) -> TwakeSession:
        """Return a session for the server."""
        policy = RetryPolicy(initial_wait=0.001, max_wait=0.004)
        return TwakeSession(
            "app",
            "k" * 40,
            group_id="g1",
            base_url=self.url,
            retry=policy,
            retry_budget=None,
            deadline=self.deadline,
        )


class Reports:
    """A worker's file of reports: each line is on file before the next delivery is asked for."""

    def __init__(self, work: Work, name: str) -> None:
        self._path = work.folder / f"{name}.reports"

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._file)

    def write(self, delivery: Delivery) -> None:
        """Write down the contents of a delivery."""
        error, message = delivery.error, delivery.message
        self.note(
            key=delivery.key,
            outcome=delivery.outcome.name,
            reason=error.reason if error else "",
            maybe_duplicated=bool(message and message.maybe_duplicated),
            from_journal=delivery.from_journal,
        )

    def note(self, **fields: Any) -> None:
        """Write a line."""
        line = {"at": time.monotonic(), "pid": os.getpid(), **fields}
        os.write(self._file, json.dumps(line).encode() + b"\n")


def key_of(draft: MessageDraft) -> str:
    """Return the key of a draft."""
    return str(draft.content)


def run_sqlite(work: Work, name: str) -> None:
    """Take any free partition, each with a journal of its own in the folder.

    One machine can do this without PostgreSQL: it shows that the storms and the verdict are right
    about workers that are right.
    """
    asyncio.run(_run_sqlite(work, name))


async def _run_sqlite(work: Work, name: str) -> None:
    from twake_async import Journal, JournalError

    left = set(range(work.parts))
    with Reports(work, name) as reports:
        async with work.session() as twake:
            while left:
                part = min(left, key=lambda one: hash((one, os.getpid())))
                journal = Journal(work.folder / f"part-{part}.sqlite")
                try:
                    async for delivery in twake.send_many(
                        work.drafts(part), journal=journal, key=key_of, in_flight=work.in_flight
                    ):
                        reports.write(delivery)
                except JournalError as exc:
                    if exc.reason != "locked":
                        raise
                    await asyncio.sleep(0.02)
                    continue
                left.discard(part)


def run_postgres(work: Work, name: str) -> None:
    """Take partitions until all are done, with a journal on PostgreSQL."""
    sys.exit(asyncio.run(_run_postgres(work, name)))


async def _run_postgres(work: Work, name: str) -> int:
    from twake_async import JournalError
    from twake_async.postgres import PostgresJournal

    conninfo = f"{work.conninfo} application_name={worker_name(os.getpid())}"
    journal = PostgresJournal(conninfo, batch=work.batch, parts=work.parts)
    with Reports(work, name) as reports:
        async with work.session() as twake:
            try:
                async for delivery in twake.send_partitioned(
                    work.drafts_of(journal),
                    journal=journal,
                    key=key_of,
                    in_flight=work.in_flight,
                    concurrency=work.concurrency,
                    resume=work.resume,
                ):
                    reports.write(delivery)
            except JournalError as exc:
                # A service does the same: it ends, and is started again.
                with (work.folder / f"{name}.error").open("w") as file:
                    file.write(f"{exc.reason}: {exc}")
                return 75
    return 0


def worker_name(pid: int) -> str:
    """Return the name of a worker's sessions in PostgreSQL."""
    return f"worker-{pid}"

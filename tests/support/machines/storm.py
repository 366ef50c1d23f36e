"""A batch under disturbances: the workers send it to the end, and their reports are compared."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from .fleet import Fleet
from .verdict import Found, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from twake_async import JournalEntry

    from .acts import Act
    from .store import Store
    from .verdict import Verdict
    from .work import Work


@attrs.frozen
class Kind:
    """How workers send: the function that each of them runs, and where their journal is read."""

    run: Callable[[Work, str], None]
    entries: Callable[[Work], Iterable[JournalEntry]]


def read_sqlite(work: Work) -> Iterable[JournalEntry]:
    """Read the journals of `run_sqlite`."""
    from twake_async import Journal

    for part in range(work.parts):
        yield from Journal(work.folder / f"part-{part}.sqlite").entries()


def read_postgres(work: Work) -> Iterable[JournalEntry]:
    """Read the journal of `run_postgres`."""
    from twake_async.postgres import PostgresJournal

    return PostgresJournal(work.journal, batch=work.batch, parts=work.parts).entries()


@attrs.frozen
class Storm:
    """A batch that is being sent."""

    work: Work
    fleet: Fleet
    store: Store
    within: float
    continued: list[int] = attrs.field(factory=list, init=False)
    """The number of stored messages when a frozen worker went on; for each such worker."""

    async def until_stored(self, count: int) -> None:
        """Wait until the server has stored so many messages, or the batch is over."""
        await self.fleet.until(
            lambda: len(self.store.sequence) >= count or self.fleet.is_over, self.within
        )


@attrs.frozen
class Result:
    """How a storm ended."""

    verdict: Verdict
    killed: int
    failed: int
    """How many workers ended with an error; they were started again."""
    seconds: float
    reports: list[dict[str, Any]] = attrs.field(repr=False)
    errors: Counter[str] = attrs.field(factory=Counter)
    """The errors with which workers ended, by reason."""

    def __str__(self) -> str:
        errors = ", ".join(f"{count} {name}" for name, count in self.errors.items())
        return (
            f"{self.verdict}; {self.killed} killed, {self.failed} ended with an error "
            f"({errors or 'none'}); {self.seconds:.0f} s"
        )


async def run(
    kind: Kind,
    work: Work,
    store: Store,
    *acts: Act,
    workers: int = 3,
    within: float = 60,
) -> Result:
    """Send a batch to the end under some acts, and judge it.

    Args:
        kind: How the workers send.
        work: The batch.
        store: The server that they send to.
        acts: The acts on them meanwhile.
        workers: How many there are at a time.
        within: Seconds that it may take; TimeoutError after that.

    """
    began = time.monotonic()
    async with Fleet(kind.run, work, workers) as fleet:
        storm = Storm(work, fleet, store, within)
        async with asyncio.timeout(within):
            await asyncio.gather(*(act(storm) for act in acts))
            await fleet.until_over(within)
    seconds = time.monotonic() - began
    reports = read_reports(work)
    entries = {entry.key: entry for entry in kind.entries(work)}
    found = Found(
        expected=work.expected(),
        stored=store.sequence,
        journal={key: entry.outcome and entry.outcome.name for key, entry in entries.items()},
        reports=reports,
        is_ordered=work.resume != "resend",
        told=_told(entries) if work.resume == "resend" else frozenset(),
        continued=storm.continued,
    )
    errors = Counter(path.read_text().partition(":")[0] for path in work.folder.glob("*.error"))
    return Result(judge(found), fleet.killed, fleet.failed, seconds, reports, errors)


def _told(entries: Mapping[str, JournalEntry]) -> frozenset[str]:
    return frozenset(key for key, entry in entries.items() if entry.maybe_duplicated)


def read_reports(work: Work) -> list[dict[str, Any]]:
    """Return the reports of all workers, in the order of time."""
    found: list[dict[str, Any]] = []
    for path in sorted(work.folder.glob("*.reports")):
        found += map(json.loads, path.read_text().splitlines())
    return sorted(found, key=lambda report: report["at"])

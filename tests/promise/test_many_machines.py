"""A batch that many processes share ends with nothing lost, nothing doubled, and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from faults import FAULTS as FAULT_BY_NAME
from faults import RandomScript
from machines import acts
from machines.naive import make_queue, run_naive
from machines.scenarios import SCENARIOS
from machines.store import Store
from machines.storm import Kind, read_sqlite, run
from machines.work import Work, run_sqlite
from postgres.small_disk import DiskMissingError

if TYPE_CHECKING:
    from pathlib import Path

    from faults.fault import Fault
    from postgres.server import PostgresServer

#: The faults that meet one message in a hundred or so, besides the acts on the workers.
FAULTS = ["stores_close", "loses_close", "refuses_429_absent"]


#: The length of a storm here, as a part of the one that `nox -s many_machines` makes.
SIZE = 0.03
#: The error with which workers end if they cannot go on without help.
ENDS_WITH = {"read_only": "broken", "full_disk": "full"}


class Slow:
    """A server that stores each message at once, and answers later."""

    def for_connection(self) -> None:
        return None

    def for_request(self) -> Fault:
        return attrs.evolve(FAULT_BY_NAME["good_late"], interval=0.2)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_nothing_is_doubled_lost_or_out_of_order(
    name: str, postgres: PostgresServer, tmp_path: Path
):
    """With any act on the workers and on PostgreSQL, journal, server and reports agree."""
    try:
        result = await SCENARIOS[name](postgres, tmp_path, SIZE)
    except DiskMissingError as exc:
        pytest.skip(str(exc))
    assert result.verdict.wrong == [], str(result)
    assert ENDS_WITH.get(name, "") in ["", *result.errors]


@pytest.fixture
async def store():
    async with Store(RandomScript(7, FAULTS, rate=0.02)) as running:
        yield running


@pytest.fixture
def work(store: Store, tmp_path: Path) -> Work:
    return Work(store.url, tmp_path)


async def test_a_storm_finds_the_copies_of_a_task_queue(work: Work, conninfo: str):
    """A killed worker's task is given out again: the verdict sees the copies."""
    async with Store(Slow()) as store:
        work = attrs.evolve(work, url=store.url, conninfo=conninfo, messages=90)
        make_queue(work)
        kind = Kind(run_naive, lambda _: ())
        # One at a time: the killed worker is the one that sends.
        result = await run(kind, work, store, acts.kills(3), workers=1, within=60)
    assert result.killed
    assert result.verdict.doubled


async def test_a_storm_finds_nothing_wrong_with_workers_that_are_right(work: Work, store: Store):
    """On one machine, each partition with a journal of its own: the same kills, no copy."""
    kind = Kind(run_sqlite, read_sqlite)
    result = await run(kind, work, store, acts.kills(6), within=60)
    assert result.killed
    assert result.verdict.wrong == [], str(result.verdict)

"""Killed at any moment and started again, a batch ends with nothing lost and nothing doubled."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import pathlib
import random
from collections import Counter

import batch_child
import pytest
from faults import FaultServer, RandomScript

from twake_async import Journal, Outcome

#: Ten batches of five kills each; REPEAT multiplies the batches for a longer hunt.
BATCHES = 10 * int(os.environ.get("TWAKE_ASYNC_REPEAT", "1"))
KILLS = 5
COUNT = 160
IN_FLIGHT = 10
FAULTS = ["refuses_429_absent", "stores_close", "loses_close", "stores_500", "refuses_401"]


@pytest.fixture(scope="module")
def context():
    """Give a way to start processes that takes milliseconds where the system has one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["batch_child"])
    return context


class Run:
    """One batch over its kills: its files, and the reports of each run."""

    def __init__(self, context, server: FaultServer, folder: pathlib.Path) -> None:
        self.context = context
        self.server = server
        self.journal = str(folder / "run.sqlite")
        self.folder = folder
        self.number = 0

    def start(self, resume: str = "report"):
        self.number += 1
        reports = str(self.folder / f"reports-{self.number}")
        arguments = (self.server.url, self.journal, reports, COUNT, resume)
        process = self.context.Process(target=batch_child.run, args=arguments, daemon=True)
        process.start()
        return process

    async def kill_after(self, requests: int, seconds: float) -> None:
        """Start it, and kill it once the server has read so many requests and a moment passed."""
        process = self.start()
        until = self.server.received + requests
        while self.server.received < until and process.is_alive():
            await asyncio.sleep(0.001)
        await asyncio.sleep(seconds)
        process.kill()
        await asyncio.to_thread(process.join)

    async def to_the_end(self, resume: str = "report") -> None:
        process = self.start(resume)
        await asyncio.to_thread(process.join, 30)
        assert process.exitcode == 0

    def reports(self, number: int) -> dict[str, dict]:
        """Return what one run reported, by key; a report that the kill cut short is none."""
        path = self.folder / f"reports-{number}"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("}")]
        assert len({report["key"] for report in found}) == len(found)
        return {report["key"]: report for report in found}


def check_agreement(run: Run) -> None:
    """Compare the last run's reports with the journal, the server and the earlier reports."""
    last = run.reports(run.number)
    entries = {entry.key: entry for entry in Journal(run.journal).entries()}
    assert set(last) == set(entries) == {f"{number:09d}" for number in range(COUNT)}
    for key, report in last.items():
        entry, copies = entries[key], run.server.stored[entries[key].front_id]
        assert entry.outcome is Outcome[report["outcome"]]
        assert entry.front_id == report["front_id"]
        delivered = entry.outcome is Outcome.DELIVERED
        assert copies <= entry.unknown_requests + delivered
        assert report["maybe_duplicated"] == (delivered and entry.unknown_requests > 0)
        if entry.outcome is Outcome.DELIVERED:
            assert copies == 1
        elif entry.outcome is Outcome.UNKNOWN:
            assert copies <= 1
        else:
            assert copies == 0
    for number in range(1, run.number):
        for key, report in run.reports(number).items():
            if report["outcome"] in ("DELIVERED", "UNKNOWN"):
                assert last[key]["outcome"] == report["outcome"]
                assert last[key]["front_id"] == report["front_id"]
    assert set(run.server.stored) <= {entry.front_id for entry in entries.values()}


@pytest.mark.parametrize("seed", range(BATCHES))
async def test_killed_at_random_moments_journal_server_and_reports_agree(seed, context, tmp_path):
    """Five kills to a batch, under faults: the claim about each message matches the store."""
    chance = random.Random(seed)
    async with FaultServer(RandomScript(seed, FAULTS, rate=0.25)) as server:
        run = Run(context, server, tmp_path)
        for _ in range(KILLS):
            await run.kill_after(chance.randint(0, 40), chance.uniform(0, 0.004))
        await run.to_the_end()
        check_agreement(run)
        reasons = Counter(entry.reason for entry in Journal(run.journal).entries())
        assert reasons["interrupted"] <= KILLS * IN_FLIGHT
        server.script = None
        server._for_requests.clear()  # what was chosen for a connection that the kill cut
        await run.to_the_end("resend")
        last = run.reports(run.number)
        assert Counter(report["outcome"] for report in last.values()) == {"DELIVERED": COUNT}
        for report in last.values():
            copies = server.stored[report["front_id"]]
            assert 1 <= copies <= 1 + report["maybe_duplicated"]

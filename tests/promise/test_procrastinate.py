"""The recipe with procrastinate, as docs/howto/many-machines.md shows it, with workers that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import procrastinate
import pytest
from faults import FAULTS
from machines.store import Store
from machines.verdict import Found, judge
from places import DOCS, ROOT
from postgres.server import USER

from twake_async.postgres import PostgresJournal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults import Fault
    from postgres.server import PostgresServer

COUNT, CHANNELS = 600, 50
#: The settings that turn minutes into seconds; the page has no settings of its own.
QUICKER = {
    'cron="* * * * *"': 'cron="* * * * * */2"',
    "get_stalled_jobs()": "get_stalled_jobs(seconds_since_heartbeat=3)",
    "wait=10": "wait=1",
    'conninfo="dbname=twake")': 'conninfo="dbname=twake"), worker_defaults=QUICK',
}
SETTINGS = "QUICK = dict(update_heartbeat_interval=0.5, fetch_job_polling_interval=0.5)\n"


class Slow:
    """A server that stores each message at once, and answers a moment later."""

    def for_connection(self) -> None:
        return None

    def for_request(self) -> Fault:
        return attrs.evolve(FAULTS["good_late"], interval=0.05)


def program() -> str:
    """Return the page's program, whose clocks run faster."""
    page = (DOCS / "howto" / "many-machines.md").read_text("utf-8")
    first, jobs = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    text = first.partition("async with TwakeSession")[0] + SETTINGS + jobs
    for said, quicker in QUICKER.items():
        assert said in text
        text = text.replace(said, quicker)
    return text


@pytest.fixture
def twake(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a database of the name that the page uses, on the server of the environment."""
    for name, value in (("HOST", "127.0.0.1"), ("PORT", str(postgres.port)), ("USER", USER)):
        monkeypatch.setenv(f"PG{name}", value)
    postgres.run("CREATE DATABASE twake")
    yield
    postgres.run("DROP DATABASE twake WITH (FORCE)")


def environment(folder: Path, url: str) -> dict[str, str]:
    """Return the environment of a worker."""
    credentials = {
        "PUBLIC_ID": "app",
        "PRIVATE_API_KEY": "k" * 40,
        "GROUP_ID": "g1",
        "BASE_URL": url,
    }
    given = {f"TWAKE_{name}": value for name, value in credentials.items()}
    return os.environ | given | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def worker(folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Start a worker, with the command that the page gives."""
    command = [sys.executable, "-m", "procrastinate", "--app=jobs.app", "worker"]
    return subprocess.Popen(
        [*command, "--queues=twake", "--concurrency=4"],
        cwd=folder,
        env=environment(folder, url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def begin(folder: Path, url: str) -> None:
    """Make procrastinate's tables, and a job of each partition."""
    connector = procrastinate.PsycopgConnector(conninfo="dbname=twake")
    async with procrastinate.App(connector=connector).open_async() as app:
        await app.schema_manager.apply_schema_async()
    code = "import asyncio, jobs; asyncio.run(jobs.begin())"
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=folder, env=environment(folder, url)
    )
    assert await made.wait() == 0


@pytest.mark.usefixtures("twake")
async def test_the_jobs_of_a_killed_worker_come_back_and_nothing_is_sent_twice(tmp_path: Path):
    """One of two workers is killed twice; the periodic task brings its partitions back."""
    (tmp_path / "jobs.py").write_text(program())
    channels = {f"i{n:04}": f"team-{n % CHANNELS}" for n in range(COUNT)}
    (tmp_path / "november.jsonl").write_text(
        "".join(
            json.dumps({"channel_id": channel, "content": key, "invoice": key}) + "\n"
            for key, channel in channels.items()
        )
    )
    journal = PostgresJournal("dbname=twake", batch="november, by jobs", parts=16)
    async with Store(Slow()) as store, asyncio.timeout(180):
        await begin(tmp_path, store.url)
        with contextlib.ExitStack() as stack:
            workers = [worker(tmp_path, store.url), worker(tmp_path, store.url)]
            stack.callback(lambda: [(one.kill(), one.wait()) for one in workers])
            for stored in (30, 150):
                await _until(lambda stored=stored: len(store.sequence) >= stored)
                workers[0].kill()
                workers[0].wait()
                workers[0] = worker(tmp_path, store.url)
            while await asyncio.to_thread(_is_unfinished, journal):
                await asyncio.sleep(0.2)
    verdict = judge(_found(channels, store, journal))
    assert verdict.wrong == [], str(verdict)


def _is_unfinished(journal: PostgresJournal) -> bool:
    return not all(state.is_done for state in journal.states())


def _found(channels: dict[str, str], store: Store, journal: PostgresJournal) -> Found:
    """Return the facts of the batch; the workers of the page report nothing but errors."""
    invoices = {str(uuid.uuid5(uuid.NAMESPACE_URL, invoice)): invoice for invoice in channels}
    outcomes = {
        invoices[entry.key]: entry.outcome and entry.outcome.name for entry in journal.entries()
    }
    reports = [{"key": key, "outcome": outcome} for key, outcome in outcomes.items()]
    return Found(channels, store.sequence, outcomes, reports)


async def _until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.005)

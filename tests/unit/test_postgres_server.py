"""The PostgreSQL that the tests bring: it is a real one, and a commit in it survives a crash."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from places import SUPPORT
from postgres.programs import find_programs
from postgres.small_disk import empty, fill

if TYPE_CHECKING:
    from postgres.server import PostgresServer


def _table(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("CREATE TABLE things (name text)")


def _insert(conninfo: str, name: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("INSERT INTO things VALUES (%s)", (name,))


def _names(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo, autocommit=True) as db:
        return [name for (name,) in db.execute("SELECT name FROM things")]


def test_it_keeps_commits_as_a_server_of_production_does(conninfo: str):
    """A commit is on disk: the tests of crashes would prove nothing otherwise."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        shown = [db.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
    assert shown == [("on",), ("on",)]


def test_a_commit_survives_a_crash_and_a_session_does_not(postgres: PostgresServer, conninfo: str):
    """SIGKILL ends the server and its sessions; what was committed is there again."""
    _table(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("INSERT INTO things VALUES ('before')")
        postgres.crash()
        with pytest.raises(psycopg.OperationalError):
            db.execute("INSERT INTO things VALUES ('after')")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(conninfo)
    postgres.start()
    assert _names(conninfo) == ["before"]


def test_a_stopped_server_starts_again(postgres: PostgresServer, conninfo: str):
    """An administrator's stop and start."""
    _table(conninfo)
    postgres.stop()
    postgres.start()
    assert _names(conninfo) == []


def test_a_standby_refuses_writes_until_it_is_promoted(postgres: PostgresServer, conninfo: str):
    """PostgreSQL's own error, whatever a session sets."""
    _table(conninfo)
    with postgres.read_only(), pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        _insert(conninfo, "no")
    _insert(conninfo, "yes")
    assert _names(conninfo) == ["yes"]


def test_a_full_disk_refuses_rows_until_there_is_room(postgres: PostgresServer, full_conninfo: str):
    """PostgreSQL's own error for a full disk, from a disk that is full."""
    _table(full_conninfo)
    with psycopg.connect(full_conninfo, autocommit=True) as db:
        fill(postgres)
        with pytest.raises(psycopg.errors.DiskFull):
            db.execute("INSERT INTO things VALUES (%s)", ("x" * 5_000_000,))
    empty(postgres)
    _insert(full_conninfo, "x")
    assert _names(full_conninfo) == ["x"]


def test_sessions_are_ended(postgres: PostgresServer, conninfo: str):
    """As an administrator does it, or a switch of the database."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        assert postgres.end_sessions(db.info.dbname) == 1
        with pytest.raises(psycopg.OperationalError):
            db.execute("SELECT 1")


def test_a_killed_run_of_the_tests_leaves_no_server(tmp_path: Path):
    """Nobody closes the server then; it ends all the same, and its data is deleted."""
    code = (
        "from postgres.server import PostgresServer\n"
        "server = PostgresServer.create()\n"
        "print(server.folder, server._running.pid, flush=True)\n"
        "input()\n"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder, pid = tests.stdout.readline().split()
    tests.kill()
    tests.communicate()
    until = time.monotonic() + 60
    while Path(folder).exists() or psutil.pid_exists(int(pid)):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_no_program_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The reason names what is missing, and the tests are skipped with it."""
    monkeypatch.setenv("TWAKE_TEST_POSTGRES", str(tmp_path))
    assert "no PostgreSQL" in str(find_programs(tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_root_runs_it_as_another_user(postgres: PostgresServer):
    """PostgreSQL refuses root; containers and CI have nothing else."""
    assert postgres.programs.as_user()["user"] != 0

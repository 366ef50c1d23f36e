"""A journal behind pgbouncer in transaction mode is refused: its lock would be somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from machines.store import Store
from machines.work import Work, key_of
from postgres.bouncer import BouncerMissingError, bouncer

from twake_async import JournalError
from twake_async.postgres import PostgresJournal

if TYPE_CHECKING:
    from pathlib import Path

    from postgres.server import PostgresServer


@pytest.fixture
def pooled(postgres: PostgresServer, conninfo: str):
    """Give the connection string of a new database behind pgbouncer."""
    name = str(psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"])
    try:
        with bouncer(postgres) as port:
            yield postgres.conninfo(name, port=port)
    except BouncerMissingError as exc:
        pytest.skip(str(exc))


def test_two_transactions_of_a_session_may_have_two_connections(pooled: str):
    """The problem behind the refusal is real: a session's lock stays on another's connection."""
    with psycopg.connect(pooled, autocommit=True) as one, psycopg.connect(pooled) as other:
        assert one.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)
        # The same server connection serves the other client, which thinks that it has the lock.
        assert other.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)


async def test_a_batch_behind_a_pooler_is_refused_before_anything_is_sent(
    pooled: str, tmp_path: Path
):
    """The error names the pooler and what to give instead."""
    async with Store() as store:
        work = Work(store.url, tmp_path)
        journal = PostgresJournal(pooled, batch="november", parts=4)
        async with work.session() as twake:
            with pytest.raises(JournalError, match="pgbouncer") as caught:
                async for _ in twake.send_partitioned(work.drafts, journal=journal, key=key_of):
                    pass
        assert caught.value.reason == "pooled"
        assert store.received == 0


def test_a_journal_behind_a_pooler_is_not_read_either(pooled: str):
    """The journal leaves no setting on a connection that others use."""
    with psycopg.connect(pooled, autocommit=True) as db:
        before = _settings(db)
    with pytest.raises(JournalError, match="pgbouncer"):
        PostgresJournal(pooled, batch="november").counts()
    with psycopg.connect(pooled, autocommit=True) as db:
        assert _settings(db) == before


def _settings(db: psycopg.Connection) -> dict[str, str]:
    names = ("search_path", "statement_timeout", "idle_session_timeout", "lock_timeout")
    return {name: db.execute(f"SHOW {name}").fetchone()[0] for name in names}

"""Partitions of a journal in PostgreSQL, opened without an event loop, and their rows."""

from __future__ import annotations

import contextlib
import time

import psycopg

from twake_async import JournalEntry, Outcome
from twake_async._journal.postgres.store import PartSource, PostgresStore
from twake_async.postgres import PostgresJournal

__all__ = ["TARGET", "ask", "claim", "cut", "ended", "opened", "rows", "source", "taken_from"]

TARGET = "http://127.0.0.1 g1"


def source(conninfo: str, part: int = 1, *, batch: str = "november", **options) -> PartSource:
    journal = PostgresJournal(conninfo, batch=batch, **{"parts": 4} | options)
    return PartSource(journal._batch, part)


@contextlib.contextmanager
def opened(conninfo: str, part: int = 1, *, target: str = TARGET, **options):
    """Take a partition."""
    store = source(conninfo, part, **options).open(target=target, keys="caller")
    try:
        yield store
    finally:
        store.close()


def claim(store: PostgresStore, key: str = "k1", **fields) -> JournalEntry:
    """Make an intent of this run."""
    given = {"channel_id": "c1", "front_id": f"front-{key}", "began": time.time()} | fields
    return JournalEntry(key=key, fingerprint="f" * 32, run=store.run, **given)


def ended(intent: JournalEntry, outcome: Outcome = Outcome.DELIVERED, **fields) -> JournalEntry:
    """Make the outcome of an intent."""
    given = {f.name: getattr(intent, f.name) for f in intent.__attrs_attrs__}
    given |= {"outcome": outcome, "attempts": 1, "ended": time.time()}
    if outcome is Outcome.DELIVERED:
        given["message_id"] = "m1"
    if outcome is Outcome.UNKNOWN:
        given |= {"reason": "lost", "unknown_requests": 1}
    return JournalEntry(**given | fields)


def ask(conninfo: str, sql: str, *values) -> list[tuple]:
    """Query the database as a person would."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        cursor = db.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def rows(conninfo: str) -> dict[str, str | None]:
    """Return the outcome of each key."""
    return dict(ask(conninfo, "SELECT key, outcome FROM twake_async.message ORDER BY key"))


def cut(conninfo: str, store: PostgresStore) -> None:
    """End the session of a partition, which does not notice it yet; wait until its lock is free."""
    pid = store._connection.pid
    ask(conninfo, "SELECT pg_terminate_backend(%s, 5000)", pid)


@contextlib.contextmanager
def taken_from(conninfo: str, store: PostgresStore):
    """Let another process take over a partition whose session was ended."""
    cut(conninfo, store)
    with opened(conninfo, store.source.part) as other:
        yield other

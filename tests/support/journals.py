"""Batches with a journal: plans, sends that end alike, and a look into the file."""

from __future__ import annotations

import shutil
import sqlite3

import batches
from batches import at_once, collect

from twake_async import (
    Journal,
    MessageDraft,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
)
from twake_async._batch.engine import Plan, stream
from twake_async._protocol.v1.encode import encode_draft

__all__ = ["copied", "ended_as", "fingerprint", "plan", "rows", "unknown_at"]


def plan(path, **options) -> Plan:
    return batches.plan(journal=Journal(path), **options)


def fingerprint(draft: MessageDraft, **options) -> str:
    """Return what the journal keeps to recognize a draft."""
    return encode_draft(draft, group_id="g1", **options).fingerprint()


def rows(path, query="SELECT key, outcome FROM message ORDER BY key") -> list[tuple]:
    """Query the file as a person would, with SQLite alone."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def ended_as(outcome: Outcome, reason: str = "lost"):
    """Make a send in which each message ends so, and remember the sent messages."""
    sent = []
    errors = {
        Outcome.REFUSED: RefusedError,
        Outcome.NOT_SENT: NotSentError,
        Outcome.UNKNOWN: OutcomeUnknownError,
    }

    async def send(request, listener):
        sent.append(request)
        if outcome is Outcome.DELIVERED:
            return await at_once(request, listener)
        raise errors[outcome]("so it ended", reason=reason)

    send.sent = sent
    return send


def copied(path: str, to: str) -> str:
    """Copy the journal as a kill at this moment would leave it."""
    for end in ("", "-wal"):
        shutil.copy(path + end, to + end)
    return to


async def unknown_at(path, draft):
    await collect(stream([draft], ended_as(Outcome.UNKNOWN, "timeout"), plan(path)))

"""Batches over a journal in PostgreSQL: claims, the lock, the fence, takeovers and rounds."""

from __future__ import annotations

import asyncio

from batches import at_once, collect, plan, session

from twake_async import MessageDraft, Outcome
from twake_async._batch.engine import stream
from twake_async.postgres import PostgresJournal


def key_of(draft):
    return draft.content


def drafts(count, channels=3):
    for number in range(count):
        yield MessageDraft(f"c{number % channels}", f"{number:06d}")


async def test_a_partition_is_sent_and_its_journal_has_the_outcomes(conninfo):
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    found = await collect(stream(drafts(100), at_once, plan(journal=journal.part(1), key=key_of)))
    assert [one.outcome for one in found] == [Outcome.DELIVERED] * 100
    assert journal.counts() == {Outcome.DELIVERED: 100}
    assert [entry.key for entry in journal.entries()] == [f"{n:06d}" for n in range(100)]
    assert [state.is_done for state in journal.states()] == [False, True, False, False]


async def test_free_partitions_are_taken_until_all_are_done(conninfo, server):
    """Two processes' worth of calls share the work, and each message is sent once."""
    journal = PostgresJournal(conninfo, batch="november", parts=8)
    everything = list(drafts(400, 40))

    def drafts_for(part):
        return [draft for draft in everything if journal.part_of(draft.channel_id) == part]

    sent = []

    async def work():
        async with session(server) as twake:
            await collect(
                twake.send_partitioned(drafts_for, journal=journal, key=key_of), into=sent
            )

    await asyncio.gather(work(), work())
    assert {one.outcome for one in sent} == {Outcome.DELIVERED}
    assert sorted(one.key for one in sent) == [draft.content for draft in everything]
    assert journal.counts() == {Outcome.DELIVERED: 400}
    assert all(state.is_done for state in journal.states())

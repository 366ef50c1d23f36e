"""Batches over a journal in PostgreSQL: claims, the lock, the fence, takeovers and rounds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest
from batches import Clock, Sender, at_once, collect, plan, session, until
from journals import ended_as
from shared_journals import ask, claim, cut, opened, rows

from twake_async import (
    ConfigurationError,
    InvalidDraftError,
    JournalError,
    MessageDraft,
    Outcome,
    RefusedError,
    RetryPolicy,
    TwakeSession,
)
from twake_async._batch.engine import stream
from twake_async._journal import intents
from twake_async._journal.postgres.store import PostgresStore
from twake_async.postgres import PostgresJournal
from twake_async.sandbox import Sandbox

NEVER = RetryPolicy.never()


class RealClock(Clock):
    """The clock of the machine."""

    def now(self):
        return time.monotonic()

    async def wait(self, seconds):
        await asyncio.sleep(seconds)


def key_of(draft):
    return draft.content


def drafts(count, channels=3):
    for number in range(count):
        yield MessageDraft(f"c{number % channels}", f"{number:06d}")


async def test_a_partition_is_sent_and_its_journal_has_the_outcomes(conninfo):
    """The journal counts the outcomes of all machines, and has the entries by key."""
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


# --- resuming -------------------------------------------------------------------------------------


async def run_of(conninfo, items, send=at_once, *, part=1, **options):
    """Send one partition, and return its deliveries."""
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    given = plan(journal=journal.part(part), key=key_of, **options)
    return await collect(stream(items, send, given))


async def test_a_partition_that_was_left_early_goes_on_where_it_ended(conninfo):
    """Delivered messages are reported from the journal and not sent again."""
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    sent = []

    async def send(request, listener):
        sent.append(request.front_id)
        return await at_once(request, listener)

    options = plan(journal=journal.part(1), key=key_of, in_flight=2)
    first = stream(drafts(60), send, options)
    async with contextlib.aclosing(first):
        async for _ in first:
            if len(sent) >= 20:
                break
    before = len(sent)
    assert not journal.states()[1].is_done
    found = await run_of(conninfo, drafts(60), send)
    assert [one.key for one in found if one.from_journal] == [f"{n:06d}" for n in range(before)]
    assert {one.outcome for one in found} == {Outcome.DELIVERED}
    assert len(sent) == len(set(sent)) == len(found) == 60


async def test_a_partition_that_is_done_yields_nothing_until_another_round(conninfo):
    """Otherwise a task queue that repeats the job would send refused messages for ever."""
    journal = PostgresJournal(conninfo, batch="november", parts=1)

    async def again(send):
        return await collect(stream(drafts(6), send, plan(journal=journal.part(0), key=key_of)))

    assert {one.outcome for one in await again(ended_as(Outcome.REFUSED, "api"))} == {
        Outcome.REFUSED
    }
    assert await again(at_once) == []
    assert journal.new_round() == 2
    assert [one.outcome for one in await again(at_once)] == [Outcome.DELIVERED] * 6
    assert journal.counts() == {Outcome.DELIVERED: 6}


async def test_a_changed_draft_and_a_key_given_twice_are_not_sent(conninfo):
    """The rest of the batch goes on."""
    await run_of(conninfo, [MessageDraft("c1", "a")], ended_as(Outcome.REFUSED, "api"))
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    changed = MessageDraft("c1", "a", pinned=True)
    found = await run_of(conninfo, [MessageDraft("c1", "b"), MessageDraft("c2", "b")], part=2)
    assert {(one.outcome, one.error and one.error.reason) for one in found} == {
        (Outcome.DELIVERED, None),
        (Outcome.NOT_SENT, "key"),
    }
    for part in (0, 3):
        await run_of(conninfo, [], part=part)
    assert journal.new_round() == 2
    found = await run_of(conninfo, [changed])
    assert [(one.outcome, one.error.reason) for one in found] == [(Outcome.NOT_SENT, "changed")]


async def test_unknowns_are_reported_and_sent_again_only_if_asked(conninfo):
    """They have the front_id of the first run, and are marked as possible duplicates."""
    items = [MessageDraft("c1", "a")]
    journal = PostgresJournal(conninfo, batch="november", parts=1)
    first = await collect(
        stream(items, ended_as(Outcome.UNKNOWN), plan(journal=journal.part(0), key=key_of))
    )
    journal.new_round()
    second = await collect(stream(items, at_once, plan(journal=journal.part(0), key=key_of)))
    assert (second[0].outcome, second[0].from_journal) == (Outcome.UNKNOWN, True)
    journal.new_round()
    options = plan(journal=journal.part(0), key=key_of, resume="resend")
    third = await collect(stream(items, at_once, options))
    assert third[0].message.maybe_duplicated
    assert third[0].message.front_id == next(journal.entries()).front_id
    assert first[0].outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("api", ["v1", "node"])
async def test_a_front_id_that_the_database_cannot_keep_is_not_sent(conninfo, server, api):
    """It would end the whole batch."""
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    given = [MessageDraft("c1", "a", front_id="a\0b"), MessageDraft("c1", "b")]
    async with session(server, api=api, workspace_id="w1") as twake:
        sending = twake.send_many(given, journal=journal.part(1), key=key_of)
        refused, sent = await collect(sending)
    assert isinstance(refused.error, InvalidDraftError)
    assert refused.error.field == "front_id"
    assert sent.outcome is Outcome.DELIVERED


async def test_a_part_needs_keys_and_only_a_journal_is_a_journal(conninfo):
    """Both errors come before anything is read."""
    journal = PostgresJournal(conninfo, batch="november")
    with pytest.raises(ConfigurationError) as caught:
        plan(journal=journal.part(0))
    assert caught.value.field == "key"
    with pytest.raises(ConfigurationError) as caught:
        plan(journal=journal, key=key_of)
    assert caught.value.field == "journal"
    for number in (-1, 64, True, "1"):
        with pytest.raises(ConfigurationError):
            journal.part(number)


# --- takeover -------------------------------------------------------------------------------------


@contextlib.contextmanager
def another(conninfo, part=1, target=""):
    """Let another process take a partition over whose session was ended."""
    ask(
        conninfo,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s",
        f"twake-async november/{part}",
    )
    with opened(conninfo, part, target=target) as other:
        yield other


def batch_of(conninfo, items, send, into):
    """Begin to send one partition, as a task."""
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    given = plan(journal=journal.part(1), key=key_of)
    return asyncio.create_task(collect(stream(items, send, given), into))


async def test_a_batch_that_was_taken_over_yields_nothing_more(conninfo):
    """It must not report NOT_SENT: another process delivers those messages."""
    sender, seen = Sender(), []
    batch = batch_of(conninfo, drafts(40, 8), sender, seen)
    await until(lambda: len(sender.waiting) == 8)
    first, *_ = sender.begun
    await sender.let_go(first)
    await until(lambda: len(seen) == 1)
    with another(conninfo) as other:
        assert other.doubtful_channels
        await sender.let_go(error=RefusedError("no", reason="api"))
        await sender.let_go()
        with pytest.raises(JournalError) as caught:
            await batch
    assert caught.value.reason == "taken_over"
    assert [one.outcome for one in seen] == [Outcome.DELIVERED]


async def test_what_was_delivered_after_a_takeover_is_reported_and_kept(conninfo):
    """A delivery is a fact: it replaces the UNKNOWN of the takeover."""
    sender, seen = Sender(), []
    batch = batch_of(conninfo, drafts(3), sender, seen)
    await until(lambda: len(sender.waiting) == 3)
    with another(conninfo):
        await sender.let_go()
        with pytest.raises(JournalError):
            await batch
    assert [one.outcome for one in seen] == [Outcome.DELIVERED] * 3
    assert rows(conninfo) == dict.fromkeys(["000000", "000001", "000002"], "delivered")


async def test_after_a_takeover_the_channels_in_doubt_wait_and_others_do_not(conninfo, monkeypatch):
    """Until no intent of the process before is valid."""
    monkeypatch.setattr(intents, "VALID", 1.0)
    with opened(conninfo, target="") as held:
        held.write([claim(held, "000000", channel_id="c0")])
        cut(conninfo, held)
        times, started = {}, intents.now()

        async def send(request, listener):
            times[json.loads(request.body)["message"]["channel_id"]] = intents.now() - started
            return await at_once(request, listener)

        found = await run_of(conninfo, [MessageDraft("c0", "a"), MessageDraft("c1", "b")], send)
    assert {one.outcome for one in found} == {Outcome.DELIVERED}
    assert times["c0"] >= 1.0
    assert times["c1"] < times["c0"]


async def test_a_channel_in_doubt_does_not_wait_once_no_intent_is_valid(conninfo, monkeypatch):
    """The batch was slow to come to its message."""
    with opened(conninfo, target="") as held:
        held.write([claim(held, "000000", channel_id="c0")])
        cut(conninfo, held)

        def slow():
            monkeypatch.setattr(intents, "VALID", 0.0)
            yield MessageDraft("c0", "a")

        [found] = await run_of(conninfo, slow())
    assert found.outcome is Outcome.DELIVERED


async def test_a_journal_that_breaks_at_a_look_ends_the_batch_before_anything_is_sent(
    conninfo, monkeypatch
):
    """Nobody knows what an earlier run did with the message."""
    await run_of(conninfo, drafts(1))
    PostgresJournal(conninfo, batch="november", parts=4)
    ask(conninfo, "UPDATE twake_async.part SET round = 0")
    sent = []

    async def send(request, listener):
        sent.append(request)
        return await at_once(request, listener)

    def broken(store, keys):
        raise JournalError("the database is broken", reason="broken")

    monkeypatch.setattr(PostgresStore, "find_all", broken)
    with pytest.raises(JournalError) as caught:
        await run_of(conninfo, drafts(2), send)
    assert (caught.value.reason, sent) == ("broken", [])


async def test_an_intent_that_is_too_old_is_committed_again_before_its_request_leaves(
    conninfo, server, monkeypatch
):
    """A process that was frozen asks the fence first, and sends nothing if it was taken over."""
    is_old = [True, False]
    monkeypatch.setattr(intents, "is_valid", lambda *_: not (is_old and is_old.pop(0)))
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    async with session(server) as twake:
        options = {"journal": journal.part(1), "key": key_of, "in_flight": 1}
        found = await collect(twake.send_many(drafts(1), **options))
        assert [(one.outcome, one.attempts) for one in found] == [(Outcome.DELIVERED, 1)]
        assert is_old == []

        taken = []

        def never(*_):
            target = twake._sender.target(server.url, "g1")
            if not taken:
                with another(conninfo, 2, target=target) as other:
                    taken.append(other.run)
            return False

        monkeypatch.setattr(intents, "is_valid", never)
        before, late = len(server.stored), [MessageDraft("c2", "late")]
        with pytest.raises(JournalError) as caught:
            await collect(twake.send_many(late, **options | {"journal": journal.part(2)}))
    assert caught.value.reason == "taken_over"
    assert len(server.stored) == before


@pytest.mark.parametrize("resume", ["report", "resend"])
async def test_what_a_killed_process_left_is_looked_for_first(conninfo, monkeypatch, resume):
    """The look comes after the wait; a message that it finds is delivered, not sent again."""
    monkeypatch.setattr(intents, "VALID", 0.2)
    journal = PostgresJournal(conninfo, batch="november", parts=1)
    with Sandbox(release="2023") as sandbox:
        place = {"group_id": sandbox.group_id, "workspace_id": sandbox.workspace_id}
        place |= {"base_url": sandbox.url, "api": "node"}
        given = [MessageDraft(sandbox.channel_id, "n")]
        keys = sandbox.public_id, sandbox.private_api_key
        options = {"journal": journal.part(0), "key": key_of}
        async with TwakeSession(*keys, **place) as twake:
            sandbox.fail_next(after_storing="close")
            blind = RetryPolicy(reconcile=False)
            [lost] = await collect(twake.send_many(given, **options, retry=blind))
            assert lost.outcome is Outcome.UNKNOWN
            left = "outcome = NULL, reason = '', unknown_requests = 0, ended = NULL"
            ask(conninfo, f"UPDATE twake_async.message SET {left}")
            ask(conninfo, "UPDATE twake_async.part SET round = 0")
            began = intents.now()
            [found] = await collect(twake.send_many(given, **options, resume=resume))
        assert intents.now() - began >= 0.2
        assert (found.outcome, found.attempts) == (Outcome.DELIVERED, 0)
        assert not found.message.maybe_duplicated
        assert len(sandbox.messages()) == 1
    assert journal.counts() == {Outcome.DELIVERED: 1}


# --- rates and pauses -----------------------------------------------------------------------------


async def test_a_rate_is_that_of_all_machines_together(conninfo):
    """Two partitions send no faster than one would."""
    began = asyncio.get_running_loop().time()
    await asyncio.gather(
        *(
            run_of(conninfo, drafts(count, count), part=part, rate=40.0, pace=RealClock())
            for part, count in ((1, 20), (2, 20))
        )
    )
    assert asyncio.get_running_loop().time() - began >= 38 / 40


async def test_a_pause_that_the_server_asked_of_one_slows_all(conninfo, server):
    """A pause that one process learns of holds the next message of the others."""
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    async with session(server) as one, session(server) as other:
        options = {"key": key_of, "in_flight": 1}
        await collect(one.send_many([MessageDraft("c1", "1")], journal=journal.part(1), **options))
        server.do_next("refuses_429_seconds")
        await collect(
            one.send_many(
                [MessageDraft("c2", "2")], journal=journal.part(2), retry=NEVER, **options
            )
        )
        assert one._attempts.cooling() > 0
        assert other._attempts.cooling() == 0
        await collect(
            other.send_many([MessageDraft("c3", "3")], journal=journal.part(3), **options)
        )
        assert other._attempts._cool_until > float("-inf")

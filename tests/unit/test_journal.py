# ruff: noqa: ASYNC220, ASYNC240 - files of a few pages
"""The journal: it is right about each message, whenever and however the batch ended."""

from __future__ import annotations

import asyncio
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import threading
from collections import Counter

import attrs
import pytest
from batches import Clock, Sender, at_once, collect, drafts, others, session, settle, text_of, until
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import copied, ended_as, plan, rows, unknown_at
from places import DOCS

from twake_async import (
    InvalidDraftError,
    Journal,
    JournalEntry,
    JournalError,
    Message,
    MessageDraft,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
)
from twake_async._batch.engine import stream
from twake_async._journal.file import JournalFile, SqliteSource
from twake_async._journal.rows import SCHEMA, VERSION
from twake_async._journal.writer import JournalWriter


@pytest.fixture
def path(tmp_path):
    """Give the name of a journal that is not there yet."""
    return str(tmp_path / "run.sqlite")


# --- before and after ----------------------------------------------------------------------------


async def test_the_intent_is_on_disk_before_the_send_and_the_outcome_before_the_report(path):
    """A reader of the file sees a message before it leaves, and its end before it is reported."""
    before = []

    async def send(request, listener):
        before.extend(
            rows(
                path,
                f"SELECT front_id, outcome FROM message WHERE key = '{text_of(request)[8:]:0>9}'",
            )
        )
        return await at_once(request, listener)

    reported = 0
    async for delivery in stream(drafts(20, channels=5), send, plan(path, in_flight=5)):
        reported += 1
        [(outcome, message_id)] = rows(
            path, f"SELECT outcome, message_id FROM message WHERE key = '{delivery.key}'"
        )
        assert (outcome, message_id) == ("delivered", "id")
    assert reported == 20
    assert sorted(before) == sorted((draft.front_id, None) for draft in drafts(20, channels=5))


@pytest.mark.parametrize(
    ("ends", "row", "again"),
    [
        ([(Outcome.REFUSED, "later")], ("refused", "later", 1), 1),
        ([(Outcome.NOT_SENT, "connect")], ("not sent", "connect", 1), 1),
        ([(Outcome.UNKNOWN, "lost"), (Outcome.REFUSED, "later")], ("unknown", "lost", 2), 0),
    ],
)
async def test_between_two_attempts_the_disk_has_what_is_certain(path, tmp_path, ends, row, again):
    """The next run sends a message that was killed in its wait after a 429, but no unknown one."""
    found = []

    async def send(request, listener):
        for number, end in enumerate(ends, 1):
            listener.attempt_ended(*end, last=False)
            query = "SELECT outcome, reason, attempts FROM message WHERE outcome IS NOT NULL"
            while not (found and found[-1][2] == number):
                await asyncio.sleep(0.001)
                found.extend(rows(path, query))
            if number == len(ends):
                copied(path, str(tmp_path / "killed.sqlite"))
            assert await listener.before_retry() is None
            assert rows(path, "SELECT outcome, attempts FROM message") == [(None, number)]
        return await at_once(request, listener)

    [delivery] = await collect(stream(drafts(1), send, plan(path)))
    assert (delivery.outcome, delivery.attempts) == (Outcome.DELIVERED, len(ends) + 1)
    assert found[-1] == row
    second = ended_as(Outcome.DELIVERED)
    await collect(stream(drafts(1), second, plan(str(tmp_path / "killed.sqlite"))))
    assert len(second.sent) == again


async def test_between_attempts_a_message_of_an_earlier_doubt_stays_in_doubt(path):
    """No attempt of this run can say whether the last run's message arrived."""
    await unknown_at(path, next(drafts(1)))

    async def send(request, listener):
        listener.attempt_ended(Outcome.REFUSED, "later", last=False)
        await listener.before_retry()
        raise RefusedError("no", reason="group")

    told = []
    write = JournalFile.write

    def watched(file, entries):
        entries = list(entries)
        told.extend((entry.outcome, entry.reason) for entry in entries)
        write(file, entries)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JournalFile, "write", watched)
        await collect(stream(drafts(1), send, plan(path, resume="resend")))
    assert told[1] == (Outcome.UNKNOWN, "interrupted")
    assert rows(path) == [("000000000", "unknown")]


async def test_a_send_of_the_inputs_own_leaves_the_journal_alone(server, path):
    """It is no attempt of the draft before it, whose row does not change."""
    before = []
    yielded = asyncio.Event()
    async with session(server, retry=RetryPolicy(initial_wait=0.001)) as twake:

        async def given():
            yield MessageDraft("c0", "Hello")
            # The input is asked for more while the outcome of the draft before is being written.
            await yielded.wait()
            server.do_next("refuses_429_zero")
            await twake.send_message("c1", "half of it is done")
            before.extend(rows(path, "SELECT outcome, attempts FROM message"))

        async for _ in twake.send_many(given(), in_flight=1, journal=Journal(path)):
            yielded.set()
    assert before == rows(path, "SELECT outcome, attempts FROM message") == [("delivered", 1)]


async def test_a_send_of_an_observers_own_leaves_the_journal_alone(server, path):
    """A send that reports an attempt is no attempt of the draft, which is in flight."""
    told: list[asyncio.Task] = []
    found = []
    server.do_next("refuses_429_zero", "refuses_429_zero", "refuses_429_zero")

    def tell(attempt):
        if attempt.outcome is Outcome.REFUSED and attempt.front_id == "c0:0":
            told.append(asyncio.create_task(twake.send_message("c1", "no luck", front_id="tell")))

    async with session(server, retry=RetryPolicy(initial_wait=0.001), on_attempt=tell) as twake:
        write = JournalFile.write

        def watched(file, entries):
            entries = list(entries)
            found.extend(entry.outcome for entry in entries)
            write(file, entries)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(JournalFile, "write", watched)
            [delivery] = await collect(twake.send_many(drafts(1), journal=Journal(path)))
        await asyncio.gather(*told)
    assert found == [*[None, Outcome.REFUSED] * (delivery.attempts - 1), None, Outcome.DELIVERED]


async def test_a_disk_that_fills_between_two_attempts_forbids_the_second(server, path, monkeypatch):
    """The outcome of the first attempt is reported, and nothing more leaves."""
    write = JournalFile.write
    server.do_next("refuses_429_zero")

    def full(file, entries):
        entries = list(entries)
        if any(entry.attempts and entry.outcome is None for entry in entries):
            error = sqlite3.OperationalError("full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        write(file, entries)

    monkeypatch.setattr(JournalFile, "write", full)
    seen: list = []
    async with session(server, retry=RetryPolicy(initial_wait=0.001)) as twake:
        with pytest.raises(JournalError, match="full"):
            await collect(twake.send_many(drafts(3), in_flight=1, journal=Journal(path)), seen)
    assert server.begun == 1
    assert seen[0].outcome is Outcome.NOT_SENT
    assert seen[0].error.reason == "full"
    assert rows(path) == [("000000000", "not sent")]


async def test_an_id_that_no_file_can_hold_stops_nothing(path):
    """A server that answers with a lone surrogate in an id makes no batch hang."""

    async def send(request, listener):
        return attrs.evolve(await at_once(request, listener), id="id\ud800")

    async with asyncio.timeout(10):
        deliveries = await collect(stream(drafts(2), send, plan(path)))
    assert [delivery.message.id for delivery in deliveries] == ["id\ud800"] * 2
    query = "SELECT outcome, message_id FROM message"
    assert rows(path, query) == [("delivered", "id?")] * 2


async def test_a_target_that_no_file_can_hold_is_told(path):
    """A group whose id holds a lone surrogate makes no batch hang."""
    async with asyncio.timeout(10):
        with pytest.raises(JournalError) as caught:
            await collect(stream(drafts(1), at_once, plan(path, target="\ud800")))
    assert caught.value.outcome is Outcome.NOT_SENT


async def test_a_finished_run_is_reported_and_nothing_is_sent_again(server, path):
    """The same input with the same journal ends with each message delivered once."""
    async with session(server) as twake:
        first = await collect(twake.send_many(drafts(30, 4), journal=Journal(path)))
        again = await collect(twake.send_many(drafts(30, 4), journal=Journal(path)))
    assert server.received == 30
    assert not any(delivery.from_journal for delivery in first)
    assert all(delivery.from_journal for delivery in again)
    assert {delivery.outcome for delivery in again} == {Outcome.DELIVERED}
    ids = {delivery.key: delivery.message.ref for delivery in first}
    assert {delivery.key: delivery.message.ref for delivery in again} == ids
    assert rows(path, "SELECT number, ended >= began FROM run") == [(1, 1), (2, 1)]


async def test_a_longer_input_goes_on_where_the_shorter_one_ended(server, path):
    """New items of the input are sent, old ones are not."""
    async with session(server) as twake:
        await collect(twake.send_many(drafts(5), journal=Journal(path)))
        await collect(twake.send_many(drafts(9), journal=Journal(path)))
    assert server.stored == Counter({f"c0:{number}": 1 for number in range(9)})


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT])
async def test_what_is_certainly_not_in_the_channel_is_sent_again_under_its_front_id(path, outcome):
    """A refused or unsent message of an earlier run is sent again, with the same minted id."""
    draft = MessageDraft("c0", "Hello")
    first, second = ended_as(outcome), ended_as(Outcome.DELIVERED)
    await collect(stream([draft], first, plan(path)))
    assert rows(path, "SELECT outcome, reason FROM message") == [(outcome.value, "lost")]
    [delivery] = await collect(stream([draft], second, plan(path)))
    assert delivery.outcome is Outcome.DELIVERED
    assert delivery.draft is draft
    assert not delivery.message.maybe_duplicated
    assert first.sent[0].front_id == second.sent[0].front_id
    assert rows(path) == [("000000000", "delivered")]


# --- what an earlier run left unknown ------------------------------------------------------------


async def test_an_unknown_message_is_reported_and_not_sent(path):
    """By default the second run reports the message as unknown, and risks no second copy."""
    await unknown_at(path, MessageDraft("c0", "Hello"))
    second = ended_as(Outcome.DELIVERED)
    [delivery] = await collect(stream([MessageDraft("c0", "Hello")], second, plan(path)))
    assert second.sent == []
    assert delivery.from_journal
    assert (delivery.outcome, delivery.error.reason) == (Outcome.UNKNOWN, "timeout")
    with pytest.raises(OutcomeUnknownError, match="resend"):
        delivery.raise_for_outcome()


async def test_a_pause_that_the_server_asks_for_is_waited_for_with_a_resend_too(path):
    """The message is unknown from an earlier run: this run certainly sent nothing."""
    await unknown_at(path, MessageDraft("c0", "Hello"))
    tries = []

    async def send(request, listener):
        tries.append(request)
        if len(tries) == 1:
            raise NotSentError("a pause", reason="cooldown")
        return await at_once(request, listener)

    resend = plan(path, resume="resend")
    [delivery] = await collect(stream([MessageDraft("c0", "Hello")], send, resend))
    assert (delivery.outcome, delivery.message.maybe_duplicated) == (Outcome.DELIVERED, True)


async def test_a_message_in_flight_at_a_crash_is_unknown_in_the_next_run(path):
    """The server may have acted on an intent without an outcome."""
    file = JournalFile.open(path, target="", keys="position")
    mark = "0" * 32
    file.write([JournalEntry("000000000", mark, "c0", "mine", file.run, 1.0)])
    file.close()
    file = JournalFile.open(path, target="", keys="position")
    assert rows(path, "SELECT outcome, reason FROM message") == [("unknown", "interrupted")]
    file.close()


async def test_resend_sends_the_unknown_again_and_says_that_it_may_be_there_twice(path):
    """resume="resend" keeps the front_id, and marks the message, in this run and in later ones."""
    await unknown_at(path, MessageDraft("c0", "Hello", front_id="mine"))
    second = ended_as(Outcome.DELIVERED)
    draft = MessageDraft("c0", "Hello", front_id="another")
    [delivery] = await collect(stream([draft], second, plan(path, resume="resend")))
    assert [sent.front_id for sent in second.sent] == ["mine"]
    assert delivery.message.maybe_duplicated
    [delivery] = await collect(stream([draft], second, plan(path, resume="resend")))
    assert delivery.from_journal
    assert delivery.message.maybe_duplicated


async def test_an_edit_that_is_sent_again_makes_no_second_copy(path):
    """An edit does no harm twice, so it is not marked, and it has no front_id."""
    edit = MessageDraft("c0", "Hello", id="m1")
    await unknown_at(path, edit)
    second = ended_as(Outcome.DELIVERED)
    [delivery] = await collect(stream([edit], second, plan(path, resume="resend")))
    assert second.sent[0].front_id is None
    assert not delivery.message.maybe_duplicated
    assert rows(path, "SELECT front_id, maybe_duplicated FROM message") == [(None, 0)]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT, Outcome.UNKNOWN])
async def test_a_resend_that_fails_leaves_the_message_unknown(path, outcome):
    """A refusal now proves nothing about what the earlier run sent."""
    draft = MessageDraft("c0", "Hello")
    await unknown_at(path, draft)
    [delivery] = await collect(stream([draft], ended_as(outcome), plan(path, resume="resend")))
    assert delivery.outcome is Outcome.UNKNOWN
    assert delivery.error.outcome is Outcome.UNKNOWN
    if outcome is not Outcome.UNKNOWN:
        assert delivery.error.reason == "interrupted"
        assert delivery.error.__cause__.outcome is outcome
    assert rows(path) == [("000000000", "unknown")]


async def test_hold_holds_a_channel_for_what_an_earlier_run_did_not_know(path):
    """after_unknown="hold" holds in each run: nothing follows an UNKNOWN until it is resent."""
    items = list(drafts(3))
    await unknown_at(path, items[0])
    held = await collect(stream(items, at_once, plan(path, after_unknown="hold")))
    assert [d.outcome for d in held] == [Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.NOT_SENT]
    assert len(rows(path)) == 1
    free = plan(path, after_unknown="hold", resume="resend")
    assert {d.outcome for d in await collect(stream(items, at_once, free))} == {Outcome.DELIVERED}


async def test_a_held_resend_stays_unknown(path):
    """An earlier run may have sent it, so it is not NOT_SENT because this run held it."""
    items = list(drafts(2))
    await collect(stream(items, ended_as(Outcome.UNKNOWN), plan(path)))
    again = plan(path, after_unknown="hold", resume="resend")
    deliveries = await collect(stream(items, ended_as(Outcome.UNKNOWN), again))
    assert [delivery.outcome for delivery in deliveries] == [Outcome.UNKNOWN] * 2
    assert deliveries[1].error.__cause__.reason == "held"


async def test_a_second_lost_request_of_a_run_is_counted(path):
    """Each lost attempt may have made a copy."""

    async def send(request, listener):
        listener.attempt_ended(Outcome.UNKNOWN, "lost", last=False)
        assert await listener.before_retry() is None
        listener.attempt_ended(Outcome.UNKNOWN, "timeout", last=True)
        raise OutcomeUnknownError("lost", reason="timeout")

    draft = MessageDraft("c0", "Hello")
    await collect(stream([draft], send, plan(path)))
    query = "SELECT outcome, unknown_requests, maybe_duplicated FROM message"
    assert rows(path, query) == [("unknown", 2, 1)]
    resend = plan(path, resume="resend")
    [delivery] = await collect(stream([draft], ended_as(Outcome.DELIVERED), resend))
    assert delivery.message.maybe_duplicated
    assert rows(path, query) == [("delivered", 2, 1)]


async def test_a_failed_resend_keeps_the_doubts_of_all_runs(path):
    """A refusal of the third request proves nothing about the first two."""
    draft = MessageDraft("c0", "Hello")
    query = "SELECT outcome, unknown_requests, maybe_duplicated FROM message"
    await unknown_at(path, draft)
    assert rows(path, query) == [("unknown", 1, 0)]
    for outcome, counted in [(Outcome.UNKNOWN, 2), (Outcome.REFUSED, 2), (Outcome.NOT_SENT, 2)]:
        await collect(stream([draft], ended_as(outcome), plan(path, resume="resend")))
        assert rows(path, query) == [("unknown", counted, 1)]


@pytest.mark.parametrize(("lost", "twice"), [(1, False), (2, True)])
async def test_a_message_that_a_look_found_is_doubled_only_by_other_requests(path, lost, twice):
    """If the only lost request made the message, there is no second copy."""

    async def send(request, listener):
        for number in range(lost):
            if number:
                assert await listener.before_retry() is None
            listener.attempt_ended(Outcome.UNKNOWN, "lost", last=number == lost - 1)
        return Message(id="found", front_id=request.front_id, maybe_duplicated=lost > 1)

    [delivery] = await collect(stream([MessageDraft("c0", "Hello")], send, plan(path)))
    assert delivery.message.maybe_duplicated is twice
    query = "SELECT outcome, unknown_requests, maybe_duplicated FROM message"
    assert rows(path, query) == [("delivered", lost - 1, int(twice))]


async def test_a_look_in_a_later_run_leaves_the_doubt_of_the_earlier_one(path):
    """One of two lost requests made the message that was found; the other may have made a copy."""

    async def send(request, listener):
        listener.attempt_ended(Outcome.UNKNOWN, "lost", last=True)
        return Message(id="found", front_id=request.front_id)

    draft = MessageDraft("c0", "Hello")
    await unknown_at(path, draft)
    [delivery] = await collect(stream([draft], send, plan(path, resume="resend")))
    assert delivery.message.maybe_duplicated
    assert rows(path, "SELECT unknown_requests FROM message") == [(1,)]


async def test_a_send_that_ends_in_no_known_way_leaves_its_request_in_doubt(path):
    """An exception of another kind proves nothing about the attempt that was running."""

    async def send(request, listener):
        listener.attempt_ended(Outcome.UNKNOWN, "lost", last=False)
        assert await listener.before_retry() is None
        raise ZeroDivisionError

    [delivery] = await collect(stream([MessageDraft("c0", "Hello")], send, plan(path)))
    assert delivery.outcome is Outcome.UNKNOWN
    assert rows(path, "SELECT outcome, unknown_requests FROM message") == [("unknown", 2)]


async def test_rows_say_whether_the_front_id_was_minted(path):
    """The caller's own id may have been used before; an edit has none."""
    items = [
        MessageDraft("c0", "minted"),
        MessageDraft("c0", "given", front_id="mine"),
        MessageDraft("c0", "an edit", id="m1"),
    ]
    query = "SELECT minted, front_id IS NULL FROM message ORDER BY key"
    for outcome in (Outcome.UNKNOWN, Outcome.REFUSED, Outcome.DELIVERED):
        await collect(stream(items, ended_as(outcome), plan(path, resume="resend")))
        assert rows(path, query) == [(1, 0), (0, 0), (0, 1)]
    assert [entry.minted for entry in Journal(path).entries()] == [True, False, False]


async def test_a_front_id_that_was_minted_stays_so_when_the_caller_gives_one_later(path):
    """The id on the wire is that of the first run, and so is its origin."""
    await unknown_at(path, MessageDraft("c0", "Hello"))
    [(minted,)] = rows(path, "SELECT front_id FROM message")
    send = ended_as(Outcome.UNKNOWN)
    draft = MessageDraft("c0", "Hello", front_id="mine")
    await collect(stream([draft], send, plan(path, resume="resend")))
    assert send.sent[0].front_id == minted
    assert rows(path, "SELECT front_id, minted FROM message") == [(minted, 1)]


# --- another form of the text ----------------------------------------------------------------------


async def test_a_journal_goes_on_with_another_form_of_the_text(server, path):
    """A session with the portable form recognizes what a session sent as a plain text."""
    for text_form in ("plain", "portable"):
        async with session(server, text_form=text_form) as twake:
            items = [MessageDraft("c0", "Hello"), MessageDraft("c1", ["Hello"])]
            deliveries = await collect(twake.send_many(items, journal=Journal(path)))
    assert [delivery.from_journal for delivery in deliveries] == [True, True]


# --- keys ----------------------------------------------------------------------------------------


async def test_an_input_that_changed_under_its_positions_ends_the_batch(path):
    """After an inserted draft no position can be trusted: no draft after it is sent."""
    old = list(drafts(6))
    await collect(stream(old[:4], at_once, plan(path)))
    send = ended_as(Outcome.DELIVERED)
    changed = [*old[:2], MessageDraft("c0", "inserted"), *old[2:]]
    seen = []
    with pytest.raises(JournalError) as caught:
        await collect(stream(changed, send, plan(path)), seen)
    assert caught.value.reason == "changed"
    assert [(d.outcome, d.from_journal) for d in seen] == [
        (Outcome.DELIVERED, True),
        (Outcome.DELIVERED, True),
        (Outcome.NOT_SENT, False),
    ]
    assert send.sent == []


async def test_keys_of_the_caller_let_the_input_be_sorted_anew(path):
    """A message is recognized by its own key in any place."""
    send = ended_as(Outcome.DELIVERED)
    options = {"key": lambda draft: draft.content}
    await collect(stream(drafts(5), send, plan(path, **options)))
    again = [MessageDraft("c0", "new"), *reversed(list(drafts(5)))]
    deliveries = await collect(stream(again, send, plan(path, **options)))
    assert len(send.sent) == 6
    assert [delivery.key for delivery in deliveries if not delivery.from_journal] == ["new"]


async def test_a_changed_draft_under_a_key_of_the_caller_is_one_bad_draft(path):
    """It is not sent, and not silently skipped; the others are sent."""
    options = {"key": lambda draft: draft.channel_id}
    await collect(stream([MessageDraft("a", "Hello")], at_once, plan(path, **options)))
    deliveries = await collect(
        stream(
            [MessageDraft("a", "Changed"), MessageDraft("b", "Hello")],
            at_once,
            plan(path, **options),
        )
    )
    ends = {delivery.draft.channel_id: delivery for delivery in deliveries}
    assert ends["b"].outcome is Outcome.DELIVERED
    assert ends["a"].outcome is Outcome.NOT_SENT
    assert ends["a"].error.reason == "changed"


@pytest.mark.parametrize("in_flight", [1, 5])
async def test_a_key_that_is_given_twice_is_sent_once(path, in_flight):
    """The second is an error, whether the first is in the queue, in flight or at its end."""
    items = [MessageDraft("a", "Hello")] * 4
    options = {"key": lambda draft: "same", "in_flight": in_flight}
    send = ended_as(Outcome.DELIVERED)
    deliveries = await collect(stream(items, send, plan(path, **options)))
    assert len(send.sent) == 1
    assert Counter(delivery.outcome for delivery in deliveries) == {
        Outcome.DELIVERED: 1,
        Outcome.NOT_SENT: 3,
    }
    assert {d.error.reason for d in deliveries if d.error} == {"key"}


@pytest.mark.parametrize("key", [None, "", "a\0b", 7, "\ud800"])
async def test_what_is_no_key_is_one_bad_draft(path, key):
    """The error of the key function is reported for each draft that it concerns."""
    make = {"first": key, "second": "good"}
    items = [MessageDraft("a", "first"), MessageDraft("b", "second")]
    options = {"key": lambda draft: make[draft.content]}
    deliveries = await collect(stream(items, at_once, plan(path, **options)))
    ends = {delivery.draft.content: delivery for delivery in deliveries}
    assert ends["first"].error.reason == "key"
    assert ends["second"].outcome is Outcome.DELIVERED


async def test_a_key_function_that_raises_is_the_cause_of_the_error(path):
    """The caller can find the original error."""
    options = {"key": lambda draft: draft.nothing}
    [delivery] = await collect(stream(drafts(1), at_once, plan(path, **options)))
    assert isinstance(delivery.error.__cause__, AttributeError)


async def test_a_draft_that_cannot_be_sent_has_no_entry(path):
    """A bad draft takes its position, and has no row."""
    items = ["no draft", MessageDraft("c0", ""), MessageDraft("c0", "good")]
    deliveries = await collect(stream(items, at_once, plan(path)))
    assert [isinstance(delivery.error, InvalidDraftError) for delivery in deliveries] == [
        True,
        True,
        False,
    ]
    assert rows(path) == [("000000002", "delivered")]


@pytest.mark.parametrize(
    ("options", "word"),
    [({"target": "https://other g1"}, "target"), ({"key": lambda draft: "key"}, "keys")],
)
async def test_a_journal_of_another_run_is_refused(path, options, word):
    """With another server, group or kind of keys, each message would be skipped or repeated."""
    await collect(stream(drafts(2), at_once, plan(path, target="https://twake g1")))
    send = ended_as(Outcome.DELIVERED)
    with pytest.raises(JournalError, match=word) as caught:
        await collect(
            stream(drafts(2), send, plan(path, **{"target": "https://twake g1"} | options))
        )
    assert caught.value.reason == "target"
    assert send.sent == []


async def test_the_target_is_the_server_and_the_group_of_the_session(server, path):
    """The journal of one group is refused for another group."""
    async with session(server) as twake:
        await collect(twake.send_many(drafts(1), journal=Journal(path)))
        with pytest.raises(JournalError, match="g2"):
            await collect(twake.send_many(drafts(1), journal=Journal(path), group_id="g2"))
    assert rows(path, "SELECT target FROM journal") == [(f"{server.url} g1",)]


# --- the ends of a batch -------------------------------------------------------------------------


async def test_leaving_early_writes_what_became_of_each_message_in_flight(path):
    """A send that was allowed to end is in the journal; one that never began is not."""
    send = Sender()
    deliveries = stream(drafts(40, channels=3), send, plan(path, in_flight=4))
    first = asyncio.create_task(anext(deliveries))
    await until(lambda: send.waiting)
    await send.let_go()
    await first
    closing = asyncio.create_task(deliveries.aclose())
    while not closing.done():
        await send.let_go() if send.waiting else await asyncio.sleep(0.001)
    known = rows(path, "SELECT front_id, outcome FROM message")
    assert {front_id for front_id, outcome in known if outcome == "delivered"} == set(send.begun)
    assert {outcome for _, outcome in known} <= {"delivered", "not sent"}
    assert others() == set()


async def test_a_cancelled_batch_writes_that_its_sends_are_unknown(path):
    """The next run knows which messages were cancelled."""
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(9, 9), send, plan(path, in_flight=3))))
    await until(lambda: len(send.waiting) == 3)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert rows(path, "SELECT outcome, reason FROM message") == [("unknown", "cancelled")] * 3
    assert not [t for t in threading.enumerate() if t.name == "twake-journal"]


async def test_a_batch_cancelled_while_its_intents_are_written_knows_that_nothing_left(
    path, monkeypatch
):
    """An intent whose send never began has the outcome not sent."""
    writing, go = threading.Event(), threading.Event()
    write = JournalFile.write

    def slow(file, entries):
        writing.set()
        go.wait()
        write(file, entries)

    monkeypatch.setattr(JournalFile, "write", slow)
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(9, 9), send, plan(path, in_flight=3))))
    await until(writing.is_set)
    batch.cancel()
    await settle()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert send.begun == []
    assert rows(path, "SELECT outcome, reason FROM message") == [("not sent", "stopped")] * 3


async def test_a_batch_cancelled_while_the_journal_opens_leaves_nothing(path):
    """The thread ends, and the journal can be used again."""
    batch = asyncio.create_task(collect(stream(drafts(1), at_once, plan(path))))
    await asyncio.sleep(0)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    for thread in threading.enumerate():
        if thread.name == "twake-journal":
            thread.join()
    assert len(await collect(stream(drafts(1), at_once, plan(path)))) == 1


async def test_a_message_waiting_out_a_pause_is_not_in_flight(path):
    """During a pause that the server asked for, the journal says NOT_SENT, not in flight."""
    told = []
    clock = Clock()

    async def wait(seconds):
        clock.time += seconds
        query = "SELECT outcome, reason FROM message WHERE outcome IS NOT NULL"
        while not (found := rows(path, query)):
            await asyncio.sleep(0.001)
        told.extend(found)

    async def send(request, listener):
        if not told:
            clock.cool_until = clock.time + 60
            raise NotSentError("a pause", reason="cooldown")
        return await at_once(request, listener)

    clock.wait = wait
    await collect(stream(drafts(1), send, plan(path, pace=clock)))
    assert told == [("not sent", "cooldown")]
    assert rows(path) == [("000000000", "delivered")]


# --- one at a time -------------------------------------------------------------------------------


async def test_a_second_batch_on_the_same_journal_is_refused(path):
    """Each of two batches would take the other's messages for lost."""
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(1), send, plan(path))))
    await until(lambda: send.waiting)
    with pytest.raises(JournalError) as caught:
        await collect(stream(drafts(1), at_once, plan(path)))
    assert caught.value.reason == "locked"
    await send.let_go()
    assert len(await batch) == 1


async def test_a_second_process_on_the_same_journal_is_refused(path):
    """The lock works between processes, and ends with the process that held it."""
    code = (
        "import sys; from twake_async._journal.file import JournalFile; "
        "f = JournalFile.open(sys.argv[1], target='', keys='position'); print('open', flush=True); "
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(JournalError) as caught:
            await collect(stream(drafts(1), at_once, plan(path)))
        assert caught.value.reason == "locked"
        assert Journal(path).counts() == {}
        other.kill()
    assert len(await collect(stream(drafts(1), at_once, plan(path)))) == 1


# --- files that are none, and disks that fail ----------------------------------------------------


async def fails(path) -> JournalError:
    """Try to run a batch, which sends nothing; return the error text."""
    send = ended_as(Outcome.DELIVERED)
    with pytest.raises(JournalError) as caught:
        await collect(stream(drafts(3), send, plan(path)))
    assert send.sent == []
    assert caught.value.outcome is Outcome.NOT_SENT
    assert path in str(caught.value)
    return caught.value


async def test_a_file_that_is_no_journal_is_left_alone(path):
    """Another program's file is refused and not changed, whether it is SQLite or not."""
    pathlib.Path(path).write_bytes(b"important words, " * 100)
    assert (await fails(path)).reason == "foreign"
    assert pathlib.Path(path).read_bytes() == b"important words, " * 100
    with pytest.raises(JournalError):
        Journal(path).counts()
    pathlib.Path(path).unlink()
    rows(path, "CREATE TABLE message (key, outcome)")
    before = pathlib.Path(path).read_bytes()
    assert (await fails(path)).reason == "foreign"
    assert pathlib.Path(path).read_bytes() == before
    with pytest.raises(JournalError):
        list(Journal(path).entries())


async def test_a_schema_of_another_release_is_refused(path):
    """A journal of a later release is not misread."""
    await collect(stream(drafts(1), at_once, plan(path)))
    rows(path, f"PRAGMA user_version = {VERSION + 1}")
    error = await fails(path)
    assert error.reason == "version"
    assert f"schema {VERSION + 1}" in str(error)


async def test_a_journal_that_cannot_be_made_is_a_clear_error(tmp_path):
    """The error names a directory that does not exist, and nothing is sent."""
    assert (await fails(str(tmp_path / "nowhere" / "run.sqlite"))).reason == "broken"


@pytest.mark.parametrize("where", ["open", "write", "end_run"])
async def test_a_fault_of_the_machinery_is_an_error_and_no_endless_wait(path, monkeypatch, where):
    """The batch is told of any error in the journal's thread."""

    def broken(*_, **__):
        raise ValueError("a defect of ours")

    monkeypatch.setattr(JournalFile, where, broken)
    async with asyncio.timeout(10):
        with pytest.raises(JournalError, match="a defect of ours") as caught:
            await collect(stream(drafts(3), at_once, plan(path)))
    assert caught.value.reason == "broken"


async def test_a_lock_file_that_is_something_else_is_named(path):
    """Another kind of file in the lock's place is not changed, and the error names it."""
    pathlib.Path(f"{path}-lock").write_bytes(b"important words, " * 100)
    error = await fails(path)
    assert error.reason == "foreign"
    assert f"{path}-lock" in str(error)


async def test_more_than_a_group_goes_to_the_disk_in_several(path, monkeypatch):
    """Groups are bounded, and each of their entries is written."""
    monkeypatch.setattr("twake_async._journal.writer.GROUP", 3)
    await collect(stream(drafts(60, 60), at_once, plan(path, in_flight=20)))
    assert {outcome for _, outcome in rows(path)} == {"delivered"}
    assert len(rows(path)) == 60


async def test_a_broken_journal_is_a_clear_error(path):
    """Damage in the file ends the run before it sends anything."""
    await collect(stream(drafts(400, 400), at_once, plan(path, in_flight=100)))
    data = bytearray(pathlib.Path(path).read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 512] = os.urandom(512)
    pathlib.Path(path).write_bytes(data)
    assert (await fails(path)).reason == "damaged"
    with pytest.raises(JournalError):
        list(Journal(path).entries())


@pytest.fixture
def small_disk(monkeypatch):
    """Let journals grow to a few pages only; return the way to make room."""
    connect = sqlite3.connect
    pages = 24
    opened = []

    class Small(sqlite3.Connection):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.execute(f"PRAGMA max_page_count = {pages}")
            opened.append(self)

    def make_room():
        for connection in opened:
            try:
                connection.execute("PRAGMA max_page_count = 100000")
            except sqlite3.ProgrammingError:  # closed already
                continue

    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **options: connect(*args, factory=Small, **options)
    )
    return make_room


async def test_a_full_disk_stops_the_batch_and_loses_nothing(small_disk, path, caplog):
    """Begun sends are reported, nothing leaves without its intent, and the error says the fix."""
    send = ended_as(Outcome.DELIVERED)
    seen = []
    with pytest.raises(JournalError, match="Make room") as caught:
        await collect(stream(drafts(5_000, 50), send, plan(path, in_flight=8)), seen)
    assert caught.value.reason == "full"
    ends = Counter(delivery.outcome for delivery in seen)
    assert ends[Outcome.DELIVERED] == len(send.sent) > 100
    assert all(d.error.reason == "full" for d in seen if d.outcome is Outcome.NOT_SENT)
    assert len({delivery.draft.front_id for delivery in seen}) == len(seen)
    in_journal = {key for key, _ in rows(path)}
    assert len(in_journal) >= len(send.sent)
    assert "full" in caplog.text


async def test_after_room_was_made_the_batch_goes_on(small_disk, path, monkeypatch):
    """Each message is delivered once, except those whose outcome could not be written."""
    send = ended_as(Outcome.DELIVERED)
    with pytest.raises(JournalError):
        await collect(stream(drafts(2_000, 50), send, plan(path, in_flight=8)))
    sent = len(send.sent)
    monkeypatch.undo()
    deliveries = await collect(stream(drafts(2_000, 50), send, plan(path, in_flight=8)))
    ends = Counter(delivery.outcome for delivery in deliveries)
    assert ends[Outcome.DELIVERED] + ends[Outcome.UNKNOWN] == 2_000
    assert ends[Outcome.UNKNOWN] <= 8
    assert len({draft.front_id for draft in send.sent}) == len(send.sent) > sent


async def test_outcomes_that_found_no_room_are_written_at_the_end_if_they_can_be(small_disk, path):
    """After a disk was full for a moment, all outcomes are still written."""

    async def send(request, listener):
        await settle(5)
        return await at_once(request, listener)

    refused = asyncio.Event()

    def note(progress):
        if progress.delivery.outcome is Outcome.NOT_SENT:
            refused.set()

    batch = asyncio.create_task(
        collect(stream(drafts(5_000, 50), send, plan(path, in_flight=8, on_progress=note)))
    )
    await refused.wait()
    small_disk()
    with pytest.raises(JournalError):
        await batch
    assert {outcome for _, outcome in rows(path)} == {"delivered"}


async def test_a_disk_that_stays_full_is_tried_once_more_and_no_oftener(path, monkeypatch):
    """After the first failure all writes are refused; at the end the outcomes are tried again."""
    writer = JournalWriter(SqliteSource(path))
    await writer.open(target="", keys="position")
    intent = JournalEntry("000000000", "f" * 32, "c0", "mine", writer.store.run, 1.0)
    assert await writer.write(intent) is None
    tried = []

    def full(file, entries):
        tried.append([entry.outcome for entry in entries])
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(JournalFile, "write", full)
    outcome = attrs.evolve(intent, outcome=Outcome.DELIVERED, ended=2.0)
    for _ in range(2):
        assert (await writer.write(outcome)).reason == "broken"
    assert (await writer.write(intent)).reason == "broken"
    assert (await writer.aclose()).reason == "broken"
    assert tried == [[Outcome.DELIVERED], [Outcome.DELIVERED] * 2]
    assert rows(path) == [("000000000", None)]


async def test_a_journal_that_breaks_under_a_running_batch_stops_its_lookups(path, monkeypatch):
    """A failed read ends the batch like a failed write."""
    await collect(stream(drafts(5), at_once, plan(path)))

    def broken(self, key):
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(JournalFile, "find", broken)
    with pytest.raises(JournalError) as caught:
        await collect(stream(drafts(5), at_once, plan(path)))
    assert caught.value.reason == "broken"


async def test_a_journal_that_fails_only_at_its_end_is_told(path, monkeypatch):
    """All messages were delivered and reported; that the file lacks its end is still an error."""

    def broken(self):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(JournalFile, "end_run", broken)
    seen = []
    with pytest.raises(JournalError):
        await collect(stream(drafts(5), at_once, plan(path)), seen)
    assert [delivery.outcome for delivery in seen] == [Outcome.DELIVERED] * 5


# --- for people ----------------------------------------------------------------------------------


async def test_people_can_count_and_read_during_a_run(path):
    """The file can be read while a batch writes it; it shows the messages in flight."""
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(3, 3), send, plan(path, in_flight=2))))
    await until(lambda: len(send.waiting) == 2)
    assert Journal(path).counts() == {None: 2}
    await send.let_go("c0:0", error=OutcomeUnknownError("lost", reason="lost"))
    while not batch.done():
        await send.let_go() if send.waiting else await asyncio.sleep(0.001)
    journal = Journal(path)
    assert journal.counts() == {Outcome.UNKNOWN: 1, Outcome.DELIVERED: 2}
    entries = list(journal.entries())
    assert [entry.key for entry in entries] == ["000000000", "000000001", "000000002"]
    assert [entry.reason for entry in entries] == ["lost", "", ""]
    assert all(entry.ended >= entry.began > 1e9 for entry in entries)
    assert all(entry.attempts == 1 for entry in entries[1:])
    assert repr(journal) == f"Journal({path!r})"


def test_looking_at_a_journal_that_is_not_there_makes_none(path):
    """A wrong name is an error, not a new file."""
    with pytest.raises(JournalError):
        Journal(path).counts()
    with pytest.raises(JournalError):
        list(Journal(path).entries())
    assert not pathlib.Path(path).exists()


def test_the_documented_schema_is_the_schema():
    """docs/journal.md shows the exact statements that make the file."""
    text = (DOCS / "journal.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```sql\n(CREATE.*?)```", text, re.DOTALL)
    assert shown == SCHEMA
    assert f"version {VERSION}" in text


# --- against a model -----------------------------------------------------------------------------

STEP = st.one_of(
    st.tuples(st.just("begin"), st.integers(0, 4)),
    st.tuples(st.just("end"), st.integers(0, 4), st.sampled_from(list(Outcome))),
    st.tuples(st.just("crash")),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEP, max_size=25))
def test_the_file_agrees_with_a_model_through_crashes(tmp_path_factory, steps):
    """After any begins, ends and interruptions, the file says the same as a dictionary."""
    path = str(tmp_path_factory.mktemp("model") / "run.sqlite")
    file = JournalFile.open(path, target="t", keys="caller")
    model: dict[str, JournalEntry] = {}
    try:
        for step in steps:
            if step[0] == "crash":
                file.close()
                file = JournalFile.open(path, target="t", keys="caller")
                for key, entry in model.items():
                    if entry.outcome is None:
                        model[key] = attrs.evolve(
                            entry, outcome=Outcome.UNKNOWN, reason="interrupted", unknown_requests=1
                        )
            else:
                key = f"key {step[1]}"
                entry = JournalEntry(key, "f" * 32, "c", f"f{step[1]}", file.run, 1.5)
                if step[0] == "end":
                    if key not in model or model[key].outcome is not None:
                        continue
                    entry = attrs.evolve(
                        model[key], outcome=step[2], reason='"ö', attempts=2, ended=2.5
                    )
                model[key] = entry
                file.write([entry])
            for key, entry in model.items():
                assert file.find(key) == entry
            assert file.find("no key") is None
        assert {entry.key: entry for entry in Journal(path).entries()} == model
        assert Journal(path).counts() == Counter(entry.outcome for entry in model.values())
    finally:
        file.close()

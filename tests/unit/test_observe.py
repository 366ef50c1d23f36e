"""The second evidence over v1: events about new messages settle the sends that are under way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import time

import attrs
import httpx
import pytest
from echoes import EchoServer, event_of, forged, open_session, posted
from faults import FAULTS
from faults.request import APPLICATION_ID, answered_object
from hypothesis import given
from hypothesis import strategies as st
from recorded import CASES, SAVES
from scenes import until

from twake_async import (
    Attempt,
    ConfigurationError,
    Journal,
    MessageDraft,
    MessageRef,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryBudget,
    RetryPolicy,
    TwakeSession,
    WrongEventLoopError,
)
from twake_async._attempts import echoes
from twake_async._attempts.attempt_loop import Attempts
from twake_async._attempts.echoes import CHANNELS, Echoes, EchoSteps
from twake_async._protocol.v1.decode import decode_message
from twake_async._protocol.v1.stored import is_stored
from twake_async._transport.httpx.injected import NoPool
from twake_async._transport.pool import ConnectionPool
from twake_async.events import parse
from twake_async.messages import Message

EVENTS = CASES.parent / "events"
TRANSPORTS = [None, "httpx2", "fast"]
RESEND = RetryPolicy(on_unknown="resend", initial_wait=0.001, max_wait=0.002)
BLIND = RetryPolicy(reconcile=False)
#: A refusal that is wrong: the message is stored.
WRONG_401 = attrs.evolve(FAULTS["refuses_401"], name="stores_401", stores=True)
WRONG_429 = attrs.evolve(FAULTS["refuses_429_absent"], name="stores_429", stores=True)


@pytest.fixture
async def server():
    async with EchoServer() as running:
        yield running


@pytest.fixture
async def twake(server):
    async with open_session(server) as twake:
        yield twake


def watch(twake) -> list[Attempt]:
    seen: list[Attempt] = []
    twake._attempts.on_attempt = seen.append
    return seen


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The seconds of each wait for an event that begins."""
    found: list[float] = []
    begin = Attempts.begin_wait

    def begin_wait(attempts, seconds):
        found.append(seconds)
        return begin(attempts, seconds)

    monkeypatch.setattr(Attempts, "begin_wait", begin_wait)
    return found


def ends(seen):
    return [(one.number, one.outcome, one.reason) for one in seen]


async def fails(sending, kind=OutcomeUnknownError):
    with pytest.raises(kind) as caught:
        await sending
    return caught.value


async def observed_before(server, twake, channel_id="c1"):
    """Let a message of a channel be observed."""
    await twake.send_message(channel_id, "first")
    assert server.echoed
    server.echoed = 0


# --- what it settles -----------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "fault",
    [
        "stores_close",
        "stores_reset",
        "stores_cut",
        "stores_cut_chunked",
        "stores_500",
        "stores_502",
        "stores_504",
        "stores_404",
        "stores_302",
        "stores_empty",
        "stores_error_words",
        "stores_null_object",
        "stores_other_message",
        "stores_garbage",
    ],
)
async def test_a_message_whose_answer_proves_nothing_is_delivered(server, fault, transport):
    """The event has come before the answer was lost: no wait, and the message as it is stored."""
    async with open_session(server, transport=transport) as twake:
        seen = watch(twake)
        server.do_next(fault)
        message = await twake.send_message("c1", "Hello", hidden_data={"a": 1})
    assert (message.content, message.channel_id) == ("Hello", "c1")
    assert (message.hidden_data, message.maybe_duplicated) == ({"a": 1}, False)
    assert message.id in server.front_of
    assert ends(seen)[0][1] is Outcome.UNKNOWN
    assert ends(seen)[1:] == [(1, Outcome.DELIVERED, "found")]
    assert dict(server.stored) == {message.front_id: 1}


@pytest.mark.parametrize("fault", ["stores_silent", "stores_cut_silent", "stores_drip"])
async def test_a_message_whose_answer_is_late_is_delivered(server, twake, fault):
    """The attempt has the whole deadline: the event would have come before the answer."""
    server.do_next(fault)
    began = time.monotonic()
    message = await twake.send_message("c1", "Hello", deadline=1.5)
    assert time.monotonic() - began >= 1.49
    assert server.stored[message.front_id] == 1


async def test_nothing_that_was_not_stored_is_delivered(server, twake, waits):
    """No event comes; in a channel that was not observed, the send does not wait for one."""
    for fault in ("loses_close", "loses_500", "loses_502"):
        server.do_next(fault)
        await fails(twake.send_message("c1", "Hello"))
    assert waits == []


@pytest.mark.parametrize("content", ["Hello", ["a", {"type": "bold", "content": "b"}], [{}, 1.0]])
@pytest.mark.parametrize("text_form", ["portable", "plain"])
async def test_any_content_and_a_reply_are_settled(server, content, text_form):
    """The comparison uses the content that the server stores."""
    async with open_session(server, text_form=text_form) as twake:
        server.do_next("stores_close")
        message = await twake.send_message("c1", content, parent_message_id="p1")
    assert message.parent_message_id == "p1"


async def test_the_application_may_be_written_in_capitals(server):
    """The server ignores the case of such ids, too (wire case 20o)."""
    async with open_session(server) as twake:
        twake._sender._echoes.application_id = APPLICATION_ID.upper()
        server.do_next("stores_close")
        assert (await twake.send_message("c1", "Hello")).front_id


# --- when the event comes ------------------------------------------------------------------------


async def test_an_event_that_comes_after_the_attempt_failed_is_waited_for(server, twake, waits):
    """The channel was observed before; the event ends the wait at once."""
    await observed_before(server, twake)
    server.do_next("stores_close")
    server.delay = 0.05
    began = time.monotonic()
    message = await twake.send_message("c1", "Hello", deadline=6000)
    assert time.monotonic() - began > 0.04
    assert len(waits) == 1
    assert not message.maybe_duplicated


async def test_an_event_is_not_waited_for_in_another_channel_nor_without_reconcile(
    server, twake, waits
):
    """An event that has already come is used."""
    await observed_before(server, twake)
    server.delay = None
    server.do_next("stores_close", "stores_close", "stores_close")
    await fails(twake.send_message("c2", "Hello"))
    await fails(twake.send_message("c1", "Hello", retry=BLIND))
    assert waits == []
    server.delay = 0.0
    assert (await twake.send_message("c1", "Hello", retry=BLIND)).content == "Hello"


async def test_the_wait_is_a_tenth_of_the_time_that_is_left(server, twake, waits):
    """It ends `UNKNOWN`, because a missing event proves nothing."""
    await observed_before(server, twake)
    server.do_next("loses_close")
    began = time.monotonic()
    error = await fails(twake.send_message("C1", "Hello", deadline=6.0))
    assert time.monotonic() - began >= waits[0]
    assert waits == [pytest.approx(0.6, abs=0.3)]
    assert error.reason == "lost"


async def test_closing_the_session_ends_the_wait(server, twake, monkeypatch, waits):
    """It would last a minute; after the session is closed, no send waits."""
    monkeypatch.setattr(echoes, "LONGEST_LOOK", 60.0)
    await observed_before(server, twake)
    server.do_next("loses_close")
    seen = watch(twake)
    sending = asyncio.create_task(fails(twake.send_message("c1", "Hello", deadline=600)))
    await until(lambda: seen and waits)
    began = time.monotonic()
    await twake.aclose(drain=0)
    await sending
    assert time.monotonic() - began < 30
    assert twake._attempts.begin_wait(1.0) is None


async def test_a_send_that_closing_cut_off_is_delivered_where_its_event_came(server, twake):
    """Its connection was closed before the answer."""
    server.do_next("stores_silent")
    sending = asyncio.create_task(twake.send_message("c1", "Hello"))
    await until(lambda: server.echoed)
    await twake.aclose(drain=0)
    assert (await sending).content == "Hello"


async def test_a_session_that_is_closed_waits_for_no_event(server, twake, monkeypatch):
    """The send that closing cut off ends at once, and stays unknown."""
    monkeypatch.setattr(echoes, "LONGEST_LOOK", 60.0)
    await observed_before(server, twake)
    server.do_next("stores_silent")
    server.delay = None
    sending = asyncio.create_task(fails(twake.send_message("c1", "Hello", deadline=600)))
    await until(lambda: len(server.stored) == 2)
    began = time.monotonic()
    await twake.aclose(drain=0)
    assert (await sending).reason == "lost"
    assert time.monotonic() - began < 30


async def test_a_wrong_refusal_is_outranked(server, twake):
    """The event shows what the answer denies."""
    seen = watch(twake)
    server.do_next(WRONG_401)
    message = await twake.send_message("c1", "Hello")
    assert not message.maybe_duplicated
    assert ends(seen) == [(1, Outcome.REFUSED, "status"), (1, Outcome.DELIVERED, "found")]
    assert seen[-1].message_id == message.id


async def test_wrong_refusals_leave_it_open_which_of_them_stored_it(server, twake):
    """Two answers said "later", and one event came: there may be two messages."""
    server.delay = None
    server.do_next(WRONG_429, WRONG_429, "stores_close")
    made = []
    server.posts = lambda event: None
    store = server.store

    def post_second(request):
        store(request)
        made.append(request)
        if len(made) == 2:
            twake.observe(event_of(posted(answered_object(request))))

    server.store = post_second
    policy = RetryPolicy(initial_wait=0.001)
    message = await twake.send_message("c1", "Hello", retry=policy)
    assert (message.maybe_duplicated, server.stored[message.front_id]) == (True, 2)


# --- resend --------------------------------------------------------------------------------------


async def test_what_an_event_showed_is_not_sent_again(server, twake):
    """Whatever the policy."""
    server.do_next("stores_close")
    message = await twake.send_message("c1", "Hello", retry=RESEND)
    assert (message.maybe_duplicated, server.stored[message.front_id]) == (False, 1)


async def test_an_event_that_comes_in_the_pause_before_a_resend_is_taken(server, twake):
    """The budget gets back the token of the attempt that is not made."""
    twake._attempts.tokens.budget = RetryBudget(10, 0.0)
    twake._attempts.tokens.left = 5.0
    seen = watch(twake)
    server.do_next("stores_close")
    server.delay = 0.03
    twake._attempts.clock = attrs.evolve(twake._attempts.clock, draw=lambda: 1.0)
    policy = RetryPolicy(on_unknown="resend", initial_wait=0.2)
    message = await twake.send_message("c1", "Hello", retry=policy)
    assert (message.maybe_duplicated, server.stored[message.front_id]) == (False, 1)
    assert ends(seen) == [(1, Outcome.UNKNOWN, "lost"), (1, Outcome.DELIVERED, "found")]
    assert twake._attempts.tokens.left == 5.0
    assert (await twake.send_message("c1", "More")).id  # the connection that was given back


@pytest.fixture(params=[ConnectionPool, NoPool])
async def echo_at_resend(server, monkeypatch, request):
    """Post the first event when a resend has got its connection, and has not left."""
    requests, acquire = [], request.param.acquire
    receive, server.delay = server.receive, None

    def keep(request):
        receive(request)
        if request.kind == "create":
            requests.append(request)

    async def echo(pool, *args, **options):
        connection = await acquire(pool, *args, **options)
        if requests:
            server.posts(event_of(posted(answered_object(requests.pop()))))
        return connection

    server.receive = keep
    monkeypatch.setattr(request.param, "acquire", echo)
    async with httpx.AsyncClient(trust_env=False) as client:
        injected = {"proxy": "env", "http_client": client}
        yield injected if request.param is NoPool else {"max_connections": 1}


async def test_an_event_that_comes_while_a_resend_waits_for_a_connection_is_taken(
    server, echo_at_resend
):
    """The send checks for it just before the request would leave, and releases the connection."""
    async with open_session(server, **echo_at_resend) as twake:
        seen = watch(twake)
        server.do_next("stores_close")
        message = await twake.send_message("c1", "Hello", retry=RESEND)
        assert (message.maybe_duplicated, server.stored[message.front_id]) == (False, 1)
        assert ends(seen)[1:] == [(1, Outcome.DELIVERED, "found")]
        assert (await twake.send_message("c1", "More")).id


async def test_a_resend_that_had_left_before_the_event_came_may_have_made_a_copy(server, twake):
    """The same holds for looks."""
    server.do_next("stores_close", "stores_close")
    server.delay = None
    store, requests = server.store, []

    def echo_second(request):
        store(request)
        requests.append(request)
        if len(requests) == 2:
            twake.observe(event_of(posted(answered_object(request))))

    server.store = echo_second
    message = await twake.send_message("c1", "Hello", retry=RESEND)
    assert (message.maybe_duplicated, server.stored[message.front_id]) == (True, 2)


async def test_a_refusal_after_an_attempt_that_an_event_showed_is_delivered(server, twake):
    """The refused attempt may have made a copy: a server that errs once may err twice."""
    server.do_next("stores_close", "refuses_401")
    server.delay = None
    receive, requests = server.receive, []

    def echo_first(request):
        receive(request)
        requests.append(request)
        if len(requests) == 2:
            twake.observe(event_of(posted(answered_object(requests[0]))))

    server.receive = echo_first
    seen = watch(twake)
    message = await twake.send_message("c1", "Hello", retry=RESEND)
    assert message.maybe_duplicated
    assert ends(seen)[1:] == [(2, Outcome.REFUSED, "status"), (2, Outcome.DELIVERED, "found")]


async def test_attempts_that_never_left_make_no_copy(server, twake):
    """The event is taken before the deadline ends the send."""
    server.do_next("stores_close")
    server.delay = 0.2
    seen = watch(twake)
    policy = attrs.evolve(RESEND, initial_wait=0.1, max_wait=0.1)
    sending = asyncio.create_task(twake.send_message("c1", "Hello", retry=policy, deadline=2.0))
    await until(lambda: seen)
    await server.close_port()
    message = await sending
    assert not message.maybe_duplicated
    assert ends(seen)[-1][1:] == (Outcome.DELIVERED, "found")
    assert {one.outcome for one in seen[1:-1]} <= {Outcome.NOT_SENT}


async def test_a_refusal_before_the_lost_answer_made_no_copy(server, twake):
    """A 429 is believed where the event can be the lost attempt's: one of two made the message."""
    server.do_next("refuses_429_absent", "stores_close")
    message = await twake.send_message("c1", "Hello", retry=RetryPolicy(initial_wait=0.001))
    assert (message.maybe_duplicated, server.stored[message.front_id]) == (False, 1)


async def test_a_deadline_that_passes_before_a_resend_takes_what_came(server, twake):
    """The send ends before another attempt, and its event is there."""
    server.do_next("stores_close")
    server.delay = 0.05
    clock = twake._attempts.clock

    async def pause(seconds, pauses):
        await asyncio.sleep(1.6)

    twake._attempts.clock = attrs.evolve(clock, pause=pause)
    message = await twake.send_message("c1", "Hello", retry=RESEND, deadline=1.5)
    assert not message.maybe_duplicated


async def test_two_events_with_one_front_id_show_a_copy(server, twake):
    """A gateway may send the request twice; the same event twice shows no copy."""
    for other, twice in ((None, False), ("another", True)):
        server.do_next("stores_close")
        server.posts = lambda event, other=other: [
            twake.observe(event),
            twake.observe(attrs.evolve(event, message=attrs.evolve(event.message, id=other)))
            if other
            else twake.observe(event),
        ]
        message = await twake.send_message("c1", "Hello")
        assert message.maybe_duplicated is twice


# --- cancelled -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("delay", "told"), [(0.0, Outcome.DELIVERED), (None, Outcome.UNKNOWN)])
async def test_a_cancelled_send_tells_the_observer_what_an_event_showed(server, twake, delay, told):
    """The exception carries no outcome."""
    server.do_next("stores_silent")
    server.delay = delay
    seen = watch(twake)
    sending = asyncio.create_task(twake.send_message("c1", "Hello"))
    await until(lambda: server.stored)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert [(one.outcome, one.reason) for one in seen] == [
        (told, "found" if delay is not None else "cancelled")
    ]


async def test_a_cancelled_wait_leaves_the_session_as_good_as_before(server, twake):
    """No send waits for an event that comes later."""
    await observed_before(server, twake)
    server.do_next("stores_close")
    server.delay = 0.05
    seen = watch(twake)
    sending = asyncio.create_task(twake.send_message("c1", "Hello", deadline=20))
    await until(lambda: seen)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: server.echoed)
    assert (await twake.send_message("c1", "Hello")).id


# --- batches -------------------------------------------------------------------------------------

DRAFTS = [MessageDraft(f"c{number % 2}", f"message {number}") for number in range(6)]


async def test_a_batch_settles_its_messages(server, twake):
    """Without a journal."""
    server.do_next(*["stores_close", "stores_500"] * 3)
    found = [one async for one in twake.send_many(DRAFTS, in_flight=2)]
    assert {one.outcome for one in found} == {Outcome.DELIVERED}
    assert {one.attempts for one in found} == {1}
    assert not any(one.message.maybe_duplicated for one in found)


@pytest.mark.parametrize("policy", [RetryPolicy(), RESEND])
async def test_the_journal_of_a_batch_says_delivered(server, twake, tmp_path, policy):
    """A later run reports it, and sends nothing."""
    path = tmp_path / "journal.db"
    server.do_next(*["stores_close", "stores_500"] * 3)
    found = [
        one
        async for one in twake.send_many(DRAFTS, journal=Journal(path), in_flight=2, retry=policy)
    ]
    assert {one.outcome for one in found} == {Outcome.DELIVERED}
    rows = list(Journal(path).entries())
    assert len(rows) == 6
    for row in rows:
        assert (row.outcome, row.reason, row.unknown_requests) == (Outcome.DELIVERED, "", 0)
        assert row.message_id in server.front_of
        assert (row.attempts, row.maybe_duplicated) == (1, False)
    received = server.received
    again = [one async for one in twake.send_many(DRAFTS, journal=Journal(path))]
    assert {one.outcome for one in again} == {Outcome.DELIVERED}
    assert server.received == received


async def test_the_journal_counts_no_attempt_that_an_event_made_needless(server, twake, tmp_path):
    """The event came in the pause before that attempt."""
    path = tmp_path / "journal.db"
    server.do_next("stores_close")
    server.delay = 0.05
    slow = RetryPolicy(on_unknown="resend", initial_wait=0.2)
    twake._attempts.clock = attrs.evolve(twake._attempts.clock, draw=lambda: 1.0)
    [found] = [one async for one in twake.send_many(DRAFTS[:1], journal=Journal(path), retry=slow)]
    [row] = Journal(path).entries()
    assert (found.outcome, found.attempts) == (Outcome.DELIVERED, 1)
    assert not found.message.maybe_duplicated
    assert (row.outcome, row.attempts, row.unknown_requests) == (Outcome.DELIVERED, 1, 0)
    assert (row.maybe_duplicated, server.stored[row.front_id]) == (False, 1)


async def test_the_journal_counts_no_attempt_that_did_not_leave(server, tmp_path, echo_at_resend):
    """Its intent was on the disk already."""
    path = tmp_path / "journal.db"
    async with open_session(server, **echo_at_resend) as twake:
        await twake.check()
        server.do_next("stores_close")
        batch = twake.send_many(DRAFTS[:1], journal=Journal(path), retry=RESEND)
        [found] = [one async for one in batch]
    [row] = Journal(path).entries()
    assert (found.outcome, found.attempts) == (Outcome.DELIVERED, 1)
    assert not found.message.maybe_duplicated
    assert (row.outcome, row.attempts, row.unknown_requests) == (Outcome.DELIVERED, 1, 0)
    assert (row.maybe_duplicated, server.stored[row.front_id]) == (False, 1)


async def test_the_journal_says_that_a_refused_attempt_may_have_made_a_copy(
    server, twake, tmp_path
):
    """The message says so, too."""
    path = tmp_path / "journal.db"
    server.do_next("stores_close", "refuses_401")
    server.delay = None
    receive, requests = server.receive, []

    def echo_first(request):
        receive(request)
        if request.kind == "create":
            requests.append(request)
            if len(requests) == 2:
                twake.observe(event_of(posted(answered_object(requests[0]))))

    server.receive = echo_first
    batch = twake.send_many(DRAFTS[:1], journal=Journal(path), retry=RESEND)
    [found] = [one async for one in batch]
    [row] = Journal(path).entries()
    assert (found.outcome, row.outcome) == (Outcome.DELIVERED, Outcome.DELIVERED)
    assert (found.message.maybe_duplicated, row.maybe_duplicated) == (True, True)


@pytest.mark.parametrize(("delay", "kept"), [(0.0, Outcome.DELIVERED), (None, Outcome.UNKNOWN)])
async def test_a_cancelled_batch_keeps_what_events_showed(server, twake, tmp_path, delay, kept):
    """Only the journal's row shows it."""
    path = tmp_path / "journal.db"
    server.do_next("stores_silent")
    server.delay = delay

    async def consume():
        async with contextlib.aclosing(twake.send_many(DRAFTS[:1], journal=Journal(path))) as batch:
            async for _ in batch:
                pass

    task = asyncio.create_task(consume())
    await until(lambda: server.stored)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [row] = Journal(path).entries()
    assert (row.outcome, row.message_id in server.front_of) == (kept, delay is not None)
    assert not row.maybe_duplicated


async def test_a_resumed_message_is_not_looked_for(server, twake, tmp_path):
    """An earlier run showed its id, so another message may have the same one."""
    path = tmp_path / "journal.db"
    server.do_next("stores_close")
    server.delay = None
    batch = twake.send_many(DRAFTS[:1], journal=Journal(path))
    assert [one.outcome async for one in batch] == [Outcome.UNKNOWN]
    again = twake.send_many(DRAFTS[:1], journal=Journal(path))
    assert [one.outcome async for one in again] == [Outcome.UNKNOWN]
    server.delay = 0.0
    server.do_next("stores_close")
    resent = twake.send_many(DRAFTS[:1], journal=Journal(path), resume="resend")
    assert [one.outcome async for one in resent] == [Outcome.UNKNOWN]
    assert list(server.stored.values()) == [2]


# --- what proves nothing -------------------------------------------------------------------------

KINDS = list(
    forged({"id": "m", "front_id": "f", "channel_id": "c1", "application_id": APPLICATION_ID})
)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forged_event_changes_nothing(server, twake, kind, caplog, waits):
    """It changes neither the outcome nor the length of the wait."""
    server.delay = None
    receive = server.receive

    def forge(request):
        receive(request)
        twake.observe(forged(answered_object(request))[kind])

    server.receive = forge
    for fault in ("stores_close", "loses_500"):
        server.do_next(fault)
        await fails(twake.send_message("c1", "Hello"))
    server.do_next("refuses_401")
    await fails(twake.send_message("c1", "Hello"), RefusedError)
    assert waits == []
    # Each record is that of a send which ended in doubt; none is about an event.
    assert [record.twake_outcome for record in caplog.records] == ["unknown", "unknown"]


async def test_an_event_of_the_other_api_proves_nothing(server, twake):
    """Its content makes no difference."""
    server.do_next("stores_close")
    server.posts = lambda event: twake.observe(attrs.evolve(event, api="node"))
    await fails(twake.send_message("c1", "Hello"))


async def test_what_proves_nothing_is_logged_where_its_front_id_is_known(server, twake, caplog):
    """The log helps to find out why a message stays unknown."""
    caplog.set_level("DEBUG", "twake_async")
    server.do_next("stores_close")
    server.posts = lambda event: twake.observe(forged_by(event))

    def forged_by(event):
        return attrs.evolve(event, message=attrs.evolve(event.message, content="x"))

    error = await fails(twake.send_message("c1", "Hello"))
    assert any(error.front_id in line and "proves nothing" in line for line in caplog.messages)


async def test_a_front_id_of_the_callers_proves_nothing(server, twake):
    """It can be guessed, and may have been used before."""
    server.do_next("stores_close")
    await fails(twake.send_message("c1", "Hello", front_id="order-4711"))
    assert server.echoed == 1


async def test_a_minted_front_id_that_the_caller_gives_to_another_message_proves_nothing(
    server, twake
):
    """The observer learns the id while the send is under way."""
    await observed_before(server, twake)
    server.do_next("loses_close")
    seen = watch(twake)
    first = asyncio.create_task(fails(twake.send_message("c1", "Hello", deadline=3)))
    await until(lambda: seen)
    copy = await twake.send_message("c1", "Hello", front_id=seen[0].front_id)
    assert (copy.front_id, server.echoed) == (seen[0].front_id, 1)
    await first


@pytest.mark.parametrize("operation", ["edit", "ephemeral"])
async def test_the_events_of_edits_and_ephemeral_messages_prove_nothing(server, twake, operation):
    """An edit is sent again instead; no server posts an event about an ephemeral message."""
    receive = server.receive

    def post(request):
        receive(request)
        twake.observe(event_of(posted(answered_object(request))))

    server.receive = post
    server.do_next(*["loses_close"] * 4)
    if operation == "edit":
        await fails(
            twake.edit_message(
                MessageRef("c1", "m1"), "x", retry=RetryPolicy(attempts=2, initial_wait=0.001)
            )
        )
    else:
        await fails(twake.send_message("c1", "x", ephemeral=True, ephemeral_to=["u1"]))


async def test_an_event_about_a_send_that_has_ended_changes_nothing(server, twake):
    """The session forgets a send when it ends."""
    server.do_next("stores_close")
    server.delay = None
    requests = []
    receive = server.receive
    server.receive = lambda request: (receive(request), requests.append(request))
    error = await fails(twake.send_message("c1", "Hello"))
    del error
    gc.collect()
    assert len(twake._sender._echoes._expected) == 0
    twake.observe(event_of(posted(answered_object(requests[0]))))
    assert not twake._sender._echoes.was_observed("c1")


async def test_only_messages_that_begin_after_the_first_event_are_settled(server):
    """A session that observes nothing keeps nothing of its sends."""
    async with TwakeSession(
        APPLICATION_ID, "k" * 40, group_id="g1", base_url=server.url, proxy=None
    ) as twake:
        server.posts = twake.observe
        draft = MessageDraft("c1", "Hello")
        assert twake._sender.encode(draft, None).request().steps is None
        server.do_next("stores_close", "stores_close")
        await fails(twake.send_message("c1", "Hello"))
        assert (await twake.send_message("c1", "Hello")).id
        assert twake._sender.encode(draft, None).request().steps is not None


async def test_a_bot_may_turn_it_on_before_the_first_event(server):
    """Once is enough."""
    async with TwakeSession(
        APPLICATION_ID, "k" * 40, group_id="g1", base_url=server.url, proxy=None
    ) as twake:
        twake._sender.expect_echoes()
        api = twake._sender.api
        twake._sender.expect_echoes()
        assert twake._sender.api is api
        server.posts = twake.observe
        server.do_next("stores_close")
        assert (await twake.send_message("c1", "Hello")).id


async def test_over_node_events_settle_nothing(server):
    """A Node server does not post an application's own messages, so the look is used."""
    async with TwakeSession("app", "k", group_id="g1", base_url=server.url, api="node") as twake:
        api = twake._sender.api
        twake.observe(event_of({"type": "hook", "event": "new_task", "data": {}}))
        assert twake._sender.api is api


async def test_a_read_back_is_still_refused_over_v1(twake):
    """No event can confirm what the server said."""
    with pytest.raises(ConfigurationError):
        await twake.send_message("c1", "Hello", read_back=True)


def test_only_events_are_observed():
    """The body of an event is refused."""
    twake = TwakeSession("app", "k")
    for other in (None, {"type": "hook"}, b"{}"):
        with pytest.raises(ConfigurationError):
            twake.observe(other)


# --- threads and loops ---------------------------------------------------------------------------


async def test_an_event_may_be_observed_in_another_thread(server, twake):
    """It is handed to the loop of the session."""
    await twake.send_message("c2", "first")
    server.do_next("stores_silent")

    def post(event):
        thread = threading.Thread(target=twake.observe, args=[event])
        thread.start()
        thread.join()

    server.posts = post
    assert (await twake.send_message("c1", "Hello", deadline=1.5)).content == "Hello"


async def test_an_event_may_be_observed_in_another_loop(server, twake):
    """For example, in the loop of a web server."""
    server.do_next("stores_silent")

    async def observe(event):
        twake.observe(event)

    def post(event):
        thread = threading.Thread(target=asyncio.run, args=[observe(event)])
        thread.start()
        thread.join()

    server.posts = post
    assert (await twake.send_message("c1", "Hello", deadline=1.5)).content == "Hello"


def test_an_event_where_no_loop_uses_the_session_is_ignored():
    """No send can be under way before the first one, or after the loop has ended."""
    event = event_of({"type": "hook", "event": "new_task", "data": {}})
    twake = TwakeSession("app", "k")
    twake.observe(event)

    async def use():
        async with twake:
            pass

    asyncio.run(use())
    twake.observe(event)


def test_a_forked_process_is_told_that_it_may_not_observe(monkeypatch):
    """The session is the parent's."""
    twake = TwakeSession("app", "k")
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(WrongEventLoopError):
        twake.observe(event_of({"type": "hook", "event": "new_task", "data": {}}))


# --- the parts -----------------------------------------------------------------------------------


def test_the_number_of_channels_that_are_remembered_is_bounded():
    """The one that was observed longest ago is forgotten."""
    echoes = Echoes(None, APPLICATION_ID)
    for number in range(CHANNELS + 2):
        echoes._remember(str(number))
        echoes._remember("1")
    assert len(echoes._channels) == CHANNELS
    assert [echoes.was_observed(one) for one in ("0", "1", "2", "3")] == [False, True, False, True]


async def test_the_steps_do_nothing_else():
    """An attempt needs no preparation, and nothing can be recovered from or read."""
    steps = EchoSteps(Echoes(None, APPLICATION_ID), b"")
    assert steps.is_ready
    assert await steps.prepare(1.0) is None
    refusal = RefusedError("no", reason="status")
    assert not steps.can_recover(refusal)
    assert not await steps.recover(refusal, 1.0)
    assert await steps.confirm(Message(id="m"), 1.0) is None


def body_of(**fields):
    asked = {"channel_id": "c1", "front_id": "f", "content": "x"} | fields
    return json.dumps({"group_id": "g1", "message": asked}).encode()


def is_same(sent, stored) -> bool:
    message = Message(id="m", channel_id="c1", front_id="f", content=stored)
    return is_stored(body_of(content=sent), message)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ([{"a": {}}], [{"a": []}]),
        ([{"0": "a", "1": "b"}], [["a", "b"]]),
        ([1.0, 1e3, -0.0, 0.1], [1, 1000, 0, 0.1]),
        ([9007199254740993], [9007199254740992]),
        ([12345678901234567890], [1.2345678901234567e19]),
        ({"b": 1, "a": [True, None]}, {"a": [True, None], "b": 1}),
        ({"original_str": "x", "fallback_string": "x", "prepared": ["x"]}, "x"),
        ("a\x00b \U0001f600", "a\x00b \U0001f600"),
    ],
)
def test_what_the_server_stores_in_another_form_is_the_same(sent, stored):
    """As recorded (wire cases 02e, 12f, 12g, 12h), for PHP 7.1 and 8.2."""
    assert is_same(sent, stored)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("x", "y"),
        ("1", 1),
        ([1], [True]),
        ([None], [0]),
        ([0], [False]),
        ([""], [None]),
        ({"1": "a", "0": "b"}, ["b", "a"]),
        ({"1": "a"}, ["a"]),
        ("Hello", "H"),
        ("x", ["x"]),
        ([{}], [None]),
    ],
)
def test_other_content_is_not_the_same(sent, stored):
    """Types are compared, too."""
    assert not is_same(sent, stored)


def test_content_that_is_too_deep_to_compare_proves_nothing():
    """Events are parsed only to a smaller depth."""
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert not is_same("x", deep)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner),
    )
)
def test_what_is_stored_as_it_was_sent_is_the_same(content):
    """Numbers that PHP cannot hold are the exception."""
    text = json.dumps(content)
    assert is_same(content, json.loads(text))


#: The server dropped the parent that was asked for; and content that no draft can hold.
OTHERS = {"04b-reply-to-a-reply", "05-unknown-parent", "22z-content-infinity"}


def creates():
    """The recorded creates of the server of 2020 that an answer names."""
    for one in SAVES:
        found, asked = one.object, one.message
        is_form = "form" in one.case["name"]  # its numbers are words
        if "v2020" not in one.case["server"] or is_form or one.operation != "create":
            continue
        named = isinstance(found.get("id"), str) and isinstance(found["front_id"], str)
        if named and asked.get("content"):
            yield one.case["name"], asked, found


def test_every_recorded_create_is_the_message_that_it_asks_for():
    """Each answer of a server of 2020 shows the content as that server stores it."""
    compared = others = 0
    for name, asked, found in creates():
        body = json.dumps({"message": asked | {"front_id": found["front_id"]}}).encode()
        same = is_stored(body, decode_message(found))
        assert (name, same) == (name, name not in OTHERS)
        compared, others = compared + same, others + (not same)
    assert compared > 80
    assert others > 0


@pytest.mark.parametrize("name", ["01-hook-new_message", "03-own-message-echo", "11-slow-endpoint"])
def test_a_recorded_event_is_the_message_that_was_asked_for(name):
    """Byte for byte as the server of 2020 posted it, while it saved the message."""
    case = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    [seen] = case["events_received"]
    event = parse(seen["body_text"].encode(), dict(seen["headers"]))
    asked = json.loads(case["trigger"]["request"]["body_text"])["message"]
    body = json.dumps({"message": asked | {"front_id": event.message.front_id}}).encode()
    assert is_stored(body, event.message)
    assert (event.origin, event.channel_id) == ("server", asked["channel_id"])
    answer = case["trigger"]["response"]["json"]["object"]
    assert event.message == decode_message(answer)


def test_a_session_that_observes_sends_what_one_that_does_not_sends():
    """The text form and the credentials are the same."""
    draft = MessageDraft("c1", "Hello", front_id="f-1")
    sent = []
    for observes in (False, True):
        twake = TwakeSession("app", "a-key", group_id="g1", text_form="plain")
        if observes:
            twake._sender.expect_echoes()
        request = twake._sender.encode(draft, None).request()
        sent.append((request.body, request.headers()))
    assert sent[0] == sent[1]
    assert json.loads(sent[1][0])["message"]["content"] == "Hello"
    assert sent[1][1]

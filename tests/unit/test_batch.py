"""Batches: one `Delivery` for each draft, in order by channel, bounded, and accounted for."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import re
import weakref
from collections import Counter

import attrs
import pytest
from batches import (
    Clock,
    Known,
    Sender,
    at_once,
    by_channel,
    collect,
    drafts,
    others,
    plan,
    session,
    settle,
    slowly,
    until,
)
from faults import FAULTS, FaultServer, RandomScript
from hypothesis import given
from hypothesis import strategies as st

from twake_async import (
    AuthenticationError,
    Check,
    ConfigurationError,
    InvalidDraftError,
    InvalidGroupError,
    Journal,
    MessageDraft,
    MissingCapabilityError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    SessionClosedError,
    TwakeSession,
)
from twake_async._batch.channels import Channels
from twake_async._batch.engine import AHEAD, stream
from twake_async._batch.input import Input
from twake_async._batch.item import Item
from twake_async._batch.proven_groups import ProvenGroups

# --- what is yielded -----------------------------------------------------------------------------


@pytest.mark.parametrize("give", [list, iter, slowly], ids=["list", "iterator", "async"])
async def test_each_draft_is_delivered_once_and_reported_once(server, give):
    """Any iterable or async iterable goes in; one Delivery for each draft comes out."""
    given_drafts = list(drafts(60, channels=7))
    async with session(server) as twake:
        deliveries = await collect(twake.send_many(give(given_drafts), in_flight=5))
    assert Counter(id(delivery.draft) for delivery in deliveries) == Counter(
        id(draft) for draft in given_drafts
    )
    assert {delivery.outcome for delivery in deliveries} == {Outcome.DELIVERED}
    assert all(
        delivery.raise_for_outcome().front_id == delivery.draft.front_id for delivery in deliveries
    )
    assert all(delivery.attempts == 1 for delivery in deliveries)
    assert server.stored == Counter({draft.front_id: 1 for draft in given_drafts})


async def test_a_bad_draft_is_reported_and_ends_nothing(server):
    """A draft that cannot be sent is NOT_SENT with its reason; the others are delivered."""
    good = list(drafts(2))
    bad = ["no draft", MessageDraft("c0", ""), MessageDraft("c0", {1: 2}), None]
    async with session(server) as twake:
        deliveries = await collect(twake.send_many([good[0], *bad, good[1]]))
    ends = {id(delivery.draft): delivery for delivery in deliveries}
    assert len(ends) == len(deliveries) == 6
    assert all(ends[id(draft)].outcome is Outcome.DELIVERED for draft in good)
    for draft in bad:
        assert ends[id(draft)].outcome is Outcome.NOT_SENT
        assert ends[id(draft)].attempts == 0
        with pytest.raises(InvalidDraftError):
            ends[id(draft)].raise_for_outcome()


async def test_refusals_and_unknown_outcomes_are_told_as_send_tells_them(server):
    """The outcome, the error and the number of attempts are those of the send."""
    server.do_next("refuses_capability", "stores_close", "refuses_429_absent")
    async with session(server) as twake:
        deliveries = await collect(twake.send_many(drafts(3), in_flight=1))
    assert [delivery.outcome for delivery in deliveries] == [
        Outcome.REFUSED,
        Outcome.UNKNOWN,
        Outcome.DELIVERED,
    ]
    assert isinstance(deliveries[0].error, MissingCapabilityError)
    assert isinstance(deliveries[1].error, OutcomeUnknownError)
    assert [delivery.attempts for delivery in deliveries] == [1, 1, 2]


async def test_an_error_that_no_send_should_raise_is_unknown():
    """Nothing is known of a message whose send failed in a way that nobody foresaw."""

    async def broken(request, listener):
        raise ZeroDivisionError

    [delivery] = await collect(stream(drafts(1), broken, plan()))
    assert delivery.outcome is Outcome.UNKNOWN
    assert delivery.error.reason == "unexpected"
    assert isinstance(delivery.error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"in_flight": 0}, "in_flight"),
        ({"in_flight": 2.5}, "in_flight"),
        ({"order": "thread"}, "order"),
        ({"after_unknown": "stop"}, "after_unknown"),
        ({"hold_after": "hold"}, "hold_after"),
        ({"rate": 0}, "rate"),
        ({"rate": True}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"rate": "10"}, "rate"),
        ({"journal": "run.sqlite"}, "journal"),
        ({"resume": "again"}, "resume"),
        ({"resume": "resend"}, "resume"),
        ({"key": str}, "key"),
        ({"deadline": "soon"}, "deadline"),
        ({"retry": 3}, "retry"),
    ],
)
async def test_arguments_that_cannot_work_are_refused_at_the_call(server, options, field):
    """A wrong argument is told before anything is taken from the input."""
    async with session(server) as twake:
        with pytest.raises(ConfigurationError) as caught:
            twake.send_many(drafts(1), **options)
    assert caught.value.field == field


async def test_an_input_that_cannot_be_iterated_is_refused_at_the_call(server):
    """A single draft in place of many is a mistake that is told at once."""
    async with session(server) as twake:
        with pytest.raises(ConfigurationError, match="iterable"):
            twake.send_many(MessageDraft("c0", "Hello"))


# --- before the first message --------------------------------------------------------------------


async def every_404(reader, writer):
    """Answer each request like a web server that knows nothing of Twake."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]))
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nNot Found")
    writer.close()


@pytest.mark.parametrize("give", [iter, slowly], ids=["sync", "async"])
async def test_a_wrong_address_costs_no_message(give):
    """2,000 drafts to a server that answers 404: not one is in doubt, and the batch ends."""
    server = await asyncio.start_server(every_404, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    taken, seen = [], []

    def count():
        for draft in drafts(2_000, channels=50):
            taken.append(draft)
            yield draft

    async with server, TwakeSession("app", "k" * 40, group_id="g1", base_url=url) as twake:
        with pytest.raises(RefusedError, match="base_url") as caught:
            await collect(twake.send_many(give(count())), seen)
    assert caught.value.reason == "address"
    assert 0 < len(taken) <= 11 * 10
    # The draft that `slowly` was about to give when it was interrupted was never given.
    assert [delivery.draft for delivery in seen] == taken[: len(seen)]
    assert len(taken) - len(seen) <= (give is slowly)
    for delivery in seen:
        assert (delivery.outcome, delivery.error.reason) == (Outcome.NOT_SENT, "stopped")
        assert delivery.error.__cause__ is not None
        assert delivery.attempts == 0


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ("address", RefusedError),
        ("api", RefusedError),
        ("authentication", AuthenticationError),
        ("group", InvalidGroupError),
        ("capability", MissingCapabilityError),
    ],
)
async def test_what_every_message_would_meet_ends_the_batch_before_the_first(problem, kind):
    """The error is that of a send, says what to fix, and comes after all deliveries."""
    seen, send = [], Sender()
    server = Known(Check(problem, "fix this"))
    with pytest.raises(kind, match="fix this") as caught:
        await collect(stream(drafts(30, channels=30), send, plan(server=server)), seen)
    assert caught.value.reason == problem
    assert [delivery.error.reason for delivery in seen] == ["stopped"] * len(seen)
    assert seen
    assert (send.begun, server.asked) == ([], 1)


@pytest.mark.parametrize("problem", ["", "unreachable", "later", "unclear"])
async def test_what_may_pass_does_not_hold_a_batch_up(problem):
    """A server that is busy, or that gives an unknown answer, still gets the messages."""
    server = Known(Check(problem, "so it is"))
    deliveries = await collect(stream(drafts(30, channels=30), at_once, plan(server=server)))
    assert [delivery.outcome for delivery in deliveries] == [Outcome.DELIVERED] * 30
    assert server.asked == 1


async def test_nothing_is_asked_where_nothing_leaves():
    """An empty input, or one with only bad drafts, makes no request."""
    server = Known(Check("address", "no Twake there"))
    bad = [None, "no draft", MessageDraft("c0", ""), MessageDraft("c1", "")]
    assert await collect(stream([], at_once, plan(server=server))) == []

    async def refuses(request, listener):
        raise InvalidDraftError("an empty text", field="content")

    deliveries = await collect(stream(bad, refuses, plan(server=server)))
    assert [type(delivery.error) for delivery in deliveries] == [InvalidDraftError] * 4
    assert server.asked == 0


async def test_a_session_is_asked_nothing_for_drafts_that_it_cannot_send(server):
    """It encodes the drafts first, so an input with only bad ones makes no request."""
    bad = [MessageDraft("c0", ""), MessageDraft("c1", {1: 2})]
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as twake:
        deliveries = await collect(twake.send_many(bad))
    assert [type(delivery.error) for delivery in deliveries] == [InvalidDraftError] * 2
    assert server.accepted == 0


async def test_a_resumed_batch_with_nothing_left_asks_nothing(server, tmp_path):
    """A message that the journal knows as ended needs no server."""
    journal = Journal(tmp_path / "run.sqlite")
    for asked in (2, 2):
        async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as twake:
            deliveries = await collect(twake.send_many(drafts(5), journal=journal))
        assert [delivery.outcome for delivery in deliveries] == [Outcome.DELIVERED] * 5
        assert (server.questions, server.received) == (asked, 5)


@pytest.mark.parametrize("proof", ["check", "send", "batch"])
async def test_a_session_asks_once_for_each_group(server, proof):
    """A check that went well, or a delivered message, proves the settings for that group."""
    async with session(server) as twake:
        if proof == "check":
            assert (await twake.check()).ok
        elif proof == "send":
            await twake.send_message("c0", "Hello")
        else:
            await collect(twake.send_many(drafts(1)))
        before = server.questions
        await collect(twake.send_many(drafts(5)))
        assert server.questions == before
        await collect(twake.send_many(drafts(5), group_id="g2"))
        assert server.questions == before + 2


async def test_a_check_that_fails_proves_nothing(server):
    """A group that no check confirmed is checked again."""
    server.do_next("close_at_first_byte")
    async with session(server) as twake:
        assert not (await twake.check()).ok
        before = server.questions
        deliveries = await collect(twake.send_many(drafts(1)))
    assert server.questions > before
    assert deliveries[0].outcome is Outcome.DELIVERED


def test_what_a_session_remembers_of_groups_is_bounded():
    """A service of very many groups asks again now and then, and its memory does not grow."""
    groups = ProvenGroups()
    for number in range(2_500):
        groups.add(f"g{number}")
        assert f"g{number}" in groups
    assert len(groups._ids) <= 1_000


async def test_the_session_that_closes_under_the_first_question_ends_the_batch(server):
    """The drafts that were taken are NOT_SENT, as when a message meets the closed session."""
    seen = []
    twake = session(server)
    batch = twake.send_many(drafts(5, channels=5))
    await twake.aclose()
    with pytest.raises(SessionClosedError):
        await collect(batch, seen)
    assert {type(delivery.error) for delivery in seen} == {SessionClosedError}
    assert len({id(delivery.error) for delivery in seen}) == len(seen)
    assert server.accepted == 0


async def test_an_input_that_waits_does_not_keep_a_batch_from_ending():
    """Once nothing more can be sent, the batch does not wait for the next draft."""
    left = []

    async def one_then_never():
        try:
            yield next(drafts(1))
            await asyncio.Event().wait()
        finally:
            left.append("input")

    server = Known(Check("authentication", "wrong key"))
    seen = []
    async with asyncio.timeout(5):
        with pytest.raises(AuthenticationError):
            await collect(stream(one_then_never(), at_once, plan(server=server)), seen)
    assert len(seen) == 1
    assert left == ["input"]


# --- order ---------------------------------------------------------------------------------------


@pytest.mark.no_cover
async def test_order_holds_in_each_channel_under_faults_that_may_be_repeated():
    """With 30 % of requests failing, channels stay in order and nine of ten messages arrive."""
    faults = ["refuses_429_absent", "refuses_429_zero"]
    async with FaultServer(RandomScript(4, faults, rate=0.3)) as server:
        async with session(server, retry_budget=None) as twake:
            deliveries = await collect(twake.send_many(drafts(1_000, channels=12), in_flight=20))
        retried = sum(delivery.attempts > 1 for delivery in deliveries)
        delivered = sum(delivery.outcome is Outcome.DELIVERED for delivery in deliveries)
        stored = by_channel(server.stored)
    assert len(stored) == 12
    assert all(numbers == sorted(numbers) for numbers in stored.values())
    assert retried > 200
    assert delivered >= 900
    assert delivered == sum(map(len, stored.values()))


async def test_without_order_a_channel_takes_as_many_as_are_in_flight():
    """order=None sends to one channel side by side; the default sends one at a time."""
    for order, most in (("channel", 1), (None, 4)):
        send = Sender()
        batch = asyncio.create_task(
            collect(stream(drafts(12), send, plan(in_flight=4, order=order)))
        )
        await settle()
        while not batch.done():
            await send.let_go()
        assert send.most == most
        assert len(await batch) == 12


async def test_a_slow_channel_does_not_hold_up_the_others():
    """While one channel waits for its answer, the others go on past its drafts."""
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(20, channels=4), send, plan(in_flight=2))))
    await settle()
    while len(send.waiting) > 1:
        await send.let_go(*(front_id for front_id in send.waiting if front_id != "c0:0"))
    assert by_channel(send.begun) == {
        "c0": [0],
        "c1": [1, 5, 9, 13, 17],
        "c2": [2, 6, 10, 14, 18],
        "c3": [3, 7, 11, 15, 19],
    }
    while not batch.done():
        await send.let_go()
    assert by_channel(send.begun)["c0"] == [0, 4, 8, 12, 16]
    assert len(await batch) == 20


async def test_a_channel_that_fills_the_line_stops_the_input_until_it_moves():
    """A slow channel has only so many drafts in the queue; the input waits with the rest."""
    taken = 0

    def count(items):
        nonlocal taken
        for item in items:
            taken += 1
            yield item

    send = Sender()
    items = [*drafts(40), MessageDraft("other", "last", front_id="other:0")]
    batch = asyncio.create_task(collect(stream(count(items), send, plan(in_flight=2))))
    await settle()
    assert taken == 1 + AHEAD * 2
    assert send.begun == ["c0:0"]
    while not batch.done():
        await send.let_go()
    assert send.begun.index("other:0") < len(send.begun) - 1
    assert by_channel(send.begun)["c0"] == list(range(40))


@given(st.lists(st.sampled_from(["add a", "add b", "add none", "take", "end"]), max_size=60))
def test_channels_hand_out_one_at_a_time_in_order_and_lose_nothing(steps):
    """In any order of events, a channel has at most one item out, and its order is kept."""
    channels: Channels[tuple[str | None, int]] = Channels(3)
    added, taken, out = [], [], []
    for number, step in enumerate(steps):
        word, _, channel = step.partition(" ")
        if word == "add":
            item = (None if channel == "none" else channel, number)
            added.append(item)
            channels.add(item[0], item)
        elif word == "take" and (item := channels.take()) is not None:
            assert item[0] is None or item[0] not in [other[0] for other in out]
            out.append(item)
            taken.append(item)
        elif word == "end" and out:
            channels.release(out.pop(0)[0])
    left = channels.clear()
    assert Counter(taken) + Counter(left) == Counter(added)
    for channel in ("a", "b"):
        of_added, of_taken, of_left = (
            [item for item in items if item[0] == channel] for items in (added, taken, left)
        )
        assert of_taken + of_left == of_added


async def test_a_worker_that_waited_for_room_reads_on():
    """While one waits for room, another waits for its turn to read; both get their drafts."""
    given = [MessageDraft("c0", "1"), MessageDraft("c0", "2"), MessageDraft("c1", "3")]
    source = Input(given, lambda draft, _: Item(draft, draft.channel_id), lambda _: None, limit=1)
    first = await source.next()
    second, third = asyncio.create_task(source.next()), asyncio.create_task(source.next())
    await settle()
    source.release(first)
    assert ((await second).draft, (await third).draft) == tuple(given[1:])
    source.release(second.result())
    assert await source.next() is None
    assert source.read == 3


async def test_the_error_of_a_delivery_is_freed_with_it(server):
    """It waits for no garbage collector, which takes seconds where thousands of messages fail."""
    server.do_next("refuses_401")
    async with session(server) as twake:
        deliveries = await collect(twake.send_many(drafts(1)))
        gc.collect()
        gc.disable()
        try:
            error = weakref.ref(deliveries[0].error)
            deliveries.clear()
            assert error() is None
        finally:
            gc.enable()


# --- after an UNKNOWN ----------------------------------------------------------------------------


async def test_after_an_unknown_the_channel_goes_on(server):
    """By default the next drafts of the channel are sent, in order."""
    server.do_next("stores_close")
    async with session(server) as twake:
        deliveries = await collect(twake.send_many(drafts(3)))
    assert [delivery.outcome for delivery in deliveries] == [
        Outcome.UNKNOWN,
        Outcome.DELIVERED,
        Outcome.DELIVERED,
    ]


async def test_hold_stops_the_channel_of_an_unknown_and_no_other(server):
    """after_unknown="hold" reports the rest of the channel as NOT_SENT; others go on."""
    server.do_next("loses_close")
    async with session(server) as twake:
        deliveries = await collect(
            twake.send_many(drafts(10, channels=2), in_flight=1, after_unknown="hold")
        )
    told = {delivery.draft.front_id: delivery for delivery in deliveries}
    assert told.pop("c0:0").outcome is Outcome.UNKNOWN
    for front_id, delivery in told.items():
        if front_id.startswith("c0"):
            assert (delivery.outcome, delivery.error.reason) == (Outcome.NOT_SENT, "held")
        else:
            assert delivery.outcome is Outcome.DELIVERED
    assert by_channel(server.stored) == {"c1": [1, 3, 5, 7, 9]}


@pytest.mark.parametrize("fault", ["loses_close", "refuses_group", "unsent"])
@pytest.mark.parametrize("hold_after", ["unknown", "failure"])
async def test_a_channel_is_held_after_the_ends_that_were_named(fault, hold_after):
    """hold_after="failure" holds it after any outcome but DELIVERED, "unknown" after UNKNOWN."""
    errors = {
        "loses_close": OutcomeUnknownError("lost", reason="lost"),
        "refuses_group": RefusedError("no", reason="group"),
        "unsent": NotSentError("no connection", reason="connect"),
    }
    sent = []

    async def send(request, listener):
        sent.append(request.front_id)
        if request.front_id == "c0:2":
            raise errors[fault]
        return await at_once(request, listener)

    options = plan(in_flight=3, hold_after=hold_after)
    deliveries = await collect(stream(drafts(10, channels=2), send, options))
    told = {delivery.draft.front_id: delivery for delivery in deliveries}
    held = hold_after == "failure" or fault == "loses_close"
    after = [told[f"c0:{number}"] for number in (4, 6, 8)]
    assert [delivery.outcome is Outcome.NOT_SENT for delivery in after] == [held] * 3
    assert [bool(d.error) and d.error.reason for d in after] == ["held" if held else False] * 3
    assert by_channel(sent) == {"c0": [0, 2] if held else [0, 2, 4, 6, 8], "c1": [1, 3, 5, 7, 9]}


@pytest.mark.parametrize("journal", [False, True])
async def test_a_draft_that_cannot_be_sent_holds_its_channel(tmp_path, journal):
    """It did not arrive, so nothing may overtake it; an item that is no draft has no channel."""
    items = [
        "no draft",
        MessageDraft("c0", ""),
        MessageDraft("c0", "behind it"),
        MessageDraft("c1", "elsewhere"),
    ]
    path = Journal(tmp_path / "run.sqlite") if journal else None
    options = plan(hold_after="failure", journal=path)
    deliveries = await collect(stream(items, at_once, options))
    told = {getattr(d.draft, "content", d.draft): d for d in deliveries}
    assert told["behind it"].error.reason == "held"
    assert told["elsewhere"].outcome is Outcome.DELIVERED
    assert told["no draft"].error.reason == told[""].error.reason == "draft"


# --- pace ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 7])
async def test_rate_spaces_the_sends_evenly(in_flight):
    """At 4 messages a second the sends begin a quarter of a second apart, however many workers."""
    clock = Clock()
    times = []

    async def send(request, listener):
        times.append(clock.time)
        return await at_once(request, listener)

    batch_plan = plan(in_flight=in_flight, rate=4, pace=clock)
    await collect(stream(drafts(20, channels=20), send, batch_plan))
    assert len(times) == 20
    assert [later - sooner for sooner, later in itertools.pairwise(times)] == [0.25] * 19


async def test_a_429_slows_everyone_and_costs_no_message(server):
    """A pause beyond the deadline delays the whole batch, and no message fails."""
    clock = Clock()

    async def pause(seconds, stop):
        await clock.wait(seconds)

    server.do_next(attrs.evolve(FAULTS["refuses_429_absent"], retry_after="90"))
    async with session(server, deadline=30) as twake:
        attempts = twake._attempts
        attempts.clock = attrs.evolve(attempts.clock, now=clock.now, pause=pause)
        deliveries = await collect(twake.send_many(drafts(40, channels=40), in_flight=4))
    assert Counter(delivery.outcome for delivery in deliveries) == {
        Outcome.DELIVERED: 39,
        Outcome.REFUSED: 1,
    }
    assert 190 <= clock.time < 200


async def test_a_send_that_met_the_pause_after_it_began_is_sent_after_it():
    """A message that only waited for the server's pause is not reported, but sent later."""
    clock = Clock()
    tries = Counter()

    async def send(request, listener):
        tries[request.front_id] += 1
        if not clock.cool_until:
            clock.cool_until = clock.time + 60
        if clock.cooling():
            raise NotSentError("a pause", reason="cooldown")
        return await at_once(request, listener)

    deliveries = await collect(stream(drafts(9, channels=9), send, plan(in_flight=3, pace=clock)))
    assert {delivery.outcome for delivery in deliveries} == {Outcome.DELIVERED}
    assert len(deliveries) == 9
    assert max(tries.values()) == 2


# --- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("give", [iter, slowly], ids=["sync", "async"])
@pytest.mark.parametrize("channels", [1, 2, 1_000])
async def test_a_consumer_that_stops_stops_the_input(give, channels):
    """Nothing more is taken once the buffers are full, and they are small."""
    taken = 0

    def count():
        nonlocal taken
        for draft in drafts(100_000, channels):
            taken += 1
            yield draft

    in_flight = 4
    deliveries = stream(give(count()), at_once, plan(in_flight=in_flight))
    for asked in range(1, 4):
        await anext(deliveries)
        await settle(2_000)
        before = taken
        await settle(100)
        assert taken == before <= asked + (3 + AHEAD) * in_flight
        assert len(others()) <= in_flight
    await deliveries.aclose()


async def test_a_slow_input_gets_no_more_workers_than_it_needs():
    """While the input has nothing to give, what was taken is sent and reported."""
    go = asyncio.Event()

    async def two_then_wait():
        for draft in drafts(2, channels=2):
            yield draft
        await go.wait()
        yield MessageDraft("c9", "late", front_id="c9:9")

    deliveries = stream(two_then_wait(), at_once, plan(in_flight=3))
    first = [(await anext(deliveries)).draft.front_id for _ in range(2)]
    assert sorted(first) == ["c0:0", "c1:1"]
    go.set()
    assert [delivery.draft.front_id for delivery in await collect(deliveries)] == ["c9:9"]


# --- ends ----------------------------------------------------------------------------------------


class InputError(Exception):
    """The error that a broken input raises."""


@pytest.mark.parametrize("give", [iter, slowly], ids=["sync", "async"])
async def test_an_input_that_raises_ends_the_batch_after_what_it_gave(server, give):
    """All that was taken is sent and yielded; then the input's own exception is raised."""

    def broken():
        yield from drafts(25, channels=2)
        raise InputError

    seen = []
    async with session(server) as twake:
        with pytest.raises(InputError):
            await collect(twake.send_many(give(broken())), seen)
        assert others() == set()
    assert len(seen) == 25
    assert by_channel(server.stored) == {
        "c0": list(range(0, 25, 2)),
        "c1": list(range(1, 25, 2)),
    }


async def test_an_input_that_cannot_begin_raises_its_own_error():
    """An exception of `__iter__` itself reaches the caller too."""

    class Broken:
        def __iter__(self):
            raise InputError

    with pytest.raises(InputError):
        await collect(stream(Broken(), at_once, plan()))


@pytest.mark.parametrize("order", ["channel", None])
async def test_leaving_early_lets_what_is_in_flight_end_and_takes_no_more(order):
    """After `aclosing`, nothing runs, and each draft that was taken has been accounted for."""
    told, taken = [], []

    def count():
        for draft in drafts(1_000, channels=3):
            taken.append(draft)
            yield draft

    send = Sender()
    batch_plan = plan(in_flight=4, order=order, on_progress=told.append)
    deliveries = stream(count(), send, batch_plan)
    first = asyncio.create_task(anext(deliveries))
    await settle()
    await send.let_go("c0:0")
    assert (await first).draft is taken[0]
    in_flight = set(send.waiting)
    closing = asyncio.create_task(deliveries.aclose())
    await settle()
    assert not closing.done()
    while send.waiting:
        await send.let_go()
    await closing
    assert others() == set()
    assert set(send.begun) == {"c0:0"} | in_flight
    ends = {progress.delivery.draft.front_id: progress.delivery for progress in told}
    assert len(ends) == len(told) == len(taken) == told[-1].taken == told[-1].ended
    for front_id, delivery in ends.items():
        if front_id in send.begun:
            assert delivery.outcome is Outcome.DELIVERED
        else:
            assert (delivery.outcome, delivery.error.reason) == (Outcome.NOT_SENT, "stopped")


async def test_leaving_early_waits_for_no_pause_of_the_server():
    """A send that ends in a pause while the batch is being closed is not tried again after it."""
    told, clock, send = [], Clock(), Sender()
    deliveries = stream(
        drafts(2, channels=2), send, plan(in_flight=2, pace=clock, on_progress=told.append)
    )
    first = asyncio.create_task(anext(deliveries))
    await settle()
    await send.let_go("c0:0")
    await first
    closing = asyncio.create_task(deliveries.aclose())
    await settle()
    clock.cool_until = clock.time + 3600
    await send.let_go("c1:1", error=NotSentError("a pause", reason="cooldown"))
    await closing
    assert [progress.delivery.outcome for progress in told] == [
        Outcome.DELIVERED,
        Outcome.NOT_SENT,
    ]
    assert clock.time == 100.0


async def test_a_break_or_an_error_in_the_consumer_leaves_nothing_running(server):
    """A batch whose loop is left without closing it is still closed, soon after."""
    for leave in ("break", "raise"):
        async with session(server) as twake:
            with contextlib.suppress(InputError):
                async for _ in twake.send_many(drafts(500, channels=9)):
                    if leave == "raise":
                        raise InputError
                    break
            gc.collect()
            while others():
                await asyncio.wait(others())
    assert len(server.stored) < 200


@pytest.mark.parametrize("waits_in", ["send", "input", "rate", "drain"])
async def test_cancelling_cancels_what_is_in_flight_and_says_what_is_certain(waits_in):
    """A cancelled batch ends at once: sends in flight are UNKNOWN, the others NOT_SENT."""
    told = []
    send = Sender()
    batch_plan = plan(in_flight=2, on_progress=told.append, rate=1 if waits_in == "rate" else None)

    async def input_that_waits():
        yield MessageDraft("c0", "first", front_id="c0:0")
        await asyncio.Event().wait()

    source = input_that_waits() if waits_in == "input" else drafts(50, channels=3)
    deliveries = stream(source, send, batch_plan)
    batch = asyncio.create_task(collect(deliveries))
    await settle()
    if waits_in == "drain":
        closer = asyncio.create_task(deliveries.aclose())
        batch.cancel()
        await asyncio.wait([batch])
        batch = closer
    batch.cancel()
    await asyncio.wait([batch])
    assert others() == set()
    assert told
    for progress in told:
        on_its_way = progress.delivery.draft.front_id in send.begun
        expected = Outcome.UNKNOWN if on_its_way else Outcome.NOT_SENT
        assert progress.delivery.outcome is expected
        assert progress.delivery.error.reason == ("cancelled" if on_its_way else "stopped")


async def test_cancelling_a_batch_that_drains_does_not_wait_for_its_sends():
    """Closing waits for what is in flight; cancelling the closing does not."""
    told = []
    send = Sender()
    deliveries = stream(drafts(9, channels=9), send, plan(in_flight=3, on_progress=told.append))
    first = asyncio.create_task(anext(deliveries))
    await settle()
    await send.let_go("c0:0")
    await first
    closing = asyncio.create_task(deliveries.aclose())
    await settle()
    assert send.waiting
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert others() == set()
    assert Counter(progress.delivery.outcome for progress in told)[Outcome.UNKNOWN] >= 2


async def test_a_cancelled_batch_on_a_silent_server_ends_at_once(server):
    """No deadline is waited for, and the session works on."""
    told = []
    for _ in range(4):
        server.do_next("loses_silent")
    async with session(server) as twake:
        batch = asyncio.create_task(
            collect(twake.send_many(drafts(30, channels=30), in_flight=4, on_progress=told.append))
        )
        await until(lambda: server.received >= 4)
        batch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch
        assert [progress.delivery.outcome for progress in told] == [Outcome.UNKNOWN] * 4
        assert (await twake.send_message("c0", "on we go")).id


async def test_a_send_cancelled_between_attempts_is_what_its_attempts_were():
    """Cancelled while it waits after a 429, a message is REFUSED: nothing of it was stored."""
    told = []

    async def refused_once(request, listener):
        listener.attempt_ended(Outcome.REFUSED, "later", last=True)
        await asyncio.Event().wait()

    batch = asyncio.create_task(
        collect(stream(drafts(1), refused_once, plan(on_progress=told.append)))
    )
    await settle()
    batch.cancel()
    await asyncio.wait([batch])
    [progress] = told
    assert isinstance(progress.delivery.error, RefusedError)
    assert progress.delivery.error.reason == "later"
    assert progress.delivery.attempts == 1


async def test_a_delivery_whose_message_was_lost_to_a_cancellation_is_unknown():
    """DELIVERED is reported only together with the message."""
    told = []

    async def delivered_and_stuck(request, listener):
        await at_once(request, listener)
        await asyncio.Event().wait()

    batch = asyncio.create_task(
        collect(stream(drafts(1), delivered_and_stuck, plan(on_progress=told.append)))
    )
    await settle()
    batch.cancel()
    await asyncio.wait([batch])
    assert [progress.delivery.outcome for progress in told] == [Outcome.UNKNOWN]


async def test_a_stranger_who_cancels_a_worker_ends_the_batch_with_that_cancellation():
    """A task that somebody else cancels cannot make the batch hang or end as if all were well."""
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(4, channels=2), send, plan(in_flight=2))))
    await settle()
    for task in others() - {batch}:
        task.cancel()
    await asyncio.wait([batch])
    assert batch.cancelled()


async def test_a_fault_of_the_machinery_is_raised_and_not_swallowed():
    """An error outside of any send ends the batch, and is raised."""
    clock = Clock()

    async def broken(seconds):
        raise InputError

    clock.wait = broken
    with pytest.raises(InputError):
        await collect(stream(drafts(9), at_once, plan(rate=1, pace=clock)))


async def test_a_session_that_closes_ends_the_batch_and_reports_what_was_taken(server):
    """Nothing more is taken from the input once nothing more can be sent."""
    taken = 0

    def count():
        nonlocal taken
        for draft in drafts(10_000, channels=50):
            taken += 1
            yield draft

    seen = []
    async with session(server) as twake:
        batch = asyncio.create_task(collect(twake.send_many(count(), in_flight=5), seen))
        await until(lambda: len(seen) >= 20)
        await twake.aclose()
        with pytest.raises(SessionClosedError):
            await batch
    assert taken == len(seen) < 200
    assert {delivery.outcome for delivery in seen} == {Outcome.DELIVERED, Outcome.NOT_SENT}


# --- the observer --------------------------------------------------------------------------------


async def test_progress_counts_by_outcome(server):
    """The observer gets each outcome with the counts so far."""
    told = []
    server.do_next("stores_close")
    async with session(server) as twake:
        await collect(
            twake.send_many([*drafts(5), "no draft"], in_flight=1, on_progress=told.append)
        )
    assert [progress.ended for progress in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1].counts == {
        Outcome.UNKNOWN: 1,
        Outcome.DELIVERED: 4,
        Outcome.NOT_SENT: 1,
    }
    assert told[0].counts == {Outcome.UNKNOWN: 1}


async def test_an_observer_that_raises_changes_nothing(server, caplog):
    """Its error is logged; the messages are sent and reported."""

    def broken(progress):
        raise InputError

    with caplog.at_level(logging.ERROR, "twake_async"):
        async with session(server) as twake:
            deliveries = await collect(twake.send_many(drafts(3), on_progress=broken))
    assert len(deliveries) == 3
    assert [record.message for record in caplog.records] == ["on_progress raised"] * 3

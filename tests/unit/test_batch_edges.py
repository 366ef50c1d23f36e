"""The edges of a batch: its input, how it is stopped, and errors that callers raise in it."""

from __future__ import annotations

import asyncio
import collections
import functools
import os
import signal
import sys
import types
from collections import Counter
from unittest import mock

import pytest
from batches import (
    Clock,
    Known,
    Sender,
    at_once,
    collect,
    drafts,
    others,
    plan,
    session,
    settle,
    slowly,
)

from twake_async import (
    Check,
    ConfigurationError,
    InvalidDraftError,
    Journal,
    MessageDraft,
    Outcome,
    OutcomeUnknownError,
    TwakeSession,
    WrongEventLoopError,
)
from twake_async._batch.engine import stream

WAYS = pytest.mark.parametrize("give", [iter, slowly], ids=["sync", "async"])


class Panic(BaseException):
    """An error like that of pyo3 for a panic in Rust, or of func_timeout: no `Exception`."""


FATAL = pytest.mark.parametrize(
    "fatal",
    [Panic, KeyboardInterrupt, SystemExit, GeneratorExit, pytest.fail.Exception],
    ids=lambda kind: kind.__name__,
)


async def within(seconds: float, batch, into=None):
    """Consume a batch that must not hang."""
    async with asyncio.timeout(seconds):
        return await collect(batch, into)


def accounted(seen, told, taken) -> None:
    """Check that each draft that was taken was yielded and told once, and no other one."""
    assert Counter(id(delivery.draft) for delivery in seen) == Counter(map(id, taken))
    ends = [progress.delivery for progress in told if progress.delivery]
    assert Counter(map(id, ends)) == Counter(map(id, seen))


# --- what is no Exception ------------------------------------------------------------------------


@FATAL
@WAYS
async def test_whatever_the_input_raises_ends_the_batch_after_what_it_gave(server, give, fatal):
    """All that was taken is sent and yielded; then the input's own exception is raised."""
    taken, told, seen = [], [], []

    def broken():
        for draft in drafts(25, channels=2):
            taken.append(draft)
            yield draft
        raise fatal("the input")

    async with session(server) as twake:
        with pytest.raises(fatal):
            await within(5, twake.send_many(give(broken()), on_progress=told.append), seen)
        assert others() == set()
    accounted(seen, told, taken)
    assert {delivery.outcome for delivery in seen} == {Outcome.DELIVERED}
    assert sum(server.stored.values()) == 25


@FATAL
@WAYS
async def test_whatever_on_progress_raises_ends_the_batch(server, give, fatal):
    """Sends in flight end and are yielded; nothing more is sent, and nothing is lost."""
    taken, told, seen = [], [], []

    def count():
        for draft in drafts(500, channels=30):
            taken.append(draft)
            yield draft

    def note(progress):
        told.append(progress)
        if len(told) == 20:
            raise fatal("the observer")

    async with session(server) as twake:
        with pytest.raises(fatal):
            await within(5, twake.send_many(give(count()), on_progress=note, in_flight=4), seen)
        assert others() == set()
    del taken[len(seen) :]  # what `slowly` was interrupted with, it never gave
    accounted(seen, told, taken)
    ends = Counter(delivery.outcome for delivery in seen)
    assert ends[Outcome.DELIVERED] == sum(server.stored.values()) <= 20 + 4
    assert set(ends) <= {Outcome.DELIVERED, Outcome.NOT_SENT}


@FATAL
async def test_whatever_on_attempt_raises_ends_the_batch(server, fatal):
    """The message whose attempt was told is UNKNOWN: nobody knows whether another one began."""
    taken, told, seen = [], [], []

    def count():
        for draft in drafts(500, channels=30):
            taken.append(draft)
            yield draft

    def note(attempt):
        if attempt.front_id == "c7:7":
            raise fatal("the observer")

    async with session(server, on_attempt=note) as twake:
        with pytest.raises(fatal):
            await within(5, twake.send_many(count(), on_progress=told.append, in_flight=4), seen)
        assert others() == set()
    accounted(seen, told, taken)
    [unknown] = [delivery for delivery in seen if delivery.outcome is Outcome.UNKNOWN]
    assert unknown.draft.front_id == "c7:7"
    assert unknown.error.reason == "unexpected"
    assert isinstance(unknown.error.__cause__, fatal)
    delivered = [one.draft.front_id for one in seen if one.outcome is Outcome.DELIVERED]
    assert set(server.stored) == {*delivered, "c7:7"}


@FATAL
async def test_whatever_key_raises_ends_the_batch(tmp_path, fatal):
    """The draft that it was asked about is NOT_SENT; those before it are sent."""
    taken, told, seen = [], [], []

    def count():
        for draft in drafts(50, channels=3):
            taken.append(draft)
            yield draft

    def key(draft):
        if draft.front_id == "c2:8":
            raise fatal("the key")
        return draft.front_id

    options = {"journal": Journal(tmp_path / "run.sqlite"), "key": key, "on_progress": told.append}
    with pytest.raises(fatal):
        await within(5, stream(count(), at_once, plan(**options)), seen)
    accounted(seen, told, taken)
    ends = {delivery.draft.front_id: delivery for delivery in seen}
    assert ends.pop("c2:8").outcome is Outcome.NOT_SENT
    assert {delivery.outcome for delivery in ends.values()} == {Outcome.DELIVERED}
    assert len(ends) == 8


@FATAL
async def test_whatever_is_raised_between_attempts_ends_the_batch(fatal):
    """An error of a pause, a probe or a journal is raised, and each draft is reported."""
    taken, told, seen = list(drafts(9)), [], []
    server = Known(Check("", "well"))

    async def broken(most):
        raise fatal("the probe")

    server.probe = broken
    batch = stream(taken, at_once, plan(server=server, on_progress=told.append))
    with pytest.raises(fatal):
        await within(5, batch, seen)
    accounted(seen, told, taken[: len(seen)])
    assert {delivery.outcome for delivery in seen} == {Outcome.NOT_SENT}


async def test_what_is_raised_while_a_batch_is_left_is_not_swallowed():
    """A closing batch still tells its observer, whose KeyboardInterrupt counts."""
    send = Sender()

    def note(progress):
        if progress.delivery.outcome is Outcome.NOT_SENT:
            raise Panic

    batch = stream(drafts(30, 3), send, plan(in_flight=4, on_progress=note))
    first = asyncio.create_task(anext(batch))
    await settle()
    await send.let_go("c0:0")
    await first
    closing = asyncio.create_task(batch.aclose())
    await settle()
    while not closing.done():
        await send.let_go() if send.waiting else await settle()
    assert isinstance(closing.exception(), Panic)
    assert others() == set()


@pytest.mark.parametrize("waits_in", ["send", "input", "room"])
def test_workers_that_are_torn_down_with_their_loop_end_at_once(waits_in):
    """A loop that is closed under a batch leaves coroutines behind, which Python closes."""
    loop = asyncio.new_event_loop()

    async def waits():
        yield next(drafts(1))
        await asyncio.Event().wait()

    async def begin():
        source = waits() if waits_in == "input" else drafts(90, 90)
        send = at_once if waits_in == "room" else Sender()
        batch = stream(source, send, plan(in_flight=3))
        first = asyncio.ensure_future(anext(batch))
        await settle()
        return batch, first, others() - {first}

    batch, first, workers = loop.run_until_complete(begin())
    coroutines = [worker.get_coro() for worker in workers]
    loop.close()
    for coroutine in coroutines:
        coroutine.close()
    assert coroutines
    for task in (*workers, first):
        task._log_destroy_pending = False
    del batch


async def test_workers_that_strangers_cancel_leave_no_draft_unaccounted_for(tmp_path):
    """Drafts that waited behind a busy channel are yielded before the cancellation is raised."""
    taken, told, seen, send = [], [], [], Sender()

    def count():
        for draft in [*drafts(5), MessageDraft("c0", ""), *drafts(5)]:
            taken.append(draft)
            yield draft

    options = {"journal": Journal(tmp_path / "run.sqlite"), "on_progress": told.append}
    batch = asyncio.create_task(collect(stream(count(), send, plan(in_flight=2, **options)), seen))
    while not send.waiting:
        await asyncio.sleep(0.001)
    for task in others() - {batch}:
        task.cancel()
    await asyncio.wait([batch])
    assert batch.cancelled()
    ends = [progress.delivery for progress in told]
    assert Counter(id(delivery.draft) for delivery in ends) == Counter(map(id, taken))
    assert [delivery.outcome for delivery in seen] == [Outcome.NOT_SENT] * 10
    assert sum(isinstance(delivery.error, InvalidDraftError) for delivery in seen) == 1


# --- what goes in --------------------------------------------------------------------------------


Pair = collections.namedtuple("Pair", "channel_id content")  # noqa: PYI024 - as old code has them


@pytest.mark.parametrize("with_journal", [False, True])
async def test_mappings_and_tuples_are_drafts_too(server, tmp_path, with_journal):
    """The batch makes the drafts, and reports those that it made."""
    given = [
        MessageDraft("c0", "a draft", front_id="f0"),
        {"channel_id": "c0", "content": "a mapping", "front_id": "f1"},
        types.MappingProxyType({"channel_id": "c0", "content": "a view", "pinned": True}),
        ("c1", "a tuple"),
        Pair("c1", "a named tuple"),
    ]
    journal = Journal(tmp_path / "run.sqlite") if with_journal else None
    async with session(server) as twake:
        deliveries = await collect(twake.send_many(given, journal=journal))
    assert [delivery.outcome for delivery in deliveries] == [Outcome.DELIVERED] * 5
    assert all(isinstance(delivery.draft, MessageDraft) for delivery in deliveries)
    sent = {delivery.draft.content: delivery.draft.channel_id for delivery in deliveries}
    assert sent == {
        "a draft": "c0",
        "a mapping": "c0",
        "a view": "c0",
        "a tuple": "c1",
        "a named tuple": "c1",
    }
    assert server.stored["f1"] == 1


class Unreadable(collections.UserDict):
    """A mapping that fails when it is looked into."""

    def __getitem__(self, name):
        raise ZeroDivisionError


BAD = [
    {"channel_id": "c0", "content": "x", "colour": "red"},
    {"content": "no channel"},
    {"channel_id": "", "content": "x"},
    {"channel_id": "c0", "content": "x", "ephemeral": "yes"},
    {"channel_id": "c0", "content": {1: 2}},
    {1: 2},
    Unreadable(channel_id="c0"),
    (None, "x"),
    ("c0", ""),
    ("c0", "x", "y"),
    ["c0", "x"],
    "c0",
    None,
    b"",
]


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("bad", BAD, ids=repr)
async def test_a_bad_draft_of_any_form_is_not_sent_and_ends_nothing(
    server, tmp_path, bad, with_journal
):
    """It is reported as it was given, or as the draft that was made of it; others go on."""
    journal = Journal(tmp_path / "run.sqlite") if with_journal else None
    good = [("c0", "before"), ("c0", "after")]
    async with session(server) as twake:
        deliveries = await collect(twake.send_many([good[0], bad, good[1]], journal=journal))
    ends = [delivery for delivery in deliveries if delivery.outcome is not Outcome.DELIVERED]
    assert len(deliveries) == 3
    [end] = ends
    assert end.outcome is Outcome.NOT_SENT
    assert isinstance(end.error, InvalidDraftError)
    assert end.draft is bad or isinstance(end.draft, MessageDraft)
    assert sum(server.stored.values()) == 2


async def test_what_is_wrong_with_a_mapping_is_said():
    """The error names the unknown name, the missing field or the wrong value."""
    bad = [BAD[0], BAD[1], BAD[2], ["c0", "x"]]
    deliveries = await collect(stream(bad, at_once, plan()))
    words = [str(delivery.error) for delivery in deliveries]
    assert "'colour' is not a field of a draft: there are channel_id, content" in words[0]
    assert "the mapping has no channel_id" in words[1]
    assert "channel_id is empty" in words[2]
    assert "a list, but send_many takes a MessageDraft, a mapping" in words[3]
    assert [delivery.error.field for delivery in deliveries[:3]] == [
        "colour",
        "channel_id",
        "channel_id",
    ]


@pytest.mark.parametrize("one", [{"channel_id": "c0", "content": "x"}, "c0", b"c0"])
async def test_one_mapping_in_place_of_many_is_refused_at_the_call(server, one):
    """It can be iterated, but it is a mistake."""
    async with session(server) as twake:
        with pytest.raises(ConfigurationError) as caught:
            twake.send_many(one)
    assert caught.value.field == "drafts"


# --- the input's own clean-up --------------------------------------------------------------------


class Cleaned:
    """An input that says when its own clean-up has run."""

    def __init__(self, give) -> None:
        self.is_clean = False
        self.taken = 0
        self.given = give(self._drafts()) if give is iter else self._async_drafts()

    def _drafts(self):
        try:
            for draft in drafts(1_000, channels=5):
                self.taken += 1
                yield draft
        finally:
            self.is_clean = True

    async def _async_drafts(self):
        try:
            for draft in drafts(1_000, channels=5):
                self.taken += 1
                await asyncio.sleep(0)
                yield draft
        finally:
            await asyncio.sleep(0)
            self.is_clean = True


@WAYS
@pytest.mark.parametrize("how", ["closed", "cancelled", "stopped", "refused", "ended"])
async def test_a_generator_is_closed_when_its_batch_is_left(give, how):
    """Its clean-up has run by the time that the batch is over, whatever ended it."""
    source, stop = Cleaned(give), asyncio.Event()
    server = Known(Check("address", "nobody")) if how == "refused" else Known()
    batch = stream(source.given, at_once, plan(stop=stop, server=server))
    if how == "closed":
        await anext(batch)
        await batch.aclose()
    elif how == "cancelled":
        task = asyncio.create_task(collect(batch))
        await settle(5)
        task.cancel()
        await asyncio.wait([task])
    else:
        if how == "stopped":
            asyncio.get_running_loop().call_later(0.001, stop.set)
        await asyncio.gather(collect(batch), return_exceptions=True)
    assert source.is_clean
    assert (source.taken < 1_000) == (how not in ("ended", "stopped")) or how == "stopped"
    assert others() == set()


@WAYS
async def test_a_generator_that_fails_while_it_is_closed_changes_nothing(give, caplog):
    """Its error is logged: no message depends on it."""

    def fails():
        try:
            yield from drafts(100)
        finally:
            raise ZeroDivisionError

    async def fails_too():
        try:
            for draft in drafts(100):
                yield draft
        finally:
            raise ZeroDivisionError

    batch = stream(fails() if give is iter else fails_too(), at_once, plan())
    await anext(batch)
    await batch.aclose()
    assert [record.message for record in caplog.records] == ["the input raised while it was closed"]


async def test_an_input_that_is_no_generator_stays_the_callers():
    """A file, a cursor or an iterator of the caller's is not closed: others may read on."""
    rows = iter(list(drafts(100)))
    batch = stream(rows, at_once, plan(in_flight=1))
    await anext(batch)
    await batch.aclose()
    assert next(rows)


# --- stopping ------------------------------------------------------------------------------------


@WAYS
async def test_a_stopped_batch_lets_what_is_on_its_way_end_and_begins_nothing(give):
    """No error is raised: all that was taken is yielded, and what did not leave is NOT_SENT."""
    stop, send, taken, told = asyncio.Event(), Sender(), [], []

    def count():
        for draft in drafts(1_000, channels=3):
            taken.append(draft)
            yield draft

    options = {"in_flight": 4, "stop": stop, "on_progress": told.append}
    batch = asyncio.create_task(collect(stream(give(count()), send, plan(**options))))
    await settle()
    on_their_way = set(send.waiting)
    assert len(on_their_way) == 3
    stop.set()
    await settle()
    assert not batch.done()
    await send.let_go()
    seen = await batch
    accounted(seen, told, taken[: len(seen)])
    assert len(taken) - len(seen) <= (give is slowly)
    for delivery in seen:
        if delivery.draft.front_id in on_their_way:
            assert delivery.outcome is Outcome.DELIVERED
        else:
            assert (delivery.outcome, delivery.error.reason) == (Outcome.NOT_SENT, "stopped")
    assert set(send.begun) == on_their_way
    assert others() == set()


@pytest.mark.parametrize("waits_in", ["input", "rate", "cooling", "pause", "check", "room"])
async def test_whatever_a_batch_waits_for_it_is_stopped_at_once(waits_in):
    """It may wait for an endless input, a rate, a server's pause, an outage or a slow caller."""
    stop, clock, server = asyncio.Event(), Clock(), Known()
    options = {"in_flight": 2, "stop": stop, "pace": clock, "server": server}

    async def never(*_):
        await asyncio.Event().wait()

    async def one_then_never():
        yield next(drafts(1))
        await never()

    source, send = drafts(50, 50), at_once
    if waits_in == "input":
        source = one_then_never()
    elif waits_in in ("rate", "cooling"):
        clock.wait = never
        options["rate"] = 1 if waits_in == "rate" else None
        clock.cool_until = clock.time + 60 if waits_in == "cooling" else 0.0
    elif waits_in == "check":
        options["server"] = server = Known(Check("", "well"))
        server.probe = never
    elif waits_in == "pause":
        server.probe = never

        async def send(request, listener):
            raise OutcomeUnknownError("?", reason="gateway")

    batch = stream(source, send, plan(**options))
    if waits_in == "room":
        await anext(batch)
        await settle()
        stop.set()
        await settle()
        seen = await within(5, batch)
    else:
        task = asyncio.create_task(within(5, batch))
        await settle()
        assert not task.done()
        stop.set()
        seen = await task
    reasons = {getattr(delivery.error, "reason", "") for delivery in seen}
    assert reasons <= {"", "gateway", "stopped"}
    assert ("stopped" in reasons) == (waits_in not in ("input", "room"))
    assert others() == set()


async def test_a_batch_that_was_stopped_before_it_began_takes_nothing():
    """The event may be set already."""
    stop = asyncio.Event()
    stop.set()
    taken = []

    def count():
        taken.append(1)
        yield next(drafts(1))

    assert await within(5, stream(count(), at_once, plan(stop=stop))) == []
    assert taken == []


async def test_an_event_of_another_loop_is_told():
    """The batch cannot wait for it, and raises the error."""
    stop = asyncio.Event()

    async def wait_elsewhere():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.01)

    await asyncio.to_thread(asyncio.run, wait_elsewhere())
    with pytest.raises(RuntimeError):
        await within(5, stream(drafts(10_000, 9), at_once, plan(stop=stop)))
    assert others() == set()


@pytest.mark.skipif(sys.platform == "win32", reason="loops of Windows handle no signals")
async def test_a_batch_of_a_service_stops_at_sigterm(server):
    """The test does what the documentation shows: the signal sets the event."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    seen = []
    try:
        async with session(server) as twake:
            async for delivery in twake.send_many(drafts(5_000, channels=50), stop=stop):
                seen.append(delivery)
                if len(seen) == 100:
                    os.kill(os.getpid(), signal.SIGTERM)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    ends = Counter(delivery.outcome for delivery in seen)
    assert set(ends) <= {Outcome.DELIVERED, Outcome.NOT_SENT}
    assert 100 <= ends[Outcome.DELIVERED] == sum(server.stored.values()) < 5_000


# --- mistakes that are told at once --------------------------------------------------------------


async def a_coroutine(*_):
    """Stand where a plain function is called; nobody awaits it."""


async def an_async_generator(*_):
    yield


class Awaited:
    """An object whose call has to be awaited."""

    async def __call__(self, *_):
        """Do nothing: it is never awaited."""


COROUTINES = [
    a_coroutine,
    an_async_generator,
    functools.partial(a_coroutine, 1),
    Awaited(),
    Awaited().__call__,
    mock.AsyncMock(),
    "no function",
]


@pytest.mark.parametrize("function", COROUTINES, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("name", ["on_progress", "key", "on_attempt"])
async def test_a_function_that_would_have_to_be_awaited_is_refused(
    server, tmp_path, name, function
):
    """It would be called, but never awaited."""
    async with session(server) as twake:
        journal = Journal(tmp_path / "run.sqlite")
        calls = {
            "on_attempt": lambda: session(server, on_attempt=function),
            "on_progress": lambda: twake.send_many([], on_progress=function),
            "key": lambda: twake.send_many([], journal=journal, key=function),
        }
        with pytest.raises(ConfigurationError) as caught:
            calls[name]()
    assert caught.value.field == name


@pytest.mark.parametrize("value", [True, "now", object()])
async def test_a_stop_that_is_no_event_is_refused(server, value):
    """The error is raised at the call."""
    async with session(server) as twake:
        with pytest.raises(ConfigurationError) as caught:
            twake.send_many(drafts(1), stop=value)
    assert caught.value.field == "stop"


def test_without_an_asyncio_loop_a_batch_is_a_clear_error():
    """Under trio, which runs no asyncio loop, the error comes before the input is read."""
    taken = []

    def count():
        taken.append(1)
        yield next(drafts(1))

    twake = TwakeSession("app", "k" * 40, group_id="g1", base_url="http://127.0.0.1:1")
    with pytest.raises(WrongEventLoopError, match="trio"):
        twake.send_many(count()).__anext__().send(None)
    assert taken == []

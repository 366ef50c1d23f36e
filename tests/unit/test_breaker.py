"""A batch while its server is down: it pauses, probes, goes on one by one, or ends."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from batches import (
    Clock,
    Sender,
    at_once,
    by_channel,
    collect,
    drafts,
    others,
    plan,
    session,
    settle,
)
from faults import FaultServer

from twake_async import (
    AuthenticationError,
    Check,
    ConfigurationError,
    Delivery,
    InvalidGroupError,
    Journal,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    Pause,
    RefusedError,
    SessionClosedError,
)
from twake_async._batch.engine import stream

DOWN = Check("unclear", "the server answered 502")
UP = Check("", "all is well")


class Backend:
    """A server behind a gateway, without a network: it is up, or it loses each message."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.is_up = True
        self.back_at = float("inf")
        self.found = DOWN
        self.reason = "gateway"
        self.sent: list[str] = []
        self.stored: list[str] = []
        self.probes: list[float] = []
        self.deadlines: list[float] = []
        self.is_proven = True

    def proven(self) -> bool:
        return self.is_proven

    async def probe(self, most: float) -> Check:
        await asyncio.sleep(0)
        self.probes.append(self.clock.time)
        self.deadlines.append(most)
        self.is_up = self.is_up or self.clock.time >= self.back_at
        return UP if self.is_up else self.found

    async def __call__(self, request, listener):
        self.sent.append(request.front_id)
        await asyncio.sleep(0)
        if not self.is_up:
            error = OutcomeUnknownError("it was lost", reason=self.reason)
            error.attempts = 1
            raise error
        self.stored.append(request.front_id)
        return await at_once(request, listener)

    def plan(self, **options):
        return plan(server=self, pace=self.clock, **options)


def goes_down(backend: Backend, after: int, seconds: float):
    """Return a send to a server that goes down after so many messages, for so long."""

    async def send(request, listener):
        if len(backend.stored) >= after and backend.back_at == float("inf"):
            backend.is_up, backend.back_at = False, backend.clock.time + seconds
        return await backend(request, listener)

    return send


async def ended(deliveries) -> tuple[list[Delivery], BaseException | None]:
    """Consume a batch; return what it yielded, and what it raised at the end."""
    seen: list[Delivery] = []
    try:
        await collect(deliveries, seen)
    except Exception as exc:  # noqa: BLE001 - looked at by the test
        return seen, exc
    return seen, None


# --- pause, probe, ramp --------------------------------------------------------------------------


async def test_an_outage_costs_no_more_messages_than_were_on_their_way():
    """The other messages wait until the server answers, and arrive in the order of each channel."""
    backend = Backend()
    seen, error = await ended(
        stream(drafts(400, 13), goes_down(backend, 60, seconds=40), backend.plan(in_flight=10))
    )
    assert error is None
    outcomes = Counter(delivery.outcome for delivery in seen)
    assert outcomes == {Outcome.DELIVERED: 390, Outcome.UNKNOWN: 10}
    assert len(backend.stored) == len(set(backend.stored)) == 390
    for numbers in by_channel(backend.sent).values():
        assert numbers == sorted(numbers)


async def test_probes_come_further_and_further_apart():
    """The first probe is at once, the next after 0.25 s; the intervals grow to 5 s."""
    backend = Backend()
    await ended(stream(drafts(40, 40), goes_down(backend, 5, seconds=20), backend.plan()))
    began = backend.probes[0]
    assert [time - began for time in backend.probes] == [
        0,
        0.25,
        0.75,
        1.75,
        3.75,
        7.75,
        12.75,
        17.75,
        22.75,
    ]
    assert backend.deadlines[:2] == [300.0, 299.75]


async def test_after_a_pause_messages_go_one_then_two_then_four():
    """The server has only just recovered, so it does not get all messages at once."""
    backend, send = Backend(), Sender()
    batch = asyncio.create_task(ended(stream(drafts(60, 60), send, backend.plan(in_flight=8))))
    await settle()
    await send.let_go(*list(send.waiting)[:1], error=OutcomeUnknownError("?", reason="gateway"))
    await send.let_go(*list(send.waiting)[:7])  # those of before the pause
    widths = []
    while len(widths) < 5:
        widths.append(len(send.waiting))
        await send.let_go()
    assert widths == [1, 2, 4, 8, 8]
    while not batch.done():
        await send.let_go()
    assert len((await batch)[0]) == 60


async def test_a_single_lost_answer_costs_one_probe_and_is_no_pause():
    """The batch goes on as before, and the observer is told only of the message."""
    backend, told = Backend(), []
    lost = iter([True])

    async def send(request, listener):
        if len(backend.stored) == 20 and next(lost, False):
            raise OutcomeUnknownError("lost", reason="lost")
        return await backend(request, listener)

    seen, error = await ended(stream(drafts(60, 9), send, backend.plan(on_progress=told.append)))
    assert (len(seen), error, len(backend.probes)) == (60, None, 1)
    assert [progress.pause for progress in told] == [None] * 60


async def test_each_pause_is_told_when_it_begins_while_it_lasts_and_when_it_is_over():
    """The observer gets its reason and length; the counts stay the same."""
    backend, told = Backend(), []
    await ended(
        stream(
            drafts(60, 9),
            goes_down(backend, 20, seconds=1.5),
            backend.plan(on_progress=told.append, in_flight=3),
        )
    )
    pauses = [progress for progress in told if progress.pause is not None]
    assert [progress.pause for progress in pauses] == [
        Pause("gateway", 0.0, is_over=False),
        Pause("gateway", 0.25, is_over=False),
        Pause("gateway", 0.75, is_over=False),
        Pause("gateway", 1.75, is_over=False),
        Pause("gateway", 1.75, is_over=True),
    ]
    assert all(progress.delivery is None for progress in pauses)
    assert sum(progress.delivery is not None for progress in told) == 60
    assert pauses[-1].counts == {Outcome.DELIVERED: 20, Outcome.UNKNOWN: 3}
    assert pauses[-1].ended == 23


async def test_a_pause_is_logged_once_when_it_begins_and_once_when_it_is_over(caplog):
    """It holds also without an observer, and for a pause of any length."""
    backend = Backend()
    send = goes_down(backend, 5, 1.5)
    await collect(stream(drafts(60), send, backend.plan(in_flight=5)))
    assert [record.getMessage() for record in caplog.records] == [
        "the server takes no messages now (gateway): the batch pauses",
        "the server takes messages again: the batch goes on",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_a_lost_answer_whose_probe_is_lost_too_is_told_as_a_pause():
    """The pause begins when the server does not answer."""
    backend, told = Backend(), []
    backend.reason = "lost"
    await ended(
        stream(
            drafts(6, 1),
            goes_down(backend, 2, seconds=1.0),
            backend.plan(on_progress=told.append, in_flight=1),
        )
    )
    pauses = [progress.pause for progress in told if progress.pause is not None]
    assert pauses[0] == Pause("lost", 0.25, is_over=False)
    assert pauses[-1].is_over


async def test_an_observer_that_fails_during_a_pause_changes_nothing():
    """Its error is logged, as at any other time."""

    def broken(progress):
        if progress.pause is not None:
            raise ZeroDivisionError

    backend = Backend()
    seen, error = await ended(
        stream(drafts(30, 9), goes_down(backend, 9, 1.0), backend.plan(on_progress=broken))
    )
    assert (len(seen), error) == (30, None)


async def test_the_rate_holds_after_a_pause_too():
    """A message that waited for its turn while the server went down takes a new turn."""
    backend, times = Backend(), []
    send = goes_down(backend, 7, seconds=3)

    async def timed(request, listener):
        times.append(backend.clock.time)
        return await send(request, listener)

    seen, error = await ended(stream(drafts(40, 40), timed, backend.plan(in_flight=5, rate=4)))
    assert (len(seen), error) == (40, None)
    assert all(later - sooner >= 0.25 for sooner, later in itertools.pairwise(times))
    assert max(times) <= 100 + 40 * 0.25 + 3 + 5 * 0.25 + 2


async def test_who_waits_for_the_rate_while_the_server_goes_down_does_not_send():
    """Its turn came during the pause: it waits for the server, and then for a new turn."""
    backend, send, turns = Backend(), Sender(), []

    async def wait(seconds):
        turns.append(asyncio.get_running_loop().create_future())
        await turns[-1]

    backend.clock.wait = wait
    batch = asyncio.create_task(
        ended(stream(drafts(4, 4), send, backend.plan(in_flight=2, rate=1)))
    )
    await settle()
    assert (send.begun, len(turns)) == (["c0:0"], 1)
    backend.is_up = False
    await send.let_go("c0:0", error=OutcomeUnknownError("?", reason="gateway"))
    turns[0].set_result(None)
    await settle()
    assert send.begun == ["c0:0"]
    backend.is_up = True
    for _ in range(20):
        for turn in turns:
            if not turn.done():
                turn.set_result(None)
        await send.let_go()
    seen, error = await batch
    assert (len(seen), error) == (4, None)
    assert by_channel(send.begun).keys() == {"c0", "c1", "c2", "c3"}


async def test_a_pause_that_the_server_asked_for_is_waited_for_before_it_is_asked():
    """A 429 delays probes as it delays messages."""
    backend = Backend()

    async def send(request, listener):
        if len(backend.stored) == 5 and not backend.probes:
            backend.clock.cool_until = backend.clock.time + 30
            raise OutcomeUnknownError("?", reason="gateway")
        return await backend(request, listener)

    await ended(stream(drafts(20, 20), send, backend.plan(in_flight=2)))
    assert backend.probes == [130.0]


async def test_a_message_that_waits_out_a_pause_is_not_in_the_journal_yet(tmp_path):
    """Its intent is written when it leaves, so a kill during an outage leaves nothing unknown."""
    path = tmp_path / "run.sqlite"
    backend, during = Backend(), []

    def look(progress):
        if progress.pause is not None and not progress.pause.is_over:
            during.append(Journal(path).counts())

    backend_plan = backend.plan(journal=Journal(path), on_progress=look, in_flight=4)
    seen, error = await ended(stream(drafts(40, 40), goes_down(backend, 8, 2.0), backend_plan))
    assert (len(seen), error) == (40, None)
    assert [sum(counts.values()) for counts in during] == [8 + 4] * 5


# --- how it ends ---------------------------------------------------------------------------------


async def test_a_server_that_stays_away_ends_the_batch_after_its_time():
    """The rest is NOT_SENT because of the outage, and the batch raises the same error."""
    backend, told = Backend(), []
    seen, error = await ended(
        stream(
            drafts(400, 13),
            goes_down(backend, 60, seconds=1e9),
            backend.plan(outage_timeout=120.0, on_progress=told.append),
        )
    )
    assert isinstance(error, NotSentError)
    assert error.reason == "outage"
    assert "120 s" in str(error)
    assert "'gateway'" in str(error)
    assert backend.clock.time == 100.0 + 120.0
    assert max(backend.deadlines) == 120.0
    ends = Counter((delivery.outcome, getattr(delivery.error, "reason", "")) for delivery in seen)
    assert ends[Outcome.DELIVERED, ""] == 60
    assert ends[Outcome.UNKNOWN, "gateway"] == 10
    assert set(ends) == {
        (Outcome.DELIVERED, ""),
        (Outcome.UNKNOWN, "gateway"),
        (Outcome.NOT_SENT, "outage"),
    }
    assert len(seen) == told[-1].taken
    assert len({id(delivery.error) for delivery in seen if delivery.error}) == len(seen) - 60


async def test_without_a_limit_a_batch_waits_for_as_long_as_it_takes():
    """outage_timeout=None: a day is not too long."""
    backend = Backend()
    seen, error = await ended(
        stream(
            drafts(40, 13),
            goes_down(backend, 20, seconds=86_400),
            backend.plan(outage_timeout=None),
        )
    )
    assert error is None
    assert len(seen) == 40
    assert backend.deadlines[0] == float("inf")


async def test_three_pauses_that_bring_no_message_through_end_the_batch():
    """The server answers each probe and no message: it is not down, but something is wrong."""
    backend, told = Backend(), []

    async def hangs(request, listener):
        await asyncio.sleep(0)
        raise OutcomeUnknownError("no answer in time", reason="timeout")

    seen, error = await ended(
        stream(drafts(50, 50), hangs, backend.plan(in_flight=4, on_progress=told.append))
    )
    assert isinstance(error, NotSentError)
    assert error.reason == "outage"
    assert "3 pauses" in str(error)
    ends = Counter(delivery.outcome for delivery in seen)
    assert ends[Outcome.UNKNOWN] == 4 + 1 + 1
    assert len(backend.probes) == 2
    begun = [progress.pause for progress in told if progress.pause and not progress.pause.is_over]
    assert len(begun) == 3


async def test_single_messages_that_a_gateway_rejects_do_not_end_a_batch():
    """The gateway rejects a tenth of them by a rule; all the others arrive."""
    backend = Backend()

    async def send(request, listener):
        if int(request.front_id.partition(":")[2]) % 10 == 3:
            raise OutcomeUnknownError("403", reason="gateway_answer")
        return await backend(request, listener)

    seen, error = await ended(stream(drafts(300, 30), send, backend.plan(in_flight=8)))
    assert error is None
    assert Counter(delivery.outcome for delivery in seen) == {
        Outcome.DELIVERED: 270,
        Outcome.UNKNOWN: 30,
    }


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ("address", RefusedError),
        ("api", RefusedError),
        ("authentication", AuthenticationError),
        ("group", InvalidGroupError),
    ],
)
async def test_a_probe_that_meets_what_every_message_would_meet_ends_the_batch(problem, kind):
    """Nothing more is sent; the rest is NOT_SENT, and the error says what to fix."""
    backend = Backend()
    backend.found = Check(problem, "fix this")
    seen, error = await ended(stream(drafts(90, 9), goes_down(backend, 30, 1e9), backend.plan()))
    assert isinstance(error, kind)
    assert "fix this" in str(error)
    ends = Counter(getattr(delivery.error, "reason", "") for delivery in seen)
    assert ends == {"": 30, "gateway": ends["gateway"], "stopped": ends["stopped"]}
    assert 1 <= ends["gateway"] <= 10
    assert backend.probes == [100.0]


@pytest.mark.parametrize("is_proven", [True, False])
async def test_an_empty_500_for_a_group_that_was_proven_is_an_outage_and_no_wrong_group(is_proven):
    """A server of 2021 says so for an unknown group; so does a server without its database."""
    backend = Backend()
    backend.is_proven = is_proven
    backend.found = Check("group", "an empty 500", "2021")
    send = goes_down(backend, 5, seconds=3)
    seen, error = await ended(stream(drafts(20, 20), send, backend.plan(in_flight=2)))
    assert (error is None) == is_proven
    assert is_proven or isinstance(error, InvalidGroupError)
    assert (len(backend.stored) == 18) == is_proven
    assert {delivery.outcome for delivery in seen} >= {Outcome.DELIVERED, Outcome.UNKNOWN}


@pytest.mark.parametrize("problem", ["unreachable", "later", "unclear"])
async def test_no_answer_of_the_servers_own_is_no_end_of_a_pause(problem):
    """A gateway that says "later", or that does not find its server, is asked again."""
    backend = Backend()
    backend.found = Check(problem, "not yet")
    send = goes_down(backend, 5, seconds=3)
    seen, error = await ended(stream(drafts(20, 20), send, backend.plan(in_flight=2)))
    assert (len(seen), error) == (20, None)
    assert len(backend.probes) > 2


async def test_leaving_a_batch_that_pauses_ends_it_at_once():
    """It no longer waits for the server; all drafts that were taken are reported."""
    backend, told = Backend(), []
    deliveries = stream(
        drafts(40, 13), goes_down(backend, 3, 1e9), backend.plan(on_progress=told.append)
    )
    while (await anext(deliveries)).outcome is not Outcome.UNKNOWN:
        pass
    await deliveries.aclose()
    assert others() == set()
    ends = [progress.delivery for progress in told if progress.delivery]
    assert len(ends) == told[-1].taken
    assert {delivery.error.reason for delivery in ends if delivery.error} == {"gateway", "stopped"}


async def test_cancelling_a_batch_that_pauses_ends_it_at_once():
    """The messages that wait are NOT_SENT: no part of them has left."""
    backend, told = Backend(), []

    async def probe(most):
        await asyncio.Event().wait()

    backend.probe = probe
    batch = asyncio.create_task(
        collect(
            stream(drafts(90, 9), goes_down(backend, 3, 9), backend.plan(on_progress=told.append))
        )
    )
    await settle()
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert others() == set()
    ends = Counter(progress.delivery.outcome for progress in told if progress.delivery)
    assert ends.total() == told[-1].taken
    assert set(ends) == {Outcome.DELIVERED, Outcome.UNKNOWN, Outcome.NOT_SENT}


async def test_a_session_that_closes_during_a_pause_ends_the_batch():
    """The pause ends with the session."""
    async with FaultServer() as server:
        server.do_next("loses_502")
        seen = []
        async with session(server) as twake:
            await twake.check()

            def close(progress):
                if progress.pause is not None:
                    closing.append(asyncio.ensure_future(twake.aclose()))

            closing = []
            server.do_next(*["loses_502"] * 3)
            with pytest.raises(SessionClosedError):
                await collect(twake.send_many(drafts(50, 50), on_progress=close), seen)
            await asyncio.gather(*closing)
    ends = {delivery.outcome for delivery in seen}
    assert ends <= {Outcome.DELIVERED, Outcome.UNKNOWN, Outcome.NOT_SENT}
    assert Outcome.NOT_SENT in ends


async def test_a_fault_of_the_machinery_during_a_probe_is_raised():
    """The error ends the batch, and no task hangs."""
    backend = Backend()

    async def probe(most):
        raise ZeroDivisionError

    backend.probe = probe
    async with asyncio.timeout(5):
        _, error = await ended(stream(drafts(90, 9), goes_down(backend, 3, 9), backend.plan()))
    assert isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize("value", [0, -1, True, float("inf"), float("nan"), "300"])
async def test_an_outage_timeout_that_is_no_time_is_refused(server, value):
    """The error is raised at the call."""
    async with session(server) as twake:
        with pytest.raises(ConfigurationError) as caught:
            twake.send_many(drafts(1), outage_timeout=value)
    assert caught.value.field == "outage_timeout"

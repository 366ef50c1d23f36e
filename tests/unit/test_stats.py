"""A session in numbers: counters that only grow, and the state of this moment."""

from __future__ import annotations

import asyncio

import attrs
import httpx
import pytest
from faults import FaultServer

from twake_async import (
    InvalidDraftError,
    MessageRef,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryBudget,
    RetryPolicy,
    Stats,
    TwakeSession,
)
from twake_async.sandbox import Sandbox

KEY = "k" * 40
REF = MessageRef("c1", "m1")


def session(server, **options):
    options = {"group_id": "g1", "base_url": server.url} | options
    return TwakeSession("app", KEY, **options)


def session_on(box):
    """Return a session on a sandbox with the Node API."""
    return TwakeSession(
        box.public_id,
        box.private_api_key,
        group_id=box.group_id,
        workspace_id=box.workspace_id,
        base_url=box.url,
        api="node",
    )


def ended(stats) -> int:
    """Return how many sends have ended."""
    return stats.delivered + stats.refused + stats.not_sent + stats.unknown


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_session_that_did_nothing_has_nothing_to_tell(server):
    """All counters are zero, no time is known, and nothing was asked of the server."""
    async with session(server) as twake:
        stats = twake.stats()
    assert stats.failures == {
        Outcome.REFUSED: {},
        Outcome.NOT_SENT: {},
        Outcome.UNKNOWN: {},
    }
    assert (ended(stats), stats.attempts, stats.in_flight) == (0, 0, 0)
    assert (stats.cooldown, stats.last_success, stats.unreachable) == (0.0, None, False)
    assert stats.retries_left == RetryBudget().capacity
    assert server.accepted == 0


@pytest.mark.parametrize("transport", [None, "fast", "httpx2"])
async def test_each_send_is_counted_once_by_its_outcome_and_reason(server, transport):
    """Whatever the operation, and however many attempts it took."""
    server.do_next("good", "refuses_authentication", "stores_500", "loses_reset", "good", "good")
    policy = RetryPolicy(initial_wait=0.001)
    async with session(server, transport=transport, retry=policy) as twake:
        await twake.send_message("c1", "Hello")
        with pytest.raises(RefusedError):
            await twake.send_message("c1", "Hello")
        with pytest.raises(OutcomeUnknownError):
            await twake.send_message("c1", "Hello")
        await twake.edit_message(REF, "Hello")  # the second attempt delivers it
        await twake.remove_message(REF)
        stats = twake.stats()
    assert (stats.delivered, stats.refused, stats.not_sent, stats.unknown) == (3, 1, 0, 1)
    assert stats.failures[Outcome.REFUSED] == {"authentication": 1}
    assert stats.failures[Outcome.UNKNOWN] == {"status": 1}
    assert stats.attempts == 6
    assert stats.retries_left < RetryBudget().capacity


async def test_the_time_of_the_last_delivery_is_the_time_of_day(server, monkeypatch):
    """A failure does not move it."""
    async with session(server) as twake:
        clock = twake._attempts.clock
        twake._attempts.clock = attrs.evolve(clock, wall=lambda: 1_800_000_000.5)
        await twake.send_message("c1", "Hello")
        twake._attempts.clock = attrs.evolve(clock, wall=lambda: 1_900_000_000.5)
        server.do_next("stores_500")
        with pytest.raises(OutcomeUnknownError):
            await twake.send_message("c1", "Hello")
        assert twake.stats().last_success == 1_800_000_000.5


async def test_what_waits_is_in_flight(server):
    """Those on the wire and those in the queue; the connections tell which is which."""
    server.do_next("loses_silent")
    async with session(server, max_connections=1) as twake:
        first = asyncio.create_task(twake.send_message("c1", "Hello", deadline=30))
        await until(lambda: server.received)
        second = asyncio.create_task(twake.send_message("c1", "Hello", deadline=30))
        await until(lambda: twake.stats().connections.waiting)
        stats = twake.stats()
        assert (stats.in_flight, ended(stats)) == (2, 0)
        assert (stats.connections.busy, stats.connections.idle) == (1, 0)
        first.cancel()
        assert (await second).id
        await asyncio.wait([first])
        stats = twake.stats()
    assert (stats.in_flight, stats.connections.waiting) == (0, 0)
    assert (stats.connections.busy, stats.connections.idle) == (0, 1)
    assert (stats.delivered, stats.unknown) == (1, 1)
    assert stats.failures[Outcome.UNKNOWN] == {"cancelled": 1}


async def test_a_send_that_is_cancelled_before_it_left_was_not_sent(server):
    """It waited for a connection: no byte of it left."""
    server.do_next("loses_silent")
    async with session(server, max_connections=1) as twake:
        first = asyncio.create_task(twake.send_message("c1", "Hello"))
        await until(lambda: server.received)
        second = asyncio.create_task(twake.send_message("c1", "Hello"))
        await until(lambda: twake.stats().connections.waiting)
        second.cancel()
        await asyncio.wait([second])
        assert twake.stats().failures[Outcome.NOT_SENT] == {"cancelled": 1}
        first.cancel()
        await asyncio.wait([first])


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("refuses_429_absent", Outcome.REFUSED),  # nothing was stored
        ("loses_reset", Outcome.UNKNOWN),  # the first attempt is in doubt
    ],
)
async def test_a_send_that_is_cancelled_between_two_attempts_ends_as_they_did(
    server, fault, outcome
):
    """The send ends with what is certain about the attempts that were made."""
    server.do_next(fault)
    policy = RetryPolicy(initial_wait=1000, max_wait=1000, on_unknown="resend")
    async with session(server, retry=policy, deadline=3000) as twake:
        task = asyncio.create_task(twake.send_message("c1", "Hello"))
        await until(lambda: twake.stats().attempts)
        task.cancel()
        await asyncio.wait([task])
        stats = twake.stats()
    assert (stats.attempts, ended(stats)) == (1, 1)
    assert stats.failures[outcome] == {"cancelled": 1}


async def test_a_server_that_is_down_shows_with_the_reason():
    """For a health check: nothing listens there now."""
    async with FaultServer() as server:
        twake = session(server)
        await server.close_port()
        with pytest.raises(NotSentError):
            await twake.send_message("c1", "Hello", deadline=0.2)
        stats = twake.stats()
        assert (stats.unreachable, stats.connections.unreachable) == (True, "connect")
        assert stats.failures[Outcome.NOT_SENT] == {"connect": 1}
        await server.open_port()
        await twake.send_message("c1", "Hello")
        assert not twake.stats().unreachable
        await twake.aclose()


async def test_the_pause_that_the_server_asked_for_shows(server):
    """The seconds that are left of it."""
    server.do_next("refuses_429_huge")
    async with session(server) as twake:
        with pytest.raises(RefusedError):
            await twake.send_message("c1", "Hello", retry=RetryPolicy.never())
        assert 0 < twake.stats().cooldown <= 3600


async def test_over_a_client_of_the_callers_no_connection_is_known(server):
    """They are the client's; the sends are counted all the same."""
    async with httpx.AsyncClient() as client, session(server, http_client=client) as twake:
        await twake.send_message("c1", "Hello")
        stats = twake.stats()
    assert (stats.connections, stats.unreachable, stats.delivered) == (None, False, 1)


async def test_what_never_began_is_not_counted(server):
    """A bad argument is no send."""
    async with session(server, retry_budget=None) as twake:
        with pytest.raises(InvalidDraftError):
            await twake.send_message("", "Hello")
        stats = twake.stats()
    assert (ended(stats), stats.retries_left) == (0, None)


async def test_a_batch_counts_in_the_same_numbers_and_a_closed_session_still_tells(server):
    """Each draft that was sent is a send."""
    server.do_next("good", "refuses_authentication")
    async with session(server) as twake:
        assert (await twake.check()).ok
        drafts = [("c1", "a"), ("c2", "b"), ("c3", "c")]
        deliveries = [one async for one in twake.send_many(drafts, in_flight=1)]
    stats = twake.stats()
    assert len(deliveries) == ended(stats) == 3
    assert (stats.delivered, stats.refused, stats.in_flight) == (2, 1, 0)
    assert (stats.connections.busy, stats.connections.idle) == (0, 0)


async def test_a_delivery_that_no_read_confirms_is_counted_as_unknown(caplog):
    """It counts as its caller is told, and never as both; the log has a warning."""
    with Sandbox(release="2023") as box:
        async with session_on(box) as twake:
            thread = await twake.send_message(box.channel_id, "Thread", read_back=True)
            assert twake.stats().delivered == 1
            box.fail_next(before_storing="swallowed")
            with pytest.raises(OutcomeUnknownError) as caught:
                await twake.reply(thread, "Lost", read_back=True)
            stats = twake.stats()
    assert caught.value.reason == "unconfirmed"
    assert (stats.delivered, stats.unknown) == (1, 1)
    assert stats.failures[Outcome.UNKNOWN] == {"unconfirmed": 1}
    [record] = [one for one in caplog.records if one.name == "twake_async"]
    assert (record.levelname, record.twake_reason) == ("WARNING", "unconfirmed")


async def test_a_send_that_is_cancelled_while_it_is_read_back_is_unknown():
    """The confirmation that was asked for did not come."""
    with Sandbox(release="2023") as box:
        async with session_on(box) as twake:
            box.slow_next(60, on="read")
            send = twake.send_message(box.channel_id, "Hello", read_back=True, deadline=60)
            task = asyncio.create_task(send)
            await until(lambda: any("/threads/" in one.path for one in box.requests))
            await until(lambda: twake.stats().connections.idle == 0)
            task.cancel()
            await asyncio.wait([task])
            stats = twake.stats()
    assert (stats.delivered, stats.unknown) == (0, 1)


async def test_the_numbers_are_frozen_and_can_be_written_as_json(server):
    """What was read does not change, and a health endpoint can hand it out."""
    async with session(server) as twake:
        before = twake.stats()
        await twake.send_message("c1", "Hello")
    assert isinstance(before, Stats)
    assert before.delivered == 0
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.delivered = 1
    assert hash(before) == hash(attrs.evolve(before))

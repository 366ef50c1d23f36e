"""The promise over `transport="httpx2"`: the storms of tests/promise/test_promise.py, in a short form.

The catalogue of faults runs over it in tests/promise/test_failure_table.py.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from faults import FAULTS, FaultServer, RandomScript
from test_promise import QUICK, STORM, claim, contradictions, may_be_unknown, session, storm

from twake_async import Outcome, RetryBudget, RetryPolicy


def over_httpx2(server, **options):
    return session(server, transport="httpx2", proxy=None, **options)


@pytest.mark.no_cover
@pytest.mark.parametrize(("workers", "count"), [(1, 300), (10, 700), (100, 1_500)])
async def test_a_storm_of_faults_brings_no_wrong_claim_and_no_second_copy(workers, count):
    """No contradiction, no duplicate, and no timid UNKNOWN."""
    async with FaultServer(RandomScript(workers, STORM, rate=0.5)) as server:
        async with over_httpx2(server, retry=QUICK, retry_budget=None) as twake:
            claims = await storm(twake, count, workers)
        assert len(claims) == count
        assert contradictions(server, claims) == []
        assert not any(copies > 1 for copies in server.stored.values())
        outcomes = Counter(claimed.outcome for claimed in claims.values())
        assert outcomes[Outcome.DELIVERED] > count / 3
        assert outcomes[Outcome.REFUSED] > count / 100
        assert outcomes[Outcome.UNKNOWN] > count / 100
        assert [
            (front_id, server.history.get(front_id))
            for front_id, claimed in claims.items()
            if claimed.outcome is Outcome.UNKNOWN
            and not may_be_unknown(server.history.get(front_id, []), claimed.attempts)
        ] == []


@pytest.mark.no_cover
async def test_resending_loses_nothing():
    """With on_unknown="resend" each message is in the channel at least once, and says if twice."""
    unproven = [name for name in STORM if FAULTS[name].allowed == {"unknown"}]
    policy = RetryPolicy(attempts=40, initial_wait=0.001, max_wait=0.002, on_unknown="resend")
    async with FaultServer(RandomScript(7, unproven, rate=0.4)) as server:
        async with over_httpx2(server, retry=policy, retry_budget=None, deadline=60) as twake:
            claims = await storm(twake, 500, 20)
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.DELIVERED}
        twice = {front_id for front_id, copies in server.stored.items() if copies > 1}
        warned = {front_id for front_id, claimed in claims.items() if claimed.maybe_duplicated}
        assert twice
        assert twice <= warned


@pytest.mark.no_cover
async def test_a_storm_of_cancellations_leaves_every_slot_usable_and_no_socket_open():
    """After hundreds of cancelled sends over few connections, all that follow work."""
    script = RandomScript(3, ["good_late", "loses_silent", "stores_close"], rate=0.6)
    chance = random.Random(5)
    async with FaultServer(script) as server:
        async with over_httpx2(server, max_connections=10) as twake:

            async def work() -> None:
                for _ in range(40):
                    try:
                        async with asyncio.timeout(chance.uniform(0, 0.01)):
                            await claim(twake.send_message("c1", "Hello"))
                    except TimeoutError:
                        pass

            await asyncio.gather(*(work() for _ in range(20)))
            server.behave()
            after = await asyncio.gather(
                *(claim(twake.send_message("c1", "Hello", deadline=60)) for _ in range(500))
            )
            assert server.open_connections <= 10
        assert Counter(after) == {Outcome.DELIVERED: 500}
        await server.quiet()
        assert server.open_connections == 0


@pytest.mark.no_cover
async def test_a_server_that_is_down_costs_one_attempt_a_send_and_little_more():
    """The budget of a session is the same whatever carries its requests."""
    async with FaultServer(RandomScript(1, ["refuses_429_absent"], rate=1.0)) as server:
        async with over_httpx2(
            server, retry=QUICK, retry_budget=RetryBudget(100, 0.1), deadline=120
        ) as twake:
            claims = await storm(twake, 1_000, 100)
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.REFUSED}
        assert server.received <= 1_100

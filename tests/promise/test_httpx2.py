"""The promise over `transport="httpx2"`: the storms of tests/promise/test_promise.py, in a short form.

The catalogue of faults runs over it in tests/promise/test_failure_table.py.
"""

from __future__ import annotations

from collections import Counter

import pytest
from claims import contradictions, may_be_unknown
from faults import FaultServer, RandomScript
from send_storms import QUICK, STORM, UNPROVEN, cancel_at_random, storm

from twake_async import Outcome, RetryBudget, RetryPolicy, TwakeSession


def session(server, **options):
    options = {"deadline": 5.0, "proxy": None} | options
    return TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=server.url, transport="httpx2", **options
    )


@pytest.mark.parametrize(("workers", "count"), [(1, 300), (10, 700), (100, 1_500)])
async def test_a_storm_of_faults_brings_no_wrong_claim_and_no_second_copy(workers, count):
    """No contradiction, no duplicate, and no timid UNKNOWN."""
    async with FaultServer(RandomScript(workers, STORM, rate=0.5)) as server:
        async with session(server, retry=QUICK, retry_budget=None, deadline=60) as twake:
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


async def test_resending_loses_nothing():
    """With on_unknown="resend" each message is in the channel at least once, and says if twice."""
    policy = RetryPolicy(attempts=40, initial_wait=0.001, max_wait=0.002, on_unknown="resend")
    async with FaultServer(RandomScript(7, UNPROVEN, rate=0.4)) as server:
        async with session(server, retry=policy, retry_budget=None, deadline=60) as twake:
            claims = await storm(twake, 500, 20)
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.DELIVERED}
        twice = {front_id for front_id, copies in server.stored.items() if copies > 1}
        warned = {front_id for front_id, claimed in claims.items() if claimed.maybe_duplicated}
        assert twice
        assert twice <= warned


async def test_a_storm_of_cancellations_leaves_every_slot_usable_and_no_socket_open():
    """After hundreds of cancelled sends over few connections, all that follow work."""
    await cancel_at_random("httpx2", each=40, then=500)


async def test_a_server_that_is_down_costs_one_attempt_a_send_and_little_more():
    """The budget of a session is the same with any library."""
    async with FaultServer(RandomScript(1, ["refuses_429_absent"], rate=1.0)) as server:
        async with session(
            server, retry=QUICK, retry_budget=RetryBudget(100, 0.1), deadline=120
        ) as twake:
            claims = await storm(twake, 1_000, 100)
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.REFUSED}
        assert server.received <= 1_100

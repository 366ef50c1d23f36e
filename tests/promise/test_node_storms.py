"""The promise under fire over the Node API: logins, looks and joins meet faults as sends do.

`nox -s node_storm` has the long one.
"""

from __future__ import annotations

from collections import Counter

import pytest
from claims import contradictions
from faults import FAULTS, FaultServer, RandomScript
from node_storms import node_session, node_storm
from send_storms import STORM, UNPROVEN, cancel_at_random, storm

from twake_async import Outcome, RetryBudget, RetryPolicy

TRANSPORTS = [None, "httpx2", "fast"]
#: Faults of an answer, which come only after the request was read.
ANSWERED = [name for name in STORM if FAULTS[name].stage in ("read", "answer")]
OTHERS = frozenset({"login", "read", "join"})


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_storm_of_faults_brings_no_wrong_claim_and_no_second_copy(transport):
    """A login, a send or a look may meet the fault."""
    server, claims = await node_storm(transport, 20, 250)
    assert len(claims) == 250
    assert contradictions(server, claims) == []
    assert not any(copies > 1 for copies in server.stored.values())
    outcomes = Counter(claimed.outcome for claimed in claims.values())
    assert outcomes[Outcome.DELIVERED] > 80
    assert outcomes[Outcome.UNKNOWN] > 12


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_where_looks_work_all_that_is_stored_is_delivered(transport):
    """No message is left UNKNOWN: the second evidence finds each of them."""
    server, claims = await node_storm(
        transport, 20, 1_000, faults=ANSWERED, rate=0.5, spared=OTHERS, token_life=0
    )
    assert contradictions(server, claims) == []
    unknown = [name for name, one in claims.items() if one.outcome is Outcome.UNKNOWN]
    assert unknown
    assert [name for name in unknown if server.stored[name]] == []


async def test_resending_looks_first_and_says_what_may_stand_twice():
    """A second copy is reported; a message that a look found is not sent again."""
    policy = RetryPolicy(attempts=40, initial_wait=0.001, max_wait=0.002, on_unknown="resend")
    server, claims = await node_storm(
        None,
        20,
        500,
        faults=[name for name in UNPROVEN if name in ANSWERED],
        policy=policy,
        spared=OTHERS,
        token_life=0,
    )
    assert contradictions(server, claims) == []
    assert {claimed.outcome for claimed in claims.values()} == {Outcome.DELIVERED}
    assert not any(copies > 1 for copies in server.stored.values())


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_storm_of_cancellations_leaves_every_connection_usable(transport):
    """After cancelled logins, sends and looks, the next sends all work."""
    await cancel_at_random(transport, each=50, then=300, api="node")


async def test_a_server_that_is_down_costs_one_attempt_a_send_and_little_more():
    """The budget keeps 1,000 failing sends from becoming 4,000 requests."""
    async with FaultServer(RandomScript(1, ["refuses_429_absent"], rate=1.0)) as server:
        server.spared = OTHERS
        async with node_session(server, retry_budget=RetryBudget(), deadline=120) as twake:
            claims = await storm(twake, 1_000, 200)
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.REFUSED}
        assert server.received <= 1_510

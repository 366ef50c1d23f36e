"""The promise under fire: the server's memory never contradicts a claim."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
from claims import claim, contradictions, ended, may_be_unknown
from faults import FAULTS, FaultServer, RandomScript
from send_storms import QUICK, STORM, UNPROVEN, cancel_at_random, storm

from twake_async import MessageRef, Outcome, RetryPolicy, TwakeSession

ONCE = RetryPolicy.never()


def session(server, **options):
    options = {"retry": ONCE, "deadline": 5.0} | options
    return TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url, **options)


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_each_fault_leads_to_a_claim_that_its_truth_allows(server, name):
    """Each fault of the catalogue ends in an outcome that the evidence allows, and adds no copy."""
    fault = FAULTS[name]
    server.do_next(fault)
    async with session(server) as twake:
        sending = twake.send_message("c1", "Hello", front_id="mine")
        outcome = await claim(ended(twake, sending, server, fault))
    assert outcome.name.lower() in fault.allowed
    assert server.stored["mine"] == int(fault.stores)


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_edits_and_removes_keep_the_promise_too(server, name):
    """An edit and a remove claim no more than the fault allows."""
    fault = FAULTS[name]
    ref = MessageRef("c1", "2ad636ce-e67f-11f1-bdbe-aa7dee5775f4")
    if name.endswith(("_id", "_object", "other_message")):
        pytest.skip("a fault of the answer's object, which a remove has not")
    for act, count in (("edit_message", server.edits), ("remove_message", server.removed)):
        server.do_next(fault)
        async with session(server) as twake:
            arguments = (ref, "new") if act == "edit_message" else (ref,)
            outcome = await claim(ended(twake, getattr(twake, act)(*arguments), server, fault))
        if outcome is Outcome.DELIVERED:
            assert count[ref.id] == 1
        else:
            assert outcome.name.lower() in fault.allowed or fault.good


@pytest.mark.parametrize(("workers", "count"), [(1, 1_000), (10, 2_000), (100, 3_000)])
async def test_a_storm_of_faults_brings_no_wrong_claim_and_no_second_copy(workers, count):
    """20,000 sends in all: no contradiction, no duplicate, and no timid UNKNOWN."""
    script = RandomScript(workers, STORM, rate=0.5)
    async with FaultServer(script) as server:
        async with session(server, retry=QUICK, retry_budget=None, deadline=60) as twake:
            claims = await storm(twake, count, workers)
        assert len(claims) == count
        assert contradictions(server, claims) == []
        assert not any(copies > 1 for copies in server.stored.values())
        assert not any(claimed.maybe_duplicated for claimed in claims.values())
        outcomes = Counter(claimed.outcome for claimed in claims.values())
        assert outcomes[Outcome.DELIVERED] > count / 3
        assert outcomes[Outcome.REFUSED] > count / 50
        assert outcomes[Outcome.UNKNOWN] > count / 50
        assert [
            (front_id, server.history.get(front_id))
            for front_id, claimed in claims.items()
            if claimed.outcome is Outcome.UNKNOWN
            and not may_be_unknown(server.history.get(front_id, []), claimed.attempts)
        ] == []


async def test_resending_loses_nothing():
    """With on_unknown="resend" each message is in the channel at least once, and says if twice."""
    script = RandomScript(7, UNPROVEN, rate=0.4)
    policy = RetryPolicy(attempts=40, initial_wait=0.001, max_wait=0.002, on_unknown="resend")
    async with FaultServer(script) as server:
        async with session(server, retry=policy, retry_budget=None, deadline=60) as twake:
            claims = await storm(twake, 1_000, 20)
        assert contradictions(server, claims) == []
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.DELIVERED}
        twice = {front_id for front_id, copies in server.stored.items() if copies > 1}
        warned = {front_id for front_id, claimed in claims.items() if claimed.maybe_duplicated}
        assert twice
        assert twice <= warned


async def test_a_storm_of_cancellations_leaves_every_connection_usable_and_no_socket_open():
    """After thousands of cancelled sends over few pooled connections, the next thousand all work."""
    await cancel_at_random(None, each=100, then=1_000)


async def test_a_server_that_is_down_costs_one_attempt_a_send_and_little_more():
    """The budget keeps 1,000 failing sends from becoming 4,000 requests."""
    script = RandomScript(1, ["refuses_429_absent"], rate=1.0)
    async with FaultServer(script) as server:
        async with session(server, retry=QUICK, deadline=120) as twake:
            claims = await storm(twake, 1_000, 200)
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.REFUSED}
        assert server.received <= 1_500


async def test_the_front_id_is_the_same_in_all_attempts_and_another_in_each_send(server):
    """Attempts of one send carry one id, so that copies can be told apart from messages."""
    seen: list[str | None] = []
    policy = attrs.evolve(QUICK, on_unknown="resend")
    async with session(server, retry=policy, on_attempt=lambda a: seen.append(a.front_id)) as twake:
        server.do_next("stores_close", "loses_502")
        first = await twake.send_message("c1", "Hello")
        second = await twake.send_message("c1", "Hello")
    assert seen == [first.front_id] * 3 + [second.front_id]
    assert list(server.front_ids.values()) == [3, 1]
    assert first.maybe_duplicated
    assert not second.maybe_duplicated

"""Gateways and upstreams that go away and come back: the claims during that time."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from twake_async import Delivery, MessageDraft, Outcome, Progress, RetryPolicy, TwakeError

from . import apache, haproxy, nginx
from .gateway import Gateway
from .process import UpstreamProcess
from .sends import OPERATIONS, TRANSPORTS, Send, close, each, session
from .setups import Setup
from .upstream import Upstream

BARE = [nginx.SETUPS[0], haproxy.SETUPS[0], apache.SETUPS[0]]
both = pytest.mark.parametrize("transport", TRANSPORTS, ids=["default", "fast"])
behind_each = pytest.mark.parametrize(
    ("gateway", "setup"),
    [pytest.param(setup, setup, id=setup.program.name) for setup in BARE],
    indirect=["gateway"],
    scope="module",
)


@both
@pytest.mark.parametrize("setup", BARE, ids=lambda setup: setup.program.name)
async def test_what_a_gateway_never_took_was_not_sent(setup: Setup, transport: Any):
    """Where no program listens, each attempt ends NOT_SENT and the upstream has seen nothing."""
    gateway = setup.gateway()
    sends = [Send(operation) for operation in OPERATIONS]
    async with Upstream(gateway.upstream_port) as upstream:
        for send in sends:
            send.open(gateway, transport=transport, deadline=2.0)
        try:
            await each(sends, Send.run)
        finally:
            await close(sends)
    assert {send.outcome for send in sends} == {Outcome.NOT_SENT}
    assert not upstream.received


@both
@pytest.mark.parametrize("setup", BARE, ids=lambda setup: setup.program.name)
async def test_a_gateway_that_is_killed_with_a_message_in_hand_proves_nothing(
    setup: Setup, transport: Any
):
    """The upstream has it, but the answer never comes: UNKNOWN, however the connection ended."""
    sends = [Send(operation) for operation in OPERATIONS]
    with setup.running() as gateway:
        async with Upstream(gateway.upstream_port, act="store_then_hang") as upstream:
            for send in sends:
                send.open(gateway, transport=transport, retry=RetryPolicy.never())
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(each(sends, Send.run))
                    while len(upstream.stored) < len(sends):
                        await asyncio.sleep(0.005)
                    await asyncio.to_thread(gateway.kill)
            finally:
                await close(sends)
    assert [send.reasons for send in sends] == [["lost"]] * len(sends)
    assert {send.outcome for send in sends} == {Outcome.UNKNOWN}


@pytest.fixture
def process(gateway: Gateway, tmp_path: pathlib.Path) -> Iterator[UpstreamProcess]:
    """Give a running upstream in a process of its own behind the gateway."""
    process = UpstreamProcess(gateway.upstream_port, tmp_path / "memory.jsonl")
    process.start()
    yield process
    process.kill()


def drafts(count: int, name: str = "a", channels: int = 7) -> list[MessageDraft]:
    """Return drafts whose `front_id`s are in their order."""
    return [
        MessageDraft(f"c{number % channels}", "Hello", front_id=f"{name}{number:05}")
        for number in range(count)
    ]


def ended(progress: Progress) -> int:
    """Return how many drafts of a batch have ended."""
    return sum(progress.counts.values())


Claims = list[tuple[str | None, Outcome]]


def claims_of(deliveries: list[Delivery]) -> Claims:
    """Return the claim of a batch about each draft."""
    return [(delivery.draft.front_id, delivery.outcome) for delivery in deliveries]


def contradictions(claims: Claims, stored: Counter[str]) -> list[str]:
    """Name each claim that the memory of the upstream contradicts, and each second copy."""
    wrong = []
    for front_id, outcome in claims:
        copies = stored[str(front_id)]
        if outcome is Outcome.DELIVERED:
            fits = copies == 1
        else:
            fits = copies <= (outcome is Outcome.UNKNOWN)
        if not fits:
            wrong.append(f"{front_id}: {outcome}, {copies} copies")
    return wrong


@both
@behind_each
async def test_a_batch_over_an_outage_of_the_upstream_keeps_the_promise(
    gateway: Gateway, setup: Setup, transport: Any, process: UpstreamProcess
):
    """Killed and started behind the gateway: few are UNKNOWN, the others there once, in order."""
    count, in_flight, outages = 400, 10, []

    def begin_outage(progress: Progress) -> None:
        if not outages and ended(progress) >= count // 4:
            outages.append(asyncio.create_task(process.outage(0.5)))

    async with session(gateway, transport=transport) as twake:
        batch = twake.send_many(drafts(count), in_flight=in_flight, on_progress=begin_outage)
        deliveries = [delivery async for delivery in batch]
        await outages[0]
        after = [delivery async for delivery in twake.send_many(drafts(20, "b"))]
    memory = process.memory
    assert len(deliveries) == count
    assert contradictions(claims_of(deliveries), memory.stored) == []
    outcomes = Counter(delivery.outcome for delivery in deliveries)
    assert outcomes[Outcome.UNKNOWN] <= 2 * in_flight, outcomes
    assert outcomes[Outcome.DELIVERED] == count - outcomes[Outcome.UNKNOWN], outcomes
    assert {delivery.outcome for delivery in after} == {Outcome.DELIVERED}
    for channel in {channel for channel, _ in memory.order}:
        keys = [key for where, key in memory.order if where == channel]
        assert keys == sorted(keys)


SAYS_404 = next(setup for setup in nginx.SETUPS if setup.name == "page_missing")


@both
async def test_a_batch_ends_where_the_gateway_says_in_an_outage_what_proves_nothing(
    transport: Any, tmp_path: pathlib.Path
):
    """A 404 after storing and a 404 for a wrong address look alike: the drafts are NOT_SENT."""
    count, in_flight, deliveries = 400, 10, []
    with SAYS_404.running() as gateway:
        process = UpstreamProcess(gateway.upstream_port, tmp_path / "memory.jsonl")
        process.start()

        def kill(progress: Progress) -> None:
            if ended(progress) == count // 4:
                process.kill()

        try:
            async with session(gateway, transport=transport) as twake:
                batch = twake.send_many(drafts(count), in_flight=in_flight, on_progress=kill)
                with contextlib.suppress(TwakeError):
                    async for delivery in batch:
                        deliveries.append(delivery)  # noqa: PERF401 - what was yielded counts
        finally:
            process.kill()
    outcomes = Counter(delivery.outcome for delivery in deliveries)
    assert contradictions(claims_of(deliveries), process.stored) == []
    assert 0 < outcomes[Outcome.UNKNOWN] <= 2 * in_flight, outcomes
    assert outcomes[Outcome.REFUSED] == 0, outcomes
    # Each draft taken from the input is reported; the rest was never begun.
    assert outcomes[Outcome.NOT_SENT] > 0, outcomes


@both
async def test_a_reload_of_nginx_loses_at_most_the_answers_of_what_is_in_flight(transport: Any):
    """Its old workers close idle connections, also those on which a request is on its way."""
    reloads = 0
    with BARE[0].running() as gateway:

        def reload(progress: Progress) -> None:
            nonlocal reloads
            if ended(progress) % 50 == 0:
                gateway.reload()
                reloads += 1

        async with Upstream(gateway.upstream_port) as upstream:
            async with session(gateway, transport=transport) as twake:
                batch = twake.send_many(drafts(300), on_progress=reload)
                deliveries = [delivery async for delivery in batch]
    assert contradictions(claims_of(deliveries), upstream.stored) == []
    outcomes = Counter(delivery.outcome for delivery in deliveries)
    assert outcomes[Outcome.UNKNOWN] <= reloads * 10, outcomes
    assert outcomes[Outcome.DELIVERED] + outcomes[Outcome.UNKNOWN] == 300, outcomes


CLOSING = [
    nginx.setup("idle", nginx.config("keepalive_timeout 30ms;")),
    nginx.setup("requests", nginx.config("keepalive_requests 3;")),
    haproxy.setup("idle", haproxy.config("timeout http-keep-alive 30ms")),
    apache.setup("idle", apache.config("KeepAliveTimeout 50ms\nMaxKeepAliveRequests 5")),
]


@both
@pytest.mark.parametrize("setup", CLOSING, ids=lambda setup: setup.id)
async def test_connections_that_a_gateway_closes_while_idle_make_no_claim_wrong(
    setup: Setup, transport: Any
):
    """Messages leave about when the gateway closes: none is doubled, few are UNKNOWN."""
    claims: Claims = []
    with setup.running() as gateway:
        async with Upstream(gateway.upstream_port) as upstream:
            async with session(gateway, transport=transport) as twake:

                async def work(number: int) -> None:
                    pauses = random.Random(number)
                    for draft in drafts(30, f"{number}-"):
                        try:
                            await twake.send(draft)
                        except TwakeError as error:
                            claims.append((draft.front_id, error.outcome))
                        else:
                            claims.append((draft.front_id, Outcome.DELIVERED))
                        await asyncio.sleep(pauses.choice((0, 0.029, 0.03, 0.031, 0.05)))

                await asyncio.gather(*(work(number) for number in range(10)))
    assert contradictions(claims, upstream.stored) == []
    outcomes = Counter(outcome for _, outcome in claims)
    assert outcomes[Outcome.DELIVERED] >= 250, outcomes

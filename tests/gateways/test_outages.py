"""Gateways and upstreams that go away and come back: what is claimed while they do."""

from __future__ import annotations

import asyncio
import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from twake_async import Delivery, MessageDraft, Outcome, Progress, RetryPolicy

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
    """Where nobody listens, each attempt ends NOT_SENT and the upstream has seen nothing."""
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
    """The upstream has it, the answer never comes: UNKNOWN, however the connection ended."""
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


def contradictions(deliveries: list[Delivery], stored: Counter[str]) -> list[str]:
    """Name each claim that the memory of the upstream contradicts, and each second copy."""
    wrong = []
    for delivery in deliveries:
        copies = stored[str(delivery.draft.front_id)]
        delivered = delivery.outcome is Outcome.DELIVERED
        fits = copies == 1 if delivered else copies <= (delivery.outcome is Outcome.UNKNOWN)
        if not fits:
            wrong.append(f"{delivery.draft.front_id}: {delivery.outcome}, {copies} copies")
    return wrong


@both
@behind_each
async def test_a_batch_over_an_outage_of_the_upstream_keeps_the_promise(
    gateway: Gateway, setup: Setup, transport: Any, process: UpstreamProcess
):
    """The upstream is killed and started behind the gateway: no wrong claim, copy or disorder."""
    count, outages = 400, []

    def begin_outage(progress: Progress) -> None:
        if not outages and ended(progress) >= count // 4:
            outages.append(asyncio.create_task(process.outage(0.5)))

    async with session(gateway, transport=transport) as twake:
        batch = twake.send_many(drafts(count), on_progress=begin_outage)
        deliveries = [delivery async for delivery in batch]
        await outages[0]
        after = [delivery async for delivery in twake.send_many(drafts(20, "b"))]
    memory = process.memory
    assert len(deliveries) == count
    assert contradictions(deliveries, memory.stored) == []
    assert {delivery.outcome for delivery in after} == {Outcome.DELIVERED}
    for channel in {channel for channel, _ in memory.order}:
        keys = [key for where, key in memory.order if where == channel]
        assert keys == sorted(keys)


@both
async def test_a_reload_of_nginx_costs_a_batch_nothing(transport: Any):
    """Its old workers end what they have; a connection that they close is not used again."""
    with BARE[0].running() as gateway:

        def reload(progress: Progress) -> None:
            if ended(progress) % 50 == 0:
                gateway.reload()

        async with Upstream(gateway.upstream_port) as upstream:
            async with session(gateway, transport=transport) as twake:
                batch = twake.send_many(drafts(300), on_progress=reload)
                deliveries = [delivery async for delivery in batch]
    assert contradictions(deliveries, upstream.stored) == []
    outcomes = Counter(delivery.outcome for delivery in deliveries)
    assert outcomes[Outcome.DELIVERED] >= 290, outcomes

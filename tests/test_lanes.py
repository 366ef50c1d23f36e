"""Lanes: one owner at a time, a fair line, and nothing lost by a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from twake_async._lanes import CONNECTING, IDLE_LIMIT, Closed, Gate, Lanes


class Wire:
    """A transport that only remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def handle_async_request(self, request):
        raise AssertionError

    async def aclose(self) -> None:
        self.closed = True


class Maker:
    """Makes transports and keeps them."""

    def __init__(self) -> None:
        self.made: list[Wire] = []

    def __call__(self) -> Wire:
        self.made.append(Wire())
        return self.made[-1]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_most_recently_used_lane_goes_first():
    """Few sends keep few connections busy."""
    make = Maker()
    lanes = Lanes(make, 3)
    first, second = await lanes.take(), await lanes.take()
    lanes.give_back(first, reusable=True)
    lanes.give_back(second, reusable=True)
    assert await lanes.take() is second
    assert await lanes.take() is first
    assert len(make.made) == 2


async def test_a_lane_is_opened_only_when_it_is_needed():
    """A session that never sends opens nothing."""
    make = Maker()
    lanes = Lanes(make, 100)
    assert make.made == []
    lanes.give_back(await lanes.take(), reusable=True)
    lanes.give_back(await lanes.take(), reusable=True)
    assert len(make.made) == 1


async def test_who_waits_longest_gets_the_next_lane():
    """The wait for a lane is a line."""
    lanes = Lanes(Maker(), 1)
    lane = await lanes.take()
    order: list[int] = []

    async def user(number: int) -> None:
        mine = await lanes.take()
        order.append(number)
        lanes.give_back(mine, reusable=True)

    waiting = [asyncio.create_task(user(number)) for number in range(5)]
    await settle()
    assert order == []
    lanes.give_back(lane, reusable=True)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]


async def test_a_thrown_away_lane_is_closed_and_makes_room_for_another():
    """A lane whose attempt failed is never used again, and the next in line gets a new one."""
    make = Maker()
    lanes = Lanes(make, 1)
    lane = await lanes.take()
    next_one = asyncio.create_task(lanes.take())
    await settle()
    lanes.give_back(lane, reusable=False)
    assert (await next_one) is not lane
    await settle()
    assert [wire.closed for wire in make.made] == [True, False]


async def test_cancelling_who_waits_takes_nobodys_turn():
    """A cancelled wait leaves the line as if it had never been in it."""
    lanes = Lanes(Maker(), 1)
    lane = await lanes.take()
    first, second = (asyncio.create_task(lanes.take()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    lanes.give_back(lane, reusable=True)
    assert await second is lane
    assert first.cancelled()


async def test_a_turn_that_came_with_the_cancellation_is_passed_on():
    """Cancelled in the very moment of being served, a task still loses no lane."""
    lanes = Lanes(Maker(), 1)
    lane = await lanes.take()
    first, second = (asyncio.create_task(lanes.take()) for _ in range(2))
    await settle()
    lanes.give_back(lane, reusable=True)
    first.cancel()
    assert await second is lane
    assert first.cancelled()


async def test_a_passed_on_turn_finds_the_lane_free_when_nobody_waits():
    """With nobody left in line the lane is free again."""
    make = Maker()
    lanes = Lanes(make, 1)
    lane = await lanes.take()
    only = asyncio.create_task(lanes.take())
    await settle()
    lanes.give_back(lane, reusable=True)
    only.cancel()
    await settle()
    assert await lanes.take() is lane
    assert len(make.made) == 1


async def test_never_more_lanes_than_the_limit():
    """However many tasks, connections stay within the bound, and all get their turn."""
    make = Maker()
    lanes = Lanes(make, 7)
    busy = peak = 0

    async def user(number: int) -> None:
        nonlocal busy, peak
        lane = await lanes.take()
        busy += 1
        peak = max(peak, busy)
        await asyncio.sleep(0)
        busy -= 1
        lanes.give_back(lane, reusable=number % 3 > 0)

    await asyncio.gather(*(user(number) for number in range(200)))
    assert peak == 7
    assert sum(not wire.closed for wire in make.made) <= 7


async def test_a_transport_that_cannot_be_made_costs_no_slot():
    """An error while opening a lane is raised, and the next in line has its turn all the same."""
    broken = [True, True]

    def make() -> Wire:
        if broken:
            broken.pop()
            raise OSError
        return Wire()

    lanes = Lanes(make, 1)
    for _ in range(2):
        with pytest.raises(OSError):  # noqa: PT011 - any
            await lanes.take()
    lane = await lanes.take()
    broken.append(True)
    first, second = (asyncio.create_task(lanes.take()) for _ in range(2))
    await settle()
    lanes.give_back(lane, reusable=False)
    await settle()
    assert isinstance(first.exception(), OSError)
    assert await second is not lane


async def test_lanes_idle_for_long_are_closed_when_others_are_used(monkeypatch):
    """A burst leaves no connections behind for ever."""
    make = Maker()
    lanes = Lanes(make, 2)
    both = [await lanes.take(), await lanes.take()]
    now = asyncio.get_running_loop().time()
    for lane in both:
        lanes.give_back(lane, reusable=True)
    recent = await lanes.take()
    monkeypatch.setattr(
        asyncio.get_running_loop(), "time", lambda: now + IDLE_LIMIT + 1, raising=True
    )
    lanes.give_back(recent, reusable=True)
    monkeypatch.undo()
    await settle()
    assert [wire.closed for wire in make.made] == [True, False]


async def test_closing_turns_away_who_waits_and_closes_every_lane():
    """After aclose no transport is open and nobody waits."""
    make = Maker()
    lanes = Lanes(make, 2)
    in_use = await lanes.take()
    lanes.give_back(await lanes.take(), reusable=True)
    lanes.give_back(await lanes.take(), reusable=True)
    await lanes.take()
    waiting = asyncio.create_task(lanes.take())
    cancelled = asyncio.create_task(lanes.take())
    await settle()
    cancelled.cancel()
    await lanes.aclose()
    with pytest.raises(Closed):
        await waiting
    with pytest.raises(Closed):
        await lanes.take()
    assert all(wire.closed for wire in make.made)
    lanes.give_back(in_use, reusable=True)
    await lanes.aclose()


async def test_a_transport_that_fails_to_close_troubles_nobody():
    """Closing goes on where one lane's transport raises."""

    class Stubborn(Wire):
        async def aclose(self) -> None:
            self.closed = True
            raise RuntimeError

    stubborn = Stubborn()
    lanes = Lanes(lambda: stubborn, 1)
    lanes.give_back(await lanes.take(), reusable=False)
    await lanes.aclose()
    assert stubborn.closed


async def test_four_may_connect_at_once_and_one_after_a_failure():
    """The gate lets four in; a failed connection leaves room for a single probe."""
    gate = Gate()
    inside: list[int] = []

    async def connect(number: int) -> None:
        await gate.enter()
        inside.append(number)

    tasks = [asyncio.create_task(connect(number)) for number in range(8)]
    await settle()
    assert inside == list(range(CONNECTING))
    for _ in range(CONNECTING):
        gate.leave(connected=False)
    await settle()
    assert inside == [0, 1, 2, 3, 4]
    gate.leave(connected=True)
    await asyncio.gather(*tasks)
    assert inside == list(range(8))


async def test_leaving_unseen_keeps_what_the_gate_knew():
    """A cancelled connect says nothing about the server."""
    gate = Gate()
    await gate.enter()
    gate.leave(connected=False)
    await gate.enter()
    second = asyncio.create_task(gate.enter())
    await settle()
    gate.leave(connected=None)
    await second
    third = asyncio.create_task(gate.enter())
    await settle()
    assert not third.done()
    third.cancel()
    await settle()
    gate.leave(connected=True)
    await gate.enter()


async def test_cancelling_at_the_gate_makes_room_again():
    """A task that is cancelled as it is let in does not stay inside."""
    gate = Gate()
    for _ in range(CONNECTING):
        await gate.enter()
    first, second = (asyncio.create_task(gate.enter()) for _ in range(2))
    await settle()
    gate.leave(connected=True)
    first.cancel()
    await second
    assert first.cancelled()


async def test_a_wait_cancelled_in_the_same_moment_is_stepped_over():
    """A lane goes to the next in line even before the cancelled one has noticed."""
    lanes = Lanes(Maker(), 1)
    lane = await lanes.take()
    first, second = (asyncio.create_task(lanes.take()) for _ in range(2))
    await settle()
    first.cancel()
    lanes.give_back(lane, reusable=True)
    assert await second is lane


async def test_closing_unused_lanes_opens_and_awaits_nothing():
    """A session that never sent closes at once."""
    make = Maker()
    await Lanes(make, 2).aclose()
    assert make.made == []


async def test_a_lane_that_is_on_its_way_when_all_closes_is_not_used():
    """Its turn had come, but the task had not yet gone on: it is turned away like the others."""
    make = Maker()
    lanes = Lanes(make, 1)
    lane = await lanes.take()
    waiting = asyncio.create_task(lanes.take())
    await settle()
    lanes.give_back(lane, reusable=True)
    await lanes.aclose()
    with pytest.raises(Closed):
        await waiting
    await settle()
    assert [wire.closed for wire in make.made] == [True]

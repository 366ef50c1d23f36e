"""Partitions beside other machines: which ones are taken, and how it ends. No database."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import attrs
import pytest
from batches import collect, settle, until

from twake_async import (
    ConfigurationError,
    Delivery,
    JournalError,
    MessageDraft,
    Outcome,
    Pause,
    Progress,
    TwakeSession,
)
from twake_async._batch import partitions
from twake_async._batch.partitions import Partitions, PartProgress
from twake_async._journal.part_state import PartState
from twake_async.postgres import PostgresJournal


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(partitions, "POLL", 0.01)
    monkeypatch.setattr(partitions, "JITTER", 0.0)


@attrs.define(eq=False)
class World:
    """Partitions without a database: how many deliveries each has, and who does what."""

    parts: int = 4
    done: set[int] = attrs.field(factory=set)
    held: set[int] = attrs.field(factory=set)
    errors: dict[int, list[Exception]] = attrs.field(factory=dict)
    taken: list[int] = attrs.field(factory=list)
    most: int = 0
    away: list[Exception] = attrs.field(factory=list)
    looks: int = 0

    def states(self):
        self.looks += 1
        if self.away and self.looks > 1:
            raise self.away.pop()
        return [
            PartState(n, is_done=n in self.done, is_held=n in self.held, epoch=0, holder="")
            for n in range(self.parts)
        ]

    async def send(self, number, stop):
        self.taken.append(number)
        self.held.add(number)
        self.most = max(self.most, len(self.held))
        try:
            for each in range(3):
                await asyncio.sleep(0)
                if self.errors.get(number):
                    raise self.errors[number].pop()
                if stop.is_set():
                    return
                yield Delivery(MessageDraft(f"c{number}", str(each)), Outcome.DELIVERED)
            self.done.add(number)
        finally:
            self.held.discard(number)

    def run(self, concurrency=2, stop=None):
        return Partitions(self.states, self.send, concurrency, stop).run()


def lost(reason):
    return JournalError("no", reason=reason)


async def test_all_partitions_are_sent_a_few_at_a_time():
    """Each once."""
    world = World(8)
    found = await collect(world.run(3))
    assert Counter(one.draft.channel_id for one in found) == {f"c{n}": 3 for n in range(8)}
    assert sorted(world.taken) == list(range(8))
    assert world.most == 3


async def test_what_others_hold_or_have_done_is_not_taken_and_is_waited_for():
    """It ends when all are done, whoever did them."""
    world = World(4, done={0}, held={1})
    task = asyncio.create_task(collect(world.run()))
    await until(lambda: world.done == {0, 2, 3})
    await settle()
    assert not task.done()
    world.held.discard(1)  # its process died
    assert len(await task) == 9
    assert world.done == {0, 1, 2, 3}


@pytest.mark.parametrize("reason", ["locked", "taken_over"])
async def test_a_partition_that_another_process_took_is_left_to_it(reason):
    """It is taken again only if that process has not finished it."""
    world = World(3, errors={1: [lost(reason)]})
    found = await collect(world.run())
    assert Counter(one.draft.channel_id for one in found) == {"c0": 3, "c1": 3, "c2": 3}
    assert sorted(world.taken) == [0, 1, 1, 2]


async def test_another_error_ends_all_partitions_and_is_raised():
    """Earlier deliveries are yielded."""
    world = World(6, errors={n: [lost("full")] for n in range(6)})
    with pytest.raises(JournalError) as caught:
        await collect(world.run(1))
    assert caught.value.reason == "full"
    assert len(world.taken) == 1


async def test_it_ends_once_its_event_is_set():
    """A run that only waits ends at once; one that sends first ends what is under way."""
    stop = asyncio.Event()
    world = World(2, held={0, 1})
    task = asyncio.create_task(collect(world.run(stop=stop)))
    await until(lambda: world.looks)
    stop.set()
    assert await task == []


async def test_left_early_it_ends_each_partition_in_order():
    """`aclosing` waits for that."""
    world = World(50)
    async with contextlib.aclosing(world.run(2)) as deliveries:
        async for _ in deliveries:
            break
    assert world.held == set()
    assert len(world.taken) < 50


async def test_cancelled_it_cancels_what_is_on_its_way():
    """Nothing is left running."""
    world = World(2, held={0, 1})
    task = asyncio.create_task(collect(world.run()))
    await until(lambda: world.looks)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_while_it_ends_it_cancels_what_is_on_its_way():
    """It was left early, and one message took long."""
    ended = asyncio.Event()

    async def send(number, stop):
        yield Delivery(MessageDraft(f"c{number}", "1"), Outcome.DELIVERED)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def leave():
        async with contextlib.aclosing(Partitions(World(1).states, send, 1, None).run()) as found:
            async for _ in found:
                break

    task = asyncio.create_task(leave())
    await settle()
    await until(lambda: len(asyncio.all_tasks()) == 3)  # this one, `leave`, and the partition
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_database_that_was_there_may_be_away_for_a_while(monkeypatch):
    """But not at the beginning, and not for good."""
    world = World(2, away=[lost("broken"), lost("broken")])
    assert len(await collect(world.run(1))) == 6
    monkeypatch.setattr(partitions, "PATIENCE", -1.0)
    world = World(2, away=[lost("broken")])
    with pytest.raises(JournalError):
        await collect(world.run(1))


def test_the_progress_is_that_of_all_partitions():
    """Counts and drafts add up; a pause is passed on."""
    seen = []
    progress = PartProgress(seen.append)
    one, other = progress.of_part(1), progress.of_part(2)
    delivery = Delivery(MessageDraft("c", "a"), Outcome.DELIVERED)
    one(Progress(delivery, {Outcome.DELIVERED: 1}, 3))
    other(Progress(delivery, {Outcome.DELIVERED: 1}, 4))
    other(Progress(None, {Outcome.DELIVERED: 1}, 5, Pause("lost", 1.0, is_over=False)))
    again = progress.of_part(1)
    again(Progress(delivery, {Outcome.DELIVERED: 1}, 2))
    assert [(dict(one.counts), one.taken) for one in seen] == [
        ({Outcome.DELIVERED: 1}, 3),
        ({Outcome.DELIVERED: 2}, 7),
        ({Outcome.DELIVERED: 2}, 8),
        ({Outcome.DELIVERED: 3}, 10),
    ]
    assert seen[2].pause.reason == "lost"


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("concurrency", {"concurrency": 0}),
        ("on_progress", {"on_progress": "no"}),
        ("drafts_for", {"drafts_for": None}),
        ("journal", {"journal": None}),
        ("key", {"key": None}),
        ("in_flight", {"in_flight": 0}),
    ],
)
async def test_an_argument_that_cannot_work_is_named_at_once(field, options):
    """Before anything is taken."""
    journal = PostgresJournal("host=localhost", batch="november")
    given = {"drafts_for": lambda _: (), "journal": journal, "key": str} | options
    async with TwakeSession("app", "k" * 40, group_id="g1") as twake:
        with pytest.raises(ConfigurationError) as caught:
            twake.send_partitioned(**given)
    assert caught.value.field == field

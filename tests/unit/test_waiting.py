"""A queue of tasks that wait: first come, first served, each until its own time, a few at a time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref

import pytest

from twake_async import _waiting
from twake_async._waiting import Pauses, Waiting

LATE = "late"


def queue_of() -> Waiting:
    return Waiting(lambda: LATE)


def waiting_in(queue: Waiting, count: int, seconds: float = 60.0) -> list[asyncio.Task]:
    """Return tasks that wait in a queue, once they do."""
    ends = queue.loop.time() + seconds

    async def wait() -> object:
        return await queue.join(ends)

    return [asyncio.create_task(wait()) for _ in range(count)]


async def ends_a_turn(tasks: list[asyncio.Task]) -> list[int]:
    """Return how many tasks ended in each turn of the event loop, until all have."""
    ended = [0]
    async with asyncio.timeout(5):
        while ended[-1] < len(tasks):
            await asyncio.sleep(0)
            ended.append(sum(task.done() for task in tasks))
    return [after - before for before, after in itertools.pairwise(ended)]


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_first_come_first_served():
    """The task that waits longest is served first; an empty queue serves nobody."""
    queue = queue_of()
    assert not queue.serve("nothing")
    tasks = waiting_in(queue, 3)
    await settle()
    assert len(queue) == 3
    assert all(queue.serve(number) for number in range(3))
    assert len(queue) == 0
    assert await asyncio.gather(*tasks) == [0, 1, 2]


@pytest.mark.parametrize("how", ["cancelled", "late", "closed"])
async def test_many_end_a_few_at_a_time(how, monkeypatch):
    """The event loop turns in between, so that it serves others; and all end."""
    monkeypatch.setattr(_waiting, "_AT_ONCE", 7)
    queue = queue_of()
    tasks = waiting_in(queue, 300, 0.05 if how == "late" else 60.0)
    await settle()
    if how == "cancelled":
        for task in tasks:
            task.cancel()
    elif how == "closed":
        queue.close(LATE)
    else:
        monkeypatch.setattr(queue.loop, "time", lambda: 1e9)  # all are late in one moment
    assert max(await ends_a_turn(tasks)) <= 7
    monkeypatch.undo()
    assert len(queue) == 0
    if how == "cancelled":
        assert all(task.cancelled() for task in tasks)
    else:
        assert {task.result() for task in tasks} == {LATE}


async def test_each_waits_until_its_own_time():
    """A task that joins later may reach its time earlier; the others go on waiting."""
    queue = queue_of()
    (patient,) = waiting_in(queue, 1, 60.0)
    (hasty,) = waiting_in(queue, 1, 0.05)
    (hastier,) = waiting_in(queue, 1, 0.02)
    (forever,) = waiting_in(queue, 1, float("inf"))
    await hastier
    assert not hasty.done()
    await hasty
    assert not patient.done()
    assert queue.serve("yours")
    assert queue.serve("and yours")
    assert (await patient, await forever) == ("yours", "and yours")


async def test_who_is_about_to_leave_is_not_served():
    """A cancelled or late task that has not run yet is skipped; the next one is served."""
    queue = queue_of()
    first, second = waiting_in(queue, 2)
    await settle()
    first.cancel("enough")
    assert queue.serve("yours")
    assert await second == "yours"
    with pytest.raises(asyncio.CancelledError) as caught:
        await first
    assert caught.value.args == ("enough",)


async def test_a_cancellation_that_comes_too_late_is_the_tasks_own():
    """It was served and then cancelled: the task is cancelled, and its turn holds what it was given."""
    queue = queue_of()
    turn = queue.join()
    assert queue.serve("yours")
    assert not turn.cancel()
    turn.end("late")
    assert turn.result() == "yours"


async def test_a_second_cancellation_changes_nothing():
    """The task is cancelled once, with the last message."""
    queue = queue_of()
    (task,) = waiting_in(queue, 1)
    await settle()
    task.cancel("first")
    task.cancel("second")
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.args == ("second",)
    assert len(queue) == 0


async def test_what_has_ended_takes_no_memory():
    """Turns that were cancelled, late or served do not pile up while others wait."""
    queue = queue_of()
    (patient,) = waiting_in(queue, 1, 600.0)
    await settle()
    for _ in range(20):
        tasks = waiting_in(queue, 500, 300.0)
        await settle()
        for number, task in enumerate(tasks):
            if number % 3:
                task.cancel()
        for turn in queue.turns()[1:]:
            turn.end("over")
        await asyncio.wait(tasks)
    assert len(queue._queue) < 1_000
    assert len(queue._by_time) < 1_000
    for _ in range(2_000):
        queue.join(queue.loop.time() + 60)
        assert queue.serve("yours")
    assert await patient == "yours"
    assert len(queue._by_time) < 1_000


async def test_a_line_that_was_left_keeps_no_timer_and_no_turn():
    """Nothing of it is left behind when it is closed."""
    queue = queue_of()
    (task,) = waiting_in(queue, 1)
    await settle()
    queue.close("over")
    queue.close("over")
    assert await task == "over"
    gone = weakref.ref(queue)
    del queue, task
    await settle()
    gc.collect()
    assert gone() is None


async def test_a_pause_has_its_own_length_and_closing_ends_all():
    """Each ends by itself; after the end no pause begins."""
    pauses = Pauses()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await pauses.wait(0.02)
    assert loop.time() - began >= 0.019
    long = asyncio.create_task(pauses.wait(60))
    await settle()
    pauses.end()
    await long
    await pauses.wait(60)
    assert loop.time() - began < 5


async def test_pauses_that_never_were_end_too():
    """A session that never paused closes all the same."""
    pauses = Pauses()
    pauses.end()
    assert pauses.over

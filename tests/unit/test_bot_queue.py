"""bot/_queue.py: it says which event is next."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twake_async.bot._queue import EventQueue, State, Turn


def turn(name, key="k"):
    return Turn(name, key)


def add(queue, *turns):
    for one in turns:
        assert queue.add(one)
    return turns


def begin(queue):
    """Give slots to all events that may have one."""
    begun = []
    while (one := queue.next()) is not None:
        begun.append(one)
    return begun


def test_events_of_one_key_run_one_after_another_and_others_side_by_side():
    """They run in the order in which they came."""
    queue = EventQueue(10, 10)
    one, two, other, free, more = add(
        queue, turn(1), turn(2), turn(3, "other"), turn(4, None), turn(5, None)
    )
    assert begin(queue) == [one, other, free, more]
    queue.finish(other)
    assert begin(queue) == []
    queue.finish(one)
    assert begin(queue) == [two]
    for last in (two, free, more):
        queue.finish(last)
    assert queue.is_idle


def test_no_more_run_than_there_are_slots():
    """A key that is free waits for a slot."""
    queue = EventQueue(2, 10)
    turns = add(queue, *(turn(n, str(n)) for n in range(3)))
    assert begin(queue) == list(turns[:2])
    assert (queue.running, queue.queued) == (2, 1)
    queue.finish(turns[1])
    assert begin(queue) == [turns[2]]


def test_a_full_queue_holds_events_and_takes_them_in_order():
    """It holds as many events as it queues, and no more."""
    queue = EventQueue(1, 1)
    running, queued = turn(1), turn(2)
    add(queue, running)
    assert begin(queue) == [running]
    add(queue, queued)
    late, later = turn(3), turn(4)
    told = []
    late.settle = lambda found: told.append(("late", found))
    assert not queue.add(late)
    assert queue.hold(late)
    assert not queue.hold(later)
    assert queue.held == 1
    queue.finish(running)
    assert begin(queue) == [queued]
    assert told == [("late", True)]
    assert (late.state, queue.held, queue.queued) == (State.QUEUED, 0, 1)


def test_one_that_is_held_may_leave():
    """Its place goes to the next event; an event without a listener is queued as well."""
    queue = EventQueue(1, 2)
    running, *rest = [turn(n) for n in range(3)]
    add(queue, running)
    begin(queue)
    add(queue, *rest)
    gone, stays = turn("gone"), turn("stays")
    queue.hold(gone)
    queue.hold(stays)
    queue.drop_held(gone)
    queue.finish(running)
    begin(queue)
    assert (gone.state, stays.state) == (State.DONE, State.QUEUED)


def test_one_that_waits_gives_up_its_slot_and_its_place():
    """So it blocks neither its channel nor the bot."""
    queue = EventQueue(1, 10)
    first, second = add(queue, turn(1), turn(2))
    assert begin(queue) == [first]
    queue.pause(first)
    assert begin(queue) == [second]
    queue.resume(first)
    assert begin(queue) == []
    queue.finish(second)
    assert begin(queue) == [first]
    queue.finish(first)
    assert queue.is_idle


def test_one_that_resumes_goes_before_those_that_have_not_begun():
    """It had begun before them."""
    queue = EventQueue(5, 10)
    first, second, third = add(queue, turn(1), turn(2), turn(3))
    begin(queue)
    queue.pause(first)
    assert begin(queue) == [second]
    queue.resume(first)
    queue.finish(second)
    assert begin(queue) == [first]
    queue.finish(first)
    assert begin(queue) == [third]


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("state", ["waiting", "ready", "behind"])
def test_one_that_is_cancelled_goes_on_at_once(state, key):
    """It goes on beyond the limit, in whatever state it was."""
    queue = EventQueue(1, 10)
    first, second = add(queue, turn(1, key), turn(2, key))
    begin(queue)
    queue.pause(first)
    if state == "behind":
        assert begin(queue) == [second]
    if state != "waiting":
        queue.resume(first)
    queue.go_on_now(first)
    assert first.state is State.RUNNING
    assert queue.resuming == 0
    queue.pause(first)  # it may wait again, though the key is another's
    queue.resume(first)
    queue.go_on_now(first)
    queue.finish(first)
    if state != "behind":
        assert begin(queue) == [second]
    queue.finish(second)
    assert queue.is_idle


@pytest.mark.parametrize("how", ["waiting", "resuming", "running"])
def test_one_that_ends_wherever_it_stands_blocks_nobody(how):
    """An event that is cut off ends so."""
    queue = EventQueue(1, 10)
    first, second = add(queue, turn(1), turn(2))
    begin(queue)
    if how != "running":
        queue.pause(first)
    if how == "resuming":
        queue.resume(first)
    queue.finish(first)
    assert begin(queue) == [second]
    queue.finish(second)
    assert queue.is_idle
    assert queue.next() is None


def test_what_has_not_begun_can_be_dropped():
    """Events that run, wait or resume stay."""
    queue = EventQueue(2, 10)
    first, second, _, _ = add(queue, turn(1), turn(2), turn(3), turn(4, "other"))
    begin(queue)
    queue.pause(first)
    begin(queue)
    queue.resume(first)
    assert queue.clear() == 1  # the other one runs
    queue.finish(second)
    assert begin(queue) == [first]
    queue.finish(first)
    queue.add(turn(5))
    queue.add(turn(6))
    queue.add(turn(7, None))
    assert queue.clear() == 3
    assert queue.next() is None


def test_those_that_are_held_can_be_taken_out():
    """They are done, and the queue holds none of them."""
    queue = EventQueue(1, 1)
    add(queue, turn(1))
    held = turn(2)
    queue.hold(held)
    assert queue.take_held() == [held]
    assert (held.state, queue.held) == (State.DONE, 0)


class Machine(RuleBasedStateMachine):
    """Any order of calls keeps the order of each key, and the limits."""

    def __init__(self):
        super().__init__()
        self.queue = EventQueue(3, 4)
        self.count = 0
        self.turns = []
        self.begun = {}  # by key: the numbers in the order in which they began

    def of(self, *states):
        return [one for one in self.turns if one.state in states]

    @rule(key=st.sampled_from(["a", "b", None]))
    def add(self, key):
        self.count += 1
        one = Turn(self.count, key)
        if (self.queue.held == 0 and self.queue.add(one)) or self.queue.hold(one):
            self.turns.append(one)

    @rule()
    def next(self):
        before = {id(one) for one in self.of(State.QUEUED)}
        one = self.queue.next()
        if one is not None and id(one) in before:
            self.begun.setdefault(one.key, []).append(one.event)

    @precondition(lambda self: self.of(State.RUNNING))
    @rule(data=st.data(), call=st.sampled_from(["pause", "finish"]))
    def end(self, data, call):
        getattr(self.queue, call)(data.draw(st.sampled_from(self.of(State.RUNNING))))

    @precondition(lambda self: self.of(State.WAITING))
    @rule(data=st.data(), call=st.sampled_from(["resume", "finish", "go_on_now"]))
    def wake(self, data, call):
        getattr(self.queue, call)(data.draw(st.sampled_from(self.of(State.WAITING))))

    @precondition(lambda self: self.of(State.RESUMING))
    @rule(data=st.data(), call=st.sampled_from(["finish", "go_on_now"]))
    def leave(self, data, call):
        getattr(self.queue, call)(data.draw(st.sampled_from(self.of(State.RESUMING))))

    @precondition(lambda self: self.of(State.HELD))
    @rule(data=st.data())
    def drop(self, data):
        self.queue.drop_held(data.draw(st.sampled_from(self.of(State.HELD))))

    @invariant()
    def counts_are_right(self):
        queue = self.queue
        assert queue.running == len(self.of(State.RUNNING))
        assert queue.queued == len(self.of(State.QUEUED)) <= queue.size
        assert queue.resuming == len(self.of(State.RESUMING))
        assert queue.held == len(self.of(State.HELD)) <= queue.size

    @invariant()
    def one_of_each_key_runs(self):
        for key in ("a", "b"):
            owners = [one for one in self.of(State.RUNNING) if one.key == key and one.has_key]
            assert len(owners) <= 1

    @invariant()
    def each_key_begins_in_order(self):
        for key, numbers in self.begun.items():
            if key is not None:
                assert numbers == sorted(numbers)

    def teardown(self):
        # In the end, all events get their turn.
        left = deque(self.turns)
        for _ in range(10 * len(left) + 10):
            while self.queue.next() is not None:
                pass
            for one in self.of(State.WAITING):
                self.queue.resume(one)
            for one in self.of(State.RUNNING):
                self.queue.finish(one)
        assert self.queue.is_idle
        assert {one.state for one in self.turns} <= {State.DONE}


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

"""What machines that share a journal agree on: how long an intent is valid, and whose turn it is."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from twake_async._journal import intents
from twake_async._journal.slots import SHARE, Slots, slots_at_once

#: Seconds that floats add up without an error.
TIMES = st.integers(0, 60 * 1024).map(lambda n: n / 1024)


@given(before=TIMES, takes=TIMES, late=TIMES)
def test_no_request_leaves_once_the_wait_of_a_takeover_is_over(before, takes, late):
    """The intent was committed before the takeover, so it ends before the wait of the takeover."""
    taken_at = before + takes
    leaves = taken_at + late
    if intents.wait_after_takeover(taken_at, leaves) == 0:
        assert not intents.is_valid(before, leaves)


def test_an_intent_is_valid_for_five_seconds_and_not_before_it_was_committed():
    """A clock that was set back proves nothing."""
    assert intents.is_valid(100.0, 104.9)
    assert not intents.is_valid(100.0, 105.0)
    assert not intents.is_valid(100.0, 99.0)
    assert intents.wait_after_takeover(100.0, 101.0) == 4.0
    assert intents.wait_after_takeover(100.0, 200.0) == 0.0


def test_the_clock_of_intents_goes_on():
    """It is that of this process, and never set back."""
    first = intents.now()
    assert intents.now() >= first


@given(rate=st.floats(0.01, 100_000))
def test_one_reservation_is_for_a_twentieth_of_a_second_at_the_most(rate):
    """Or for one message, where the rate is lower."""
    count = slots_at_once(rate)
    assert count == 1 or count <= rate * SHARE


@given(rate=st.floats(0.1, 10_000), waits=st.lists(st.floats(0, 1), max_size=60))
def test_turns_are_no_closer_than_the_rate_allows(rate, waits):
    """The time at which they are taken makes no difference: a missed turn is lost."""
    slots, now, reserved, taken = Slots(rate), 0.0, 0.0, []
    for wait in waits:
        now += wait
        slot = slots.take(now)
        if slot is None:
            first = max(reserved, now)
            reserved = first + slots_at_once(rate) / rate
            slots.add(first)
            slot = slots.take(now)
        assert slot > now - SHARE
        taken.append(slot)
    assert all(b - a >= 0.999 / rate for a, b in itertools.pairwise(taken))

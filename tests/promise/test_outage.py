"""When a batch pauses and how it goes on: each rule, and all that can happen to a small batch."""

from __future__ import annotations

import copy

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async import NotSentError, OutcomeUnknownError, RefusedError, TwakeError
from twake_async._batch.outage import LOST_ANSWERS, PAUSES, UNKNOWNS, Outage

AWAY = ("gateway", "gateway_answer", "timeout")


def unknown(reason: str) -> TwakeError:
    error = OutcomeUnknownError("nobody knows", reason=reason)
    error.attempts = 1
    return error


def not_sent(reason: str, attempts: int = 0) -> TwakeError:
    error = NotSentError("it never left", reason=reason)
    error.attempts = attempts
    return error


def send(outage: Outage, *results: TwakeError | None) -> None:
    """Send one message after the other, as long as one may leave."""
    for end in results:
        assert outage.step() == "send"
        outage.record(outage.acquire(), end)


def send_at_once(outage: Outage, *results: TwakeError | None) -> None:
    """Send so many messages side by side, and let them end in this order."""
    permits = [outage.acquire() for _ in results]
    for permit, end in zip(permits, results, strict=True):
        outage.record(permit, end)


# --- what begins a pause, and what does not ------------------------------------------------------


@pytest.mark.parametrize("reason", AWAY)
def test_a_gateway_or_a_timeout_begins_a_pause_at_once(reason):
    """One such message is enough: the server behind is away, or does not answer."""
    outage = Outage(10)
    send(outage, unknown(reason))
    assert (outage.state, outage.reason, outage.step()) == ("paused", reason, "probe")


def test_a_lost_answer_costs_one_probe():
    """If the server answers it, the batch goes on as wide as before, and no pause is counted."""
    outage = Outage(10)
    send(outage, unknown("lost"))
    assert (outage.state, outage.step()) == ("checking", "probe")
    outage.record_probe(answered=True)
    assert (outage.step(), outage.limit, outage.pauses) == ("send", 10, 0)


def test_a_lost_answer_whose_probe_is_lost_too_is_a_pause():
    """After it the batch goes on with one message."""
    outage = Outage(10)
    send(outage, unknown("lost"))
    outage.record_probe(answered=False)
    assert (outage.state, outage.reason, outage.pauses) == ("paused", "lost", 1)
    outage.record_probe(answered=False)
    assert outage.pauses == 1
    outage.record_probe(answered=True)
    assert (outage.step(), outage.limit) == ("send", 1)


def test_several_lost_answers_are_a_pause():
    """They may come at once, or one after the other, as long as no answer arrives in between."""
    outage = Outage(10)
    send_at_once(outage, unknown("lost"), unknown("lost"))
    assert (outage.state, outage.pauses) == ("paused", 1)
    outage = Outage(10)
    send(outage, unknown("lost"))
    outage.record_probe(answered=True)
    send(outage, unknown("lost"))
    assert (outage.state, outage.pauses) == ("paused", 1)


@pytest.mark.parametrize("arrived", [None, RefusedError("no", reason="group")])
def test_lost_answers_with_messages_between_them_are_single_ones(arrived):
    """A delivery, or a refusal in the server's own words, shows that it works."""
    outage = Outage(10)
    for _ in range(5):
        send(outage, unknown("lost"))
        outage.record_probe(answered=True)
        send(outage, arrived)
    assert (outage.state, outage.pauses, outage.limit) == ("sending", 0, 10)


@pytest.mark.parametrize("reason", ["status", "server_error", "unreadable", "unproven", "mismatch"])
def test_three_unknown_messages_in_a_row_are_a_pause_whatever_they_are(reason):
    """Two of them are not, nor are more with deliveries between them."""
    outage = Outage(10)
    send(outage, unknown(reason), unknown(reason))
    assert outage.state == "sending"
    send(outage, None, unknown(reason), unknown(reason))
    assert outage.state == "sending"
    send(outage, unknown(reason))
    assert (outage.state, outage.reason) == ("paused", reason)


@pytest.mark.parametrize(
    "neutral",
    [
        not_sent("connect", attempts=4),
        not_sent("deadline"),
        RefusedError("413", reason="status"),
        RefusedError("429", reason="later"),
    ],
    ids=lambda error: error.reason,
)
def test_what_never_left_or_a_gateway_refused_begins_no_pause_and_ends_no_row(neutral):
    """Such an outcome shows nothing about the server behind."""
    outage = Outage(10)
    send(outage, *[neutral] * 5, unknown("status"), unknown("status"), neutral)
    assert outage.state == "sending"
    send(outage, unknown("status"))
    assert outage.state == "paused"


# --- how it goes on ------------------------------------------------------------------------------


def paused(in_flight: int = 10) -> Outage:
    outage = Outage(in_flight)
    send(outage, unknown("gateway"))
    return outage


def test_after_a_pause_one_message_goes_first_then_two_then_four():
    """Each message that ends makes room for one more, up to the allowed number."""
    outage = paused()
    outage.record_probe(answered=True)
    for width in (1, 2, 4, 8, 10, 10):
        permits = []
        while outage.step() == "send":
            permits.append(outage.acquire())
        assert (len(permits), outage.step()) == (width, "wait")
        for permit in permits:
            outage.record(permit, None)


def test_a_draft_that_cannot_be_sent_makes_no_room():
    """It shows nothing; a message that left makes room, whatever its outcome."""
    outage = paused()
    outage.record_probe(answered=True)
    send(outage, *[not_sent("draft")] * 5)
    assert outage.limit == 1
    send(outage, not_sent("connect", attempts=1), RefusedError("413", reason="status"))
    assert outage.limit == 3


def test_only_one_asks_the_server():
    """The others wait for the result."""
    outage = paused()
    outage.is_probing = True
    assert outage.step() == "wait"


def test_one_outage_is_one_pause_however_many_messages_it_costs():
    """Messages on their way when the pause began neither begin another one nor take up room."""
    outage = Outage(10)
    permits = [outage.acquire() for _ in range(10)]
    for permit in permits[:6]:
        outage.record(permit, unknown("gateway"))
    outage.record_probe(answered=True)
    assert (outage.pauses, outage.step()) == (1, "send")
    for permit in permits[6:]:
        outage.record(permit, unknown("timeout"))
    assert (outage.state, outage.pauses, outage.limit) == ("sending", 1, 1)


def test_a_permit_of_before_a_pause_lets_nothing_leave():
    """A message that waited for the rate while the pause began asks again."""
    outage = Outage(3)
    waiting = outage.acquire()
    assert outage.is_valid(waiting)
    send(outage, unknown("timeout"))
    assert not outage.is_valid(waiting)
    outage.release(waiting)
    outage.record_probe(answered=True)
    permit = outage.acquire()
    assert outage.is_valid(permit)
    assert outage.step() == "wait"
    outage.release(permit)
    assert outage.step() == "send"


# --- when it gives up ----------------------------------------------------------------------------


def test_three_pauses_in_a_row_without_a_delivery_end_the_batch():
    """The speed of the answers to the probes makes no difference."""
    outage = Outage(10)
    for number in range(1, PAUSES + 1):
        send(outage, unknown("gateway_answer"))
        assert outage.pauses == number
        if number < PAUSES:
            outage.record_probe(answered=True)
    assert outage.step() == "end"


@pytest.mark.parametrize("arrived", [None, RefusedError("no", reason="capability")])
def test_pauses_with_messages_between_them_end_nothing(arrived):
    """Messages that a gateway always rejects do not end a batch whose others arrive."""
    outage = Outage(10)
    for _ in range(50):
        send(outage, unknown("gateway_answer"))
        outage.record_probe(answered=True)
        send(outage, arrived)
    assert outage.step() == "send"


def test_a_message_that_is_still_on_its_way_may_save_the_batch():
    """After three bad messages in a row, the batch waits for a good one that takes long."""
    outage = Outage(4)
    slow = outage.acquire()
    for number in range(PAUSES):
        send(outage, unknown("gateway"))
        if number < PAUSES - 1:
            outage.record_probe(answered=True)
    assert outage.step() == "wait"
    saved = copy.deepcopy(outage)
    saved.record(slow, None)
    assert (saved.step(), saved.pauses) == ("probe", 1)
    outage.record(slow, unknown("timeout"))
    assert outage.step() == "end"


# --- all that can happen -------------------------------------------------------------------------

RESULTS = {
    "delivered": None,
    "gateway": unknown("gateway"),
    "lost": unknown("lost"),
    "500": unknown("status"),
    "connect": not_sent("connect", attempts=1),
}


@attrs.define
class World:
    """A batch and a server that may do anything, as seen from outside the breaker."""

    outage: Outage
    left: int
    permits: tuple[int, ...] = ()
    unknown: int = 0
    delivered: bool = False
    """Whether a message was delivered since the last pause was over."""
    empty_pauses: int = 0
    """Pauses that began in a row without a delivery between them."""

    def key(self) -> tuple:
        return (
            *attrs.astuple(self.outage),
            self.left,
            self.permits,
            self.unknown,
            self.delivered,
            self.empty_pauses,
        )


def moves(world: World, results: tuple[str, ...]):
    """Yield each possible next world: a message leaves, one ends, or a probe comes back."""
    if world.left and world.outage.step() == "send" and len(world.permits) < world.outage.in_flight:
        after = copy.deepcopy(world)
        after.permits = (*after.permits, after.outage.acquire())
        after.left -= 1
        yield "leaves", after
    for index in range(len(world.permits)):
        for end in results:
            after = copy.deepcopy(world)
            permit = after.permits[index]
            after.permits = after.permits[:index] + after.permits[index + 1 :]
            after.outage.record(permit, RESULTS[end])
            after.unknown += end not in ("delivered", "connect")
            _note(world, after, delivered=end == "delivered")
            yield end, after
    if world.outage.step() == "probe":
        for answered in (True, False):
            after = copy.deepcopy(world)
            after.outage.record_probe(answered=answered)
            _note(world, after, delivered=False)
            yield f"probe {answered}", after


def _note(before: World, after: World, *, delivered: bool) -> None:
    was_paused, is_paused = (one.outage.state == "paused" for one in (before, after))
    if delivered and not was_paused:
        after.delivered = True
    if is_paused and not was_paused:
        after.empty_pauses = 1 if after.delivered else after.empty_pauses + 1
    if was_paused and not is_paused:
        after.delivered = False


def explore(world: World, results: tuple[str, ...]):
    """Yield each world that can be reached, once."""
    seen, waiting = {world.key()}, [world]
    while waiting:
        world = waiting.pop()
        yield world
        for _, after in moves(world, results):
            if after.key() not in seen:
                seen.add(after.key())
                waiting.append(after)


@pytest.mark.parametrize(
    "results",
    [
        ("delivered", "gateway"),
        ("delivered", "lost"),
        ("lost", "500", "connect"),
        ("gateway", "500"),
    ],
    ids=" ".join,
)
def test_whatever_happens_a_batch_goes_on_or_ends_for_a_reason(results):
    """Nothing hangs, the limit holds, and only three empty pauses in a row end a batch."""
    count = 0
    for world in explore(World(Outage(3), left=7), results):
        count += 1
        outage, step = world.outage, world.outage.step()
        of_now = sum(permit == outage._round for permit in world.permits)
        assert 1 <= outage.limit <= 3
        assert of_now <= max(outage.limit, 1)
        assert outage._permits == len(world.permits)
        if step == "end":
            assert world.empty_pauses >= PAUSES
            assert not world.permits
        if step == "wait":
            assert world.permits, "who waits, waits for a message"
        if "delivered" not in results and outage.state == "paused":
            assert outage.pauses == world.empty_pauses
    assert count > 100


@pytest.mark.parametrize("in_flight", [1, 2, 3])
@pytest.mark.parametrize("results", [("gateway",), ("lost",), ("500",), ("gateway", "lost", "500")])
def test_a_server_that_delivers_nothing_costs_few_messages(results, in_flight):
    """For any results of its probes, a batch gives up after a bounded number of UNKNOWN."""
    worst, ended = 0, False
    for world in explore(World(Outage(in_flight), left=4 * in_flight + 4), results):
        worst = max(worst, world.unknown)
        ended = ended or world.outage.step() == "end"
        if not world.left and not world.permits:
            assert world.outage.step() == "end"
    assert ended
    assert worst <= in_flight + (UNKNOWNS - 1) + (PAUSES - 1)


@pytest.mark.parametrize("in_flight", [2, 3])
def test_single_bad_messages_end_no_batch(in_flight):
    """If a delivery follows each pause, the batch goes on for ever."""
    for world in explore(World(Outage(in_flight), left=6), ("delivered", "gateway")):
        if world.outage.step() == "end":
            assert world.unknown >= PAUSES
            assert world.empty_pauses >= PAUSES


@given(
    st.integers(1, 20),
    st.lists(st.sampled_from(["leave", "delivered", "gateway", "lost", "500", "up", "down"])),
)
def test_after_an_outage_each_message_that_arrives_widens_it_again(in_flight, script):
    """In any state, a server that works again brings a batch back to its full width."""
    outage, permits = Outage(in_flight), []
    for word in script:
        if word == "leave" and outage.step() == "send" and len(permits) < in_flight:
            permits.append(outage.acquire())
        elif word in ("up", "down") and outage.step() == "probe":
            outage.record_probe(answered=word == "up")
        elif word in RESULTS and permits:
            outage.record(permits.pop(0), RESULTS[word])
    while permits:
        outage.record(permits.pop(0), None)
    if outage.step() == "end":
        return
    for _ in range(in_flight + 1):
        if outage.step() == "probe":
            outage.record_probe(answered=True)
        send(outage, None)
    assert (outage.state, outage.limit, outage.pauses) == ("sending", in_flight, 0)
    assert LOST_ANSWERS < UNKNOWNS

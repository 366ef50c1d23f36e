"""The loop of attempts: waits, cooldown, budget and the combined outcome, with a fake clock."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import weakref
from email.utils import formatdate
from typing import Any

import attrs
import pytest
from encoding import encode_save

from twake_async import (
    Attempt,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    RetryBudget,
    RetryPolicy,
    SessionClosedError,
    TwakeError,
)
from twake_async._attempts.attempt_loop import LONGEST_COOLDOWN, Attempts
from twake_async._attempts.send import Clock
from twake_async._protocol.exchange import EXPIRED, Answer, Failure
from twake_async._transport.httpx.injected import NoPool
from twake_async._transport.trace import Trace
from twake_async._waiting import Pauses
from twake_async.messages import MessageDraft
from twake_async.retry import Tokens

REQUEST = encode_save(MessageDraft("c1", "Hello", front_id="mine"), group_id="g1")
EDIT = encode_save(MessageDraft("c1", "Hello", id="m1"), group_id="g1")
GOOD = Answer(200, [], b'{"object": {"id": "m1", "front_id": "mine"}}')
LOST = Failure(sent=True, reason="lost", detail="gone")
REFUSED = Failure(sent=False, reason="connect", detail="nobody there")
WALL = 1_800_000_000.0


def later(value: str | None = None) -> Answer:
    return Answer(429, [(b"Retry-After", value.encode())] if value is not None else [], b"")


@attrs.define
class Time:
    """A clock that moves only when somebody waits."""

    at: float = 100.0
    waits: list[float] = attrs.field(factory=list)
    chance: float = 0.5

    async def pause(self, seconds: float, line: Pauses) -> None:
        self.waits.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(lambda: self.at, self.pause, lambda: self.chance, lambda: WALL)


class Prepared:
    """A request that must be prepared before each attempt; it is its own steps."""

    target = None
    channel_id = None
    front_id = "mine"
    operation = "create"
    repeatable = False
    is_ready = False
    can_look = False
    can_read = True

    @property
    def steps(self):
        return self

    def can_recover(self, error) -> bool:
        return False

    def observed(self, requests: int) -> None:
        return None

    def __init__(self, time: Time, *results, takes: float = 1.0) -> None:
        self.time, self.results, self.takes = time, list(results), takes
        self.left: list[float] = []

    async def prepare(self, seconds: float):
        self.left.append(seconds)
        self.time.at += self.takes
        return self.results.pop(0) if self.results else None

    def judge(self, answer, context):
        return REQUEST.judge(answer, context)

    def named_by(self, result):
        return result.id


async def test_what_must_happen_before_an_attempt_happens_before_each_of_them():
    """The preparation is told the time that is left, and its own time counts."""
    time = Time()
    request = Prepared(time)
    loop = attempts(REFUSED, GOOD, time=time)
    await loop.run(request, RetryPolicy(), 30)
    assert request.left == pytest.approx([30, 28.9])
    assert loop.transport.seconds == pytest.approx([29, 27.9])


async def test_an_attempt_that_cannot_be_prepared_is_one_that_ended_so():
    """The observer is told of it, and the policy decides whether another attempt follows."""
    time = Time()
    seen: list[Attempt] = []
    unsent = NotSentError("no login", reason="connect")
    request = Prepared(time, unsent, RefusedError("no login", reason="authentication"))
    with pytest.raises(RefusedError) as caught:
        await attempts(time=time, on_attempt=seen.append).run(request, RetryPolicy(), 30)
    assert [(one.outcome, one.reason) for one in seen] == [
        (Outcome.NOT_SENT, "connect"),
        (Outcome.REFUSED, "authentication"),
    ]
    assert (caught.value.attempts, caught.value.front_id) == (2, "mine")


@pytest.mark.parametrize("takes", [30.0, 31.0])
async def test_nothing_leaves_where_the_preparation_took_all_the_time(takes):
    """The deadline includes the preparation."""
    time = Time()
    loop = attempts(GOOD, time=time)
    loop.transport.pool = Pool()
    with pytest.raises(NotSentError) as caught:
        await loop.run(Prepared(time, takes=takes), RetryPolicy(), 30)
    assert (caught.value.reason, caught.value.attempts) == ("deadline", 1)
    assert loop.transport.pool.asked == []


async def test_a_preparation_that_fails_too_late_says_why_it_failed():
    """The reason says more than a passed deadline."""
    time = Time()
    request = Prepared(time, NotSentError("no login", reason="login"), takes=31.0)
    with pytest.raises(NotSentError, match="no login"):
        await attempts(time=time).run(request, RetryPolicy(), 30)


async def test_what_the_preparation_leaves_is_enough():
    """Half a second may be enough."""
    time = Time()
    loop = attempts(GOOD, time=time)
    await loop.run(Prepared(time, takes=29.5), RetryPolicy(), 30)
    assert loop.transport.seconds == [0.5]


@attrs.define
class Script:
    """A transport that returns the results that it was given."""

    facts: list
    seconds: list[float] = attrs.field(factory=list)
    closed: bool = False
    pool: Any = attrs.field(factory=NoPool)
    named: str | None = None
    """The id of the message that the connection's last answer named."""
    connections: list = attrs.field(factory=list)
    names: list = attrs.field(factory=list)
    """The ids that the answers named, for the next request over the connection."""

    def start_trace(self) -> Trace:
        return Trace()

    async def attempt(self, connection, prepared, trace, seconds, judge):
        self.seconds.append(seconds)
        self.connections.append(connection)
        fact = self.facts.pop(0)
        if isinstance(fact, asyncio.CancelledError):
            raise fact
        verdict = judge(fact, self.named)
        self.names.append(verdict.names)
        return verdict.result

    async def aclose(self) -> None:
        self.closed = True


def attempts(*facts, budget=RetryBudget(), time=None, **options) -> Attempts:  # noqa: B008
    time = time or Time()
    return Attempts(Script(list(facts)), Tokens(budget), clock=time.clock(), **options)


@attrs.define
class Pool:
    """A pool that notes what it is asked for; its connections are numbered."""

    idle: int | None = None
    """A connection that can be had at once."""
    asked: list = attrs.field(factory=list)
    released: list = attrs.field(factory=list)

    def acquire_nowait(self, target):
        self.asked.append(target)
        return self.idle

    def release(self, connection, *, reusable):
        self.released.append((connection, reusable))

    async def acquire(self, target, seconds, *, once):
        self.asked.append((target, seconds, once))
        return 2


@pytest.mark.parametrize("unsent_attempts", [None, 1])
async def test_a_send_asks_the_pool_for_a_connection_in_its_time(unsent_attempts):
    """It names its message; where unsent attempts are limited, it does not wait for ever."""
    loop = attempts(GOOD)
    loop.transport.pool = pool = Pool()
    await loop.run(EDIT, RetryPolicy(unsent_attempts=unsent_attempts), 30)
    assert pool.asked == ["m1", ("m1", 30, unsent_attempts is not None)]
    assert loop.transport.connections == [2]


async def test_one_request_alone_asks_the_pool_once():
    """It does not try a failed connection again."""
    loop = attempts(GOOD)
    loop.transport.pool = pool = Pool()
    assert (await loop.ask(EDIT, 30)).id == "m1"
    assert pool.asked == ["m1", ("m1", 30, True)]
    assert loop.transport.connections == [2]


async def test_an_idle_connection_is_used_at_once():
    """Neither a send nor one request alone waits for another one."""
    loop = attempts(GOOD, GOOD)
    loop.transport.pool = pool = Pool(idle=1)
    await loop.run(EDIT, RetryPolicy(), 30)
    await loop.ask(EDIT, 30)
    assert pool.asked == ["m1", "m1"]
    assert loop.transport.connections == [1, 1]


async def test_an_answer_is_judged_by_what_its_connection_named_before():
    """The answer to another create does not prove that this one was delivered."""
    loop = attempts(GOOD)
    loop.transport.named = "m1"
    with pytest.raises(OutcomeUnknownError) as caught:
        await loop.run(REQUEST, RetryPolicy(), 30)
    assert caught.value.reason == "mismatch"


async def test_a_connection_is_told_which_message_its_answer_proved_delivered():
    """It is told None where the answer proved no delivery: then it is not used again."""
    loop = attempts(later("0"), GOOD)
    await loop.run(REQUEST, RetryPolicy(), 30)
    assert loop.transport.names == [None, "m1"]


async def test_a_wait_that_takes_too_long_leaves_the_reason_of_the_last_attempt():
    """The reason says more than a passed deadline."""
    time = Time()
    clock = time.clock()

    async def pause(seconds: float, pauses: Pauses) -> None:
        await time.pause(60, pauses)

    loop = attempts(later())
    loop.clock = attrs.evolve(clock, pause=pause)
    with pytest.raises(RateLimitedError) as caught:
        await loop.run(REQUEST, RetryPolicy(), 30)
    assert caught.value.attempts == 1


async def test_a_good_answer_ends_the_send_at_once():
    """One attempt, no wait, the message returned."""
    seen: list[Attempt] = []
    loop = attempts(GOOD, on_attempt=seen.append)
    message = await loop.run(REQUEST, RetryPolicy(), 30)
    assert message.id == "m1"
    assert not message.maybe_duplicated
    assert seen == [
        Attempt(
            1,
            Outcome.DELIVERED,
            "",
            None,
            0.0,
            "mine",
            operation="create",
            channel_id="c1",
            message_id="m1",
            status=200,
        )
    ]


async def test_what_was_not_sent_is_tried_again_with_growing_waits():
    """Failed connects wait 0.2, 0.4, 0.8 s at the most, half of it with a draw of one half."""
    time = Time()
    loop = attempts(REFUSED, REFUSED, REFUSED, GOOD, time=time)
    await loop.run(REQUEST, RetryPolicy(), 30)
    assert time.waits == pytest.approx([0.1, 0.2, 0.4])


async def test_the_last_failure_is_raised_with_its_facts():
    """When attempts run out, the exception says how many there were and how long they took."""
    loop = attempts(*[REFUSED] * 4)
    with pytest.raises(NotSentError) as caught:
        await loop.run(REQUEST, RetryPolicy(unsent_attempts=4), 30)
    assert caught.value.attempts == 4
    assert caught.value.front_id == "mine"
    assert caught.value.elapsed == pytest.approx(0.7)
    assert caught.value.__cause__ is None


async def test_a_create_of_unknown_outcome_is_never_repeated_by_default():
    """A lost answer to a create ends the send."""
    loop = attempts(LOST, GOOD)
    with pytest.raises(OutcomeUnknownError) as caught:
        await loop.run(REQUEST, RetryPolicy(), 30)
    assert caught.value.attempts == 1


async def test_an_edit_is_repeated_after_a_lost_answer():
    """An edit is idempotent, so its message is not marked as a possible duplicate."""
    answer = Answer(200, [], b'{"object": {"id": "m1", "front_id": "mine"}}')
    message = await attempts(LOST, answer).run(EDIT, RetryPolicy(), 30)
    assert not message.maybe_duplicated


async def test_a_create_that_was_resent_says_that_it_may_stand_twice():
    """If the caller permits it, a lost create is sent again, and its message is marked."""
    policy = RetryPolicy(on_unknown="resend")
    message = await attempts(LOST, GOOD).run(REQUEST, policy, 30)
    assert message.maybe_duplicated


@pytest.mark.parametrize("last", [Answer(401, [], b""), REFUSED])
async def test_a_refusal_after_a_doubt_is_raised_as_the_doubt(last):
    """A later refusal proves nothing about a lost attempt; it is the cause of the error."""
    policy = RetryPolicy(attempts=2, unsent_attempts=1, on_unknown="resend")
    with pytest.raises(OutcomeUnknownError) as caught:
        await attempts(LOST, last).run(REQUEST, policy, 30)
    assert caught.value.reason == "lost"
    assert caught.value.attempts == 2
    assert isinstance(caught.value.__cause__, RefusedError | NotSentError)
    assert caught.value.__cause__.attempts == 2


async def test_a_refusal_that_is_final_is_not_repeated():
    """Only "later" is tried again."""
    with pytest.raises(RefusedError) as caught:
        await attempts(Answer(401, [], b"")).run(REQUEST, RetryPolicy(), 30)
    assert caught.value.attempts == 1


async def test_retry_after_is_waited_for_and_a_jitter_more():
    """The send waits for the seconds that the server named."""
    time = Time()
    await attempts(later("7"), GOOD, time=time).run(REQUEST, RetryPolicy(), 30)
    assert time.waits == pytest.approx([7.1])


async def test_retry_after_may_be_a_date():
    """An HTTP date is measured against the time of day."""
    time = Time()
    date = formatdate(WALL + 5, usegmt=True)
    await attempts(later(date), GOOD, time=time).run(REQUEST, RetryPolicy(), 30)
    assert time.waits == pytest.approx([5.1])


@pytest.mark.parametrize("value", [None, "soon", "-3", "nan", ""])
async def test_an_absurd_or_absent_retry_after_means_the_usual_wait(value):
    """A 429 that asks for nothing is tried again like any other."""
    time = Time()
    await attempts(later(value), GOOD, time=time).run(REQUEST, RetryPolicy(), 30)
    assert time.waits == pytest.approx([0.1])


async def test_no_wait_reaches_the_deadline():
    """A pause that ends after the deadline is not begun: the refusal is raised at once."""
    time = Time()
    with pytest.raises(RateLimitedError) as caught:
        await attempts(later("31"), GOOD, time=time).run(REQUEST, RetryPolicy(), 30)
    assert caught.value.retry_after == 31
    assert time.waits == []


async def test_a_pause_may_be_as_long_as_the_longest_one():
    """The send that meets it waits."""
    time = Time()
    await attempts(later("7"), GOOD, time=time).run(REQUEST, RetryPolicy(), 30, longest_pause=7.0)
    assert time.waits == pytest.approx([7.1])


async def test_the_rest_of_a_cooldown_may_be_as_long_as_the_longest_pause():
    """A send that begins then waits for it."""
    time = Time()
    loop = attempts(later("7"), GOOD, time=time)
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 30)
    await loop.run(REQUEST, RetryPolicy(), 30, longest_pause=7.0)
    assert time.waits == pytest.approx([7.1])


async def test_a_longer_pause_than_the_longest_one_ends_the_send():
    """Another send that may wait no longer does not begin."""
    time = Time()
    loop = attempts(later("7.5"), time=time)
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy(), 30, longest_pause=7.0)
    with pytest.raises(NotSentError, match="longer than the idle time") as caught:
        await loop.run(REQUEST, RetryPolicy(), 30, longest_pause=7.0)
    assert (caught.value.reason, caught.value.attempts, time.waits) == ("cooldown", 0, [])


async def test_the_cooldown_holds_for_every_send_of_the_session():
    """A Retry-After that one send met makes the next one wait before its first attempt."""
    time = Time()
    loop = attempts(later("7"), GOOD, time=time)
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 30)
    await loop.run(REQUEST, RetryPolicy.never(), 30)
    assert time.waits == pytest.approx([7.1])


@pytest.mark.parametrize(("passed", "waits"), [(6.5, [0.6]), (7.0, [])])
async def test_a_cooldown_is_over_once_its_time_has_passed(passed, waits):
    """A send waits for the rest of a cooldown, and later sends do not wait, jitter included."""
    time = Time()
    loop = attempts(later("7"), GOOD, time=time)
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 30)
    time.at += passed
    await loop.run(REQUEST, RetryPolicy.never(), 30)
    assert time.waits == pytest.approx(waits)


async def test_a_batch_is_told_what_is_left_of_a_cooldown():
    """It is told 0 seconds before and after a cooldown, and once the session closes."""
    time = Time()
    loop = attempts(later("7"), time=time)
    assert loop.cooling() == 0.0
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 30)
    assert loop.cooling() == 7.0
    time.at += 6.5
    assert loop.cooling() == 0.5
    time.at += 1.0
    assert loop.cooling() == 0.0
    time.at -= 1.0
    await loop.aclose()
    assert loop.cooling() == 0.0


@pytest.mark.parametrize("seconds", [5, 7])
async def test_a_send_whose_deadline_ends_within_the_cooldown_does_not_begin(seconds):
    """Nothing is sent, nobody waits, and the reason says why."""
    time = Time(chance=0.0)
    loop = attempts(later("7"), time=time)
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 30)
    with pytest.raises(NotSentError, match="ends after the deadline") as caught:
        await loop.run(REQUEST, RetryPolicy(), seconds)
    assert caught.value.reason == "cooldown"
    assert caught.value.attempts == 0
    assert time.waits == []


async def test_a_huge_retry_after_does_not_stop_the_session_for_good():
    """The cooldown is bounded, whatever one answer says."""
    time = Time()
    loop = attempts(later("99999999999999"), GOOD, time=time)
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 30)
    await loop.run(REQUEST, RetryPolicy.never(), 2 * LONGEST_COOLDOWN)
    assert time.waits == [pytest.approx(LONGEST_COOLDOWN + 0.1)]


async def test_a_shorter_retry_after_does_not_shorten_the_cooldown():
    """The longest pause that was asked for counts."""
    time = Time()
    loop = attempts(later("20"), later("1"), GOOD, time=time)
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 30)
    await loop.run(REQUEST, RetryPolicy(), 90)
    assert time.waits[0] == pytest.approx(20.1)
    assert time.waits[1] == pytest.approx(1.1)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_deadline_that_is_over_sends_nothing(seconds):
    """No attempt is made where there is no time for one."""
    loop = attempts()
    with pytest.raises(NotSentError) as caught:
        await loop.run(REQUEST, RetryPolicy(), seconds)
    assert caught.value.reason == "deadline"
    assert caught.value.attempts == 0


async def test_each_attempt_gets_what_is_left_of_the_deadline():
    """The waits count, too."""
    loop = attempts(REFUSED, GOOD)
    await loop.run(REQUEST, RetryPolicy(), 30)
    assert loop.transport.seconds == pytest.approx([30, 29.9])
    loop = attempts(GOOD)
    await loop.run(REQUEST, RetryPolicy(), 0.5)
    assert loop.transport.seconds == [0.5]


async def test_no_attempt_begins_after_the_deadline():
    """The wait for a connection took too long: the connection goes back, and nothing leaves."""
    time = Time()

    class Late(Pool):
        async def acquire(self, target, seconds, *, once):
            time.at += 30
            return await super().acquire(target, seconds, once=once)

    loop = attempts(GOOD, time=time)
    loop.transport.pool = Late()
    with pytest.raises(NotSentError) as caught:
        await loop.run(REQUEST, RetryPolicy(), 30)
    assert (caught.value.reason, caught.value.attempts) == ("deadline", 1)
    assert (loop.transport.seconds, loop.transport.pool.released) == ([], [(2, False)])


async def test_the_observer_is_told_how_long_the_next_attempt_waits():
    """It is told None where no other attempt follows."""
    seen: list[Attempt] = []
    await attempts(REFUSED, GOOD, on_attempt=seen.append).run(REQUEST, RetryPolicy(), 30)
    assert [(one.number, one.wait, one.elapsed) for one in seen] == [
        (1, pytest.approx(0.1), 0.0),
        (2, None, pytest.approx(0.1)),
    ]


async def test_an_empty_budget_ends_the_retries_and_deliveries_fill_it():
    """Failing sends share their retries; what is delivered earns some back."""
    slow = later()
    loop = attempts(slow, slow, slow, GOOD, GOOD, slow, GOOD, budget=RetryBudget(1, 0.5))
    for _ in range(2):
        with pytest.raises(RateLimitedError):
            await loop.run(REQUEST, RetryPolicy(attempts=2), 30)
    assert loop.transport.seconds == [30, pytest.approx(29.9), 30]
    await loop.run(REQUEST, RetryPolicy(), 30)
    await loop.run(REQUEST, RetryPolicy(), 30)
    await loop.run(REQUEST, RetryPolicy(), 30)
    assert loop.transport.facts == []


async def test_what_never_left_is_tried_until_the_deadline_and_costs_no_budget():
    """Neither `attempts` nor the budget limits attempts that certainly did not leave."""
    time = Time()
    loop = attempts(*[REFUSED] * 20, GOOD, budget=RetryBudget(0, 0), time=time)
    await loop.run(REQUEST, RetryPolicy(attempts=1, max_wait=1), 30)
    assert loop.transport.facts == []
    loop = attempts(*[REFUSED] * 99, time=time)
    began = time.at
    with pytest.raises(NotSentError) as caught:
        await loop.run(REQUEST, RetryPolicy(max_wait=1), 30)
    assert 28 < time.at - began <= 30
    assert caught.value.attempts > 50


async def test_unsent_attempts_and_the_others_are_counted_apart():
    """`attempts` bounds what may have left, `unsent_attempts` what has not."""
    policy = RetryPolicy(attempts=2, unsent_attempts=3)
    loop = attempts(REFUSED, REFUSED, later(), later(), GOOD)
    with pytest.raises(RateLimitedError) as caught:
        await loop.run(REQUEST, policy, 30)
    assert caught.value.attempts == 4
    loop = attempts(later(), REFUSED, REFUSED, REFUSED, GOOD)
    with pytest.raises(NotSentError) as caught:
        await loop.run(REQUEST, policy, 30)
    assert caught.value.attempts == 4


async def test_a_cancelled_attempt_is_told_to_the_observer_and_raised():
    """Cancellation carries no outcome, but the observer of attempts is told of it."""
    seen: list[Attempt] = []
    loop = attempts(asyncio.CancelledError(), on_attempt=seen.append)
    with pytest.raises(asyncio.CancelledError):
        await loop.run(REQUEST, RetryPolicy(), 30)
    assert [(a.outcome, a.reason, a.wait) for a in seen] == [(Outcome.UNKNOWN, "cancelled", None)]


async def test_a_send_that_is_cancelled_during_another_attempt_may_have_arrived():
    """An earlier attempt that did not leave proves nothing about this one."""
    loop = attempts(REFUSED, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await loop.run(REQUEST, RetryPolicy(), 30)
    failures = loop.counters.failures
    assert (failures[Outcome.UNKNOWN], failures[Outcome.NOT_SENT]) == ({"cancelled": 1}, {})


async def test_a_send_that_is_cancelled_while_it_waits_for_a_connection_was_not_sent():
    """Nothing of it can have left."""

    class Full(Pool):
        async def acquire(self, target, seconds, *, once):
            raise asyncio.CancelledError

    seen: list[Attempt] = []
    loop = attempts(on_attempt=seen.append)
    loop.transport.pool = Full()
    with pytest.raises(asyncio.CancelledError):
        await loop.run(REQUEST, RetryPolicy(), 30)
    assert [(a.outcome, a.reason, a.wait) for a in seen] == [(Outcome.NOT_SENT, "cancelled", None)]


async def test_an_observer_that_raises_changes_nothing(caplog):
    """A bug in a callback is logged and does not turn a delivery into a failure."""

    def observer(_: Attempt) -> None:
        raise ZeroDivisionError

    message = await attempts(GOOD, on_attempt=observer).run(REQUEST, RetryPolicy(), 30)
    assert message.id == "m1"
    assert "on_attempt raised" in caplog.text


async def test_attempts_are_logged_at_debug_and_without_the_text(caplog):
    """The records hold facts, and only the level DEBUG shows them."""
    with caplog.at_level(logging.DEBUG, "twake_async"):
        await attempts(REFUSED, GOOD).run(REQUEST, RetryPolicy(), 30)
    assert len(caplog.records) == 2
    assert "connect" in caplog.text
    assert caplog.records[0].getMessage().startswith("create in c1: not sent (connect), front_id ")
    assert "Hello" not in caplog.text


async def test_a_record_is_one_line_whatever_the_server_names(caplog):
    """A server that puts a line break into an id cannot forge a record."""
    forged = Answer(200, [], rb'{"object": {"id": "m1\nINFO all is well", "front_id": "mine"}}')
    with caplog.at_level(logging.DEBUG, "twake_async"):
        await attempts(forged).run(REQUEST, RetryPolicy(), 30)
    assert "all is well" in caplog.text
    assert "\n" not in caplog.records[0].getMessage()


class Heard:
    """A listener that forbids the third attempt."""

    guard = None

    def __init__(self) -> None:
        self.told: list = []

    def attempt_ended(self, outcome, reason, *, last):
        self.told.append((outcome, reason, last))

    async def before_retry(self):
        self.told.append("retry")
        return NotSentError("no", reason="full") if self.told.count("retry") == 2 else None


class Asking(Script):
    """A transport that asks whether the request may leave, as each transport does."""

    async def attempt(self, connection, prepared, trace, seconds, judge):
        if not trace.may_leave():
            self.seconds.append(seconds)
            return judge(EXPIRED, None).result
        return await super().attempt(connection, prepared, trace, seconds, judge)


class Expiring(Heard):
    """A listener whose intents expire."""

    def __init__(self, answers: list[bool]) -> None:
        super().__init__()
        self.answers = answers

    def guard(self):
        return self.answers.pop(0)

    def retry_dropped(self):
        self.told.append("dropped")


async def test_an_attempt_that_may_not_leave_any_more_does_not_count():
    """It is prepared again at once; neither the observer nor the budget is told of it."""
    listener, seen = Expiring([False, True, False, True]), []
    loop = attempts(REFUSED, GOOD, on_attempt=seen.append)
    loop.transport = Asking(loop.transport.facts)
    with pytest.raises(NotSentError) as caught:  # the listener forbids the third
        await loop.run(REQUEST, RetryPolicy(), 30, listener)
    assert caught.value.reason == "full"
    assert listener.told == [
        "dropped",
        "retry",
        (Outcome.NOT_SENT, "connect", False),
        "retry",
    ]
    assert [one.number for one in seen] == [1]
    assert caught.value.attempts == 1


async def test_an_attempt_that_may_not_leave_ends_with_the_deadline():
    """It ends like an attempt that found no connection in time."""
    time = Time()
    listener = Expiring([False] * 9)
    listener.before_retry = functools.partial(asyncio.sleep, 0)
    loop = attempts(time=time)
    loop.transport = Asking([])
    listener.retry_dropped = lambda: setattr(time, "at", time.at + 7.0)
    with pytest.raises(NotSentError) as caught:
        await loop.run(REQUEST, RetryPolicy(), 30, listener)
    assert (caught.value.reason, caught.value.attempts) == ("deadline", 0)
    assert loop.transport.seconds == [30, 23, 16, 9, 2]


async def test_a_pause_of_which_another_process_heard_holds_all_sends():
    """A shorter pause does not end a longer one."""
    time = Time()
    loop = attempts(GOOD, time=time)
    loop.cool(5.0)
    loop.cool(1.0)
    assert loop.cooling() == 5.0
    await loop.run(REQUEST, RetryPolicy(), 30)
    assert loop.cooling() == 0


@pytest.mark.parametrize("doubt", [True, False])
async def test_a_listener_hears_of_each_attempt_and_may_forbid_another(doubt):
    """An unknown outcome stays unknown; the error that forbids is its cause, or is raised."""
    listener = Heard()
    first = LOST if doubt else REFUSED
    loop = attempts(first, REFUSED, GOOD)
    with pytest.raises(TwakeError) as caught:
        await loop.run(REQUEST, RetryPolicy(on_unknown="resend"), 30, listener)
    start = (Outcome.UNKNOWN, "lost", False) if doubt else (Outcome.NOT_SENT, "connect", False)
    assert listener.told == [start, "retry", (Outcome.NOT_SENT, "connect", False), "retry"]
    assert caught.value.outcome is start[0]
    assert caught.value.attempts == 2
    assert "full" in {caught.value.reason, getattr(caught.value.__cause__, "reason", None)}


async def test_a_listener_is_asked_before_each_retry_also_when_the_session_closes():
    """A batch writes its journal before each further request, even if that one is not made."""
    closed = Failure(sent=False, reason="closed", detail="closed")
    listener = Heard()
    time = Time()

    async def pause(seconds: float, pauses: Pauses) -> None:
        await loop.aclose()

    loop = attempts(later("7"), closed, time=time)
    loop.clock = attrs.evolve(time.clock(), pause=pause)
    with pytest.raises(SessionClosedError):
        await loop.run(REQUEST, RetryPolicy(), 30, listener)
    assert listener.told[1] == "retry"


async def test_closing_wakes_a_send_that_waits_between_attempts():
    """A retry that is far away does not outlive the session."""
    closed = Failure(sent=False, reason="closed", detail="closed")
    loop = Attempts(Script([later("20"), closed]), Tokens(None))
    sending = asyncio.create_task(loop.run(REQUEST, RetryPolicy(), 60))
    while loop.transport.seconds == []:
        await asyncio.sleep(0)
    await loop.aclose()
    with pytest.raises(SessionClosedError):
        await asyncio.wait_for(sending, 5)
    assert loop.transport.closed


async def test_the_real_clock_waits():
    """The default pause ends by itself."""
    clock = Clock()
    before = clock.now()
    await clock.pause(0.01, Pauses())
    assert clock.now() - before >= 0.009


async def test_a_batch_reads_the_same_clock():
    """The waits of a batch are measured with the session's clock."""
    time = Time(at=7.0)
    loop = attempts(time=time)
    assert loop.now() == 7.0
    await loop.wait(2.0)
    assert loop.now() == 9.0


async def test_closing_in_a_cooldown_ends_the_wait_and_does_not_spin():
    """A send that waits for the server's pause does not ask the clock again after the close."""
    pauses: list[float] = []

    async def pause(seconds: float, line: Pauses) -> None:
        pauses.append(seconds)
        assert len(pauses) < 10, "it waits repeatedly"
        await line.wait(seconds)

    closed = Failure(sent=False, reason="closed", detail="closed")
    loop = Attempts(Script([later("8"), closed, closed]), Tokens(None), clock=Clock(pause=pause))
    with pytest.raises(RateLimitedError):
        await loop.run(REQUEST, RetryPolicy.never(), 60)
    sending = asyncio.create_task(loop.run(REQUEST, RetryPolicy(), 60))
    while not pauses:
        await asyncio.sleep(0)
    await loop.aclose()
    with pytest.raises(SessionClosedError):
        await sending
    assert len(pauses) == 1


@pytest.mark.parametrize("facts", [[LOST], [LOST, LOST]])
async def test_an_unknown_end_is_not_its_own_cause(facts):
    """The last of several unknown attempts is raised, without a cause."""
    policy = RetryPolicy(attempts=len(facts), on_unknown="resend")
    with pytest.raises(OutcomeUnknownError) as caught:
        await attempts(*facts).run(REQUEST, policy, 30)
    assert caught.value.__cause__ is None
    assert caught.value.attempts == len(facts)


def refused(reason: str) -> RefusedError:
    return RefusedError("no", reason=reason)


class Stepping(Prepared):
    """A request with steps that may recover from a refusal, and look for its message.

    Args:
        time: The clock.
        recovers: The reasons from which a step may recover.
        recovery: Whether the steps say that the request may be sent once more.
        found: What the looks find, one after the other.
        can_look: Whether a look may find anything.
        answered_in: Seconds until an attempt ends.
        look_takes: Seconds until a look ends.

    """

    is_ready = True

    def __init__(
        self,
        time,
        *,
        recovers=(),
        recovery=True,
        found=(),
        can_look=False,
        answered_in=0.0,
        look_takes=0.0,
    ) -> None:
        super().__init__(time)
        self.look_takes = look_takes
        self.recovers, self.recovery = recovers, recovery
        self.found, self.can_look = list(found), can_look or bool(found)
        self.answered_in = answered_in
        self.recovered: list = []
        self.looked: list = []

    def judge(self, answer, context):
        self.time.at += self.answered_in
        return answer if isinstance(answer, TwakeError) else super().judge(answer, context)

    def can_recover(self, error) -> bool:
        return error.reason in self.recovers

    async def recover(self, error, seconds):
        self.recovered.append((error.reason, seconds))
        return self.recovery

    async def look(self, seconds, doubts):
        self.looked.append((seconds, doubts))
        self.time.at += self.look_takes
        return self.found.pop(0) if self.found else None


async def test_what_a_step_recovers_from_is_tried_again_at_once():
    """It does not wait, takes nothing from the budget, and is no attempt of the policy."""
    time, seen = Time(), []
    request = Stepping(time, recovers=["token"], answered_in=1.0)
    loop = attempts(
        refused("token"), GOOD, time=time, budget=RetryBudget(0, 0), on_attempt=seen.append
    )
    assert (await loop.run(request, RetryPolicy.never(), 30)).id == "m1"
    assert request.recovered == [("token", 29.0)]
    assert [(one.number, one.reason, one.wait) for one in seen] == [
        (1, "token", 0.0),
        (2, "", None),
    ]
    assert time.waits == [0.0]


async def test_an_attempt_after_a_recovery_leaves_the_policy_all_of_its_attempts():
    """The policy has two attempts, besides the one before the recovery."""
    request = Stepping(Time(), recovers=["token"])
    loop = attempts(refused("token"), later(), later(), GOOD)
    with pytest.raises(RateLimitedError) as caught:
        await loop.run(request, RetryPolicy(attempts=2), 30)
    assert caught.value.attempts == 3


async def test_a_step_recovers_once_from_each_reason():
    """A reason that comes again is final, also where another reason came between."""
    time = Time()
    request = Stepping(time, recovers=["token", "thread"])
    loop = attempts(refused("token"), refused("thread"), refused("token"), GOOD, time=time)
    with pytest.raises(RefusedError) as caught:
        await loop.run(request, RetryPolicy(), 30)
    assert (caught.value.reason, caught.value.attempts) == ("token", 3)
    assert [reason for reason, _ in request.recovered] == ["token", "thread"]


async def test_a_step_that_does_not_recover_ends_the_send():
    """The refusal that the step was asked about is raised."""
    request = Stepping(Time(), recovers=["thread"], recovery=False)
    with pytest.raises(RefusedError) as caught:
        await attempts(refused("thread"), GOOD).run(request, RetryPolicy(), 30)
    assert (caught.value.reason, caught.value.attempts) == ("thread", 1)


@pytest.mark.parametrize("fact", [LOST, REFUSED])
async def test_a_step_recovers_from_refusals_only(fact):
    """A message that may be stored is not sent again; one that never left needs no step."""
    request = Stepping(Time(), recovers=["lost", "connect"])
    with pytest.raises(TwakeError):
        await attempts(fact, GOOD).run(request, RetryPolicy.never(), 30)
    assert request.recovered == []


async def test_what_a_look_finds_is_delivered():
    """The observer and the budget are told; the listener knows already that the attempt is over."""
    time, seen, listener = Time(), [], Heard()
    found = object()
    request = Stepping(time, found=[found])
    loop = attempts(
        later(), LOST, GOOD, time=time, budget=RetryBudget(1, 0.5), on_attempt=seen.append
    )
    assert await loop.run(request, RetryPolicy(), 30, listener) is found
    assert [(one.number, one.outcome, one.reason, one.wait) for one in seen[1:]] == [
        (2, Outcome.UNKNOWN, "lost", None),
        (2, Outcome.DELIVERED, "found", None),
    ]
    assert listener.told[-1] == (Outcome.UNKNOWN, "lost", True)
    assert loop.tokens.left == 0.5


@pytest.mark.parametrize(
    ("seconds", "answered_in", "given", "looked"),
    [
        (60.0, 10.0, 58.0, 50.0),
        (30.0, 28.5, 28.0, 2.0),
        (30.0, 27.5, 28.0, 2.5),
        (10.0, 3.0, 9.0, 7.0),
        (1.0, 0.0, 0.9, 1.0),
    ],
)
async def test_a_tenth_of_the_deadline_is_kept_for_a_look(seconds, answered_in, given, looked):
    """It is 2 seconds at the most; the look also gets the time that the attempts left over."""
    time = Time()
    request = Stepping(time, can_look=True, answered_in=answered_in)
    loop = attempts(LOST, time=time)
    with pytest.raises(OutcomeUnknownError):
        await loop.run(request, RetryPolicy(), seconds)
    assert loop.transport.seconds == pytest.approx([given])
    assert request.looked == [(pytest.approx(looked), 1)]


async def test_a_look_is_told_how_many_attempts_may_have_made_copies():
    """An attempt that never left is not counted."""
    request = Stepping(Time(), can_look=True)
    loop = attempts(LOST, REFUSED, LOST, LOST, GOOD)
    await loop.run(request, RetryPolicy(attempts=9, on_unknown="resend"), 30)
    assert [doubts for _, doubts in request.looked] == [1, 2, 3]


@pytest.mark.parametrize(("reconcile", "can_look"), [(False, True), (True, False), (False, False)])
async def test_without_a_look_the_attempts_get_the_whole_deadline(reconcile, can_look):
    """The policy may forbid a look, and some messages cannot be looked for."""
    request = Stepping(Time(), can_look=can_look)
    loop = attempts(LOST)
    with pytest.raises(OutcomeUnknownError):
        await loop.run(request, RetryPolicy(reconcile=reconcile), 30)
    assert loop.transport.seconds == [30.0]
    assert request.looked == []


@pytest.mark.parametrize("fact", [Answer(401, [], b""), REFUSED])
async def test_nothing_is_looked_for_that_was_certainly_not_stored(fact):
    """Only an unknown outcome is worth a read."""
    request = Stepping(Time(), found=[object()])
    with pytest.raises(TwakeError):
        await attempts(fact).run(request, RetryPolicy.never(), 30)
    assert request.looked == []


@pytest.mark.parametrize(("takes", "waits"), [(27.5, [0.25]), (27.75, []), (28.5, [])])
async def test_after_a_look_that_left_no_time_for_another_attempt_nothing_is_waited_for(
    takes, waits
):
    """It must end before the deadline of the attempts: 2 of the 30 seconds are for the look."""
    time = Time()
    request = Stepping(time, can_look=True, look_takes=takes)
    policy = RetryPolicy(attempts=2, on_unknown="resend", initial_wait=0.5)
    with pytest.raises(OutcomeUnknownError):
        await attempts(LOST, LOST, time=time).run(request, policy, 30)
    assert time.waits == waits


async def test_a_closed_session_prepares_no_attempt():
    """It does not log in for a message that it will not send."""
    request = Prepared(Time())
    loop = attempts()
    await loop.aclose()
    with pytest.raises(SessionClosedError):
        await loop.run(request, RetryPolicy.never(), 30)
    assert request.left == []


async def test_closing_ends_the_shared_calls_that_do_not_end_by_themselves():
    """They get half a second, and then they are cancelled."""
    loop = attempts()
    task = loop.tasks.start(asyncio.Event().wait())
    async with asyncio.timeout(20):
        await loop.aclose()
    assert task.cancelled()


class Observed(Stepping):
    """A request that events may settle; the questions for an event return `shown`, one by one."""

    def __init__(self, time, *shown) -> None:
        super().__init__(time)
        self.shown = list(shown)
        self.asked: list[int] = []

    def observed(self, requests):
        self.asked.append(requests)
        return self.shown.pop(0) if self.shown else None


async def test_an_event_settles_what_was_refused():
    """The event counts more than the answer; all attempts that left may have made the message."""
    found = object()
    request = Observed(Time(), found)
    assert await attempts(REFUSED, refused("no")).run(request, RetryPolicy(), 30) is found


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        # One attempt left, and was refused.
        ([REFUSED, refused("no")], [0, 0, 0, 1, 1]),
        # Both left: the refusal may be the wrong answer of either.
        ([LOST, refused("no")], [1, 1, 1, 2, 2]),
        # The last attempt is unknown, so both attempts that left count.
        ([LOST, REFUSED, LOST], [1, 1, 1, 1, 1, 1, 2, 2]),
    ],
)
async def test_an_event_is_asked_for_with_the_number_of_attempts_that_may_have_made_it(
    facts, asked
):
    """More than one may have made a copy."""
    request = Observed(Time())
    policy = RetryPolicy(attempts=2, on_unknown="resend")
    with pytest.raises(TwakeError):
        await attempts(*facts).run(request, policy, 30)
    assert request.asked == asked


async def test_an_event_that_comes_before_another_attempt_leaves_drops_it():
    """Its connection is not used, and not kept."""
    found = object()
    # After the attempt, before another is prepared, and once it has its connection.
    request = Observed(Time(), None, None, found)
    loop = attempts(LOST, GOOD)
    loop.transport.pool = pool = Pool()
    assert await loop.run(request, RetryPolicy(on_unknown="resend"), 30) is found
    assert pool.released == [(2, False)]
    assert len(loop.transport.facts) == 1


async def test_closing_waits_for_the_calls_that_sends_share():
    """They find the connections closed, and none outlives the session."""
    loop = attempts()

    async def call() -> str:
        while not loop.transport.closed:
            await asyncio.sleep(0)
        return "closed"

    task = loop.tasks.start(call())
    await asyncio.sleep(0)
    await loop.aclose()
    assert task.done()
    assert await task == "closed"


async def test_a_shared_call_that_ended_is_not_kept():
    """A session that logs in each hour for a year keeps none of these calls in memory."""
    loop = attempts()

    async def call() -> int:
        return 5

    task = loop.tasks.start(call())
    assert await task == 5
    await asyncio.sleep(0)
    kept = weakref.ref(task)
    del task
    gc.collect()
    assert kept() is None
    await loop.aclose()


class Cancels:
    """Cancels the task at the n-th of its waits, and remembers what was noted before each."""

    def __init__(self, at: int, facts: list) -> None:
        self.at = at
        self.now = 0.0
        self.waits = 0
        self.answered = 0
        self.noted: list = []
        self.facts = list(facts)
        self.pool = NoPool()

    def wait(self) -> None:
        assert len(self.noted) == self.answered, "an attempt ended, and something else was awaited"
        self.waits += 1
        if self.waits == self.at:
            raise asyncio.CancelledError

    # The clock, the transport, the listener.

    async def pause(self, seconds: float, line: Pauses) -> None:
        self.now += seconds
        self.wait()

    guard = None

    def start_trace(self) -> Trace:
        return Trace()

    async def attempt(self, connection, prepared, trace, seconds, judge):
        self.wait()
        self.answered += 1
        return judge(self.facts.pop(0), None).result

    async def before_retry(self):
        self.wait()

    def attempt_ended(self, outcome, reason, *, last):
        if reason != "cancelled":
            self.noted.append((outcome, reason))


@pytest.mark.parametrize("at", range(1, 16))
async def test_an_attempt_is_noted_before_anything_else_is_awaited(at):
    """Cancelled at each of its waits, a send has told of every attempt that had ended."""
    facts = [LOST, later("1"), REFUSED, LOST, GOOD]
    cancels = Cancels(at, facts)
    clock = Clock(now=lambda: cancels.now, pause=cancels.pause, draw=lambda: 0.0)
    seen: list[Attempt] = []
    loop = Attempts(cancels, Tokens(None), seen.append, clock)
    try:
        await loop.run(REQUEST, RetryPolicy(attempts=9, on_unknown="resend"), 30, cancels)
        ended = True
    except (asyncio.CancelledError, NotSentError):
        ended = False
    assert ended is (at > cancels.waits)
    made = [attempt for attempt in seen if attempt.reason != "cancelled"]
    assert [(attempt.outcome, attempt.reason) for attempt in made] == cancels.noted
    assert len(cancels.noted) == cancels.answered

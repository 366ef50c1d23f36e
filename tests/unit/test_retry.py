"""retry.py: when an attempt is followed by another, and after how long; all of it pure."""

from __future__ import annotations

import datetime
import email.utils
import itertools
import math
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async.errors import (
    ConfigurationError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
)
from twake_async.retry import (
    Attempt,
    RetryBudget,
    RetryPolicy,
    Tokens,
    combine,
    may_repeat,
    next_wait,
    parse_retry_after,
)

RAISE, RESEND = RetryPolicy(), RetryPolicy(on_unknown="resend")

#: reason -> whether it may be repeated: (create, create with "resend", edit or remove)
DECISIONS = {
    Outcome.NOT_SENT: {
        "connect": (True, True, True),
        "dns": (True, True, True),
        "tls": (True, True, True),
        "certificate": (False, False, False),
        "proxy": (True, True, True),
        "proxy_refused": (False, False, False),
        "connections_busy": (True, True, True),
        "cooldown": (True, True, True),
        "login": (True, True, True),
        "deadline": (False, False, False),
        "closed": (False, False, False),
    },
    Outcome.REFUSED: {
        "arguments": (False, False, False),
        "not_found": (False, False, False),
        "authentication": (False, False, False),
        "group": (False, False, False),
        "capability": (False, False, False),
        "later": (True, True, True),
        "api": (False, False, False),
        "token": (False, False, False),
        "thread": (False, False, False),
        "owner": (False, False, False),
        "redirect": (False, False, False),
        "status": (False, False, False),
    },
    Outcome.UNKNOWN: {
        "lost": (False, True, True),
        "timeout": (False, True, True),
        "gateway": (False, True, True),
        "gateway_answer": (False, True, False),
        "status": (False, True, False),
        "server_error": (False, True, False),
        "unreadable": (False, True, False),
        "mismatch": (False, True, False),
        "unproven": (False, True, True),
    },
}
ROWS = [
    (outcome, reason, *allowed)
    for outcome, reasons in DECISIONS.items()
    for reason, allowed in reasons.items()
]


@pytest.mark.parametrize(("outcome", "reason", "create", "resend", "edit"), ROWS)
def test_what_may_be_repeated(outcome, reason, create, resend, edit):
    """Each documented reason is repeated exactly where the table says that it does no harm."""
    assert may_repeat(RAISE, outcome, reason, repeatable=False) is create
    assert may_repeat(RESEND, outcome, reason, repeatable=False) is resend
    assert may_repeat(RAISE, outcome, reason, repeatable=True) is edit
    assert may_repeat(RESEND, outcome, reason, repeatable=True) is edit


@pytest.mark.parametrize(
    ("kind", "outcome", "besides"),
    [
        (NotSentError, Outcome.NOT_SENT, {"channel", "file", "held", "stopped", "outage"}),
        (RefusedError, Outcome.REFUSED, {"address"}),
        (
            OutcomeUnknownError,
            Outcome.UNKNOWN,
            {"cancelled", "interrupted", "source", "unexpected", "unconfirmed"},
        ),
    ],
)
def test_the_table_holds_every_documented_reason(kind, outcome, besides):
    """A reason that an exception documents cannot be forgotten here; those of batches and reads end no attempt."""
    documented = set(kind.__doc__.split("`")[1::2])
    reasons = {reason for reason in DECISIONS[outcome] if reason != "closed"}
    assert reasons <= documented
    assert besides <= documented
    words = {word for word in documented if word.islower() and word.isidentifier()}
    assert words - {"reason", "__cause__"} == reasons | besides


@pytest.mark.parametrize(("outcome", "reason", "create", "resend", "edit"), ROWS)
def test_next_wait_obeys_the_table(outcome, reason, create, resend, edit):
    """A wait is given where repeating is allowed, and None where it is not."""
    for policy, repeatable, allowed in (
        (RAISE, False, create),
        (RESEND, False, resend),
        (RAISE, True, edit),
    ):
        wait = next_wait(policy, outcome, reason, number=1, repeatable=repeatable, time_left=30)
        assert (wait is not None) is allowed


def test_a_create_of_unknown_fate_is_never_repeated_by_default():
    """For any reason, even an unknown one, the default risks no second copy."""
    for reason in [*DECISIONS[Outcome.UNKNOWN], "", "a new word"]:
        assert not may_repeat(RetryPolicy(), Outcome.UNKNOWN, reason, repeatable=False)


def repeats(policy, outcome, reason, counts):
    """Say for each count of attempts, and of those that never left, whether another follows."""
    waits = (
        next_wait(
            policy, outcome, reason, number=number, unsent=unsent, repeatable=False, time_left=99
        )
        for number, unsent in counts
    )
    return [wait is not None for wait in waits]


def test_the_number_of_attempts_is_bounded():
    """`attempts` counts the first one: 4 means three repeats, 1 means none."""
    counts = [(number, 0) for number in range(1, 7)]
    expected = [True, True, True, False, False, False]
    assert repeats(RAISE, Outcome.REFUSED, "later", counts) == expected


def test_what_never_left_is_repeated_for_as_long_as_there_is_time():
    """It does no harm, so no number bounds it unless the caller names one."""
    counts = [(number, number) for number in (1, 4, 5, 100)]
    assert repeats(RAISE, Outcome.NOT_SENT, "dns", counts) == [True] * 4
    bounded = RetryPolicy(unsent_attempts=4)
    assert repeats(bounded, Outcome.NOT_SENT, "dns", counts) == [True, False, False, False]


def test_attempts_that_never_left_and_the_others_are_counted_apart():
    """A send that was refused "later" three times may still fail to connect, and the reverse."""
    policy = RetryPolicy(attempts=2, unsent_attempts=3)
    assert repeats(policy, Outcome.REFUSED, "later", [(4, 3), (5, 3)]) == [True, False]
    assert repeats(policy, Outcome.NOT_SENT, "dns", [(9, 2), (9, 3)]) == [True, False]


@pytest.mark.parametrize(("outcome", "reason"), [(row[0], row[1]) for row in ROWS])
def test_never_means_one_attempt(outcome, reason):
    """`RetryPolicy.never()` repeats nothing, not even an attempt that certainly was not sent."""
    policy = RetryPolicy.never()
    assert (policy.attempts, policy.unsent_attempts) == (1, 1)
    for repeatable in (True, False):
        assert (
            next_wait(
                policy,
                outcome,
                reason,
                number=1,
                unsent=int(outcome is Outcome.NOT_SENT),
                repeatable=repeatable,
                time_left=99,
            )
            is None
        )


def wait_for(policy, number, draw, *, time_left=math.inf, retry_after=None):
    """Return the wait after attempt `number` of a create that certainly was not sent."""
    return next_wait(
        policy,
        Outcome.NOT_SENT,
        "connect",
        number=number,
        repeatable=False,
        time_left=time_left,
        retry_after=retry_after,
        draw=draw,
    )


def test_waits_double_up_to_the_cap():
    """The most that is waited doubles with each attempt until `max_wait`."""
    policy = RetryPolicy(attempts=9, initial_wait=0.2, max_wait=5)
    waits = [wait_for(policy, number, 1.0) for number in range(1, 9)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])


def test_waits_stay_jittered_at_the_cap():
    """At the cap, the draw still spreads the waits over all of 0 to the cap."""
    policy = RetryPolicy(attempts=99, initial_wait=1, max_wait=8)
    draws = (0.0, 0.25, 0.5, 1.0)
    assert [wait_for(policy, 50, draw) for draw in draws] == [0.0, 2.0, 4.0, 8.0]


@given(
    initial=st.floats(0, 1e6),
    cap=st.floats(0, 1e6),
    number=st.integers(1, 10**6),
    draw=st.floats(0, 1),
    retry_after=st.none() | st.floats(0, 1e6),
)
def test_a_wait_is_within_its_bounds(initial, cap, number, draw, retry_after):
    """The wait is at least what the server asked for, and at most the doubled wait beyond it."""
    policy = RetryPolicy(attempts=10**6 + 1, initial_wait=initial, max_wait=cap)
    wait = wait_for(policy, number, draw, retry_after=retry_after)
    asked = retry_after or 0.0
    most = min(cap, initial * 2.0 ** min(number - 1, 900)) if initial else 0.0
    assert asked <= wait <= asked + most


@given(
    time_left=st.floats(-10, 100),
    number=st.integers(1, 20),
    draw=st.floats(0, 1),
    retry_after=st.none() | st.floats(0, 100),
)
def test_no_wait_reaches_the_deadline(time_left, number, draw, retry_after):
    """A wait either ends before the deadline or is not begun."""
    policy = RetryPolicy(attempts=30)
    wait = wait_for(policy, number, draw, time_left=time_left, retry_after=retry_after)
    unbounded = wait_for(policy, number, draw, retry_after=retry_after)
    assert wait == (unbounded if unbounded < time_left else None)


def test_what_is_not_told_of_a_send_counts_against_another_attempt():
    """All attempts may have left, and the wait is the longest that the policy allows."""
    facts = {"number": 1, "repeatable": False, "time_left": math.inf}
    assert next_wait(RAISE, Outcome.REFUSED, "later", **facts) == RAISE.initial_wait
    assert next_wait(RetryPolicy(attempts=1), Outcome.REFUSED, "later", **facts) is None


def test_a_server_that_asks_for_too_long_stops_the_send():
    """A `Retry-After` beyond the deadline means: no further attempt."""
    assert wait_for(RAISE, 1, 0.0, time_left=30, retry_after=30) is None
    assert wait_for(RAISE, 1, 0.0, time_left=30, retry_after=29) == 29


# --- combining ----------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(list(Outcome))))
def test_the_combine_is_as_defined(outcomes):
    """Any `DELIVERED` decides, else any `UNKNOWN`, else the last; nothing at all is `NOT_SENT`."""
    if any(one is Outcome.DELIVERED for one in outcomes):
        expected = Outcome.DELIVERED
    elif any(one is Outcome.UNKNOWN for one in outcomes):
        expected = Outcome.UNKNOWN
    elif outcomes:
        expected = outcomes[-1]
    else:
        expected = Outcome.NOT_SENT
    assert combine(iter(outcomes)) is expected


def test_a_refusal_proves_nothing_about_an_earlier_attempt():
    """`UNKNOWN` then `REFUSED` or `NOT_SENT` stays `UNKNOWN`; two certain ones give the last."""
    unknown, refused, not_sent = Outcome.UNKNOWN, Outcome.REFUSED, Outcome.NOT_SENT
    assert combine([unknown, refused]) is unknown
    assert combine([unknown, not_sent]) is unknown
    assert combine([not_sent, refused]) is refused
    assert combine([refused, not_sent]) is not_sent


# --- the budget --------------------------------------------------------------------------------


def test_a_budget_of_tokens_is_spent_and_no_more():
    """Exactly `capacity` retries pass while nothing is delivered."""
    tokens = Tokens(RetryBudget(capacity=3, refund=0.5))
    assert [tokens.take() for _ in range(5)] == [True, True, True, False, False]


def test_deliveries_give_tokens_back():
    """Two deliveries at half a token each buy one retry."""
    tokens = Tokens(RetryBudget(capacity=1, refund=0.5))
    assert tokens.take()
    tokens.give_back()
    assert not tokens.take()
    tokens.give_back()
    assert tokens.take()


@given(
    capacity=st.floats(0, 100),
    refund=st.floats(0, 100),
    steps=st.lists(st.booleans(), max_size=60),
)
def test_tokens_stay_between_nothing_and_the_capacity(capacity, refund, steps):
    """No order of retries and deliveries overdraws the bucket or fills it beyond its capacity."""
    tokens = Tokens(RetryBudget(capacity=capacity, refund=refund))
    taken, given_back = 0, 0.0
    for retry in steps:
        before = tokens.left
        if retry:
            taken += tokens.take()
        else:
            tokens.give_back()
            given_back += refund
            assert tokens.left >= before
        assert 0 <= tokens.left <= capacity
    assert taken <= capacity + given_back + 1e-6


def test_no_budget_means_no_limit():
    """With None a session retries as often as its policies allow."""
    tokens = Tokens(None)
    assert all(tokens.take() for _ in range(1000))
    tokens.give_back()
    assert tokens.left == math.inf


def test_a_server_that_is_down_costs_little_more_than_one_request_each():
    """10,000 sends with four attempts each make at most 1.1 requests each."""
    tokens, requests = Tokens(RetryBudget()), 0
    for _ in range(10_000):
        for number in itertools.count(1):
            requests += 1
            if wait_for(RAISE, number, 0.5) is None or not tokens.take():
                break
    assert requests == 10_500


# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attempts", 0),
        ("attempts", -1),
        ("attempts", 1.5),
        ("attempts", True),
        ("attempts", "4"),
        ("attempts", math.inf),
        ("unsent_attempts", 0),
        ("unsent_attempts", 1.5),
        ("unsent_attempts", True),
        ("initial_wait", -0.1),
        ("initial_wait", math.nan),
        ("initial_wait", math.inf),
        ("initial_wait", None),
        ("max_wait", -1),
        ("max_wait", "10"),
        ("max_wait", 10**400),
        ("on_unknown", "retry"),
        ("on_unknown", None),
        ("reconcile", 1),
        ("reconcile", None),
        ("retry_later_statuses", {399}),
        ("retry_later_statuses", {600}),
        ("retry_later_statuses", {200, 429}),
        ("retry_later_statuses", {"429"}),
        ("retry_later_statuses", 429),
        ("retry_later_statuses", [[429]]),
        ("retry_later_statuses", None),
    ],
)
def test_a_policy_that_cannot_work_is_refused(field, value):
    """The error names the field, and the message begins with it."""
    with pytest.raises(ConfigurationError, match=rf"^{field} must ") as caught:
        RetryPolicy(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["capacity", "refund"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 10**400, "1", None, True])
def test_a_budget_that_cannot_work_is_refused(field, value):
    """The error names the field; None in place of the whole budget is the way to no limit."""
    with pytest.raises(ConfigurationError, match=rf"^{field} must be a number") as caught:
        RetryBudget(**{field: value})
    assert caught.value.field == field


def test_the_bounds_of_the_settings_themselves_are_allowed():
    """The first and the last status of an error, and the largest number that there is."""
    policy = RetryPolicy(retry_later_statuses={400, 599}, max_wait=sys.float_info.max)
    assert policy.retry_later_statuses == {400, 599}


def test_the_defaults_are_the_documented_ones():
    """Four attempts, 0.2 s, 10 s, no resend, only 429 means later."""
    assert RetryPolicy() == RetryPolicy(
        attempts=4,
        initial_wait=0.2,
        max_wait=10.0,
        on_unknown="raise",
        retry_later_statuses=frozenset({429}),
    )
    assert RetryBudget() == RetryBudget(capacity=500, refund=0.1)


def test_statuses_may_be_given_as_any_collection():
    """A list or a set becomes a frozen set, so that a policy is hashable."""
    policy = RetryPolicy(retry_later_statuses=[429, 503])
    assert policy.retry_later_statuses == frozenset({429, 503})
    assert hash(policy) == hash(RetryPolicy(retry_later_statuses={503, 429}))


def test_attempts_are_plain_facts():
    """What an observer gets is a value: it compares and cannot be changed."""
    facts = (1, Outcome.UNKNOWN, "lost", 0.1, 0.2, "front")
    assert Attempt(*facts) == Attempt(*facts)
    with pytest.raises(AttributeError):
        Attempt(*facts).number = 2


# --- Retry-After -------------------------------------------------------------------------------

NOW = datetime.datetime(1994, 11, 6, 8, 49, 37, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        ("120", 120.0),
        ("1.5", 1.5),
        ("999999999999999999", 1e18),
        ("9" * 400, math.inf),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:49:47 -0000", 10.0),
        ("Sun, 06 Nov 1994 10:49:47 +0200", 10.0),
        ("Sun, 06 Nov 1994 08:49:27 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC0", "EAST-9", "WEST+5"])
def test_each_form_of_retry_after(value, seconds, zone, monkeypatch):
    """Seconds and every form of an HTTP date count alike, in any time zone of this machine."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        if seconds is None:
            assert parse_retry_after(value, NOW) > 1e11
        else:
            assert parse_retry_after(value, NOW) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-5",
        "+5",
        "1e3",
        "inf",
        "nan",
        "0x10",
        "5 s",
        "٣",
        "²",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "06/11/1994",
    ],
)
def test_an_absurd_retry_after_is_as_good_as_absent(value):
    """A value that is neither seconds nor a date asks for no wait."""
    assert parse_retry_after(value, NOW) is None


@given(st.text())
def test_no_header_breaks_the_parser(value):
    """For any value from a server, the parser gives None or a number of at least 0."""
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(315_532_800, 29_348_006_400))
def test_any_date_is_understood(seconds):
    """A date as servers write it comes back as the seconds from now, or 0 where it has passed."""
    date = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    header = email.utils.format_datetime(date, usegmt=True)
    assert parse_retry_after(header, NOW) == max(0.0, seconds - NOW)


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_reconcile_is_a_boolean(value):
    """Anything else is a mistake."""
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(reconcile=value)
    assert caught.value.field == "reconcile"


def test_a_token_that_was_not_needed_comes_back():
    """The bucket holds no more than it can; without a budget there is nothing to give back."""
    tokens = Tokens(RetryBudget(capacity=2, refund=0))
    assert tokens.take()
    tokens.put_back()
    tokens.put_back()
    assert tokens.left == 2
    unlimited = Tokens(None)
    unlimited.put_back()
    assert unlimited.left == math.inf


def test_one_token_comes_back_at_a_time():
    """Two were taken; the other one is still spent."""
    tokens = Tokens(RetryBudget(capacity=5, refund=0))
    assert tokens.take()
    assert tokens.take()
    tokens.put_back()
    assert tokens.left == 4

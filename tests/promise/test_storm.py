"""A short form of the long storm (`nox -s storm`), and proofs that it finds mistakes."""

from __future__ import annotations

import attrs
import pytest
from storms import odd
from storms.client import Phase
from storms.naive import naive
from storms.run import TRANSPORTS, phases, report, run
from storms.stream import Asked, Said, Stream
from storms.verdict import Claim, Truth, Wrong, judge

SHORT = [
    Phase("httpx", 10, 4, "default", 600, 1),
    Phase("httpx", 100, 100, "resend", 600, 2),
    Phase("fast", 10, 4, "resend", 600, 3),
    Phase("fast", 100, 100, "default", 500, 4),
    Phase("fast", 1, 1, "default", 100, 5),
    Phase("httpx2", 10, 4, "default", 400, 6),
    Phase("httpx2", 100, 100, "resend", 200, 7),
]


async def test_a_storm_brings_no_claim_that_its_server_contradicts():
    """Over all transports, with doubled, late and stray answers: what can hold, holds."""
    result = await run(SHORT)
    assert result.good, report(result, 0)
    assert result.sends == {"httpx": 1_200, "fast": 1_200, "httpx2": 600}
    assert result.outcomes["DELIVERED"] > 1_500
    assert result.outcomes["REFUSED"] > 100
    assert result.outcomes["UNKNOWN"] > 200
    assert len(result.acted.keys() & odd.names()) > 250


async def test_a_storm_finds_what_a_first_client_does_wrong():
    """Statuses of gateways, words behind junk, and connections that are off by one."""
    result = await run([Phase("httpx", 10, 4, "default", 600, 1)], make=naive)
    assert not result.good
    told = "\n".join([*result.contradictions, report(result, 0)])
    for what in ("REFUSED", "a gateway's", "behind", "was used again after an answer"):
        assert what in told
    assert result.breaches > 20
    assert result.contradicted > 50


def test_the_acts_of_a_storm_are_the_same_for_the_same_seed():
    """A send that goes wrong meets the same acts again."""
    first = [odd.choose(7, f"7-0-{n}", 1) for n in range(2_000)]
    assert [odd.choose(7, f"7-0-{n}", 1) for n in range(2_000)] == first
    assert [odd.choose(8, f"7-0-{n}", 1) for n in range(2_000)] != first
    assert len({act.name for act, _, _ in first}) > 200


@pytest.mark.parametrize("sends", [1_000, 20_000, 200_000, 1_000_000])
def test_a_storm_makes_as_many_sends_as_it_was_told(sends):
    """A third of them over each transport, in phases that the server can remember."""
    plan = phases(sends, 1)
    assert sum(phase.sends for phase in plan) == sends
    for transport in TRANSPORTS:
        each = sum(phase.sends for phase in plan if phase.transport == transport)
        assert abs(each - sends / 3) <= 1
    assert {phase.workers for phase in plan} == {1, 10, 100}
    assert {phase.policy for phase in plan} == {"default", "resend"}
    assert max(phase.sends for phase in plan) <= 20_000
    assert min(phase.sends for phase in plan) > 20


# --- what is inherent, and what is not ---------------------------------------------------------


def create(number: int, front_id: str = "") -> Asked:
    return Asked(f"t{number}", "create", front_id or f"f{number}", f"m{number}", "")


def edit(number: int, target: str) -> Asked:
    return Asked(f"t{number}", "edit", "", target, target, "new")


def good(asked: Asked) -> Said:
    found = (asked.id, asked.front_id, asked.content)
    return Said("good", b"", "good", asked, "object", *found)


WORDS = Said("words", b"", "refusal")
LATER = Said("429", b"", "later")
GATEWAY = Said("403", b"", "other")


@pytest.mark.parametrize(
    ("said", "excuses"), [(WORDS, {"refusal"}), (LATER, {"later"}), (GATEWAY, set())]
)
def test_only_a_refusal_that_proves_excuses_a_claim(said, excuses):
    """The server sent it unasked, after the request: a 403 would prove nothing anyway."""
    stream, first = Stream(), create(1)
    stream.ask(first)
    stream.say(said)
    assert first.excuses == excuses


def test_what_surely_came_before_the_request_is_no_excuse():
    """A client sees bytes behind an answer, and stops using the connection."""
    stream, first, second = Stream(), create(1), create(2)
    stream.ask(first)
    stream.say(good(first))
    stream.say(WORDS, seen=True)
    assert not stream.idle
    stream.ask(second)
    assert second.excuses == set()
    assert "more had come" in stream.breach


def test_what_came_at_the_same_time_as_the_request_is_an_excuse():
    """No client can read and write in one step."""
    stream, first, second = Stream(), create(1), create(2)
    stream.ask(first)
    stream.say(good(first))
    stream.say(WORDS)
    stream.ask(second)
    assert second.excuses == {"refusal"}
    assert not stream.breach


def test_after_an_answer_that_proves_nothing_there_is_no_excuse():
    """The connection was not to be used again; all its later answers are off by one."""
    stream, first, second, third = Stream(), create(1), create(2), create(3)
    stream.ask(first)
    stream.say(good(first))
    stream.ask(second)
    stream.say(good(first))
    stream.ask(third)
    stream.say(WORDS)
    assert second.excuses == set()
    assert third.excuses == set()
    assert "did not prove" in stream.breach


def test_a_doubled_answer_excuses_nothing_about_the_same_message():
    """Such a request goes over another connection; the other id shows a repeated front_id."""
    for asked in (edit(2, "m1"), create(2, "f1")):
        stream, first = Stream(), create(1)
        stream.ask(first)
        stream.say(good(first))
        stream.ask(asked)
        stream.say(good(first))
        assert asked.excuses == set()
        assert bool(stream.breach) is (asked.kind == "edit")


def test_an_answer_about_the_same_message_from_elsewhere_is_an_excuse():
    """Answers name a message, and no request."""
    stream, asked = Stream(), edit(2, "m1")
    stream.ask(asked)
    stream.say(good(create(1)))
    assert asked.excuses == {"good"}


def test_an_answer_left_over_may_have_met_a_request_that_never_came_whole():
    """The server reads no part of such a request, so it knows the answer alone."""
    stream, first = Stream(), create(1)
    stream.ask(first)
    stream.say(good(first))
    assert stream.left_over() == ""
    stream.say(good(edit(2, "m7")))
    left = stream.left_over()
    assert left == "m7"
    claim = Claim("edit", "DELIVERED", id="m7")
    assert judge(claim, [], resend=False, left_over={left}).inherent == "unread"
    assert judge(claim, [], resend=False, left_over={"m8"}).inherent == ""
    assert (
        judge(attrs.evolve(claim, kind="create"), [], resend=False, left_over={left}).inherent == ""
    )


@pytest.mark.parametrize("seen", [True, False])
def test_no_answer_is_left_over_that_a_right_client_does_not_take(seen):
    """An answer that it saw first, or one about the message that the connection named before."""
    stream, first = Stream(), create(1)
    stream.ask(first)
    stream.say(good(first))
    stream.say(good(edit(2, "m7") if seen else first), seen=seen)
    assert stream.left_over() == ""


def test_an_edit_that_is_answered_with_other_content_ends_its_connection():
    """The outcome stands, but the connection is closed."""
    stream, asked = Stream(), edit(1, "m1")
    stream.ask(asked)
    stream.say(good(edit(2, "m1")))
    assert stream.trusted
    stream, asked = Stream(), edit(1, "m1")
    asked.content = "newer"
    stream.ask(asked)
    stream.say(good(edit(2, "m1")))
    assert not stream.trusted


def truth(copies: int, *excuses: str, ident: str = "m1") -> Truth:
    return Truth(copies, excuses, ident, "")


def claim(outcome: str, kind: str = "create", **more: object) -> Claim:
    return Claim(kind, outcome, id="m1", **more)  # type: ignore[arg-type]


HOLDS: list[tuple[Claim, list[Truth]]] = [
    (claim("DELIVERED"), [truth(1)]),
    (claim("REFUSED"), [truth(0), truth(0)]),
    (claim("NOT_SENT"), []),
    (claim("UNKNOWN"), [truth(1)]),
    (claim("DELIVERED", "edit"), [truth(1), truth(1)]),
]
CONTRADICTED: list[tuple[Claim, list[Truth]]] = [
    (claim("DELIVERED"), [truth(0)]),
    (claim("DELIVERED"), [truth(1, ident="m2")]),
    (claim("REFUSED"), [truth(1)]),
    (claim("REFUSED"), [truth(1), truth(0, "refusal")]),
    (claim("NOT_SENT"), [truth(1, "refusal")]),
    (claim("DELIVERED"), [truth(1), truth(1)]),
    (claim("UNKNOWN"), [truth(1), truth(1)]),
    (claim("DELIVERED"), [truth(2, "repeated"), truth(1)]),
    (claim("DELIVERED"), [truth(2, "refusal")]),
]
INHERENT: list[tuple[Claim, list[Truth]]] = [
    (claim("DELIVERED"), [truth(0, "good")]),
    (claim("REFUSED"), [truth(1, "refusal")]),
    (claim("NOT_SENT"), [truth(1, "later")]),
    (claim("DELIVERED"), [truth(1, "later"), truth(1)]),
    (claim("DELIVERED"), [truth(2, "repeated")]),
    (claim("UNKNOWN"), [truth(2, "repeated", "later"), truth(1)]),
]


def test_a_claim_is_right_or_wrong_or_inherently_wrong():
    """The server's memory decides; its own acts show what no client can know."""
    for claimed, truths in HOLDS:
        assert judge(claimed, truths, resend=False) is None
    for claimed, truths in CONTRADICTED:
        wrong = judge(claimed, truths, resend=False)
        assert isinstance(wrong, Wrong)
        assert not wrong.inherent
    for claimed, truths in INHERENT:
        wrong = judge(claimed, truths, resend=False)
        assert isinstance(wrong, Wrong)
        assert wrong.inherent


def test_with_resend_copies_are_right_where_they_are_told():
    """Two copies without a report of them are a contradiction."""
    twice = [truth(1), truth(1)]
    assert judge(claim("DELIVERED", duplicated=True), twice, resend=True) is None
    assert judge(claim("UNKNOWN"), twice, resend=True) is None
    wrong = judge(claim("DELIVERED"), twice, resend=True)
    assert isinstance(wrong, Wrong)
    assert not wrong.inherent

"""`check`: what the recorded answers prove, and that asking stores nothing."""

from __future__ import annotations

import copy
import json
import time

import pytest
from places import WIRE

from twake_async import ConfigurationError, TwakeSession
from twake_async._protocol.exchange import Answer, Context, Failure
from twake_async._protocol.server import Server
from twake_async._protocol.v1.api import Api
from twake_async._protocol.v1.probes import NIL_GROUP, examine
from twake_async.sandbox._seed import DEFAULT_SEED

CASES = [
    json.loads(line) for line in (WIRE / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]
UNKNOWN_GROUP = {"2020": "21b-group-unknown", "2021": "21b-group-unknown"}
ACCEPTED = {"2020": "19j-missing-message", "2021": "19g-missing-channel"}
NO_CAPABILITY = {"2020": "21e-app-without-capability", "2021": "21d-app-without-capability"}
NO_AUTHENTICATION = {"2020": "20c-auth-wrong-key", "2021": "20-auth-none"}
SERVERS = [("2020", "8.2"), ("2020", "7.1"), ("2021", "8.2"), ("2021", "7.1")]
#: The release whose PHP was recorded.
SEEN = {"2020": "v2020", "2021": "v2023"}


#: What case 19g sent: content that no server shows, without a channel.
NOTHING = {"content": {"original_str": "check", "prepared": ["check"]}}


def recorded(names: dict[str, str], release: str, php: str) -> tuple[dict, Answer]:
    """Return a recorded case, and its answer as the transport would hand it back."""
    (case,) = (
        case
        for case in CASES
        if case["name"] == names[release]
        and case["server"].startswith(SEEN[release])
        and case["php"] == php
    )
    answer = case["response"]
    headers = [(k.encode(), v.encode()) for k, v in answer["headers"].items()]
    return case, Answer(answer["status"], headers, answer["body"].encode())


def found(*answers: Answer | Failure, proxy: str = ""):
    """Return what a check concludes from these answers, in order."""
    steps = examine("the-group", Api(Server(proxy=proxy)))
    request = next(steps)
    for answer in answers:
        try:
            request = steps.send(request.judge(answer, Context(0.0)))
        except StopIteration as end:
            return end.value
    raise AssertionError("the check wants more answers")


@pytest.mark.parametrize(("release", "php"), SERVERS)
@pytest.mark.parametrize("names", [UNKNOWN_GROUP, ACCEPTED])
def test_the_requests_that_a_check_relies_on_stored_nothing_when_recorded(names, release, php):
    """On every recorded server, neither kind of request wrote a row or passed a message on."""
    case, _ = recorded(names, release, php)
    if release == "2020":
        assert case["rows"]["before"] == case["rows"]["after"]
        assert not case["rows"]["changed"]
        assert not case["rows"]["removed"]
    else:
        assert all(call["method"] == "GET" for call in case.get("node_calls") or ())


@pytest.mark.parametrize(("release", "php"), SERVERS)
@pytest.mark.parametrize(
    ("second", "problem"),
    [(ACCEPTED, ""), (UNKNOWN_GROUP, "group"), (NO_CAPABILITY, "capability")],
)
def test_what_each_recorded_server_answers_is_understood(second, problem, release, php):
    """The recorded answers of all four servers lead to the release and the right finding."""
    _, first = recorded(UNKNOWN_GROUP, release, php)
    _, answer = recorded(second, release, php)
    check = found(first, answer)
    assert (check.problem, check.release, check.ok) == (problem, release, not problem)


@pytest.mark.parametrize(("release", "php"), SERVERS)
def test_wrong_credentials_end_a_check_at_once(release, php):
    """The check does not ask such a server about the group."""
    _, answer = recorded(NO_AUTHENTICATION, release, php)
    check = found(answer)
    assert check.problem == "authentication"
    assert "TWAKE_PRIVATE_API_KEY" in check.advice


@pytest.mark.parametrize(
    ("said", "lacks"), [({}, "messages_save"), ({"capabilities": ["a", "b"]}, "a, b")]
)
def test_a_capability_that_is_missing_is_named(said, lacks):
    """A save needs `messages_save`, also where the server names nothing."""
    answer = {"error": "you_do_not_have_this_set_of_required_capabilities", **said}
    assert f"it lacks {lacks};" in found(Answer(200, [], json.dumps(answer).encode())).advice


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            Failure(sent=False, reason="dns", detail="no such name"),
            "out of reach: no such name; check base_url",
        ),
        (
            Failure(sent=False, reason="connect", detail="refused"),
            "out of reach: refused; the server is down, or base_url names another",
        ),
        (Failure(sent=True, reason="lost", detail="it was lost"), "but it was lost"),
    ],
)
def test_a_check_without_an_answer_says_what_happened(failure, words):
    """The reason is that of the attempt, and the advice has the details for a person."""
    request = next(examine("g", Api()))
    assert request.judge(failure, Context(0.0)).reason == failure.reason
    assert words in found(failure).advice


@pytest.mark.parametrize("status", [300, 302, 399])
@pytest.mark.parametrize(
    ("headers", "where"),
    [([(b"location", b"https://web.example.org/")], "'https://web.example.org/'"), ([], "nowhere")],
)
def test_a_redirect_says_where_to(status, headers, where):
    """Mostly the address is that of a web page."""
    check = found(Answer(status, headers, b""))
    assert check.problem == "address"
    assert f"redirects to {where}, which" in check.advice


def test_the_second_request_fits_the_release_and_the_first_names_nobodys_group():
    """2020 is asked without a message, 2021 without a channel; no request names a channel."""
    for release, body in (
        ("2020", {"group_id": "g"}),
        ("2021", {"group_id": "g", "message": NOTHING}),
    ):
        steps = examine("g", Api())
        request = next(steps)
        assert json.loads(request.body) == {"group_id": NIL_GROUP}
        _, first = recorded(UNKNOWN_GROUP, release, "8.2")
        second = json.loads(steps.send(request.judge(first, Context(0.0))).body)
        assert second["group_id"] == "g"
        assert second == body


def test_an_api_that_is_not_served_and_a_port_of_tls_are_named():
    """The check names both, so that the advice can be exact."""
    json_type = [(b"content-type", b"application/json")]
    check = found(Answer(404, json_type, b'{"error":"Not found"}'))
    assert check.problem == "api"
    assert 'api="node"' in check.advice
    check = found(Answer(400, [], b"The plain HTTP request was sent to HTTPS port"))
    assert check.problem == "address"
    assert "https://" in check.advice


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (Failure(sent=False, reason="connect", detail="nobody"), True),
        (Answer(502, [], b""), True),
        (Answer(404, [], b""), True),
        (Answer(429, [], b""), True),
        (Answer(200, [], b'{"error":"unknown_application_or_bad_private_key"}'), False),
    ],
)
def test_a_proxy_is_named_where_it_may_have_a_part_in_it(answer, named):
    """An answer that only Twake can give does not come from the proxy."""
    check = found(answer, proxy="http://proxy.example.org")
    assert ("through the proxy http://proxy.example.org" in check.advice) is named


@pytest.mark.parametrize(
    ("fact", "problem"),
    [
        (Failure(sent=False, reason="connect", detail="nobody"), "unreachable"),
        (Failure(sent=True, reason="lost", detail="it was lost"), "unclear"),
        (Answer(302, [(b"location", b"https://elsewhere.example.org")], b""), "address"),
        (Answer(404, [], b"<html>"), "address"),
        (Answer(200, [], b"<!doctype html><html></html>"), "address"),
        (Answer(300, [], b""), "address"),
        (Answer(499, [], b""), "address"),
        (Answer(500, [], b"<html>"), "unclear"),
        (Answer(502, [], b"Route"), "unclear"),
        (Answer(500, [], b'{"error": "Route not found: "/x/""}'), "address"),
        (Answer(429, [(b"retry-after", b"1")], b""), "later"),
        (Answer(502, [], b""), "unclear"),
        (Answer(200, [], b""), "unclear"),
        (Answer(200, [], b'{"error":"unknown error or malformed query."}'), "unclear"),
        (Answer(200, [], b"ERROR with persist"), "unclear"),
        (Answer(200, [], b'{"object":{"id":"x"}}'), "unclear"),
    ],
)
def test_what_is_no_answer_of_twakes_is_never_taken_for_one(fact, problem):
    """Whatever server answers, a check says that all is well only where it is proven."""
    assert found(fact).problem == problem


def test_an_answer_that_fits_the_other_release_proves_nothing():
    """After one empty 500, an answer of 2020 does not prove a server of 2021."""
    check = found(Answer(500, [], b""), recorded(ACCEPTED, "2020", "8.2")[1])
    assert (check.problem, check.release) == ("unclear", None)


POOR = copy.deepcopy(DEFAULT_SEED)
POOR["apps"]["bot"]["capabilities"] = POOR["group_apps"][0]["capabilities"] = ["display_modal"]
EITHER = [pytest.param(one, marks=pytest.mark.twake(release=one)) for one in ("2020", "2021")]


@pytest.mark.parametrize("release", EITHER)
async def test_a_check_of_a_session_stores_nothing_and_names_the_release(
    release, twake_sandbox, twake_session
):
    """Over real HTTP, a good session checks out, and the channels stay as they were."""
    check = await twake_session.check()
    assert check.ok, check
    assert check.release == release
    assert check.apis == ("v1",)
    assert check.version == (None if release == "2020" else "2021.Q4.860")
    assert twake_sandbox.messages() == []
    assert twake_sandbox.ephemerals(twake_sandbox.channel_id) == []
    assert len(twake_sandbox.requests) == 5


@pytest.mark.twake(seed=POOR)
@pytest.mark.parametrize("release", EITHER)
@pytest.mark.parametrize(
    ("problem", "changed"),
    [
        ("authentication", {"private_api_key": "wrong"}),
        ("group", {"group_id": "00000000-0000-0000-0000-000000000001"}),
        ("address", {"base_url": "{url}/elsewhere"}),
        ("capability", {}),
    ],
)
async def test_each_broken_session_is_told_what_is_wrong(problem, changed, release, twake_sandbox):
    """A wrong key, group, path or capability is named, on servers of both releases."""
    assert twake_sandbox.release == release
    given = {name: value.format(url=twake_sandbox.url) for name, value in changed.items()}
    async with TwakeSession.from_env(**given) as twake:
        check = await twake.check()
    assert check.problem == problem
    assert check.advice


async def test_a_check_without_a_group_is_a_configuration_error(twake_sandbox, monkeypatch):
    """There is no group to ask about, so no byte leaves."""
    monkeypatch.delenv("TWAKE_GROUP_ID")
    async with TwakeSession.from_env() as twake:
        with pytest.raises(ConfigurationError, match="group_id"):
            await twake.check()
    assert twake_sandbox.requests == []


async def test_a_check_keeps_its_deadline(twake_sandbox, twake_session):
    """A server that never answers is `unclear` when the time is over."""
    assert (await twake_session.check()).problem == ""  # from now on, a connection is open
    twake_sandbox.slow(600)
    began = time.monotonic()
    check = await twake_session.check(deadline=0.1)
    assert time.monotonic() - began < 60
    assert check.problem == "unclear"


def test_the_servers_words_in_the_advice_cannot_steer_a_terminal():
    """The names of capabilities and the words of the network are shown without ESC and CR."""
    answer = {"error": "you_do_not_have_this_set_of_required_capabilities"}
    answer["capabilities"] = ["a\x1b[2Jb", "c\r\n\u202ed"]
    refused = found(Answer(200, [], json.dumps(answer).encode()))
    assert "a?[2Jb, c ?d" in refused.advice
    unreachable = found(Failure(sent=False, reason="dns", detail="no\x1b[1m such\rname"))
    for check in (refused, unreachable):
        assert check.advice.isprintable()

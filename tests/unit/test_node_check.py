"""`check` over api="node": what the recorded answers prove, and that asking stores nothing."""

from __future__ import annotations

import json

import pytest
from places import WIRE

from twake_async import ConfigurationError, TwakeSession
from twake_async._arguments import Credentials
from twake_async._protocol.exchange import Answer, Context, Failure
from twake_async._protocol.node.api import Api, Token
from twake_async._protocol.node.probes import examine
from twake_async._protocol.server import Server
from twake_async.sandbox import Sandbox

SECRET = "the-private-key-of-the-application"
CASES = {
    (case["server"], case["name"]): case
    for case in map(
        json.loads, (WIRE / "node" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    )
}
SERVERS = ["v2022.Q2.975", "v2023.Q1.1223"]
JSON = [(b"content-type", b"application/json; charset=utf-8")]


def recorded(server: str, name: str) -> Answer:
    """Return a recorded answer, as the transport would hand it back."""
    answer = CASES[server, name]["response"]
    headers = [(k.encode(), v.encode()) for k, v in answer["headers"].items()]
    return Answer(answer["status"], headers, answer["body"].encode())


def said(status: int, document: object) -> Answer:
    return Answer(status, JSON, json.dumps(document).encode())


LOGGED_IN = said(200, {"resource": {"access_token": {"time": 1, "expiration": 9, "value": "t"}}})


def found(*answers: Answer | Failure, proxy: str = "", trusted=frozenset(), workspace=None):
    """Return what a check concludes from these answers, in order."""
    server = Server("https://twake.example.org", trusted, proxy)
    api = Api(server, Credentials("an-id", SECRET), token=Token((b"a", b"of the session")))
    steps = examine("the-group", workspace, api)
    request = next(steps)
    for answer in answers:
        try:
            request = steps.send(request.judge(answer, Context(0.0)))
        except StopIteration as end:
            assert api.token is not None
            assert api.token.header == (b"a", b"of the session")
            return end.value
    raise AssertionError("the check wants more answers")


@pytest.mark.parametrize("server", SERVERS)
def test_the_recorded_answers_of_a_good_application_check_out(server):
    """The read of a thread that does not exist changed no row when it was recorded."""
    read = CASES[server, "list-thread-unknown"]
    assert all(rows == dict.fromkeys(rows, rows["before"]) for rows in read["rows"].values())
    check = found(LOGGED_IN, recorded(server, "list-thread-unknown"))
    assert check.ok


def test_the_read_is_made_with_the_token_of_the_checks_own_login():
    """The token of the session is neither used nor changed; no key stands in a header."""
    api = Api(credentials=Credentials("an-id", SECRET), token=Token((b"a", b"of the session")))
    steps = examine("the-group", "w", api)
    login = next(steps)
    assert (login.method, login.headers()) == ("POST", ())
    assert json.loads(login.body) == {"id": "an-id", "secret": SECRET}
    read = steps.send(login.judge(LOGGED_IN, Context(0.0)))
    assert (read.method, read.body) == ("GET", b"")
    assert read.path == (
        "/api/messages/v1/companies/the-group/threads/00000000-0000-1000-8000-000000000000/messages?limit=1"
    )
    assert read.headers() == ((b"Authorization", b"Bearer t"),)
    assert SECRET not in repr(login)
    assert "Bearer" not in repr(read)
    for request in (login, read):
        assert request.named_by(None) is None


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", ["login-unknown-id", "login-wrong-secret"])
def test_wrong_credentials_end_a_check_at_once(server, name):
    """The error repeats the words of the server and names what to set."""
    check = found(recorded(server, name))
    assert check.problem == "authentication"
    assert "TWAKE_PRIVATE_API_KEY" in check.advice


@pytest.mark.parametrize("server", SERVERS)
def test_an_address_that_the_application_does_not_allow_is_found(server):
    """A login does not show it, so the check makes a read."""
    check = found(LOGGED_IN, recorded(server, "right-ip"))
    assert check.problem == "authentication"
    assert "not allowed to access from this IP" in check.advice


WRONG = {
    "later": Answer(429, [(b"retry-after", b"1")], b""),
    "redirect": Answer(302, [(b"location", b"https://elsewhere.example.org")], b""),
    "page": Answer(200, [], b"<!doctype html><html></html>"),
    "gateway": Answer(403, [], b"<html>forbidden</html>"),
    "down": Answer(502, [], b""),
    "words of a gateway": said(403, {"error": "Forbidden"}),
    "tls": Answer(400, [], b"The plain HTTP request was sent to HTTPS port"),
}
PROBLEMS = {
    "later": "later",
    "redirect": "address",
    "page": "address",
    "gateway": "address",
    "down": "unclear",
    "words of a gateway": "address",
    "tls": "address",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("before", [(), (LOGGED_IN,)])
def test_what_is_no_answer_of_twakes_is_never_taken_for_one(name, before):
    """A check says what the address looks like, whichever of its two requests finds it."""
    check = found(*before, WRONG[name], trusted=frozenset({403, 404}))
    assert check.problem == PROBLEMS[name]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (said(404, {"error": "Not found"}), "api"),
        (said(200, {"error": "Not found"}), "api"),
        (said(404, {"statusCode": 404, "error": "Not Found", "message": "Route GET:x"}), "api"),
        (said(200, {"statusCode": 404, "error": "Not Found", "message": "Route GET:x"}), "api"),
        (said(200, {"statusCode": 403, "error": "Forbidden", "message": "no"}), "authentication"),
        (said(401, {"statusCode": 401, "error": "Unauthorized", "message": "Bad"}), "unclear"),
        (said(200, {"statusCode": 500, "error": "x", "message": "y", "requestId": "z"}), "unclear"),
        (said(200, {"resource": None}), "unclear"),
        (Answer(401, [], b""), "address"),
        (Failure(sent=False, reason="connect", detail="nobody"), "unreachable"),
        (Failure(sent=True, reason="lost", detail="it was lost"), "unclear"),
    ],
)
def test_what_a_read_with_a_new_token_may_meet(answer, problem):
    """An API that is not served, and a server that fails, are told from a wrong address."""
    check = found(LOGGED_IN, answer)
    assert check.problem == problem
    assert check.advice


def test_a_server_that_fails_to_read_is_not_taken_for_a_stranger():
    """The server knows the application, so nothing is wrong with the address."""
    broken = said(200, {"statusCode": 500, "error": "x", "message": "y", "requestId": "z"})
    assert found(LOGGED_IN, broken).advice.startswith("the server knows the application, but fails")
    stranger = found(LOGGED_IN, said(200, {"resource": None}))
    assert "no recorded release of Twake" in stranger.advice


@pytest.mark.parametrize(
    ("status", "problem"),
    [(299, "unclear"), (300, "address"), (399, "address"), (499, "address"), (500, "unclear")],
)
@pytest.mark.parametrize("before", [(), (LOGGED_IN,)])
def test_a_redirect_and_a_4xx_point_to_the_address(status, problem, before):
    """Any other answer does not show what is at the address."""
    assert found(*before, Answer(status, [], b"")).problem == problem


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (said(404, {"error": "Not found"}), "api"),
        (Answer(500, [], b'{"error": "Route not found: "/api/console/v1/login/""}'), "api"),
        (Answer(500, [], b""), "unclear"),
        (said(200, {}), "unclear"),
        (Failure(sent=False, reason="connect", detail="nobody"), "unreachable"),
        (Failure(sent=True, reason="timeout", detail="no answer in time"), "unclear"),
    ],
)
def test_what_a_login_may_meet(answer, problem):
    """A server that has only v1 says in words that it has no such route."""
    check = found(answer, proxy="http://proxy.example.org")
    assert check.problem == problem
    assert ('api="v1"' in check.advice) == (problem == "api")
    named = "through the proxy" in check.advice
    assert named == (problem != "api")


@pytest.mark.parametrize(
    ("last", "workspace", "named"),
    [
        (said(200, {"resources": []}), None, True),
        (said(200, {"resources": []}), "a-workspace", False),
        (said(404, {"error": "Not found"}), None, False),
        (said(404, {"error": "Not found"}), "a-workspace", False),
    ],
)
def test_a_good_check_says_that_no_workspace_is_set(last, workspace, named):
    """Each message must then name its own workspace; any other problem is reported first."""
    advice = found(LOGGED_IN, last, workspace=workspace).advice
    assert ("no workspace is set" in advice) is named


def test_a_group_and_a_workspace_are_ids_before_anything_is_asked():
    """No byte leaves."""
    api = Api(credentials=Credentials("an-id", SECRET))
    with pytest.raises(ConfigurationError, match="group_id"):
        next(examine(None, None, api))
    with pytest.raises(ConfigurationError, match="workspace_id"):
        next(examine("g", "", api))


@pytest.mark.parametrize("release", ["2022", "2023"])
@pytest.mark.parametrize("transport", [None, "httpx2", "fast"])
async def test_a_check_of_a_session_stores_nothing_and_names_the_release(release, transport):
    """Over real HTTP, a good session passes the check, and its five requests store nothing."""
    async with Sandbox(release=release) as sandbox, session(sandbox, transport=transport) as twake:
        check = await twake.check()
        assert (check.ok, check.release) == (True, release), check
        assert check.apis == (("v1", "node") if release == "2022" else ("node",))
        assert check.version == {"2022": "2022.Q2.975", "2023": "2023.Q1.1223"}[release]
        assert sandbox.messages() == []
        assert len(sandbox.requests) == 5


async def test_a_batch_makes_the_two_requests_of_its_api_alone():
    """A batch only has to know whether the server takes its messages."""
    async with Sandbox(release="2023") as sandbox, session(sandbox, workspace_id="w") as twake:
        drafts = [(sandbox.channel_id, "Hello")]
        ended = [one async for one in twake.send_many(drafts)]
        assert [one.outcome.value for one in ended] == ["delivered"]
        # The check's login and read, the session's login, and the message.
        assert len(sandbox.requests) == 4


async def test_a_wrong_key_is_named():
    """The error does not show the key itself."""
    async with Sandbox(release="2023") as sandbox, session(sandbox, key="a-wrong-key") as twake:
        check = await twake.check()
    assert (check.problem, check.apis) == ("authentication", ("node",))
    assert "a-wrong-key" not in repr(check)


def session(sandbox, key="", **options):
    return TwakeSession(
        sandbox.public_id,
        key or sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        api="node",
        **options,
    )

"""Which APIs a server serves: what the recorded answers prove, and what other answers do not."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest
from places import WIRE

from twake_async import Check, NotSentError, RefusedError, RetryPolicy, TwakeSession
from twake_async._protocol.apis import can_tell, find_apis
from twake_async._protocol.exchange import LATE, Answer, Context
from twake_async.sandbox import Sandbox

NODE = {
    (case["server"], case["name"]): case
    for case in map(
        json.loads, (WIRE / "node" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    )
}
V1 = {
    (case["server"], case["php"], case["name"]): case
    for case in map(json.loads, (WIRE / "cases.jsonl").read_text(encoding="utf-8").splitlines())
}
JSON = [(b"content-type", b"application/json; charset=utf-8")]
HTML = [(b"content-type", b"text/html; charset=UTF-8")]


def as_answer(case) -> Answer:
    answer = case["response"]
    headers = [(k.encode(), v.encode()) for k, v in answer["headers"].items()]
    return Answer(answer["status"], headers, answer["body"].encode())


def node(server: str, name: str) -> Answer:
    return as_answer(NODE[server, name])


def no_route(path: str) -> Answer:
    """Return PHP's answer for a path that it does not serve (wire case 23b)."""
    recorded = as_answer(V1["v2020.Q3.107", "8.2", "23b-unknown-route"])
    body = recorded.body.replace(b"/api/v1/messages/nope", path.encode())
    return Answer(recorded.status, recorded.headers, body)


NO_LOGIN = no_route("/api/console/v1/login")
NO_CREDENTIALS = as_answer(V1["v2023.Q1.1223", "8.2", "20-auth-none"])
NOT_FOUND = Answer(404, JSON, b'{"error":"Not found"}')
PAGE = Answer(200, HTML, b"<!doctype html><html>Twake</html>")
WELL = Check("", "all is well")


def learn(*answers, api="v1", found=WELL) -> Check:
    """Return the result of answers to a login, a save and a question for the version."""
    steps = find_apis(api, found)
    request = next(steps)
    for answer in answers:
        assert request.headers() == ()
        try:
            request = steps.send(request.judge(answer, Context(0.0)))
        except StopIteration as end:
            return end.value
    raise AssertionError("it wants more answers")


def told(current: object) -> Answer:
    """Return what a Node server says of itself, with another version."""
    body = json.loads(node("v2023.Q1.1223", "probe-server-info").body)
    body["version"]["current"] = current
    return Answer(200, JSON, json.dumps(body).encode())


def test_the_requests_have_no_credentials_and_nothing_to_store():
    """No id, no key, no channel and no message."""
    steps = find_apis("v1", WELL)
    login = next(steps)
    save = steps.send(None)
    version = steps.send(None)
    assert (login.method, login.path, login.body) == ("POST", "/api/console/v1/login", b"{}")
    assert (save.method, save.path) == ("POST", "/api/v1/messages/save")
    assert save.body == b"{}"
    assert (version.method, version.body) == ("GET", b"")
    assert version.path == "/internal/services/general/v1/server"
    for one in (login, save, version):
        assert (one.operation, one.headers(), one.named_by(None)) == ("check", (), None)


@pytest.mark.parametrize("server", ["v2022.Q2.975", "v2023.Q1.1223"])
@pytest.mark.parametrize("name", ["login-empty-object", "probe-login-get2", "probe-server-info"])
def test_the_recorded_requests_changed_no_row(server, name):
    """The recorded requests of a check stored nothing."""
    rows = NODE[server, name]["rows"].values()
    assert all(one == dict.fromkeys(one, one["before"]) for one in rows)


SERVERS = {
    "2020": ((NO_LOGIN, NO_CREDENTIALS, PAGE), ("v1",), None, None),
    "2021": (
        (NO_LOGIN, NO_CREDENTIALS, node("v2021.Q4.860", "probe-server-info")),
        ("v1",),
        "2021.Q4.860",
        "2021",
    ),
    # The owner's proxy passes the login on to Node, which gives a token to anybody.
    "2021 with its Node shown": (
        (
            node("v2021.Q4.860", "login-empty-object"),
            NO_CREDENTIALS,
            node("v2021.Q4.860", "probe-server-info"),
        ),
        ("v1",),
        "2021.Q4.860",
        "2021",
    ),
    "2022": (
        (
            node("v2022.Q2.975", "login-empty-object"),
            NO_CREDENTIALS,
            node("v2022.Q2.975", "probe-server-info"),
        ),
        ("v1", "node"),
        "2022.Q2.975",
        "2022",
    ),
    "2022.Q2.910": (
        (node("v2022.Q2.975", "login-empty-object"), NOT_FOUND, told("2022.Q2.910")),
        ("node",),
        "2022.Q2.910",
        "2022",
    ),
    "2023": (
        (
            node("v2023.Q1.1223", "probe-login-get2"),
            NOT_FOUND,
            node("v2023.Q1.1223", "probe-server-info"),
        ),
        ("node",),
        "2023.Q1.1223",
        "2023",
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_each_server_is_known_by_its_recorded_answers(name):
    """The APIs, the version and the release; the advice of a good session stays."""
    answers, apis, version, release = SERVERS[name]
    check = learn(*answers)
    assert (check.apis, check.version, check.release) == (apis, version, release)
    assert (check.problem, check.advice) == ("", "all is well")


NOTHING = {
    "a page": PAGE,
    "a redirect": Answer(302, [(b"location", b"https://elsewhere.example.org")], b""),
    "a page for a 404": Answer(404, HTML, b"<html>nginx</html>"),
    "a gateway's JSON": Answer(404, JSON, b'{"message":"no Route matched with those values"}'),
    "a gateway's 403": Answer(403, JSON, b'{"error":"Forbidden"}'),
    "another 403 of Node's": Answer(
        403, JSON, b'{"statusCode":403,"error":"Forbidden","message":"not from this IP"}'
    ),
    "words for another status": Answer(
        400, JSON, b'{"statusCode":403,"error":"Forbidden","message":"Application not found"}'
    ),
    "a 500": Answer(500, HTML, b"<html>Internal Server Error</html>"),
    "a 502": Answer(502, [], b""),
    "a 429": Answer(429, [], b""),
    "no JSON": Answer(200, JSON, b"{"),
    "another JSON": Answer(200, JSON, b'{"status":"ready","resource":[]}'),
    "a list": Answer(404, JSON, b"[]"),
    "nothing": LATE,
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_word_of_twakes_proves_nothing(name):
    """No API counts as served or as missing; earlier results stay."""
    found = Check("", "all is well", "2020")
    check = learn(*[NOTHING[name]] * 3, found=found)
    assert check == found
    assert (check.apis, check.version, check.release) == (None, None, "2020")


@pytest.mark.parametrize(
    "answer",
    [
        told(None),
        told("\x1b[2J"),
        told("x" * 41),
        Answer(200, JSON, b'{"status":"ready","version":"2023.Q1.1223"}'),
        Answer(200, JSON, b'{"status":"starting","version":{"current":"2023.Q1.1223"}}'),
        Answer(503, JSON, b'{"status":"ready","version":{"current":"2023.Q1.1223"}}'),
    ],
)
def test_a_version_is_a_word_that_a_ready_server_says(answer):
    """It is one word, from a server that is ready, and a terminal can show it."""
    assert learn(PAGE, PAGE, answer).version is None


@pytest.mark.parametrize(
    ("seen", "version", "login", "release"),
    [
        ("2020", "2023.Q1.1223", PAGE, "2020"),  # v1 itself answers as 2020
        ("2021", "2022.Q3.1000", NO_LOGIN, "2022"),
        ("2021", "2030.Q1.1", PAGE, "2021"),
        (None, "dev", PAGE, None),
        (None, "2021.Q4.860", node("v2023.Q1.1223", "probe-login-get2"), None),
        ("2021", "2021.Q4.860", node("v2023.Q1.1223", "probe-login-get2"), "2021"),
    ],
)
def test_answers_count_more_than_the_version(seen, version, login, release):
    """A release that cannot give these answers is not named."""
    check = learn(login, PAGE, told(version), found=Check("", "well", seen))
    assert (check.release, check.version) == (release, version)


@pytest.mark.parametrize("problem", ["address", "unclear"])
@pytest.mark.parametrize(
    ("api", "answers", "advice"),
    [
        ("v1", SERVERS["2023"][0], 'api="node"'),
        ("v1", SERVERS["2022"][0], None),
        ("v1", SERVERS["2020"][0], None),
        ("v1", (PAGE, PAGE, PAGE), None),
        ("node", SERVERS["2020"][0], 'api="v1"'),
        ("node", SERVERS["2022"][0], None),
    ],
)
def test_the_advice_names_the_api_that_alone_is_served(problem, api, answers, advice):
    """If the chosen API is served too, or nothing is proven, the advice stays the same."""
    check = learn(*answers, api=api, found=Check(problem, "check base_url"))
    assert check.problem == problem
    assert check.advice.startswith("check base_url")
    assert (check.advice != "check base_url") == (advice is not None)
    assert advice is None or advice in check.advice
    if advice == 'api="node"':
        assert "TWAKE_WORKSPACE_ID" in check.advice


def test_a_server_that_cannot_be_reached_or_wants_a_pause_is_asked_no_more():
    """For any other problem, the further requests may tell why."""
    asked = {one: can_tell(Check(one, "x")) for one in ("unreachable", "later", "address", "")}
    assert asked == {"unreachable": False, "later": False, "address": True, "": True}


@pytest.mark.parametrize("server", ["v2021.Q4.860", "v2022.Q2.975", "v2023.Q1.1223"])
async def test_the_sandbox_tells_its_version_as_it_was_recorded(server):
    """It gives the whole configuration without a token."""
    recorded = node(server, "probe-server-info")
    async with Sandbox(release=server[1:5]) as box, httpx.AsyncClient() as client:
        told = await client.get(f"{box.url}/internal/services/general/v1/server")
    assert (told.status_code, told.json()) == (200, json.loads(recorded.body))
    assert told.headers["content-type"] == recorded.header(b"content-type")


async def test_a_sandbox_of_2020_answers_its_web_client_instead():
    """Its nginx does so, to a GET only."""
    async with Sandbox(release="2020") as box, httpx.AsyncClient() as client:
        told = await client.get(f"{box.url}/internal/services/general/v1/server")
    assert (told.status_code, told.headers["content-type"]) == (200, "text/html")


# --- over HTTP -----------------------------------------------------------------------------------


def session(sandbox, api, **options):
    return TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        workspace_id="w",
        **{"base_url": sandbox.url, "api": api, **options},
    )


@pytest.mark.parametrize("transport", [None, "httpx2", "fast"])
@pytest.mark.parametrize(
    ("release", "api", "right"),
    [("2020", "node", "v1"), ("2021", "node", "v1"), ("2023", "v1", "node")],
)
async def test_each_wrong_choice_names_the_right_one(release, api, right, transport):
    """The check says it, and so does the error of a message; the message is not stored."""
    async with Sandbox(release=release) as box, session(box, api, transport=transport) as twake:
        check = await twake.check()
        assert (check.problem, check.apis) == ("api", (right,))
        with pytest.raises(RefusedError) as caught:
            await twake.send_message(box.channel_id, "Hello")
        with pytest.raises(RefusedError) as ended:
            [_ async for _ in twake.send_many([(box.channel_id, "Hello")])]
        assert box.messages() == []
    assert caught.value.reason == ended.value.reason == "api"
    for said in (check.advice, str(caught.value), str(ended.value)):
        assert f'set api="{right}"' in said
        assert f"TWAKE_API={right}" in said


@pytest.mark.parametrize("body", [b"", b'{"error": "Route not found: "/api/console/v1/login/""}'])
async def test_a_server_of_2020_behind_its_own_nginx_is_known(body):
    """Its login is a 500 as HTML; the web client answers where Node tells its version."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/internal/"):
            return httpx.Response(200, headers={"content-type": "text/html"}, content=PAGE.body)
        if request.url.path == "/api/v1/messages/save":
            return httpx.Response(200, content=NO_CREDENTIALS.body)
        return httpx.Response(500, headers={"content-type": "text/html"}, content=body)

    async with TwakeSession(
        "an-id",
        "a-key",
        group_id="g",
        workspace_id="w",
        api="node",
        transport=httpx.MockTransport(answer),
    ) as twake:
        with pytest.raises(RefusedError, match='set api="v1"') as caught:
            await twake.send_message("c", "Hello")
        check = await twake.check()
    assert caught.value.reason == "api"
    assert check.apis == ("v1",)
    assert 'api="v1"' in check.advice
    assert "TWAKE_API=v1" in check.advice


async def test_a_login_that_fails_on_a_server_with_node_sent_no_message():
    """Its version tells that the API is served: the send may be tried again."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/internal/"):
            return httpx.Response(200, headers=dict(JSON), content=told("2023.Q1.1223").body)
        return httpx.Response(500, content=b"")

    async with TwakeSession(
        "an-id",
        "a-key",
        group_id="g",
        workspace_id="w",
        api="node",
        transport=httpx.MockTransport(answer),
    ) as twake:
        with pytest.raises(NotSentError, match="answered 500 to the login"):
            await twake.send_message("c", "Hello", retry=RetryPolicy(unsent_attempts=1))


async def test_an_unreachable_server_is_asked_once():
    """No further request goes to a server that is not there."""
    async with Sandbox(release="2023") as box:
        with box.unreachable():
            async with session(box, "v1") as twake:
                check = await twake.check(deadline=1)
        assert (check.problem, check.apis) == ("unreachable", None)
        assert box.requests == []


@pytest.mark.parametrize("answered", [0, 1, 2])
async def test_the_deadline_is_over_all_requests(answered):
    """A server that answers only the first requests does not delay the check."""
    asked = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked > answered:
            await asyncio.sleep(600)
        return httpx.Response(200, content=NO_CREDENTIALS.body)

    began = time.monotonic()
    async with TwakeSession(
        "an-id", "a-key", group_id="g", transport=httpx.MockTransport(answer)
    ) as twake:
        check = await twake.check(deadline=1.0)
    assert time.monotonic() - began < 60
    assert check.problem == ("authentication" if answered else "unclear")
    assert check.apis is None

"""Node: what each answer to a login means for a message that waits for the token."""

from __future__ import annotations

import gzip
import json
import pickle
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from node_recorded import CASES
from node_rows import answer
from plain_ids import plain_id
from strategies import JSON, TEXT

from twake_async._arguments import Credentials
from twake_async._protocol.exchange import LATE, LOST, NOT_YET, Answer, Context
from twake_async._protocol.node.api import Token
from twake_async._protocol.node.login import LOGIN, SERVER, Grant, Login, log_in
from twake_async._protocol.server import Server
from twake_async.errors import (
    AuthenticationError,
    NotSentError,
    Outcome,
    RateLimitedError,
    RefusedError,
)

KEY = "0vpZlSP7Qp6HK/the-private-key"
CREDENTIALS = Credentials("10a03ab0-e914-11f1-a2d0-9f7cb434e27b", KEY)
REQUEST = Login(CREDENTIALS, Server("https://twake.example"))
LOGINS = [
    case
    for case in CASES
    if case["request"]["path"] == LOGIN and case["request"]["method"] == "POST"
]


def recorded(case):
    response = case["response"]
    headers = [(k.encode(), v.encode()) for k, v in response["headers"].items()]
    return Answer(response["status"], headers, response["body"].encode())


def judged(found, request=REQUEST):
    return request.judge(found, Context(0.0))


def token(**changed):
    """Return the answer to a good login, with something changed."""
    good = {
        "time": 1795640783,
        "expiration": 1795644383,
        "refresh_expiration": 1798232783,
        "value": "eyJ.a.token",
        "refresh": "eyJ.a.refresh-token",
        "type": "Bearer",
    }
    return {"resource": {"access_token": {**good, **changed}}}


# --- what was recorded --------------------------------------------------------------------------


@pytest.mark.parametrize("case", LOGINS, ids=lambda case: f"{case['server']}-{case['name']}")
def test_each_recorded_login_gives_a_token_or_says_why_not(case):
    """200 is a token for an hour, 403 wrong credentials; anything else sent no message."""
    result = judged(recorded(case))
    if case["response"]["status"] == 200:
        assert isinstance(result, Grant)
        body = json.loads(case["response"]["body"])["resource"]["access_token"]
        assert result.value == body["value"]
        assert result.seconds == body["expiration"] - body["time"]
        return
    expected = {403: AuthenticationError}.get(case["response"]["status"], NotSentError)
    assert type(result) is expected
    assert result.reason == ("authentication" if expected is AuthenticationError else "login")
    assert result.status == case["response"]["status"]


def test_the_request_is_the_recorded_one():
    """The id and the secret stand in the body, and nothing in the headers."""
    case = next(one for one in LOGINS if one["name"] == "login-ok-10a03ab0")
    sent = json.loads(case["request"]["body"])
    request = Login(Credentials(sent["id"], sent["secret"]), Server())
    assert json.loads(request.body) == sent
    assert (request.method, request.path) == ("POST", case["request"]["path"])
    assert request.headers() == ()
    assert request.named_by(judged(answer(token()), request)) is None
    key = "é\u2028"
    assert json.loads(Login(Credentials("i", key), Server()).body)["secret"] == key


# --- any answer ---------------------------------------------------------------------------------


def test_the_token_is_kept_and_nothing_else_of_the_answer():
    """The refresh token is a key for 30 days: nobody reads it."""
    grant = judged(answer(token()))
    assert (grant.value, grant.seconds) == ("eyJ.a.token", 3600.0)
    assert grant.header() == (b"Authorization", b"Bearer eyJ.a.token")
    assert {name for name in Grant.__slots__ if not name.startswith("__")} == {"value", "seconds"}
    assert "token" not in repr(grant)
    packed = gzip.compress(json.dumps(token()).encode(), mtime=0)
    assert judged(Answer(200, [(b"content-encoding", b"gzip")], packed)).value == "eyJ.a.token"


@pytest.mark.parametrize(
    "changed",
    [
        *[
            {"value": value}
            for value in ("", " ", "a b", "a\r\nX: y", "a\x00", "é", "a\n", 5, None)
        ],
        *[
            {"expiration": value}
            for value in (1795640783, 1795640783.5, 0, "soon", None, [], float("nan"))
        ],
        {"expiration": float("inf")},
        {"expiration": 10**400},
        {"time": {}},
    ],
    ids=plain_id,
)
def test_what_is_no_token_is_never_used_as_one(changed):
    """No header is made of it, and no message was sent."""
    result = judged(answer(token(**changed)))
    assert (type(result), result.reason) == (NotSentError, "login")


@pytest.mark.parametrize(("seconds", "is_token"), [(0, False), (0.5, False), (1, True), (2, True)])
def test_a_token_is_good_for_a_second_at_least(seconds, is_token):
    """One that ends at once would be asked for again and again."""
    result = judged(answer(token(time=100, expiration=100 + seconds)))
    assert isinstance(result, Grant) is is_token
    assert not is_token or result.seconds == seconds


@given(
    JSON | st.builds(lambda value: token(value=value), JSON | TEXT),
    st.sampled_from([200, 201, 302, 400, 401, 403, 404, 429, 500, 502, 503]),
)
@example({"resource": {"access_token": []}}, 200)
@example({"error": "Not found"}, 404)
@example({"statusCode": 403, "error": "Forbidden", "message": "x"}, 403)
@example({"statusCode": 403, "error": "Forbidden", "message": "x"}, 200)
@example({"statusCode": 403, "error": "Forbidden", "message": "x", "code": "y"}, 403)
def test_no_answer_to_a_login_leaves_a_message_in_doubt(document, status):
    """It means a token, wrong credentials, a server without the API, or no message was sent."""
    result = judged(answer(document, status))
    if isinstance(result, Grant):
        name, value = result.header()
        assert (status, name) == (200, b"Authorization")
        assert value.isascii()
        assert not set(value.partition(b" ")[2]) & set(range(33))
    elif isinstance(result, AuthenticationError):
        assert (status, document.keys()) == (403, {"statusCode", "error", "message"})
    elif isinstance(result, RateLimitedError):
        assert status == 429
    elif isinstance(result, RefusedError):
        assert (result.reason, status, document) == ("api", 404, {"error": "Not found"})
    else:
        assert (type(result), result.reason) == (NotSentError, "login")


def test_a_server_without_this_api_says_so_to_a_login():
    """Node's words for a route that it lacks, and PHP's."""
    no_route = Answer(500, [], b'{"error": "Route not found: "/api/console/v1/login/""}')
    for found, status in ((answer({"error": "Not found"}, 404), 404), (no_route, 500)):
        result = judged(found)
        assert (type(result), result.reason, result.status) == (RefusedError, "api", status)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_what_cannot_be_read_is_no_token(body):
    """A proxy's answer in its place is no token either."""
    for status in (200, 403, 404, 500):
        for kind in ("text/html", "application/json"):
            result = judged(answer(body, status, kind))
            assert (type(result), result.reason) == (NotSentError, "login")


def test_a_wrong_address_is_told():
    """A redirect is never followed, and a server may expect TLS."""
    moved = Answer(301, [(b"Location", b"https://twake.example/api/console/v1/login")], b"")
    assert "'https://twake.example/api/console/v1/login'" in str(judged(moved))
    assert "check base_url" in str(judged(moved))
    tls = answer(b"<p>The plain HTTP request was sent to HTTPS port</p>", 400, "text/html")
    assert "https://" in str(judged(tls))
    for plain in (answer(b"", 400), answer(b"", 301)):
        assert str(judged(plain)).endswith("to the login")
    for status in (200, 299, 300, 399, 400, 401):
        said = str(judged(Answer(status, [(b"Location", b"https://else.example")], b"")))
        assert ("redirects" in said) is (status in (300, 399))


def test_a_lost_login_lost_no_message():
    """It proves as much as a connection that was never opened: the message was not sent."""
    for failure, reason in ((LATE, "login"), (LOST, "login"), (NOT_YET, "connect")):
        result = judged(failure)
        assert (type(result), result.outcome) == (NotSentError, Outcome.NOT_SENT)
        assert result.reason == reason
        assert failure.detail in str(result)
    behind = Login(CREDENTIALS, Server("http://twake.example", proxy="http://proxy"))
    assert "http://proxy" in str(judged(answer(b"", 502), behind))


def test_no_error_of_a_login_shows_the_key():
    """Not even where a server repeats it."""
    for said in (f"no such key: {KEY}", "Secret key is not valid"):
        words = {"statusCode": 403, "error": "Forbidden", "message": said}
        error = judged(answer(words, 403))
        assert KEY not in str(error)
        assert KEY not in "".join(traceback.format_exception(error))
        assert (said in str(error)) is (KEY not in said)
        quoted = f" ({said!r})" if KEY not in said else ""
        assert str(error).startswith(f"the server refused the login{quoted}: ")
    assert KEY not in repr(REQUEST)


# --- the whole conversation ---------------------------------------------------------------------


def conversation(*answers):
    """Return the result of a login whose requests get these answers, and their paths."""
    steps, asked = log_in(CREDENTIALS, REQUEST.server), []
    result = None
    try:
        while True:
            request = steps.send(result)
            asked.append((request.method, request.path, request.operation))
            if request.path == SERVER:
                assert (request.body, request.headers()) == (b"", ())
                assert request.named_by(result) is None
            result = judged(answers[len(asked) - 1], request)
    except StopIteration as end:
        return end.value, asked


HTML = answer(b"<!doctype html>", 200, "text/html")
ASKED_LOGIN, ASKED_SERVER = ("POST", LOGIN, "login"), ("GET", SERVER, "login")


@pytest.mark.parametrize("thing", [Grant("a-token", 1.0), Token((b"Authorization", b"a-token"))])
def test_an_access_token_is_not_pickled(thing):
    """The error says what to do instead."""
    with pytest.raises(TypeError, match="cannot be pickled: log in where it is used"):
        pickle.dumps(thing)


def test_one_request_is_a_login():
    """Unless the server does not know the route."""
    assert isinstance(conversation(answer(token()))[0], Grant)
    for other in (answer({}, 403), answer({}, 502), LOST, NOT_YET):
        result, asked = conversation(other)
        assert isinstance(result, NotSentError)
        assert asked == [ASKED_LOGIN]


def test_a_server_of_php_alone_is_told_by_its_front_page():
    """It answers the login with 500 and the rest with its web client: it needs the other API."""
    lost = answer(b"<html>Uncaught Exception", 500, "text/html")
    result, asked = conversation(lost, HTML)
    assert asked == [ASKED_LOGIN, ASKED_SERVER]
    assert (type(result), result.reason, result.status) == (RefusedError, "api", 200)
    assert str(result).endswith('set api="v1" (TWAKE_API=v1)')
    ready = answer({"status": "ready", "version": {"current": "2023.Q1.1223"}})
    for page in (ready, answer(b"<html>", 404, "text/html"), answer({}, 500), LOST, NOT_YET):
        result, asked = conversation(lost, page)
        assert asked == [ASKED_LOGIN, ASKED_SERVER]
        assert (type(result), result.reason, result.status) == (NotSentError, "login", 500)

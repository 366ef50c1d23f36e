"""Node: the reads of a second look, reading a message back, and taking part in a thread."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from node_recorded import WRITES
from node_rows import answer
from strategies import JSON, TEXT

from twake_async._arguments import Credentials
from twake_async._protocol.exchange import Context
from twake_async._protocol.node.api import Api, Token
from twake_async._protocol.node.reads import join, pages, read_message
from twake_async._protocol.node.requests import Place
from twake_async._protocol.server import Server

ME, OTHER = "10a03ab0-e914-11f1-a2d0-9f7cb434e27b", "10eecfe0-e914-11f1-a2d0-9f7cb434e27b"
ID, THREAD = "157b35d0-e914-11f1-a2d0-9f7cb434e27b", "2a538390-e914-11f1-a2d0-9f7cb434e27b"
API = Api(Server("https://twake.example"), Credentials(ME, "a key"))
HEAD = Place("co", "ch", "ws", "")
BROKEN = {"statusCode": 500, "error": "Internal Server Error", "message": "Something went wrong"}
BAD_TOKEN = {"statusCode": 401, "error": "Unauthorized", "message": "Bad credentials"}


def judged(request, found):
    """Return what a request makes of an answer."""
    return request.judge(found, Context(0.0))


def read(place, *answers):
    """Return the result of a look whose reads get these answers, and the requests."""
    looking, asked = pages(place, API), []
    result = None
    try:
        while True:
            ask = looking.send(result)
            asked.append(ask)
            result = judged(ask, answers[len(asked) - 1])
    except StopIteration as end:
        return end.value, asked


def rows(*names):
    return answer({"resources": [{"id": name, "context": None} for name in names]})


def test_a_look_reads_the_latest_messages_first():
    """A feed runs from old to new, a thread from new to old; each page begins where one ended."""
    full, more = [f"m{n}" for n in range(100)], [f"n{n}" for n in range(98)]
    page, asked = read(HEAD, rows(*full), rows(*more, "m0"))
    assert (page.error, len(page.rows)) == (None, 198)
    path = (
        "/api/messages/v1/companies/co/workspaces/ws/channels/ch/feed?limit=100&direction=history"
    )
    assert [one.path for one in asked] == [path, f"{path}&page_token=m0"]
    assert {(one.method, one.body, one.operation) for one in asked} == {("GET", b"", "look")}
    page, asked = read(attrs.evolve(HEAD, thread="t"), rows(*full), rows("m99"))
    assert len(page.rows) == 100
    path = "/api/messages/v1/companies/co/threads/t/messages?limit=100&direction=history"
    assert [one.path for one in asked] == [path, f"{path}&page_token=m99"]
    page, asked = read(HEAD, *[rows(*(f"{k}-{n}" for n in range(100))) for k in range(9)])
    assert (len(asked), len(page.rows)) == (3, 300)
    assert [ask.named_by(page.rows) for ask in asked] == [None] * 3


def test_a_look_ends_with_what_it_has():
    """Nothing there, nothing new, or an error."""
    page, asked = read(HEAD, rows())
    assert (page.rows, page.error, len(asked)) == ([], None, 1)
    full = rows(*[f"m{n}" for n in range(100)])
    page, asked = read(HEAD, full, full)
    assert (len(page.rows), len(asked)) == (100, 2)
    token = Token((b"Authorization", b"Bearer x"))
    API.token = token
    try:
        looking = pages(HEAD, API)
        ask = next(looking)
        assert tuple(ask.headers()) == (token.header,)
        with pytest.raises(StopIteration) as end:
            looking.send(judged(ask, answer(BAD_TOKEN, 401)))
    finally:
        API.token = None
    assert (end.value.value.rows, end.value.value.error.reason) == ([], "token")
    assert end.value.value.token is token
    page, _ = read(HEAD, answer({"resource": []}))
    assert page.error.reason == "mismatch"


@given(st.lists(JSON, max_size=4), TEXT)
@example([{"id": []}, {"id": {}}, {"id": None}, [], {}], "a")
@example([], "\r\nX: y?&page_token=1#é")
def test_a_look_takes_any_rows(found, name):
    """Rows that are no messages are skipped, and an invalid id breaks no request."""
    full = [{"id": f"m{n}"} for n in range(99)]
    resources = [{"id": name}, *found, *full, {"id": name}]
    page, asked = read(HEAD, answer({"resources": resources}), rows())
    ids = [one["id"] for one in page.rows]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(one, str) for one in ids)
    for ask in asked:
        assert ask.path.isascii()
        assert ask.path.isprintable()
        assert " " not in ask.path


def test_a_message_is_read_back_by_its_id():
    """It is there or it is not; any other answer proves nothing."""
    ask = read_message(attrs.evolve(HEAD, thread=THREAD), ID, API)
    assert ask.path == f"/api/messages/v1/companies/co/threads/{THREAD}/messages/{ID}"
    assert read_message(HEAD, ID, API).path.endswith(f"/threads/{ID}/messages/{ID}")
    for document, found in (
        ({"resource": {"id": ID}}, True),
        ({"resource": {"id": THREAD}}, False),
        ({"resource": None}, False),
    ):
        assert judged(ask, answer(document)) is found
    for document in ({}, {"resource": []}, {"resources": []}):
        assert judged(ask, answer(document)).reason == "mismatch"
    assert judged(ask, answer(BROKEN)).reason == "server_error"
    assert (ask.method, ask.body, ask.operation) == ("GET", b"", "read_back")


def test_a_read_names_the_message_that_it_shows():
    """Its answer is not taken for that of the next request on the same connection."""
    ask = read_message(HEAD, ID, API)
    assert ask.target == ID
    assert [ask.named_by(found) for found in (True, False)] == [ID, None]
    joining = join(attrs.evolve(HEAD, thread=THREAD), API)
    assert (joining.operation, joining.target) == ("join", None)
    assert joining.named_by(result=True) is None


def test_an_id_in_a_page_token_is_quoted():
    """It adds nothing to the query."""
    _, asked = read(HEAD, rows("a/b?c&d", *(f"m{n}" for n in range(99))), rows())
    assert asked[1].path.endswith("&page_token=a%2Fb%3Fc%26d")


def test_joining_a_thread_is_what_was_recorded():
    """The request is the recorded one, and its answer shows that we take part."""
    for case in (one for one in WRITES if one.name == "thread-add-self"):
        ask = case.request
        assert json.loads(ask.body) == case.body
        assert (ask.method, ask.path) == ("POST", case.path)
        assert judged(ask, case.answer) is True
    ask = join(attrs.evolve(HEAD, thread=THREAD), API)
    for people, found in (([], False), ([None, {"id": OTHER}], False), ([{"id": ME}], True)):
        assert judged(ask, answer({"resource": {"participants": people}})) is found
    for document in ({}, {"resource": None}, {"resource": {"participants": None}}):
        assert judged(ask, answer(document)).reason == "mismatch"

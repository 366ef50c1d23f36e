"""Node: what each recorded answer proves, and that no other answer proves more."""

from __future__ import annotations

import collections
import gzip
import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from node_recorded import CASES, LEFT_OUT, WRITES, Recorded
from node_rows import answer, in_thread, row
from strategies import JSON

from twake_async._arguments import Credentials
from twake_async._protocol.exchange import LATE, LOST, NOT_YET, Answer, Context
from twake_async._protocol.node.api import FRONT_ID, MARKER, Api, Token
from twake_async._protocol.node.encode import encode_draft, encode_remove
from twake_async._protocol.node.requests import finds, is_proof
from twake_async._protocol.node.same import is_same
from twake_async._protocol.server import Server
from twake_async.errors import NotSentError, Outcome, OutcomeUnknownError, RefusedError, TwakeError
from twake_async.messages import Message, MessageDraft, MessageRef

ME, OTHER = "10a03ab0-e914-11f1-a2d0-9f7cb434e27b", "10eecfe0-e914-11f1-a2d0-9f7cb434e27b"
ID, THREAD = "157b35d0-e914-11f1-a2d0-9f7cb434e27b", "2a538390-e914-11f1-a2d0-9f7cb434e27b"
API = Api(Server("https://twake.example"), Credentials(ME, "a key"))

DELIVERED, REFUSED, UNKNOWN = Outcome.DELIVERED, Outcome.REFUSED, Outcome.UNKNOWN

#: (release, operation, outcome, reason) -> how many of the recorded cases.
EXPECTED = {
    ("v2021.Q4.860", "create", "DELIVERED", ""): 4,
    ("v2021.Q4.860", "create", "REFUSED", "api"): 1,
    ("v2022.Q2.975", "create", "DELIVERED", ""): 64,
    ("v2022.Q2.975", "create", "REFUSED", "status"): 6,
    ("v2022.Q2.975", "create", "REFUSED", "token"): 5,
    ("v2022.Q2.975", "create", "UNKNOWN", "gateway_answer"): 3,
    ("v2022.Q2.975", "create", "UNKNOWN", "lost"): 1,
    ("v2022.Q2.975", "create", "UNKNOWN", "mismatch"): 2,
    ("v2022.Q2.975", "create", "UNKNOWN", "server_error"): 28,
    ("v2022.Q2.975", "create", "UNKNOWN", "status"): 2,
    ("v2022.Q2.975", "create", "UNKNOWN", "timeout"): 5,
    ("v2022.Q2.975", "create", "UNKNOWN", "unreadable"): 1,
    ("v2022.Q2.975", "edit", "DELIVERED", ""): 15,
    ("v2022.Q2.975", "edit", "UNKNOWN", "server_error"): 4,
    ("v2022.Q2.975", "edit", "UNKNOWN", "status"): 1,
    ("v2022.Q2.975", "ephemeral", "DELIVERED", ""): 2,
    ("v2022.Q2.975", "join", "DELIVERED", ""): 1,
    ("v2022.Q2.975", "remove", "DELIVERED", ""): 3,
    ("v2022.Q2.975", "remove", "UNKNOWN", "server_error"): 1,
    ("v2023.Q1.1223", "create", "DELIVERED", ""): 57,
    ("v2023.Q1.1223", "create", "REFUSED", "status"): 6,
    ("v2023.Q1.1223", "create", "REFUSED", "thread"): 4,
    ("v2023.Q1.1223", "create", "REFUSED", "token"): 6,
    ("v2023.Q1.1223", "create", "UNKNOWN", "gateway_answer"): 2,
    ("v2023.Q1.1223", "create", "UNKNOWN", "lost"): 1,
    ("v2023.Q1.1223", "create", "UNKNOWN", "mismatch"): 2,
    ("v2023.Q1.1223", "create", "UNKNOWN", "server_error"): 33,
    ("v2023.Q1.1223", "create", "UNKNOWN", "status"): 2,
    ("v2023.Q1.1223", "create", "UNKNOWN", "timeout"): 5,
    ("v2023.Q1.1223", "create", "UNKNOWN", "unreadable"): 1,
    ("v2023.Q1.1223", "edit", "DELIVERED", ""): 14,
    ("v2023.Q1.1223", "edit", "UNKNOWN", "server_error"): 5,
    ("v2023.Q1.1223", "edit", "UNKNOWN", "status"): 1,
    ("v2023.Q1.1223", "ephemeral", "DELIVERED", ""): 2,
    ("v2023.Q1.1223", "join", "DELIVERED", ""): 1,
    ("v2023.Q1.1223", "remove", "DELIVERED", ""): 3,
    ("v2023.Q1.1223", "remove", "UNKNOWN", "server_error"): 1,
    ("v2023.Q1.1223+RabbitMQ 3.10.8", "create", "DELIVERED", ""): 7,
}


def judged(request, found, **context):
    """Return what a request makes of an answer, and the outcome."""
    result = request.judge(found, Context(0.0, **context))
    return result, result.outcome if isinstance(result, TwakeError) else DELIVERED


# --- what was recorded --------------------------------------------------------------------------


@pytest.mark.parametrize("case", WRITES, ids=lambda case: f"{case.server}-{case.name}")
def test_no_recorded_answer_leads_to_an_outcome_that_its_rows_contradict(case: Recorded):
    """DELIVERED is in the rows, and REFUSED left no trace in them."""
    result, outcome = judged(case.request, case.answer)
    if outcome is REFUSED:
        assert (case.added, case.removed, case.applied) == ([], [], [])
    if outcome is DELIVERED and case.operation == "create":
        assert result.id in [one["id"] for one in case.added]
    if outcome is DELIVERED and case.operation == "edit":
        # The same content again changes only when it was edited.
        rows = [one for one in case.applied if one["id"] == result.id]
        sent = {name: value for name, value in case.fields.items() if name not in ("id", "files")}
        assert [{name: one[name] for name in sent} for one in rows] == [sent]
    if outcome is DELIVERED and case.operation == "remove":
        gone = [key for key in case.removed if case.request.target in key]
        assert bool(gone) is (case.name != "delete-unknown")
    if outcome is DELIVERED and case.operation == "ephemeral":
        assert (case.added, case.applied) == ([], [])
        assert result.ephemeral_id == "e1"


def test_the_recorded_cases_are_all_judged():
    """No case is left out without a reason, and no outcome changes unseen."""
    counts = collections.Counter()
    for case in WRITES:
        result, outcome = judged(case.request, case.answer)
        reason = result.reason if isinstance(result, TwakeError) else ""
        counts[case.server, case.operation, outcome.name, reason] += 1
    assert counts == EXPECTED
    names = {case["name"] for case in CASES}
    assert set(LEFT_OUT) <= names
    others = {
        case["name"]
        for case in CASES
        if case["request"]["method"] != "GET"
        and "/messages/v1/" in case["request"]["path"]
        and case["name"] not in LEFT_OUT
    }
    assert others == {case.name for case in WRITES}


# --- what a send may be answered ----------------------------------------------------------------


def save(content="hello", **fields):
    """Return the request of a draft."""
    fields.setdefault("group", "co")
    draft = MessageDraft("ch", content, **{n: v for n, v in fields.items() if n != "group"})
    return encode_draft(draft, group_id=fields["group"], workspace_id="ws", api=API).request()


def shown(request, name=ID, application=ME, **changed):
    """Return the message that a server answers to a request, with some of its fields changed."""
    thread = request.place.thread or name
    cache = {"company_id": "co", "workspace_id": "ws", "channel_id": "ch"}
    found = row(dict(request.fields), name=name, thread=thread, application=application, **cache)
    return {**found, **changed}


def good(request, **changed):
    """Return the good answer to a request, with some fields of the message changed."""
    message = shown(request, **changed)
    is_head = request.operation != "edit" and not request.place.thread
    return {"resource": in_thread(message) if is_head else message}


CREATE = save()
TWICE = save(front_id="mine")
REPLY = save(parent_message_id=THREAD)
EDIT = save(id=ID)
EPHEMERAL = save(ephemeral=True, ephemeral_to=["u"], connection_id="c")
ECHO = save(ephemeral=True, ephemeral_to=["u"], connection_id="c", parent_message_id=THREAD)
REMOVE = encode_remove(MessageRef("ch", ID), group_id="co", api=API)
REQUESTS = [CREATE, TWICE, REPLY, EDIT, EPHEMERAL, ECHO, REMOVE]
EACH = pytest.mark.parametrize("request_", REQUESTS, ids=["create", "twice", "reply", "edit", "ephemeral", "echo", "remove"])  # fmt: skip


@pytest.mark.parametrize("request_", [CREATE, TWICE, REPLY, EDIT, ECHO])
def test_the_good_answer_delivers(request_):
    """The server's answer about our message delivers it and names it."""
    result, outcome = judged(request_, answer(good(request_)))
    assert outcome is DELIVERED
    assert (result.channel_id, result.workspace_id, result.content) == ("ch", "ws", "hello")
    if request_ is ECHO:
        assert result.id == result.ephemeral_id == request_.fields["ephemeral"]["id"]
    else:
        assert (result.id, result.application_id) == (ID, ME)
    assert result.front_id == (request_.front_id or "")
    assert request_.named_by(result) == result.id
    assert not result.maybe_duplicated
    assert not request_.text_was_cut(result)


def test_what_shows_no_message_is_not_followed_on_its_connection():
    """The answers to an ephemeral message at the root and to a remove name nothing."""
    result, outcome = judged(EPHEMERAL, answer({"resource": {"message": None}}))
    assert outcome is DELIVERED
    assert EPHEMERAL.named_by(result) is None
    assert judged(REMOVE, answer({"status": "success"})) == (None, DELIVERED)
    assert REMOVE.named_by(None) is None


def test_doubt_about_an_earlier_attempt_is_told():
    """A second create may be a second copy; a second edit is none."""
    for request in (CREATE, REPLY, EDIT):
        result, _ = judged(request, answer(good(request)), in_doubt=True)
        assert result.maybe_duplicated is (request is not EDIT)


@pytest.mark.parametrize("request_", [CREATE, TWICE, REPLY])
def test_the_answer_to_another_message_proves_nothing(request_):
    """Another id, thread or context, or what the connection's last answer named, is not ours."""
    for other in (
        good(request_, context=None),
        good(request_, context={}),
        good(request_, context="x"),
        good(request_, context={FRONT_ID: "another", MARKER: "another"}),
        good(save(parent_message_id=request_.place.thread or None)),
        {"resource": None},
        {"resource": []},
        {"resource": {}},
        {"resource": {"message": None}},
        {"resource": {"message": {}}},
        {"resources": [shown(request_)]},
        {"object": shown(request_)},
        {},
        {"resource": {**good(request_)["resource"], "id": None}},
        {"resource": {**good(request_)["resource"], "id": ""}},
        {"resource": {**good(request_)["resource"], "id": [ID]}},
        {"resource": {**good(request_)["resource"], "message": [ID], "thread_id": ID}},
    ):
        result, outcome = judged(request_, answer(other))
        assert (outcome, result.reason, result.status) == (UNKNOWN, "mismatch", 200)
    result, outcome = judged(request_, answer(good(request_)), seen=ID)
    assert (outcome, result.reason) == (UNKNOWN, "mismatch")
    assert judged(request_, answer(good(request_)), seen=THREAD)[1] is DELIVERED


def test_a_front_id_alone_does_not_tell_whose_message_it_is():
    """A front_id of the caller's may have been used before: the marker beside it was not."""
    same = good(TWICE, context={FRONT_ID: "mine"})
    assert judged(TWICE, answer(same))[0].reason == "mismatch"
    assert TWICE.evidence == {MARKER: TWICE.fields["context"][MARKER]}
    assert CREATE.evidence == {FRONT_ID: CREATE.front_id}
    assert finds(TWICE.evidence, shown(TWICE))
    assert not finds(TWICE.evidence, {"context": {MARKER: "another"}})


def test_a_reply_in_another_thread_proves_nothing():
    """The answer must name the thread of the reply."""
    for thread in (ID, None, "", THREAD.upper()):
        result, outcome = judged(REPLY, answer(good(REPLY, thread_id=thread)))
        assert (outcome, result.reason) == (UNKNOWN, "mismatch")


def test_an_edit_delivers_only_what_its_answer_shows():
    """Other content is another's edit, or the server's own; ids alone prove nothing."""
    for request, field, value in (
        (EDIT, "text", "older"),
        (EDIT, "blocks", []),
        (EDIT, "blocks", [{"type": "twacode", "elements": ["older"]}]),
        (save(None, id=ID, hidden_data={"a": 1}), "context", {"a": 2}),
        (save(None, id=ID, hidden_data={"a": 1}), "context", {"a": True}),
        (save(None, id=ID, hidden_data={"a": 1}), "context", None),
        (save(None, id=ID, override={"title": "T"}), "override", None),
    ):
        assert judged(request, answer(good(request)))[1] is DELIVERED
        result, outcome = judged(request, answer(good(request, **{field: value})))
        assert (outcome, result.reason) == (UNKNOWN, "mismatch")
        result, outcome = judged(request, answer(good(request, id=THREAD, **{field: value})))
        assert (outcome, result.reason) == (UNKNOWN, "mismatch")


def test_an_edit_of_anothers_message_is_refused_only_where_its_answer_says_whose_it_is():
    """Another application's, or a user's, which has null there; an answer without it says nothing."""
    for owner in (OTHER, None):
        result, outcome = judged(EDIT, answer(good(EDIT, application_id=owner, text="old")))
        assert (outcome, result.reason, result.status) == (REFUSED, "owner", 200)
        # It shows the content of the request: the message already had that content.
        assert judged(EDIT, answer(good(EDIT, application_id=owner)))[1] is DELIVERED
    found = good(EDIT, text="old")
    del found["resource"]["application_id"]
    assert judged(EDIT, answer(found))[0].reason == "mismatch"


def test_an_edit_knows_numbers_that_went_through_javascript():
    """1.0 comes back as 1, and a large number as the nearest double."""
    request = save(None, id=ID, hidden_data={"n": [1.0, 2**53 + 1, -0.0]})
    back = {"n": [1, 9007199254740992, 0]}
    assert judged(request, answer(good(request, context=back)))[1] is DELIVERED


def test_an_ephemeral_message_is_shown_only_if_its_answer_says_so():
    """At the root the server answers null; in a thread, the version that was minted for it."""
    for found in (good(CREATE), {"resource": {}}, {"resource": {"message": {}}}, {"message": None}):
        assert judged(EPHEMERAL, answer(found))[0].reason == "mismatch"
    sent = ECHO.fields["ephemeral"]
    for other in (None, [], {}, {"id": sent["id"]}, {**sent, "version": "1"}, {**sent, "id": "x"}):
        assert judged(ECHO, answer(good(ECHO, ephemeral=other)))[0].reason == "mismatch"


def test_an_ephemeral_message_is_what_was_sent():
    """Its answer at the root does not show it, so the message is made from the draft."""
    given = {"ephemeral": True, "ephemeral_to": ["u"], "connection_id": "c"}
    for place in ({}, {"parent_message_id": THREAD}):
        request = save(hidden_data={"a": 1}, front_id="mine", **given, **place)
        found = good(request) if place else {"resource": {"message": None}}
        result, outcome = judged(request, answer(found))
        assert outcome is DELIVERED
        assert result == Message(
            id=request.fields["ephemeral"]["id"],
            front_id="mine",
            channel_id="ch",
            parent_message_id=place.get("parent_message_id", ""),
            content="hello",
            hidden_data={"a": 1},
            ephemeral_id=request.fields["ephemeral"]["id"],
            workspace_id="ws",
        )


@pytest.mark.parametrize("found", [{}, {"status": "failure"}, {"status": "success", "a": 1}])
def test_a_remove_is_taken_only_in_the_servers_words(found):
    """Anything else proves nothing."""
    assert judged(REMOVE, answer(found))[0].reason == "mismatch"


# --- errors -------------------------------------------------------------------------------------

OUTSIDE = {"statusCode": 404, "error": "Not Found", "message": "You can't post in this thread"}
BROKEN = {"statusCode": 500, "error": "Internal Server Error", "message": "Something went wrong"}
BAD_TOKEN = {"statusCode": 401, "error": "Unauthorized", "message": "Bad credentials"}


@EACH
def test_only_a_reply_is_refused_for_its_thread(request_):
    """To an edit the same words mean that it was refused: there is nothing to join."""
    for status in (200, 404):
        result, outcome = judged(request_, answer(OUTSIDE, status))
        is_reply = request_ in (REPLY, ECHO)
        assert (outcome, result.reason) == (REFUSED, "thread" if is_reply else "status")
        assert result.status == 404
    for changed in ({"message": "Not here"}, {"error": "Other"}):
        result, outcome = judged(request_, answer(OUTSIDE | changed))
        assert (outcome, result.reason) == (REFUSED, "status")


@EACH
def test_only_the_servers_own_401_is_about_the_token(request_):
    """Another 401 is a gateway's; one inside a 200 is of a server that drops tokens on the way."""
    result, outcome = judged(request_, answer(BAD_TOKEN, 401))
    assert (outcome, result.reason, result.status) == (REFUSED, "token", 401)
    result, outcome = judged(request_, answer(BAD_TOKEN))
    assert (outcome, result.reason, result.status) == (REFUSED, "api", 200)
    for found in (
        answer({"statusCode": 401}, 401),
        answer({**BAD_TOKEN, "statusCode": 403}, 401),
        answer({**BAD_TOKEN, "code": "X"}, 401),
        answer(BAD_TOKEN, 401, kind="text/html"),
        answer(b"<html>", 401, kind="text/html"),
        answer(b"{", 401),
    ):
        result, outcome = judged(request_, found)
        assert (outcome, result.reason) == (REFUSED, "status")


@EACH
def test_the_servers_strict_words_refuse_and_others_do_not(request_):
    """Three keys and a 4xx, as HTTP's status or inside a 200; nothing beside them."""
    for status in (400, 403, 404, 415):
        words = {"statusCode": status, "error": "E", "message": "M"}
        for found in (answer(words), answer(words, status)):
            result, outcome = judged(request_, found)
            assert (outcome, result.reason, result.status) == (REFUSED, "status", status)
        for doubtful in (
            {**words, "requestId": "r"},
            {**words, "resource": good(CREATE)["resource"]},
            {"statusCode": status, "error": "E"},
            {**words, "statusCode": str(status)},
            {**words, "statusCode": 500},
            {**words, "statusCode": True},
            {**words, "message": None},
        ):
            result, outcome = judged(request_, answer(doubtful))
            assert (outcome, result.reason) == (UNKNOWN, "server_error")
            assert judged(request_, answer(doubtful, status))[1] is UNKNOWN
    assert judged(request_, answer({**words, "statusCode": 404}, 403))[1] is UNKNOWN


@EACH
def test_no_route_is_a_refusal(request_):
    """Inside a 200 the service has no such route; as HTTP's 404 there is no such API."""
    result, outcome = judged(request_, answer({"error": "Not found"}))
    assert (outcome, result.reason) == (REFUSED, "status")
    result, outcome = judged(request_, answer({"error": "Not found"}, 404))
    assert (outcome, result.reason, result.status) == (REFUSED, "api", 404)
    assert 'api="v1"' in str(result)
    for found in (
        answer({"error": "Not found"}, 404, kind="text/html"),
        answer({"error": "Not found"}, 403),
        answer({"error": "Not found", "a": 1}, 404),
        answer(b"<html>", 404, kind="text/html"),
    ):
        result, outcome = judged(request_, found)
        assert (outcome, result.reason) == (UNKNOWN, "gateway_answer")


@EACH
def test_an_error_of_the_server_tells_nothing(request_):
    """A 500 may come after the message was stored, inside a 200 or not, with any other values."""
    for found in (
        answer(BROKEN),
        answer({**BROKEN, "requestId": "req-1"}),
        answer({"error": "Internal"}),
        answer({"error": None, **good(CREATE)}),
        answer({"statusCode": 500, **good(CREATE)}),
        answer({"statusCode": 500, "status": "success"}),
        answer({"statusCode": 200, "resource": {"message": None}}),
    ):
        result, outcome = judged(request_, found)
        assert (outcome, result.reason, result.status) == (UNKNOWN, "server_error", 200)
    for status, reason in ((500, "status"), (502, "gateway"), (201, "status"), (302, "gateway_answer")):  # fmt: skip
        result, outcome = judged(request_, answer(good(CREATE), status))
        assert (outcome, result.reason) == (UNKNOWN, reason)


def test_a_remove_says_why_it_may_have_failed():
    """The server gives this answer when the message is another's."""
    assert "belongs to another sender" in str(judged(REMOVE, answer(BROKEN))[0])


@EACH
def test_what_cannot_be_read_tells_nothing(request_):
    """HTML, nothing, half an answer, other codings, and values nested deeper than any message."""
    whole = json.dumps(good(CREATE)).encode()
    deep = b'{"resource":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    for body in (b"", b"<html></html>", b"[]", b"null", b"5", whole[:-1], b"\xff", deep):
        result, outcome = judged(request_, answer(body))
        assert (outcome, result.reason, result.status) == (UNKNOWN, "unreadable", 200)
    for coding, body in (
        (b"br", whole),
        (b"gzip", whole),
        (b"gzip", gzip.compress(whole, mtime=0)[:-9]),
        (b"gzip", gzip.compress(b"{" + b" " * (request_.answer_limit + 1) + b"}", mtime=0)),
    ):
        result, outcome = judged(request_, Answer(200, [(b"content-encoding", coding)], body))
        assert (outcome, result.reason) == (UNKNOWN, "unreadable")


@EACH
def test_a_failure_of_the_connection_means_what_it_means_everywhere(request_):
    """A request that left is unknown; one that did not leave was not sent."""
    for failure in (LATE, LOST):
        result, _ = judged(request_, failure)
        assert isinstance(result, OutcomeUnknownError)
        assert result.reason == failure.reason
    assert isinstance(judged(request_, NOT_YET)[0], NotSentError)


def test_a_good_answer_in_gzip_or_with_repeated_keys_is_read_as_a_client_reads_it():
    """The last of two equal keys counts, as in JavaScript."""
    whole = json.dumps(good(CREATE))
    packed = Answer(200, [(b"Content-Encoding", b"gzip")], gzip.compress(whole.encode(), mtime=0))
    assert judged(CREATE, packed)[1] is DELIVERED
    message = json.dumps(shown(CREATE))
    twice = f'{{"resource":{{"id":"{ID}","message":{{}},"message":{message}}}}}'
    assert judged(CREATE, answer(twice.encode()))[1] is DELIVERED
    last = f'{{"resource":{{"id":"{ID}","message":{message},"message":{{"id":"{ID}"}}}}}}'
    assert judged(CREATE, answer(last.encode()))[1] is UNKNOWN


@EACH
@given(document=JSON, status=st.sampled_from([200, 201, 400, 401, 403, 404, 500, 502]))
@example(document={"resource": {"id": ID, "message": {"id": ID, "context": {FRONT_ID: None}}}}, status=200)  # fmt: skip
def test_no_other_json_delivers_or_refuses(request_, document, status):
    """An answer without our ids delivers nothing; one without the words refuses nothing."""
    _, outcome = judged(request_, answer(document, status))
    if outcome is DELIVERED:
        assert document in ({"status": "success"}, {"resource": {"message": None}})
    if outcome is REFUSED and status != 401:
        assert isinstance(document, dict)
        assert "error" in document


@EACH
@given(data=st.data())
def test_a_good_answer_with_something_changed_claims_nothing_more(request_, data):
    """One value of a good answer is replaced: DELIVERED only where what proves it still stands."""
    found = json.loads(json.dumps(good(request_ if request_ is not REMOVE else CREATE)))
    target, key = data.draw(st.sampled_from(list(spots(found))))
    value = data.draw(JSON)
    assume(not is_same(value, target[key]))
    target[key] = value
    result, outcome = judged(request_, answer(found))
    assert outcome in (DELIVERED, UNKNOWN, REFUSED)
    if outcome is REFUSED:
        assert (request_, result.reason) == (EDIT, "owner")
        assert found["resource"]["application_id"] != ME
    elif outcome is DELIVERED and request_ in (CREATE, TWICE, REPLY):
        message = found["resource"]["message"] if request_ is not REPLY else found["resource"]
        assert message["id"] == found["resource"]["id"] == result.id
        assert finds(request_.fields["context"], message)
        assert request_ is not REPLY or message["thread_id"] == THREAD
    elif outcome is DELIVERED and request_ is EDIT:
        assert found["resource"]["text"] == "hello"
        assert found["resource"]["id"] == ID


def spots(value):
    """Yield each place in a JSON value, as its container and key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(pairs):
        yield value, key
        if isinstance(item, dict | list):
            yield from spots(item)


# --- numbers, after JavaScript ------------------------------------------------------------------


def javascript(value):
    """Return JSON as a server in JavaScript returns it: all its numbers are doubles."""
    if isinstance(value, dict):
        return {name: javascript(item) for name, item in value.items()}
    if isinstance(value, list):
        return [javascript(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number


@given(JSON)
@example([1.0, -0.0, 2**53 + 1, 10**22, 1e300, 0.1, True, None, "1", {"1": []}])
def test_what_javascript_gives_back_is_the_same(value):
    """Through a server and back, in the forms that a draft may have, too."""
    back = json.loads(json.dumps(javascript(value)))
    assert is_same(value, back)
    assert is_same(as_given(value), back)


class Text(str):
    """A text with a class of its own, as templates make it."""

    __slots__ = ()


def as_given(value):
    """Return the same JSON in other classes that a draft may hold."""
    if isinstance(value, dict):
        return collections.UserDict({name: as_given(item) for name, item in value.items()})
    if isinstance(value, list):
        return tuple(map(as_given, value))
    return Text(value) if isinstance(value, str) else value


@given(JSON, JSON)
@example([True], [1])
@example([0], [False])
@example([None], [False])
@example("1", 1)
@example([], {})
@example([1], [1, 2])
@example({"a": 1}, {"b": 1})
@example(10**400, None)
@example(-(10**400), 10**400)
def test_what_differs_is_not_the_same(one, other):
    """Two values are the same exactly where JavaScript writes the same JSON for both."""
    try:
        alike = written(one) == written(other)
    except OverflowError:
        alike = False
    assert is_same(one, other) is is_same(other, one) is alike


def written(value):
    """Return the JSON that JavaScript writes, with the keys in order."""
    return json.dumps(javascript(value), sort_keys=True)


def test_values_nested_deeper_than_the_stack_are_compared():
    """It is a loop, because the answer of a server can have any depth."""
    one, other = [], []
    for _ in range(100_000):
        one, other = [one], [other]
    assert is_same(one, other)
    assert not is_same(one, [[]])


# --- who sends it -------------------------------------------------------------------------------


def test_a_request_is_sent_with_the_token_of_that_moment():
    """Forgetting an old token does not remove a newer one."""
    api = Api(credentials=Credentials(ME, "a key"))
    draft = MessageDraft("ch", "hello")
    request = encode_draft(draft, group_id="co", workspace_id="ws", api=api).request()
    remove = encode_remove(MessageRef("ch", ID), group_id="co", api=api)
    assert tuple(request.headers()) == tuple(remove.headers()) == ()
    first, second = Token((b"Authorization", b"Bearer 1")), Token((b"Authorization", b"Bearer 2"))
    api.token = first
    assert tuple(request.headers()) == tuple(remove.headers()) == (first.header,)
    assert request.used is remove.used is first
    api.token = second
    api.forget(request.used)
    assert api.token is second
    api.forget(second)
    assert api.token is None
    assert Api().application_id == ""


def test_a_request_of_no_session_takes_no_steps():
    """A request that is not sent needs no login."""
    assert CREATE.steps is REMOVE.steps is None
    assert isinstance(judged(CREATE, answer(good(CREATE)))[0], Message)
    assert isinstance(judged(CREATE, answer(OUTSIDE))[0], RefusedError)


@pytest.mark.parametrize("context", [None, 5, "x", [], {}, {FRONT_ID: "other"}])
def test_a_message_with_another_context_is_no_proof(context):
    """Users' messages have null there."""
    assert not is_proof({FRONT_ID: "mine"}, {"context": context})
    assert not is_proof({MARKER: "mine"}, {"context": context})


def test_an_id_that_was_told_is_no_proof_beside_a_marker():
    """Somebody may send another message with that id; that message then has a marker."""
    assert is_proof({FRONT_ID: "mine"}, {"context": {FRONT_ID: "mine", "a": 1}})
    assert not is_proof({FRONT_ID: "mine"}, {"context": {FRONT_ID: "mine", MARKER: "m"}})
    assert is_proof({MARKER: "m"}, {"context": {FRONT_ID: "mine", MARKER: "m"}})

"""Judging: what each answer of the real server proves; no other answer proves more."""

from __future__ import annotations

import collections
import gzip
import json
import tracemalloc
import zlib

import attrs
import pytest
from encoding import encode_save
from hypothesis import given
from hypothesis import strategies as st
from recorded import ALL, MINTED, REMOVES, SAVES, last_line
from strategies import JSON

from twake_async._protocol.exchange import (
    CLOSED,
    CONNECTIONS_BUSY,
    LATE,
    LOST,
    NO_TLS_THERE,
    NOT_YET,
    TLS_SPOKEN,
    TOO_LARGE,
    Answer,
    Context,
    Failure,
)
from twake_async._protocol.json_codec import PLAIN, Codec
from twake_async._protocol.server import Server
from twake_async._protocol.v1.api import Api
from twake_async._protocol.v1.requests import Remove, Save
from twake_async.errors import (
    AuthenticationError,
    InvalidDraftError,
    InvalidGroupError,
    MissingCapabilityError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    SessionClosedError,
    TwakeError,
)
from twake_async.messages import Message, MessageDraft

DELIVERED, REFUSED, UNKNOWN = Outcome.DELIVERED, Outcome.REFUSED, Outcome.UNKNOWN

#: Failures that the server describes in words before it writes anything.
REFUSALS = {
    "unknown_application_or_bad_private_key": AuthenticationError,
    "you_need_to_provide_a_valid_group_id_field_in_any_api_request": InvalidGroupError,
    "you_do_not_have_this_set_of_required_capabilities": MissingCapabilityError,
    "you_do_not_have_this_set_of_required_privileges": MissingCapabilityError,
}

#: (release, operation, outcome) -> how many of the recorded cases.
EXPECTED = {
    ("v2020", "create", "DELIVERED"): 115,
    ("v2020", "create", "REFUSED"): 46,
    ("v2020", "create", "UNKNOWN"): 44,
    ("v2020", "edit", "DELIVERED"): 36,
    ("v2020", "edit", "UNKNOWN"): 10,
    ("v2020", "ephemeral", "DELIVERED"): 16,
    ("v2020", "remove", "DELIVERED"): 22,
    ("v2020", "remove", "REFUSED"): 2,
    ("v2020", "remove", "UNKNOWN"): 2,
    ("v2023", "create", "DELIVERED"): 27,
    ("v2023", "create", "REFUSED"): 4,
    ("v2023", "create", "UNKNOWN"): 18,
    ("v2023", "edit", "DELIVERED"): 6,
    ("v2023", "ephemeral", "DELIVERED"): 2,
    ("v2023", "remove", "DELIVERED"): 4,
}


def judged(request, answer, refused=frozenset({429}), now=0.0):
    """Return what a request makes of its answer, and the outcome."""
    result = request.judge(answer, Context(now, refused))
    assert result is None or isinstance(result, Message | TwakeError)
    return result, result.outcome if isinstance(result, TwakeError) else DELIVERED


def judged_case(case):
    """Return the verdict on a recorded case, and its outcome."""
    lost = Failure(sent=True, reason="lost", detail="the connection ended")
    return judged(case.request, case.answer or lost)


def by_name(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


# --- what the real server answered -------------------------------------------------------------


@by_name(SAVES)
def test_no_verdict_contradicts_the_store(case):
    """A `DELIVERED` save was stored, already so or ephemeral; a `REFUSED` one was not stored."""
    result, outcome = judged_case(case)
    stored = case.handed_on if case.changed is None else case.changed
    if outcome is DELIVERED:
        assert isinstance(result, Message)
        assert result.id
        idle_edit = case.operation == "edit" and result.id == case.message["id"]
        assert stored or idle_edit or case.operation == "ephemeral"
        if case.operation == "create":
            assert stored
            assert result.front_id == case.front_id
    elif outcome is REFUSED:
        assert not stored
    else:
        assert outcome is UNKNOWN


@by_name([case for case in SAVES if case.object.get("id")])
def test_a_good_answer_is_never_left_unknown(case):
    """Where the answer names our message, also behind PHP's warnings, it is delivered.

    The one exception is a front_id that our SDK never sends, and that the server does not keep.
    """
    given = case.message.get("front_id")
    if given is not None and not isinstance(given, str):
        with pytest.raises(InvalidDraftError):
            MessageDraft("c", "x", front_id=given)
        expected = UNKNOWN
    else:
        expected = DELIVERED
    assert judged_case(case)[1] is expected


@by_name(
    [
        case
        for case in [*SAVES, *REMOVES]
        if (last_line(case.case["response"]["body"]) or {}).get("error") in REFUSALS
    ]
)
def test_a_refusal_in_words_is_refused(case):
    """Authentication, group and capability errors come with their own class, never `UNKNOWN`."""
    document = last_line(case.case["response"]["body"])
    result, outcome = judged_case(case)
    expected = REFUSALS[document["error"]]
    if document.get("capabilities") == []:
        expected = InvalidGroupError  # a remove needs none: it found no installation in the group
    assert type(result) is expected
    assert outcome is REFUSED
    assert result.status == 200
    assert not case.changed
    assert not case.handed_on
    for name in document.get("capabilities") or ():
        assert name in result.missing
        assert name in str(result)


@by_name(REMOVES)
def test_a_remove_is_judged_by_its_echo(case):
    """The server echoes the message; without that echo, or an error in words, it is unknown."""
    result, outcome = judged_case(case)
    document = last_line(case.case["response"]["body"])
    if outcome is REFUSED:
        assert not case.changed
    elif outcome is DELIVERED:
        assert result is None
        assert document["result"].get("id") == case.message.get("id")
    else:
        assert document["result"] is None
        assert "id" not in case.message


def test_the_verdicts_on_all_cases_are_these():
    """Each verdict has its number of cases: a test that judged nothing would not pass."""
    assert len(ALL) == 409
    found = collections.Counter(
        (case.case["server"][:5], case.operation, judged_case(case)[1].name)
        for case in [*SAVES, *REMOVES]
    )
    assert found == EXPECTED


def test_what_was_stored_behind_an_unknown_answer_is_known():
    """These saves were stored and are not reported as delivered: there are no others."""
    names = {
        case.case["name"] for case in SAVES if case.changed and judged_case(case)[1] is UNKNOWN
    }
    assert names == {
        "16b-sender-non-member",
        "16g-sender-non-member-retry",
        "22zb-form-invalid-utf8-front-id",
    }


def test_what_is_delivered_without_a_change_is_known():
    """Stored saves change a row; the others are ephemeral, or are edits without a change."""
    names = {
        case.case["name"]
        for case in SAVES
        if case.changed is False
        and case.operation != "ephemeral"
        and judged_case(case)[1] is DELIVERED
    }
    assert names == {"09b-edit-content-null", "14f-reaction-without-sender"}


def test_an_ephemeral_that_replaces_another_is_known_by_its_target():
    """The server answers under the replaced id, with or without our front_id (wire case 11)."""
    cases = [case for case in SAVES if case.case["name"] == "11-ephemeral-resend"]
    assert len(cases) == 2
    for case in cases:
        target = case.message["ephemeral_id"]
        ours = Save(b"", "ephemeral", MINTED, target)
        assert judged(ours, case.answer)[1] is DELIVERED
        other = Save(b"", "ephemeral", MINTED, "another-id")
        assert judged(other, case.answer)[1] is UNKNOWN


@by_name([case for case in SAVES if case.object.get("id")][::7])
def test_another_messages_answer_is_unknown(case):
    """A good answer about another message proves nothing about ours."""
    saves = [
        Save(b"", operation, MINTED, "another-id") for operation in ("create", "edit", "ephemeral")
    ]
    for ours in (*saves, Remove(b"", "another-id")):
        result, outcome = judged(ours, case.answer)
        assert outcome is UNKNOWN
        assert result.reason in ("mismatch", "unreadable")


# --- one answer ------------------------------------------------------------------------------

CREATE = Save(b"{}", "create", "ours", None, "Hello")
EDIT = Save(b"{}", "edit", None, "m")
EPHEMERAL = Save(b"{}", "ephemeral", "ours", None)
REPLACE = Save(b"{}", "ephemeral", "ours", "e")
REMOVAL = Remove(b"{}", "m")
GOOD = b'{"object":{"id":"m","front_id":"ours","content":"Hello"},"_cookies":[]}'


def verdict(ours=CREATE, body=GOOD, status=200, now=0.0, refused=frozenset({429}), **headers):
    """Return the result and its words for an answer."""
    named = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    result, outcome = judged(ours, Answer(status, named, body), refused, now)
    return result, outcome, getattr(result, "reason", "")


def as_object(**fields):
    return json.dumps({"object": fields}).encode()


@pytest.mark.parametrize(
    ("ours", "fields"),
    [
        (CREATE, {"id": "m", "front_id": "ours"}),
        (EDIT, {"id": "m", "front_id": "whatever"}),
        (EDIT, {"id": "m"}),
        (EPHEMERAL, {"id": "any", "front_id": "ours"}),
        (EPHEMERAL, {"id": "e", "front_id": "e", "hidden_data": {"_front_id": "ours"}}),
        (REPLACE, {"id": "any", "front_id": "ours"}),
        (REPLACE, {"id": "e", "front_id": "x"}),
        (REPLACE, {"id": "x", "front_id": "e"}),
        (REPLACE, {"id": "x", "front_id": "y", "ephemeral_id": "e"}),
    ],
)
def test_an_answer_about_our_message_is_delivered(ours, fields):
    """A create is known by its front_id, an edit by its id, an ephemeral message by either."""
    result, outcome, _ = verdict(ours, as_object(**fields))
    assert outcome is DELIVERED
    assert result.id == fields["id"]


@pytest.mark.parametrize(
    ("ours", "fields"),
    [
        (CREATE, {"id": "m", "front_id": "theirs"}),
        (CREATE, {"id": "m"}),
        (CREATE, {"id": "m", "front_id": None}),
        (CREATE, {"id": "ours", "front_id": "m"}),
        (CREATE, {"front_id": "ours"}),
        (CREATE, {"id": None, "front_id": "ours", "creation_date": 0}),
        (CREATE, {"id": "", "front_id": "ours"}),
        (CREATE, {"id": 5, "front_id": "ours"}),
        (CREATE, {"id": ["m"], "front_id": "ours"}),
        (EDIT, {"id": "other", "front_id": "m"}),
        (EPHEMERAL, {"id": "any", "front_id": "theirs"}),
        (EPHEMERAL, {"id": "any", "ephemeral_id": None}),
        (EPHEMERAL, {"id": "e", "front_id": "e", "hidden_data": {"_front_id": "theirs"}}),
        (EPHEMERAL, {"id": "e", "front_id": "e", "hidden_data": ["ours"]}),
        (CREATE, {"id": "e", "front_id": "e", "hidden_data": {"_front_id": "ours"}}),
        (REPLACE, {"id": "x", "front_id": "y", "ephemeral_id": "z"}),
    ],
)
def test_an_answer_that_is_not_about_us_is_unknown(ours, fields):
    """Without an id, or with another message's, the answer proves nothing."""
    result, outcome, reason = verdict(ours, as_object(**fields))
    assert (outcome, reason, result.status) == (UNKNOWN, "mismatch", 200)


@pytest.mark.parametrize("found", [None, [], "m", 5, True, [{"id": "m", "front_id": "ours"}]])
def test_an_object_that_is_none_is_unknown(found):
    """A 200 with `{"object": null}` proves nothing."""
    _, outcome, reason = verdict(body=json.dumps({"object": found}).encode())
    assert (outcome, reason) == (UNKNOWN, "mismatch")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html>It works!</html>",
        GOOD[:-1],
        GOOD[:20],
        b"\xff" + GOOD,
        GOOD + b"x",
        b"[" + GOOD + b"]",
        b"null",
        b'"ours"',
        b"ERROR with persist",
        b"<br />\n<b>Fatal error</b>:  Uncaught Error" + GOOD,
        b"<br />\n<b>Warning</b>:  only a warning in <b>x.php</b><br />\n",
        b"[" * 100_000,
        b'{"object":' * 100_000,
    ],
)
def test_what_is_no_answer_of_twakes_is_unknown(body):
    """Empty, cut, foreign and unreadable answers prove nothing."""
    _, outcome, reason = verdict(body=body)
    assert (outcome, reason) == (UNKNOWN, "unreadable")


@pytest.mark.parametrize("kind", ["Warning", "Notice", "Deprecated", "Fatal error"])
@pytest.mark.parametrize(
    "form",
    [
        '<br />\n<b>{}</b>:  it {{"object"}} in <b>x.php</b> on line <b>3</b><br />\n',
        '\n{}: it {{"object"}} in x.php on line 3\n',
        "PHP {}: it in x.php on line 3\n",
        'string(9) "#0 (path)(419): {}()\n#1 x"\n',
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_php_warnings_in_front_do_not_make_it_bad(kind, form, times):
    """With `display_errors` on, PHP writes its warnings before the JSON (wire case 17f)."""
    noise = (form.format(kind) * times).encode()
    result, outcome, _ = verdict(body=noise + GOOD)
    assert outcome is DELIVERED
    assert result.content == "Hello"
    error = b'{"error":"unknown_application_or_bad_private_key","_cookies":[]}'
    assert verdict(body=noise + error)[1] is REFUSED


def test_white_space_around_the_json_does_not_matter():
    """An editor's line breaks in a PHP file may come before every answer."""
    assert verdict(body=b"\n\n" + GOOD + b"\n")[1] is DELIVERED
    assert verdict(body=json.dumps(json.loads(GOOD), indent=1).encode())[1] is DELIVERED


@pytest.mark.parametrize(
    ("body", "coding", "why"),
    [
        (GOOD[:-1], "", "not JSON"),
        (b"[]", "", "not a JSON object"),
        (b" \n", "", "is empty"),
        (b"Somebody else\n" + GOOD, "", "PHP does not write"),
        (b"not gzip", "gzip", "gzip body is broken"),
        (gzip.compress(GOOD, mtime=0)[:-1], "gzip", "cut short or too large"),
        (GOOD, "br", "content coding is 'br'"),
    ],
)
def test_the_error_says_why_an_answer_cannot_be_read(body, coding, why):
    """It also says that the status was 200, which alone proves nothing."""
    result, outcome, reason = verdict(body=body, content_encoding=coding)
    assert (outcome, reason, result.status) == (UNKNOWN, "unreadable", 200)
    assert why in str(result)


def test_an_answer_is_read_by_the_codec_of_its_session():
    """The codec of an optional extra may be faster."""
    read: list[bytes] = []

    def decode(body: bytes):
        read.append(body)
        return json.loads(body)

    ours = attrs.evolve(CREATE, api=Api(codec=Codec(PLAIN.encode, decode)))
    assert verdict(ours)[1] is DELIVERED
    assert read == [GOOD]


@pytest.mark.parametrize("status", range(100, 600))
def test_each_status(status):
    """Only a 200 can deliver, and few statuses alone prove a refusal."""
    result, outcome, reason = verdict(status=status)
    if status == 200:
        assert outcome is DELIVERED
        return
    assert result.status == status
    assert str(status) in str(result) or 300 <= status < 400
    if status == 429:
        expected = (REFUSED, "later")
    elif status in (401, 407, 411, 413, 414, 431):
        expected = (REFUSED, "status")
    elif 300 <= status < 500:
        expected = (UNKNOWN, "gateway_answer")
    else:
        expected = (UNKNOWN, "gateway" if status in (502, 503, 504) else "status")
    assert (outcome, reason) == expected


def test_a_redirect_names_its_target():
    """The server answers a wrong base URL with a redirect to the web page."""
    result, _, reason = verdict(status=302, location="https://web.example.org/")
    assert type(result) is OutcomeUnknownError
    assert reason == "gateway_answer"
    assert "https://web.example.org/" in str(result)
    assert "base_url" in str(result)
    assert "redirects to nowhere, which" in str(verdict(status=302)[0])


HERE = "twake.example.org/api/v1/messages/save"


@pytest.mark.parametrize(
    ("base_url", "location"),
    [
        ("http://twake.example.org", "https://["),
        ("http://twake.example.org", f"https://{HERE}?y"),
        ("http://twake.example.org", f"https://web.{HERE}"),
        ("http://twake.example.org", f"https://{HERE}/further"),
        ("http://twake.example.org", f"http://{HERE}"),
        ("http://twake.example.org", f"https://web.{HERE}/further"),
        ("http://twake.example.org", "/client"),
        ("http://twake.example.org", ""),
        ("https://twake.example.org", f"https://{HERE}"),
        ("https://twake.example.org", f"http://{HERE}"),
    ],
)
@pytest.mark.parametrize("status", [301, 308])
def test_a_redirect_that_leads_elsewhere_proves_nothing(status, base_url, location):
    """Only a redirect from http to https, with the same host and path, proves a gateway."""
    found = verdict(asked_of(base_url), status=status, location=location)
    assert found[1:] == (UNKNOWN, "gateway_answer")


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"\xff", b'{"statusCode": 404.0}', b"nothing"])
@pytest.mark.parametrize("status", [400, 404])
def test_what_only_says_that_it_is_json_is_no_word_of_twakes(status, body):
    """A gateway may label any answer as JSON."""
    found = verdict(body=body, status=status, content_type="application/json")
    assert found[1:] == (UNKNOWN, "gateway_answer")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu Jan  1 00:01:40 1970", 90.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_later_tells_how_much_later(header, seconds):
    """The error has the wait that the server asks for, in seconds from now."""
    result, outcome, reason = verdict(status=429, now=10.0, Retry_After=header)
    assert type(result) is RateLimitedError
    assert (outcome, reason, result.retry_after) == (REFUSED, "later", seconds)


def test_a_later_without_a_time_is_a_later():
    """A 429 without Retry-After names no time."""
    assert verdict(status=429)[0].retry_after is None


def test_the_caller_says_which_statuses_mean_later():
    """503 is refused only if the caller's proxy means it so; by default only 429 is."""
    result, outcome, reason = verdict(status=503, refused={503}, retry_after="3")
    assert (type(result), outcome, reason) == (RateLimitedError, REFUSED, "later")
    assert result.retry_after == 3
    result, outcome, reason = verdict(status=429, refused=frozenset())
    assert (type(result), outcome, reason) == (RefusedError, REFUSED, "status")


@pytest.mark.parametrize(("words", "kind"), REFUSALS.items())
def test_refusals_in_words(words, kind):
    """The words of the real server, each with its class and the fix or the missing thing."""
    body = json.dumps({"error": words, "capabilities": ["a", "b"], "_cookies": []}).encode()
    for ours in (CREATE, EDIT, EPHEMERAL, REMOVAL):
        result, outcome, reason = verdict(ours, body)
        assert (type(result), outcome) == (kind, REFUSED)
        assert reason in ("authentication", "group", "capability")
    assert getattr(result, "missing", ("a", "b")) == ("a", "b")


@pytest.mark.parametrize(("key", "value"), [("capabilities", "text"), ("privileges", {"a": 1})])
def test_what_is_missing_may_come_in_any_form(key, value):
    """A list of names is kept; any other value is not taken for one."""
    words = "you_do_not_have_this_set_of_required_privileges"
    assert verdict(body=json.dumps({"error": words, key: value}).encode())[0].missing == ()
    result = verdict(body=json.dumps({"error": words}).encode())[0]
    assert result.missing == ()
    assert str(result).endswith("lacks a privilege in this group")
    listed = json.dumps({"error": words, "privileges": ["channels", 5]}).encode()
    result = verdict(body=listed)[0]
    assert result.missing == ("channels", "5")
    assert "channels, 5" in str(result)


def test_the_servers_words_in_an_error_cannot_steer_a_terminal():
    """ESC, CR, LF and bidi are removed from the names of capabilities and the redirect's target."""
    words = "you_do_not_have_this_set_of_required_capabilities"
    names = ["a\x1b]0;title\x07b", "c\r\nd", "\u202ee"]
    refused = verdict(body=json.dumps({"error": words, "capabilities": names}).encode())[0]
    assert "a?]0;title?b, c d, ?e" in str(refused)
    redirect = verdict(status=302, location="/\x1b[2J\r\x9b")[0]
    for error in (refused, redirect):
        assert str(error).isprintable()


@pytest.mark.parametrize(
    "words", ["unknown error or malformed query.", "anything", "", None, 5, ["x"], {"a": 1}]
)
def test_other_errors_prove_nothing(words):
    """The server's one sentence covers every exception that it swallowed, also after storing."""
    result, outcome, reason = verdict(body=json.dumps({"error": words}).encode())
    assert (outcome, reason, result.status) == (UNKNOWN, "server_error", 200)


@pytest.mark.parametrize("words", ["anything", *REFUSALS])
def test_an_error_beside_an_object_proves_nothing(words):
    """An answer with both is neither a delivery nor a refusal."""
    document = {"error": words, "object": {"id": "m", "front_id": "ours"}}
    _, outcome, reason = verdict(body=json.dumps(document).encode())
    assert (outcome, reason) == (UNKNOWN, "server_error")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"id": "m", "channel_id": "c"}, DELIVERED),
        ({"id": "other"}, UNKNOWN),
        ({}, UNKNOWN),
        (None, UNKNOWN),
        ("m", UNKNOWN),
        (["m"], UNKNOWN),
    ],
)
def test_a_remove_is_known_by_the_echo_of_its_id(result, expected):
    """The answer to a remove is only the echo of our id, and no message results."""
    found, outcome, _ = verdict(REMOVAL, json.dumps({"result": result}).encode())
    assert outcome is expected
    assert not isinstance(found, Message)


def test_a_save_is_not_answered_like_a_remove():
    """A result is no answer to a save, and an object is no answer to a remove."""
    assert verdict(CREATE, b'{"result":{"id":"m","front_id":"ours"}}')[1] is UNKNOWN
    assert verdict(REMOVAL, GOOD)[1] is UNKNOWN


# --- codings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["", "identity", "gzip", "x-gzip", "GZIP", " gzip "])
def test_codings_that_are_understood(coding):
    """Plain and gzip answers are read, however the header is written."""
    body = gzip.compress(GOOD, mtime=0) if "gzip" in coding.lower() else GOOD
    assert verdict(body=body, content_encoding=coding)[1] is DELIVERED


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "compress", "\xff"])
def test_codings_that_are_not_understood(coding):
    """The client did not ask for others: the answer is unknown, and the error names the coding."""
    answer = Answer(200, [(b"Content-Encoding", coding.encode("latin-1"))], GOOD)
    result, outcome = judged(CREATE, answer)
    assert (outcome, result.reason) == (UNKNOWN, "unreadable")
    assert "content coding" in str(result)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        GOOD,
        gzip.compress(GOOD, mtime=0)[:-1],
        gzip.compress(GOOD, mtime=0)[:30],
        gzip.compress(GOOD, mtime=0)[:-8] + b"\0" * 8,
        zlib.compress(GOOD),
        gzip.compress(b"", mtime=0),
    ],
    ids=["empty", "plain", "cut", "cut-early", "checksum", "zlib", "of-nothing"],
)
def test_a_broken_gzip_body_is_unknown(body):
    """A body that does not decompress to its end proves nothing."""
    _, outcome, reason = verdict(body=body, content_encoding="gzip")
    assert (outcome, reason) == (UNKNOWN, "unreadable")


def test_a_gzip_bomb_is_unknown_and_takes_little_memory():
    """A small body that would decompress to 200 MB is read only up to the limit."""
    packer = zlib.compressobj(9, wbits=31)
    block = b" " * 1_000_000
    bomb = b"".join(packer.compress(block) for _ in range(200)) + packer.flush()
    assert len(bomb) < 300_000
    tracemalloc.start()
    try:
        _, outcome, reason = verdict(body=bomb, content_encoding="gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (outcome, reason) == (UNKNOWN, "unreadable")
    assert peak < 4 * CREATE.answer_limit


def test_the_limit_leaves_room_for_what_was_sent():
    """A newer server echoes a text several times, and PHP writes a character in up to twelve."""
    text = "😀" * 400_000
    draft = MessageDraft("c", text, front_id="ours")
    ours = encode_save(draft, group_id="g", text_form="plain")
    assert ours.answer_limit == 4 * 1024 * 1024 + 12 * len(ours.body)
    body = as_object(id="m", front_id="ours", content=[text] * 4)
    assert len(body) > 11 * len(ours.body)
    assert len(body) <= ours.answer_limit
    assert verdict(ours, gzip.compress(body, 1, mtime=0), content_encoding="gzip")[1] is DELIVERED


# --- anything at all ---------------------------------------------------------------------------

IDS = st.sampled_from(["ours", "m", "e", "theirs", "", "0"]) | JSON
OBJECTS = st.fixed_dictionaries(
    {}, optional={"id": IDS, "front_id": IDS, "ephemeral_id": IDS, "content": JSON}
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "object": OBJECTS | JSON,
        "result": OBJECTS | JSON,
        "error": st.sampled_from([*REFUSALS, "unknown error or malformed query."]) | JSON,
        "capabilities": JSON,
    },
)
BODIES = st.one_of(
    st.binary(max_size=300),
    DOCUMENTS.map(lambda document: json.dumps(document).encode()),
    DOCUMENTS.map(lambda document: gzip.compress(json.dumps(document).encode(), mtime=0)),
    DOCUMENTS.map(lambda document: b"<b>Warning</b>: x\n" + json.dumps(document).encode()),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"Content-Encoding", b"Retry-After", b"Location"]) | st.binary(max_size=9),
        st.sampled_from([b"gzip", b"identity", b"br", b"7"]) | st.binary(max_size=20),
    ),
    max_size=4,
)


@given(
    ours=st.sampled_from([CREATE, EDIT, EPHEMERAL, REPLACE, REMOVAL]),
    status=st.just(200) | st.integers(100, 999),
    headers=HEADERS,
    body=BODIES,
)
def test_no_answer_breaks_the_judge(ours, status, headers, body):
    """Any status, headers and bytes get one verdict, and `DELIVERED` takes a 200 that names us."""
    result, outcome = judged(ours, Answer(status, headers, body))
    if outcome is not DELIVERED:
        assert outcome in (REFUSED, UNKNOWN)
        assert result.reason
        assert str(result)
        return
    assert status == 200
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    document = last_line(body.decode())
    assert "error" not in document
    if ours.operation == "remove":
        assert document["result"]["id"] == ours.target
        return
    found = document["object"]
    assert found["id"]
    assert result.id == found["id"]
    if ours.operation == "create":
        assert found["front_id"] == "ours"
    elif ours.operation == "edit":
        assert found["id"] == "m"
    else:
        assert {"ours", ours.target} & {found["id"], found.get("front_id")} or (
            found["ephemeral_id"] == ours.target
        )


# --- attempts without an answer, and cut texts -------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "kind", "outcome"),
    [
        (Failure(sent=True, reason="lost", detail="why"), OutcomeUnknownError, UNKNOWN),
        (Failure(sent=True, reason="timeout", detail="why"), OutcomeUnknownError, UNKNOWN),
        (Failure(sent=False, reason="connect", detail="why"), NotSentError, Outcome.NOT_SENT),
        (
            Failure(sent=False, reason="connections_busy", detail="why"),
            NotSentError,
            Outcome.NOT_SENT,
        ),
        (Failure(sent=False, reason="closed", detail=""), SessionClosedError, Outcome.NOT_SENT),
    ],
)
def test_an_attempt_without_an_answer(failure, kind, outcome):
    """A proven unsent attempt is not sent, any other is unknown, with the words of the failure."""
    error = CREATE.judge(failure, Context(0.0))
    assert (type(error), error.outcome, error.reason) == (kind, outcome, failure.reason)
    assert failure.detail in str(error)


@pytest.mark.parametrize(
    ("failure", "outcome", "reason"),
    [
        (CONNECTIONS_BUSY, Outcome.NOT_SENT, "connections_busy"),
        (NOT_YET, Outcome.NOT_SENT, "connect"),
        (CLOSED, Outcome.NOT_SENT, "closed"),
        (LATE, UNKNOWN, "timeout"),
        (LOST, UNKNOWN, "lost"),
        (TLS_SPOKEN, UNKNOWN, "lost"),
        (TOO_LARGE, UNKNOWN, "unreadable"),
    ],
)
def test_the_failures_that_transports_share_prove_what_they_say(failure, outcome, reason):
    """Only a failure before the first byte proves that nothing was sent."""
    for request in (CREATE, EDIT, EPHEMERAL, REMOVAL):
        error = request.judge(failure, Context(0.0))
        assert (error.outcome, error.reason) == (outcome, reason)


def test_a_first_attempt_is_in_no_doubt():
    """If no earlier attempt of the same send was unknown, the message exists once."""
    assert not CREATE.judge(Answer(200, [], GOOD), Context(0.0)).maybe_duplicated


def asked_of(base_url="http://twake.example.org", **server):
    """Return a create for a server."""
    return Save(b"{}", "create", "ours", None, api=Api(Server(base_url, **server)))


def test_a_connection_that_ends_on_a_port_of_tls_is_told_so():
    """Most servers that expect TLS close a plain connection without a word."""
    for base_url, hinted in (
        ("http://twake.example.org:8443", True),
        ("http://twake.example.org:8080", False),
        ("https://twake.example.org:8443", False),
    ):
        error = asked_of(base_url).judge(LOST, Context(0.0))
        assert LOST.detail in str(error)
        assert ("speaks TLS on this port" in str(error)) is hinted


def test_a_proxy_is_named_where_it_may_have_a_part_in_a_failure():
    """It is not named where the connections were busy; one over TLS may be the side without TLS."""
    through = asked_of(proxy="http://proxy.example.org:3128")
    assert "through the proxy http://proxy" in str(through.judge(LOST, Context(0.0)))
    assert "through the proxy" not in str(through.judge(CONNECTIONS_BUSY, Context(0.0)))
    no_tls = Failure(sent=False, reason="tls", detail=NO_TLS_THERE)
    over_tls = asked_of(proxy="https://proxy.example.org")
    assert "or the proxy's address" in str(over_tls.judge(no_tls, Context(0.0)))
    assert "or the proxy's address" not in str(through.judge(no_tls, Context(0.0)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(Answer(502, [], b""), "gateway"), (Answer(200, [], b"<html>"), "unreadable")],
)
def test_a_proxy_is_named_where_it_may_have_made_the_answer(answer, reason):
    """Over TLS the proxy only tunnels, so it cannot have made the answer."""
    for base_url, named in (
        ("http://twake.example.org", True),
        ("https://twake.example.org", False),
    ):
        error = asked_of(base_url, proxy="http://proxy.example.org").judge(answer, Context(0.0))
        assert error.reason == reason
        assert ("through the proxy" in str(error)) is named


JSON_TYPE = [(b"Content-Type", b"application/json; charset=utf-8")]


def test_a_server_without_this_api_is_told_apart():
    """The last release says so in its own words; any other 404 may be a gateway's."""
    answer = Answer(404, JSON_TYPE, b'{"error":"Not found"}')
    for request in (CREATE, EDIT, EPHEMERAL, REMOVAL):
        error = request.judge(answer, Context(0.0))
        assert (error.outcome, error.reason, error.status) == (REFUSED, "api", 404)
        assert 'api="node"' in str(error)


@pytest.mark.parametrize("kind", [b"text/html", b""])
def test_the_words_of_the_node_service_count_only_as_json(kind):
    """A page that quotes them proves nothing."""
    body = json.dumps({"statusCode": 403, "error": "Forbidden", "message": "no"}).encode()
    error = CREATE.judge(Answer(403, [(b"Content-Type", kind)], body), Context(0.0))
    assert (error.outcome, error.reason) == (UNKNOWN, "gateway_answer")


@pytest.mark.parametrize("status", [200, 400, 403, 404])
def test_a_refusal_of_the_node_service_is_refused(status):
    """Its 4xx stored nothing in all recorded cases, also inside a 200."""
    inner = 403 if status == 200 else status
    body = json.dumps({"statusCode": inner, "error": "Forbidden", "message": "no"}).encode()
    error = CREATE.judge(Answer(status, JSON_TYPE, body), Context(0.0))
    assert (error.outcome, error.reason, error.status) == (REFUSED, "status", inner)


@pytest.mark.parametrize(
    "document",
    [
        {"statusCode": 403, "error": "Forbidden"},
        {"statusCode": 403, "error": "Forbidden", "message": 5},
        {"statusCode": 403, "error": "Forbidden", "message": "no", "object": {}},
        {"statusCode": 500, "error": "Internal", "message": "no"},
        {"statusCode": "403", "error": "Forbidden", "message": "no"},
        {"statusCode": 403.0, "error": "Forbidden", "message": "no"},
    ],
)
def test_what_only_resembles_a_refusal_of_the_node_service_is_unknown(document):
    """Its form is known to the last field."""
    for status in (200, 403):
        answer = Answer(status, JSON_TYPE, json.dumps(document).encode())
        assert CREATE.judge(answer, Context(0.0)).outcome is UNKNOWN


@pytest.mark.parametrize("status", [301, 302, 308])
def test_a_redirect_to_the_same_over_tls_is_refused(status):
    """A gateway that redirects from http to https does not forward first; 302 proves less."""
    for ours in (asked_of(), Remove(b"{}", "m", api=asked_of().api)):
        answer = Answer(
            status, [(b"Location", f"https://twake.example.org{ours.path}".encode())], b""
        )
        error = ours.judge(answer, Context(0.0))
        if status == 302:
            assert (error.outcome, error.reason, error.status) == (UNKNOWN, "gateway_answer", 302)
        else:
            assert (error.outcome, error.reason, error.status) == (REFUSED, "redirect", status)


@pytest.mark.parametrize(
    "words",
    [
        "The plain HTTP request was sent to HTTPS port",
        "You're speaking plain HTTP to an SSL-enabled server port.",
        "Client sent an HTTP request to an HTTPS server.",
        "This combination of host and port requires TLS.",
    ],
)
def test_a_400_says_where_the_port_speaks_tls(words):
    """nginx, Apache, Go and Tomcat say so in these words, with this status only."""
    for status, body, is_hint in ((400, words, True), (404, words, False), (400, "Bad", False)):
        error = CREATE.judge(Answer(status, [], f"<p>{body}\n</p>".encode()), Context(0.0))
        assert (error.outcome, error.reason) == (UNKNOWN, "gateway_answer")
        assert ("speaks TLS on this port" in str(error)) is is_hint
        assert ("if every message meets it, check base_url" in str(error)) is not is_hint


@pytest.mark.parametrize("request_", [CREATE, EDIT, EPHEMERAL, REMOVAL])
def test_each_request_may_be_told_to_come_later_and_answered_in_gzip(request_):
    """The proof of any answer does not depend on the request."""
    assert verdict(request_, status=429, retry_after="7")[0].retry_after == 7.0
    refused = b'{"error":"unknown_application_or_bad_private_key"}'
    found = verdict(request_, gzip.compress(refused, mtime=0), content_encoding="gzip")
    assert found[1:] == (REFUSED, "authentication")


def test_a_trusted_status_is_refused():
    """The caller knows that the gateway sends it before it forwards."""
    answer = Answer(403, [], b"")
    assert asked_of(trusted_statuses={403}).judge(answer, Context(0.0)).outcome is REFUSED
    assert asked_of(trusted_statuses={404}).judge(answer, Context(0.0)).outcome is UNKNOWN


@pytest.mark.parametrize("request_", [CREATE, EPHEMERAL, EDIT])
def test_an_id_that_the_connection_named_before_is_not_a_new_message(request_):
    """The answer before may have come twice, so it proves nothing for a create."""
    body = as_object(id="m", front_id="ours")
    result = request_.judge(Answer(200, [], body), Context(0.0, seen="m"))
    assert isinstance(result, TwakeError) is (request_ is CREATE)


@pytest.mark.parametrize("request_", [CREATE, EPHEMERAL, EDIT])
def test_a_delivery_after_a_doubt_may_stand_twice(request_):
    """An edit has the same result once or twice."""
    answer = Answer(200, [], as_object(id="m", front_id="ours"))
    for in_doubt in (True, False):
        message = request_.judge(answer, Context(0.0, in_doubt=in_doubt))
        assert message.maybe_duplicated is (in_doubt and request_ is not EDIT)


def test_what_an_answer_names_is_the_message_that_it_proves_delivered():
    """A remove names none, nor does an edit that may have the answer to another edit."""
    message = Message(id="m", content="Hello")
    assert CREATE.named_by(message) == "m"
    assert EPHEMERAL.named_by(Message(id="m", ephemeral_id="e")) == "e"
    assert REMOVAL.named_by(None) is None
    texts = [("Hello", "m"), ("Bye", None)]
    kinds = [
        (portable("Hello", "Hello", ["Hello"]), "m"),
        (portable("Hello", "Bye", ["Hello"]), None),
    ]
    for sent, named in texts + kinds:
        edit = Save(b"{}", "edit", None, "m", content=sent)
        assert edit.named_by(message) == named


def portable(original, fallback, prepared):
    return {"original_str": original, "fallback_string": fallback, "prepared": prepared}


@pytest.mark.parametrize(
    ("text", "content", "cut"),
    [
        ("Hello", portable("H", "H", "H"), True),
        ("He", portable("H", "H", "H"), True),
        ("Hello", portable("H", "H", ["H"]), True),
        ("Hello", portable(None, None, []), True),
        ("Hello", {}, True),
        ("Hello", "Hello", False),
        ("Hello", portable("Hello", "Hello", ["Hello"]), False),
        ("Hello", portable(None, "Hello", None), False),
        ("Hello", portable("Hello", None, None), False),
        ("Hello", portable(None, None, ["Hello"]), False),
        ("Hello", ["Hello"], False),
        ("H", portable("x", "x", "x"), False),
        (None, portable("H", "H", "H"), False),
    ],
)
def test_a_cut_text_shows_in_the_answer(text, content, cut):
    """Only a plain text of more than one character, with no whole copy in the answer, was cut."""
    ours = Save(b"", "create", "ours", None, text)
    assert ours.text_was_cut(Message(id="m", content=content)) is cut


def test_no_recorded_text_is_taken_for_cut_but_those_that_were():
    """Of all recorded plain texts, only those of the 2023 release on PHP 7.1 were cut."""
    cut, whole = set(), 0
    for case in SAVES:
        text = case.message.get("content")
        result, outcome = judged_case(case)
        if outcome is not DELIVERED or not isinstance(text, str):
            continue
        ours = attrs.evolve(case.request, text=text)
        if ours.text_was_cut(result):
            cut.add((case.case["server"][:5], case.case["php"]))
        else:
            whole += 1
    assert cut == {("v2023", "7.1")}
    assert whole > 50

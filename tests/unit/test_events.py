"""events/: what real servers posted, and what anybody else could post."""

from __future__ import annotations

import copy
import hashlib
import hmac
import itertools
import json
import pickle
import traceback
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import WIRE
from strategies import JSON, TEXT

from twake_async import (
    ConfigurationError,
    InvalidDraftError,
    Message,
    TwakeError,
    TwakeSession,
    events,
)
from twake_async.events import (
    ButtonClick,
    Command,
    ConfigurationClick,
    Configure,
    Event,
    EventError,
    MenuAction,
    MessageChanged,
    MessageRemoved,
    NewMessage,
    Opened,
    Parser,
    ResourceAdded,
    ResourceRemoved,
    parse,
)
from twake_async.events._checks import MAX_BODY, MAX_DEPTH
from twake_async.sandbox import Sandbox

KEY = "0vpZlSP7Qp6HK/Mo+wfPdKsQAVefkKvmL7QF6VFuaBM="
HEADERS = {"Content-Type": "application/json"}


@attrs.frozen(repr=False)
class Posted:
    """One request that a server sent to the event address."""

    capture: str
    request_line: str
    headers: dict[str, str]
    body: bytes
    key: str | None = None
    fits: bool = False

    @property
    def name(self) -> str:
        return self.capture.rpartition("/")[2]

    def parse(self, **more: Any) -> Event:
        given = {"api": "node", "private_api_key": self.key} if self.key else {"api": "v1"}
        return parse(self.body, self.headers, **given | more)


def _v1() -> list[Posted]:
    return [
        Posted(path.stem, one["request_line"], dict(one["headers"]), one["body_text"].encode())
        for path in sorted((WIRE / "events").glob("*.json"))
        for one in json.loads(path.read_text("utf-8"))["events_received"]
    ]


def _node() -> list[Posted]:
    captures = [
        (f"{path.parent.name}/{path.stem}", json.loads(path.read_text("utf-8")))
        for path in sorted((WIRE / "node" / "events").glob("*/*.json"))
    ]
    return [
        Posted(
            name,
            one["request_line"],
            dict(one["headers"]),
            one["body"].encode(),
            capture["private_key"],
            one["signature_matches_hmac_sha256_hex_of_raw_body"],
        )
        for name, capture in captures
        for one in capture["deliveries"]
    ]


V1 = _v1()
#: A server follows a redirect as GET without a body: that is no event.
NODE = [one for one in _node() if one.request_line.startswith("POST ")]
REDIRECTED = [one for one in _node() if one.request_line.startswith("GET ")]
BY_NAME = {one.capture: one for one in (*V1, *NODE)}

KINDS: dict[str, type[Event]] = {
    "01-hook-new_message": NewMessage,
    "03-own-message-echo": NewMessage,
    "07-app-channel-new_message": NewMessage,
    "11-slow-endpoint": NewMessage,
    "12-resource-add": ResourceAdded,
    "20-action-command": Command,
    "21-action-open": Opened,
    "23-interactive_message_action": ButtonClick,
    "24-interactive_configuration_action": ConfigurationClick,
    "25-configuration-channel": Configure,
    "26-configuration-workspace": Configure,
    "30-v2023-action": Command,
    "action-action": MenuAction,
    "action-command": Command,
    "action-open": Opened,
    "button": ButtonClick,
    "configuration-channel": Configure,
    "configuration-workspace": Configure,
    "configurator": ConfigurationClick,
    "event-any-type": Event,
    "event-app-token": Command,
    "event-not-installed": Command,
    "event-unicode": Command,
    "hook-answer-200-empty": Command,
    "hook-answer-200-text": Command,
    "hook-answer-302": Command,
    "hook-answer-400": Command,
    "hook-answer-403": Command,
    "hook-answer-slow-4s": Command,
    "message-delete": MessageRemoved,
    "message-edit": MessageChanged,
    "message-new": NewMessage,
    "message-other-app": NewMessage,
    "message-pin": MessageChanged,
    "message-reaction": MessageChanged,
    "message-reply": NewMessage,
}


def sign(body: bytes, key: str = KEY) -> dict[str, str]:
    """Return the headers of a request that a Node server signed."""
    right = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return {**HEADERS, "X-Twake-Signature": right}


def post(document: Any, api: str = "v1", **more: Any) -> Event:
    """Parse a document as it comes from a server, on Node with a good signature."""
    body = json.dumps(document).encode()
    if api == "v1":
        return parse(body, HEADERS, **more)
    return parse(body, sign(body), api="node", private_api_key=KEY, **more)


def document_of(capture: str) -> Any:
    return json.loads(BY_NAME[capture].body)


def error_of(body: bytes, headers: dict[str, str] = HEADERS, **more: Any) -> EventError:
    with pytest.raises(EventError) as caught:
        parse(body, headers, **more)
    return caught.value


# What was recorded


def test_every_capture_that_holds_an_event_is_expected_here():
    """Each new capture must be given its class."""
    assert {one.name for one in BY_NAME.values()} == KINDS.keys()


@pytest.mark.parametrize("posted", [*V1, *NODE], ids=lambda one: one.capture)
def test_every_capture_is_an_event_of_its_class(posted):
    """No posted data is lost; hooks come from the server, all other events from a browser."""
    if posted.key and not posted.fits:
        event = posted.parse(private_api_key=None, require_signature=False)
        assert not event.signed
    else:
        event = posted.parse()
        assert event.signed is bool(posted.key)
    assert type(event) is KINDS[posted.name]
    assert event.raw == json.loads(posted.body)
    assert event.api == ("node" if posted.key else "v1")
    is_own = isinstance(event, NewMessage | MessageChanged | MessageRemoved | ResourceAdded)
    assert event.origin == ("server" if is_own else "browser")
    assert (event.user_id is not None) or is_own or posted.name == "30-v2023-action"


@pytest.mark.parametrize("posted", NODE, ids=lambda one: one.capture)
def test_the_signature_of_each_capture_is_judged_as_it_was_recorded(posted):
    """One was signed for another application; each of the others fits its raw bytes."""
    if posted.fits:
        assert posted.parse().signed
        spaced = json.dumps(json.loads(posted.body)).encode()
        assert (
            error_of(spaced, posted.headers, api="node", private_api_key=posted.key).status == 401
        )
    else:
        assert posted.name == "event-not-installed"
        with pytest.raises(EventError) as caught:
            posted.parse()
        assert caught.value.status == 401


def test_a_request_after_a_redirect_is_no_event():
    """It has no body, and the signature of another."""
    assert len(REDIRECTED) > 1
    for one in REDIRECTED:
        with pytest.raises(EventError) as caught:
            one.parse()
        assert caught.value.status == 415


@pytest.mark.parametrize(
    "capture", [one.capture for one in (*V1, *NODE) if one.fits or not one.key]
)
def test_an_event_of_the_other_generation_is_told_apart(capture):
    """The error names the setting to change."""
    posted = BY_NAME[capture]
    other = {"api": "v1"} if posted.key else {"api": "node", "require_signature": False}
    error = error_of(posted.body, posted.headers, **other)
    assert error.status == 400
    assert f'api="{"node" if posted.key else "v1"}"' in str(error)


def test_a_new_message_of_v1_holds_what_an_answer_needs():
    """Only its channel holds the group and the workspace."""
    event = BY_NAME["01-hook-new_message"].parse()
    assert isinstance(event, NewMessage)
    assert event.message.text == "to hook"
    assert event.message.application_id == "45566769-0f29-11eb-9a29-0242ac1b0006"
    assert event.group_id == "2738494b-0f0b-11eb-9a0b-0242ac1b0006"
    assert event.workspace_id == "31425355-0f15-11eb-9a15-0242ac1b0006"
    assert event.channel_id == event.message.channel_id == "40516264-0f24-11eb-9a24-0242ac1b0006"
    assert (event.user_id, event.connection_id) == (None, None)


def test_a_new_message_of_node_holds_what_an_answer_needs():
    """The ids of the hook itself are null; those of the message are not."""
    event = BY_NAME["v2023.Q1.1223/message-reply"].parse()
    assert isinstance(event, NewMessage)
    assert event.message.text == "more"
    assert event.message.parent_message_id == "4d12c710-e914-11f1-a2d0-9f7cb434e27b"
    assert event.user_id == event.message.sender == "0fafc030-e914-11f1-a2d0-9f7cb434e27b"
    assert event.group_id == "0fa49ca0-e914-11f1-a2d0-9f7cb434e27b"
    assert event.workspace_id == event.message.workspace_id
    assert event.workspace_id == "0fac3dc0-e914-11f1-a2d0-9f7cb434e27b"
    assert event.channel_id == "f7543179-7b80-48e4-959f-179cff492015"


def test_a_message_of_another_application_comes_from_no_user():
    """Its `user_id` is that of the application, to which nothing can be shown."""
    event = BY_NAME["v2023.Q1.1223/message-other-app"].parse()
    assert event.message is not None
    assert event.message.application_id == "10eecfe0-e914-11f1-a2d0-9f7cb434e27b"
    assert event.user_id is None


@pytest.mark.parametrize(
    ("capture", "fields"),
    [
        ("20-action-command", {"command": "some text", "message": None}),
        ("21-action-open", {"from_icon": True, "message": None}),
        ("23-interactive_message_action", {"action_id": "my_action_id", "context": {}}),
        ("23-interactive_message_action", {"form": {"field1": "v"}, "connection_id": "conn-123"}),
        ("24-interactive_configuration_action", {"form": {}, "hidden_data": {"a": 1}}),
        ("24-interactive_configuration_action", {"configurator_id": None, "context": {}}),
        ("25-configuration-channel", {"place": "channel"}),
        ("26-configuration-workspace", {"place": "workspace", "channel_id": None}),
        ("12-resource-add", {"resource_type": "channel", "user_id": None, "group_id": None}),
        ("v2023.Q1.1223/action-command", {"command": "do it now", "connection_id": "conn-1"}),
        ("v2023.Q1.1223/action-open", {"from_icon": True, "message": None}),
        ("v2023.Q1.1223/button", {"action_id": "go", "context": {"v": "1"}, "form": {}}),
        ("v2023.Q1.1223/configurator", {"action_id": "save", "configurator_id": "c1"}),
        ("v2023.Q1.1223/configurator", {"form": {"name": "x"}, "hidden_data": {}}),
        ("v2023.Q1.1223/configuration-workspace", {"place": "workspace"}),
        ("v2023.Q1.1223/event-any-type", {"type": "whatever", "name": "", "message": None}),
        ("v2023.Q1.1223/event-app-token", {"command": "", "connection_id": None}),
    ],
)
def test_what_a_user_did_is_in_the_fields_of_the_event(capture, fields):
    """PHP's empty lists are maps again."""
    event = BY_NAME[capture].parse()
    assert {name: getattr(event, name) for name in fields} == fields


def test_the_message_of_a_click_holds_its_hidden_data():
    """It is decoded as an answer of its generation."""
    message = BY_NAME["23-interactive_message_action"].parse().message
    assert message is not None
    assert (message.hidden_data, message.content) == ({"k": 1}, "x")
    message = BY_NAME["v2022.Q2.975/button"].parse().message
    assert message is not None
    assert (message.hidden_data, message.content) == ({"a": 1}, "from bot")


# The signature


def test_a_forged_event_is_refused():
    """The signature has another key or body, is in capitals, is unusable, or is missing."""
    body = NODE[0].body
    good = sign(body)
    right = good["X-Twake-Signature"]
    for wrong in (
        sign(body, "another key")["X-Twake-Signature"],
        sign(body + b" ")["X-Twake-Signature"],
        right.upper(),
        right[:-1],
        f"sha256={right}",
        "",
        "é" * 64,
        "\ud800",
    ):
        headers = {**HEADERS, "X-Twake-Signature": wrong}
        error = error_of(body, headers, api="node", private_api_key=KEY)
        assert (error.status, str(error)) == (401, "the signature does not fit")
    assert error_of(body, api="node", private_api_key=KEY).status == 401
    assert parse(body, good, api="node", private_api_key=KEY).signed


def test_the_case_of_a_header_does_not_matter():
    """ASGI gives them in small letters."""
    body = NODE[0].body
    headers = {name.lower(): value for name, value in sign(body).items()}
    assert parse(body, headers, api="node", private_api_key=KEY).signed


def test_a_signature_may_be_optional_but_not_wrong():
    """With the key, each signature that comes is checked."""
    body = NODE[0].body
    optional = {"api": "node", "private_api_key": KEY, "require_signature": False}
    assert not parse(body, HEADERS, **optional).signed
    assert parse(body, sign(body), **optional).signed
    assert error_of(body, sign(body, "another"), **optional).status == 401
    unchecked = parse(body, sign(body), api="node", require_signature=False)
    assert not unchecked.signed


def test_v1_can_require_a_signature_that_a_proxy_adds():
    """v1 servers do not sign, so nothing is required by default."""
    body = V1[0].body
    assert parse(body, sign(body), private_api_key=KEY).signed
    assert error_of(body, private_api_key=KEY, require_signature=True).status == 401


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"api": "v2"}, "api"),
        ({"api": "node"}, "private_api_key"),
        ({"require_signature": True}, "private_api_key"),
        ({"api": "node", "private_api_key": " "}, "private_api_key"),
        ({"api": "node", "private_api_key": b"key"}, "private_api_key"),
        ({"require_signature": "no"}, "require_signature"),
    ],
)
def test_what_is_set_up_wrong_is_told_to_the_programmer(more, field):
    """An empty key would let anybody sign, so it is no `EventError`, which is for bad requests."""
    for made in (lambda: parse(b"", {}, **more), lambda: Parser(**more)):
        with pytest.raises(ConfigurationError) as caught:
            made()
        assert caught.value.field == field


def test_the_key_shows_in_no_repr_error_or_traceback():
    """Nor does the right signature: a reader of the log could forge the event."""
    body = NODE[0].body
    secrets = [KEY, sign(body)["X-Twake-Signature"]]
    parser = Parser(api="node", private_api_key=KEY)
    shown = [
        repr(parser),
        repr(parser._rules),
        repr(parse(body, sign(body), api="node", private_api_key=KEY)),
    ]
    calls = (
        lambda: parser.parse(body, HEADERS),
        lambda: parser.parse(body, {**HEADERS, "X-Twake-Signature": "0"}),
        lambda: parser.parse(b"{", sign(b"{")),
        lambda: parser.parse(b"[]", sign(b"[]")),
        lambda: Parser(api="node", private_api_key=KEY, remember=0),
        lambda: Parser(api="none", private_api_key=KEY),
        lambda: parse(body, HEADERS, api="node", private_api_key=KEY),
        lambda: parse(body, HEADERS, api="node", private_api_key=[KEY]),
    )
    for call in calls:
        with pytest.raises((EventError, ConfigurationError)) as caught:
            call()
        error = caught.value
        frames = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [one for one in frames.stack if "twake_async" in one.filename]
        shown += [repr(error), str(error), *(repr(one.locals) for one in ours)]
        assert error.__context__ is None
    assert not [text for text in shown for secret in secrets if secret in text]


# What is no event


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
def test_another_content_type_is_refused(kind):
    """Servers post JSON only; a form would come from a browser."""
    headers = {} if kind is None else {"Content-Type": kind}
    assert error_of(V1[0].body, headers).status == 415


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json; charset=utf-8"])
def test_json_may_be_called_in_each_way_that_http_allows(kind):
    """In capitals, or with a parameter."""
    assert type(parse(V1[0].body, {"content-type": kind})) is NewMessage


def test_a_body_over_the_limit_is_refused_before_it_is_read():
    """One MiB is taken."""
    fill = b'{"type":"x","data":{}}'
    assert parse(fill + b" " * (MAX_BODY - len(fill)), HEADERS).type == "x"
    error = error_of(b"{" * (MAX_BODY + 1), {}, api="node", private_api_key=KEY)
    assert error.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'\xef\xbb\xbf{"type":"x","data":{}}',
        '{"type":"x","data":{}}'.encode("utf-16"),
        b'{"type":"x","data":NaN}',
        b'{"type":"x","data":' + b"1" * 5000 + b"}",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"type":1,"data":{}}',
        b'{"type":"","data":{}}',
        b'{"type":"x"}',
    ],
)
def test_what_is_no_event_is_refused(body):
    """The answer is 400, and the error quotes nothing of the body."""
    error = error_of(body)
    assert error.status == 400
    assert str(error).startswith("the body is not a")


def nested(levels: int) -> bytes:
    """Return an event of so many levels."""
    inner = b'{"a":' * (levels // 2 - 2) + b"1" + b"}" * (levels // 2 - 2)
    lists = levels - levels // 2
    return b'{"type":"x","data":{"a":' + b"[" * lists + inner + b"]" * lists + b"}}"


def test_a_body_that_is_nested_too_deeply_is_refused():
    """It holds also where Python could still read it; many brackets side by side are not deep."""
    assert parse(nested(MAX_DEPTH), HEADERS).type == "x"
    assert "nested" in str(error_of(nested(MAX_DEPTH + 1)))
    for opening in (b"[", b'{"a":'):
        error = error_of(b'{"type":"x","data":' + opening * 100_000)
        assert (error.status, "nested" in str(error)) == (400, True)
    flat = {"type": "x", "data": {"a": [[]] * 5000, "b": "[" * 5000}}
    assert post(flat).content["a"] == [[]] * 5000


def test_an_event_error_survives_a_copy_and_a_pickle():
    """It is no `TwakeError`: it does not end a send."""
    error = error_of(b"", {})
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(twin), str(twin), twin.status) == (EventError, str(error), 415)
    assert not isinstance(error, TwakeError)


# Who made it


USER = {"id": "u", "username": "mallory"}


@pytest.mark.parametrize(
    "more",
    [
        {"user": USER, "group": {"id": "g"}, "workspace": {"id": "w"}},
        {"user": None},
        {"group": {}},
        {"workspace": []},
    ],
)
def test_a_v1_hook_that_a_browser_made_is_never_a_message(more):
    """The server adds the user, the group and the workspace to it; its own hooks have none."""
    document = document_of("01-hook-new_message")
    document["data"] |= more
    event = post(document)
    assert (type(event), event.origin, event.message) == (Event, "browser", None)


@pytest.mark.parametrize(
    "more", [{"user_id": "u"}, {"connection_id": "c"}, {"company_id": "o"}, {"user_id": ""}]
)
def test_a_node_hook_that_a_browser_made_is_never_a_message(more):
    """It is validly signed, but never without a user."""
    event = post(document_of("v2023.Q1.1223/message-new") | more, "node")
    assert (type(event), event.origin, event.message) == (Event, "browser", None)
    assert event.signed


@pytest.mark.parametrize("name", ["add", "remove"])
def test_a_resource_that_a_browser_made_up_is_none(name):
    """It has a user with an id, which the server's own events never have."""
    document = {"type": "resource", "event": name, "data": {"resource": {"id": "r"}, "user": USER}}
    assert type(post(document)) is Event


def test_other_hooks_of_a_v1_server_are_plain_events():
    """Hooks of files carry a user as PHP writes an entity; `raw` keeps all data."""
    user = {"id_as_string_for_session_handler": None}
    data = {"group": {}, "workspace": {}, "file": {"id": "f"}, "user": user}
    event = post({"type": "hook", "event": "new_file", "data": data})
    assert (type(event), event.origin, event.user_id) == (Event, "server", None)
    assert event.content["file"] == {"id": "f"}
    document = document_of("01-hook-new_message") | {"event": "new_task"}
    assert type(post(document)) is Event


def test_a_hook_without_a_message_that_has_an_id_is_a_plain_event():
    """It holds in both generations."""
    document = document_of("01-hook-new_message")
    for message in (None, [], {}, {"id": 1}, {"id": ""}):
        document["data"]["message"] = message
        assert type(post(document)) is Event
    document = document_of("v2023.Q1.1223/message-new")
    for message in (None, "x", {}, {"message": []}, {"message": {"id": None}}):
        document["content"]["message"] = message
        event = post(document, "node")
        assert (type(event), event.origin) == (Event, "server")


# What happened


def test_an_edit_over_v1_is_a_change():
    """It is posted in channels of applications only."""
    event = post(document_of("07-app-channel-new_message") | {"event": "edit_message"})
    assert type(event) is MessageChanged


def test_a_message_of_a_user_over_v1_comes_from_that_user():
    """An application that writes in the name of a user is not that user."""
    document = document_of("01-hook-new_message")
    document["data"]["message"] |= {"sender": "u"}
    assert post(document).user_id is None
    document["data"]["message"] |= {"application_id": None}
    assert post(document).user_id == "u"


@pytest.mark.parametrize("name", ["remove", "add"])
def test_resources_come_and_go(name):
    """Users are entities without a field, or null."""
    document = document_of("12-resource-add") | {"event": name}
    document["data"]["user"] = None
    event = post(document)
    assert type(event) is {"add": ResourceAdded, "remove": ResourceRemoved}[name]
    assert (event.resource_type, len(event.resource_id)) == ("channel", 36)
    assert type(post(document | {"event": "other"})) is Event


def node_message(**more: Any) -> dict[str, Any]:
    document = document_of("v2023.Q1.1223/message-new")
    document["content"]["message"]["message"] |= more
    return document


CREATED = document_of("v2023.Q1.1223/message-new")["content"]["message"]["message"]["created_at"]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"updated_at": CREATED + 500}, NewMessage),
        ({"updated_at": CREATED + 501}, MessageChanged),
        ({"updated_at": None}, MessageChanged),
        ({"created_at": "never"}, MessageChanged),
        ({"edited": {"edited_at": CREATED}}, MessageChanged),
        ({"reactions": [{"name": ":heart:", "count": 1, "users": ["u"]}]}, MessageChanged),
        ({"reactions": []}, NewMessage),
        ({"pinned_info": {"pinned_by": "u", "pinned_at": CREATED}}, MessageChanged),
        ({"subtype": "deleted"}, MessageRemoved),
        ({"subtype": "application"}, NewMessage),
    ],
)
def test_a_node_message_is_new_only_if_nothing_shows_a_change(more, kind):
    """The hook itself does not say whether the message is new."""
    event = post(node_message(**more), "node")
    assert type(event) is kind
    assert event.origin == "server"


def test_a_parser_reports_a_node_message_as_new_once():
    """A replay has a valid signature, but is no second message; `parse` has no memory."""
    posted = BY_NAME["v2022.Q2.975/message-new"]
    parser = Parser(api="node", private_api_key=posted.key)
    first = parser.parse(posted.body, posted.headers)
    again = parser.parse(posted.body, posted.headers)
    assert (type(first), type(again)) == (NewMessage, MessageChanged)
    assert again.message == first.message
    assert (first.user_id is None, again.user_id) == (False, None)
    assert [type(posted.parse()) for _ in range(2)] == [NewMessage, NewMessage]


def test_a_forged_hook_does_not_make_a_parser_forget_or_remember():
    """It remembers only messages that it reported: no browser's hook, no wrong signature."""
    posted = BY_NAME["v2022.Q2.975/message-new"]
    parser = Parser(api="node", private_api_key=posted.key)
    forged = json.dumps(json.loads(posted.body) | {"user_id": "u"}).encode()
    assert type(parser.parse(forged, sign(forged, posted.key))) is Event
    with pytest.raises(EventError):
        parser.parse(posted.body, sign(posted.body, "wrong"))
    assert type(parser.parse(posted.body, posted.headers)) is NewMessage


def test_the_memory_of_a_parser_is_bounded():
    """The oldest id is forgotten first."""
    parser = Parser(api="node", private_api_key=KEY, remember=2)

    def kind(message_id: str) -> type[Event]:
        body = json.dumps(node_message(id=message_id)).encode()
        return type(parser.parse(body, sign(body)))

    assert [kind(one) for one in "ab"] == [NewMessage] * 2
    assert kind("a") is MessageChanged
    assert kind("c") is NewMessage
    assert kind("b") is MessageChanged
    assert kind("a") is NewMessage
    assert len(parser._new) == 2


def test_over_v1_a_parser_believes_what_the_server_says():
    """There, the name of the hook distinguishes a new message from an edited one."""
    parser = Parser()
    posted = BY_NAME["01-hook-new_message"]
    kinds = [type(parser.parse(posted.body, posted.headers)) for _ in range(2)]
    assert kinds == [NewMessage] * 2


@pytest.mark.parametrize("remember", [0, -1, 1.5, True, None])
def test_a_parser_needs_to_remember_something(remember):
    """Without a memory, each hook would be a new message."""
    with pytest.raises(ConfigurationError, match="remember"):
        Parser(remember=remember)


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("Aufbau", "arbeitsplatz", "workspace"),
        ("настройка", "рабочее пространство", "workspace"),
        ("configuration", "workspace", "workspace"),
        ("configuration", "calendar", "calendar"),
        ("configuration", "", ""),
    ],
)
def test_a_configuration_is_known_in_each_language_of_the_web_client(kind, name, place):
    """On the page of a workspace, both words are translated."""
    document = document_of("26-configuration-workspace") | {"type": kind, "event": name}
    event = post(document)
    assert isinstance(event, Configure)
    assert (event.type, event.name, event.place) == (kind, name, place)


def test_an_action_that_nobody_knows_is_a_plain_event():
    """A server may have others, and so may a browser."""
    document = document_of("20-action-command") | {"event": "other"}
    event = post(document)
    assert (type(event), event.user_id) == (Event, "1d2e3f41-0f01-11eb-9a01-0242ac1b0006")
    assert type(post(document | {"event": None})) is Event


# Where to answer


def test_a_command_in_a_thread_is_answered_there():
    """v1 gives the first message of the thread; Node gives its id, or an object with its id."""
    document = document_of("20-action-command")
    document["data"]["parent_message"] = {"id": "root"}
    message = post(document).message
    assert message is not None
    assert (message.id, message.channel_id) == ("root", document["data"]["channel"]["id"])
    document = document_of("v2023.Q1.1223/action-command")
    channel = document["content"]["channel"]
    for thread in ("root", {"id": "root"}):
        document["content"]["thread"] = thread
        message = post(document, "node").message
        assert message is not None
        where = (message.id, message.channel_id, message.workspace_id)
        assert where == ("root", channel["id"], channel["workspace_id"])


def test_a_direct_channel_has_the_workspace_direct():
    """The browser names the workspace that the user looks at."""
    document = document_of("v2023.Q1.1223/action-action")
    document["content"]["channel"] |= {"workspace_id": "direct"}
    event = post(document, "node")
    assert event.workspace_id == "direct"
    document["content"]["channel"] = {"id": "c", "visibility": "direct"}
    event = post(document, "node")
    assert (event.workspace_id, event.channel_id) == ("direct", "c")
    assert event.message is not None
    assert event.message.workspace_id == "direct"


def test_the_place_of_a_message_is_its_own():
    """A click names no channel; the message that was clicked does."""
    document = document_of("v2023.Q1.1223/button")
    document["content"]["message"]["cache"] = {"channel_id": "c", "workspace_id": "direct"}
    event = post(document, "node")
    assert (event.channel_id, event.workspace_id) == ("c", "direct")
    assert event.message is not None
    assert event.message.ref.channel_id == "c"
    event = post(document_of("23-interactive_message_action"))
    assert event.channel_id == "40516264-0f24-11eb-9a24-0242ac1b0006"


def test_private_keys_of_other_applications_are_removed():
    """A server of 2023 posts an application as a whole where its message is quoted."""
    quoted = {"id": "q", "application": {"api": {"private_key": "a secret"}}}
    event = post(node_message(quote_message=quoted), "node")
    assert "a secret" not in str(event.raw)
    assert "a secret" not in repr(event)


# These are ids of the sandbox.
GENERAL = "7a1c0e41-5b1d-11eb-9c04-0242ac130002"
ALICE = "7a1c0e31-5b1d-11eb-9c03-0242ac130002"


@pytest.mark.parametrize("release", ["2020", "2023"])
async def test_a_session_replies_to_an_event(release):
    """`TwakeSession.reply` takes an event, also for an answer that one user sees."""
    async with Sandbox(release=release) as box:
        session = TwakeSession(
            box.public_id,
            box.private_api_key,
            group_id=box.group_id,
            base_url=box.url,
            api=box.api,
            workspace_id=box.workspace_id,
        )
        async with session as twake:
            asked = await twake.send_message(GENERAL, "Vote!")
            click = clicked(asked, release)
            answer = await twake.reply(click, "Counted.")
            assert answer.parent_message_id == asked.id
            await twake.reply(click, "Only you see it.", ephemeral=True)
            assert len(box.ephemerals(GENERAL)) == 1
            form = attrs.evolve(asked, ephemeral_id="an-ephemeral-id")
            answer = await twake.reply(attrs.evolve(click, message=form), "In the channel.")
            assert answer.parent_message_id == ""
            with pytest.raises(InvalidDraftError):
                await twake.reply(BY_NAME["25-configuration-channel"].parse(), "nowhere")


def clicked(asked: Message, release: str) -> Event:
    """Return the click of a user of the sandbox on a message."""
    if release == "2020":
        document = document_of("23-interactive_message_action")
        document["data"]["message"] |= {"id": asked.id, "channel_id": asked.channel_id}
        document["data"]["user"]["id"] = ALICE
        return post(document)
    document = document_of("v2023.Q1.1223/button") | {"user_id": ALICE}
    cache = {"channel_id": asked.channel_id, "workspace_id": asked.workspace_id}
    document["content"]["message"] |= {"id": asked.id, "thread_id": asked.id, "cache": cache}
    return post(document, "node")


# Anything at all


MADE: list[dict[str, Any]] = [json.loads(one.body) for one in (*V1, *NODE)]
HEADER = st.sampled_from(["content-type", "X-Twake-Signature", "Content-Type"]) | TEXT
VALUE = st.sampled_from(["application/json", "0" * 64]) | st.text()


def event_or_error(body: bytes, headers: dict[str, str], **more: Any) -> Event | EventError:
    """Return the result of `parse` for a request; any other exception fails the test."""
    try:
        return parse(body, headers, private_api_key=KEY, **more)
    except EventError as error:
        return error


@given(st.binary() | JSON.map(lambda one: json.dumps(one).encode()), st.dictionaries(HEADER, VALUE))
def test_bytes_and_headers_are_an_event_or_an_event_error(body, headers):
    """No other exception is raised, in either generation."""
    for api, required in itertools.product(("v1", "node"), (True, False)):
        for sent in (headers, HEADERS, sign(body)):
            found = event_or_error(body, sent, api=api, require_signature=required)
            assert isinstance(found, Event) or found.status in {400, 401, 413, 415}


def changed(document: Any, path: list[int], value: Any) -> Any:
    """Return a copy of a document, with another value in one place."""
    if not path or not isinstance(document, dict | list) or not document:
        return value
    twin = copy.copy(document)
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = keys[path[0] % len(keys)]
    twin[key] = changed(document[key], path[1:], value)
    return twin


@given(
    st.sampled_from(MADE),
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 30), min_size=1, max_size=5),
            JSON
            | st.sampled_from([10**400, -1, "\ud800", "direct", "deleted", [], {}, "1" * 5000]),
        ),
        max_size=4,
    ),
)
def test_an_event_in_which_anything_is_changed_is_an_event_or_an_event_error(document, changes):
    """A browser may put any value in any place."""
    for path, value in changes:
        document = changed(document, path, value)
    body = json.dumps(document).encode()
    for api in ("v1", "node"):
        found = event_or_error(body, sign(body), api=api)
        if isinstance(found, EventError):
            assert found.status == 400
            continue
        assert found.signed
        assert repr(found)
        assert found == event_or_error(body, sign(body), api=api)
        if isinstance(found, NewMessage | MessageChanged | MessageRemoved):
            assert found.origin == "server"


@given(st.sampled_from(NODE[0:1]), st.binary(min_size=1, max_size=3), st.integers(0, 600))
def test_no_other_bytes_have_the_signature(posted, replaced, place):
    """One byte that differs is enough."""
    body = posted.body[:place] + replaced + posted.body[place + len(replaced) :]
    if body != posted.body:
        assert error_of(body, posted.headers, api="node", private_api_key=posted.key).status == 401


def test_the_public_names_are_documented_and_no_more():
    """Each says in a docstring of its own what it is."""
    assert events.__all__ == sorted(events.__all__, key=lambda name: (name[0].islower(), name))
    for name in events.__all__:
        assert vars(events)[name].__doc__
        assert not vars(events)[name].__doc__.startswith(f"{name}(")

"""Node: drafts become the requests that were recorded, and what this API cannot do is refused."""

from __future__ import annotations

import json
import sys
import types
import uuid

import pytest
from encoding import encode_save
from hypothesis import given
from node_recorded import WRITES, Recorded
from strategies import JSON, TEXT

from twake_async import twacode
from twake_async._arguments import Credentials
from twake_async._protocol.json_codec import Codec, fast_codec
from twake_async._protocol.node.api import FRONT_ID, MARKER, Api, Ids, company_path
from twake_async._protocol.node.encode import LARGEST_BODY, encode_draft, encode_remove
from twake_async._protocol.node.generation import Node
from twake_async._protocol.node.probes import examine
from twake_async.errors import ConfigurationError, InvalidDraftError
from twake_async.messages import MessageDraft, MessageRef

API = Api(credentials=Credentials("app", "a key"))

#: The recorded writes that no draft asks for, and why.
NO_DRAFT = {
    **dict.fromkeys(
        (
            *("send-text-internal", "right-ip-internal", "app-deleted-send-internal"),
            *("reply-users-thread-internal", "reply-unknown-thread-internal"),
            *("reply-client-id-path-internal", "send-text-internal-again", "reply-internal"),
            *("send-text-number-internal", "ev-user-message", "ev-user-reply", "ev-user-edit"),
            *("ev-private", "ev-dm", "ev-hook-500", "mq-user-message", "mq-down-user-send"),
        ),
        "no request of ours goes to the service behind the API",
    ),
    **dict.fromkeys(
        (
            *("send-subtype-system", "send-created-at", "send-extra-fields", "send-quote"),
            *("send-quote-nochannel", "send-quote-unknown", "send-file-empty-obj", "vis-client-id"),
            *("send-files-object", "send-files-string", "send-file-internal", "send-client-id"),
            *("send-client-id-existing", "send-client-thread-id", "reply-other-thread-id"),
            *("vis-quote-unknown", "edit-files", "body-proto"),
        ),
        "a field that a draft has only in `extra`, or not at all",
    ),
    **dict.fromkeys(
        (
            *("send-empty-message", "send-empty-text", "send-text-true", "send-blocks"),
            *("send-blocks-object", "send-blocks-number", "send-override-string"),
            *("send-context-string", "reply-text-number", "reply-no-resource", "edit-blocks"),
            *("edit-text-null", "edit-text-number", "vis-text-number", "vis-blocks-object"),
            *("body-message-string", "body-message-number", "char-lone-surrogate"),
        ),
        "no content that a draft takes, or of another type than a draft's",
    ),
    **dict.fromkeys(
        (
            *("body-none", "body-no-participants", "body-participants-empty", "body-nan"),
            *("body-participants-null-item", "body-bad-json", "body-form", "body-gzip"),
            *("reply-null", "probe-threads-noauth", "close-mid-body", "size-1100k", "size-5m"),
            *("send-doc-reply", "send-doc-literal", "send-thread-shape-on-reply"),
            *("send-path-thread-id", "send-path-thread-existing", "edit-own-id-in-body"),
            *("target-no-workspace", "target-no-company", "target-user-only"),
            *("path-double-slash", "query-token", "delete-verb"),
        ),
        "a body, or a path, in another form than ours",
    ),
    "target-path-company-other": "the company of a draft is the one in its path",
    "thread-add-self": "test_node_reads.py compares it",
}
BY_DRAFT = [case for case in WRITES if case.name not in NO_DRAFT]


def encode(draft, group="co", workspace="ws", api=API):
    return encode_draft(draft, group_id=group, workspace_id=workspace, api=api)


def save(content="hello", **fields):
    """Return the request of a draft, and the message in it."""
    request = encode(MessageDraft("ch", content, **fields)).request()
    return request, message_in(request)


def message_in(request):
    document = json.loads(request.body)
    if "options" not in document:
        assert document.keys() == {"resource"}
        return document["resource"]
    assert document.keys() == {"resource", "options"}
    assert document["options"].keys() == {"message"}
    return document["options"]["message"]


def draft_of(case: Recorded) -> tuple[MessageDraft, str]:
    """Return the draft that asks for what a recorded request asked for, and its company."""
    company, thread, message, _ = case.place
    channel = {"id": "ch", "workspace_id": None}
    if not thread:
        (channel,) = case.body["resource"]["participants"]
        assert channel.keys() == {"type", "id", "company_id", "workspace_id"}
    fields, shown = case.fields, case.fields.get("ephemeral") or {}
    assert fields.keys() <= {"text", "blocks", "user_id", "override", "context", "ephemeral"}
    content = fields.get("text")
    if "blocks" in fields:
        (block,) = fields["blocks"]
        content = {"fallback_string": content, "prepared": block["elements"]}
    return MessageDraft(
        channel["id"],
        content,
        parent_message_id=thread,
        id=message or None,
        sender=fields.get("user_id"),
        override=fields.get("override"),
        hidden_data=fields.get("context"),
        workspace_id=channel["workspace_id"],
        ephemeral="ephemeral" in fields,
        ephemeral_id=shown.get("id"),
        ephemeral_to=[shown["recipient"]] if shown else (),
        connection_id=shown.get("recipient_context_id"),
    ), company


@pytest.mark.parametrize("case", BY_DRAFT, ids=lambda case: f"{case.server}-{case.name}")
def test_a_draft_becomes_the_request_that_was_recorded(case: Recorded):
    """Path, place and every field are equal; our ids and the text as a block are added."""
    if case.operation == "remove":
        company, thread, message, _ = case.place
        request = encode_remove(MessageRef("ch", message, thread), group_id=company, api=API)
        assert (request.method, request.path, request.body) == ("POST", case.path, b"{}")
        assert request.channel_id == "ch"
        assert case.body == {}
        return
    draft, company = draft_of(case)
    request = encode(draft, company).request()
    assert (request.method, request.path) == ("POST", case.path)
    assert (request.operation, request.repeatable) == (case.operation, case.operation == "edit")
    document, recorded = json.loads(request.body), json.loads(json.dumps(case.body))
    sent = message_in(request)
    for one in (document, recorded):
        (one if case.place[1] else one["options"]).pop("resource" if case.place[1] else "message")
    assert document == recorded
    expected = dict(case.fields)
    if isinstance(expected.get("text"), str):
        expected.setdefault("blocks", [{"type": "twacode", "elements": [expected["text"]]}])
    if case.operation != "edit":
        expected |= {"subtype": "application"}
        ids = {FRONT_ID: sent["context"][FRONT_ID]}
        expected["context"] = {**(expected.get("context") or {}), **ids}
    if case.operation == "ephemeral":
        # Each is a version of its own.
        expected["ephemeral"] = {**expected["ephemeral"], "version": sent["ephemeral"]["version"]}
    assert sent == expected


def test_no_recorded_write_is_left_out():
    """Each is made by a draft, or has a reason why no draft makes it."""
    assert set(NO_DRAFT) <= {case.name for case in WRITES}
    made = {case.name for case in BY_DRAFT}
    assert {"send-text", "send-dup-1", "send-dup-2", "send-twacode", "send-override"} <= made
    assert {"send-as-user", "reply-own", "edit-own", "edit-thread-head", "edit-context"} <= made
    assert {"delete-own", "send-ephemeral", "reply-ephemeral-users-thread"} <= made
    assert len(BY_DRAFT) > 130


# --- what stands in a request -------------------------------------------------------------------


def test_an_id_is_minted_for_each_new_message():
    """It is the front_id; if the caller gives a front_id, it is the marker."""
    first, second = save()[1]["context"], save()[1]["context"]
    assert first.keys() == second.keys() == {FRONT_ID}
    assert first != second
    assert uuid.UUID(first[FRONT_ID]).version == 4
    draft = encode(MessageDraft("ch", "hello", front_id="mine", hidden_data={"a": 1}))
    context = draft.request().fields["context"]
    assert context == {"a": 1, FRONT_ID: "mine", MARKER: draft.marker}
    assert draft.front_id == draft.request().front_id == "mine"
    assert uuid.UUID(draft.marker).version == 4
    assert encode(MessageDraft("ch", "hello")).marker is None


def test_the_request_of_an_earlier_run_has_its_ids():
    """A batch that goes on sends the ids that its journal holds."""
    draft = encode(MessageDraft("ch", "hello", hidden_data={"a": 1}))
    context = message_in(draft.request("f", None))["context"]
    assert context == {"a": 1, FRONT_ID: "f"}
    draft = encode(MessageDraft("ch", "hello", front_id="mine"))
    assert message_in(draft.request("mine", "m"))["context"] == {FRONT_ID: "mine", MARKER: "m"}
    assert draft.request("mine", "m").evidence == {MARKER: "m"}


def test_an_edit_names_only_what_is_given():
    """The server keeps all other fields; a new context replaces the old one, ids included."""
    assert save(id="m")[1].keys() == {"text", "blocks"}
    assert save(None, id="m", override={"title": "T"})[1] == {"override": {"title": "T"}}
    request, sent = save(None, id="m", hidden_data={"a": 1})
    assert sent == {"context": {"a": 1}}
    assert (request.front_id, request.target) == (None, "m")
    kept = Ids({FRONT_ID: "f", MARKER: "k"})
    given = {"id": "m", "hidden_data": {"a": 1}, "extra": {MARKER: kept}}
    assert save(None, **given)[1] == {"context": {"a": 1, FRONT_ID: "f", MARKER: "k"}}
    draft = encode(MessageDraft("ch", None, **given))
    assert (draft.front_id, draft.marker) == (None, None)
    assert save("", id="m")[1] == {"text": "", "blocks": [{"type": "twacode", "elements": [""]}]}


def test_an_edit_sends_no_id_that_a_caller_gives():
    """A look for another message with that id would take the edited message for it."""
    given = {"id": "m", "front_id": "f", "extra": {MARKER: "k"}}
    assert save("x", **given)[1].keys() == {"text", "blocks"}
    assert save(None, hidden_data={"a": 1}, **given)[1] == {"context": {"a": 1}}
    one, other = (
        encode(MessageDraft("ch", hidden_data={"a": 1}, id="m", front_id=name)) for name in "ab"
    )
    assert one.fingerprint() == other.fingerprint()


def test_the_marker_of_a_decoded_message_is_no_field():
    """Without hidden data it stays where it is; in a new message it means nothing."""
    assert MARKER not in save("x", id="m", extra={MARKER: "k"})[1]
    sent = save("x", extra={MARKER: "k"})[1]
    assert MARKER not in sent
    assert MARKER not in sent["context"]


def test_rich_content_becomes_blocks_with_its_text():
    """Notifications and search show the text."""
    sent = save([twacode.Bold("Hi"), " there"])[1]
    assert sent["text"] == "Hi there"
    elements = [{"type": "bold", "content": "Hi"}, " there"]
    assert sent["blocks"] == [{"type": "twacode", "elements": elements}]


def test_an_ephemeral_message_is_for_one_user_and_connection():
    """Its id is minted, or the id of the message that it replaces; its version is the time."""
    given = {"ephemeral_to": ["u"], "connection_id": "c"}
    request, sent = save(ephemeral=True, **given)
    shown = sent["ephemeral"]
    assert shown.keys() == {"id", "version", "recipient", "recipient_context_id"}
    assert (shown["recipient"], shown["recipient_context_id"]) == ("u", "c")
    assert uuid.UUID(shown["id"]).version == 4
    assert (request.operation, request.target, request.repeatable) == ("ephemeral", None, False)
    again, sent = save(ephemeral_id=shown["id"], **given)
    assert sent["ephemeral"]["id"] == again.target == shown["id"]
    first, second = (uuid.UUID(one["version"]) for one in (shown, sent["ephemeral"]))
    assert first.version == second.version == 1
    assert first.time < second.time
    assert first.node != uuid.getnode()
    assert first.node >> 40 & 1  # multicast: no network card has it


def test_the_version_of_an_ephemeral_message_tells_no_address():
    """Its node is a random number of 48 bits with the multicast bit, which no network card has."""
    given = {"ephemeral": True, "ephemeral_to": ["u"], "connection_id": "c"}
    nodes = [uuid.UUID(save(**given)[1]["ephemeral"]["version"]).node for _ in range(64)]
    assert all(node >> 40 & 1 for node in nodes)
    assert len(set(nodes)) == 64
    assert any(node >> 47 for node in nodes)


def test_ids_are_quoted_in_paths():
    """No id changes the path or adds a header."""
    company_path.cache_clear()
    ref = MessageRef("ch", "a.b?c#d", "é %")
    path = encode_remove(ref, group_id="c;o", api=API).path
    assert path == (
        "/api/messages/v1/companies/c%3Bo/threads/%C3%A9%20%25/messages/a.b%3Fc%23d/delete"
    )
    assert company_path("..", ".", "...", "a/b", "X.X") == (
        "/api/messages/v1/companies/%2E%2E/%2E/%2E%2E%2E/a%2Fb/X.X"
    )


@pytest.mark.parametrize("value", [".", "..", "a/b", "../x", "a\\b", "/"])
@pytest.mark.parametrize("field", ["channel_id", "workspace_id", "parent_message_id", "id"])
def test_no_id_leads_to_another_path(field, value):
    """A gateway may read quoted dots and slashes as steps in the path."""
    ids = {"channel_id": "ch", "content": "x"} | {field: value}
    with pytest.raises((InvalidDraftError, ConfigurationError)) as caught:
        encode(MessageDraft(**ids))
    assert caught.value.field == field
    assert isinstance(caught.value, ConfigurationError) is (field == "workspace_id")
    for fields in ({"id": value}, {"id": "m", "parent_message_id": value}):
        with pytest.raises(InvalidDraftError) as caught:
            encode_remove(MessageRef("ch", **fields), group_id="co", api=API)
        assert fields[caught.value.field] == value
    for call in (
        lambda: encode(MessageDraft("ch", "x"), value),
        lambda: encode_remove(MessageRef("ch", "m"), group_id=value, api=API),
        lambda: next(examine(value, None, API)),
    ):
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert caught.value.field == "group_id"


@given(TEXT)
def test_any_text_goes_out_whole(text):
    """A reader gets the text that was given, whichever codec wrote it."""
    if not text:
        return
    for codec in (API.codec, fast_codec()):
        api = Api(credentials=API.credentials, codec=codec)
        sent = message_in(encode(MessageDraft("ch", text), api=api).request())
        assert (sent["text"], sent["blocks"][0]["elements"]) == (text, [text])


@given(JSON)
def test_any_hidden_data_goes_out_whole(value):
    """The context is free JSON."""
    sent = save(hidden_data=types.MappingProxyType({"data": value}))[1]["context"]
    assert sent["data"] == value


# --- fingerprints -------------------------------------------------------------------------------


def test_a_fingerprint_holds_no_minted_id():
    """It is the same in each run and release: a journal depends on it."""
    for given_ in (
        {},
        {"front_id": "mine"},
        {"parent_message_id": "t", "hidden_data": {"a": 1}},
        {"ephemeral": True, "ephemeral_to": ["u"], "connection_id": "c"},
        {"id": "m"},
    ):
        first, second = (encode(MessageDraft("ch", "hello", **given_)) for _ in range(2))
        assert first.fingerprint() == second.fingerprint()
    assert encode(MessageDraft("ch", "hello")).fingerprint() == "77f850ba603ab76568f56f0119f80cda"


@pytest.mark.parametrize(
    ("expected", "workspaces", "fields"),
    [
        ("f27fae048fe97ac1b1aa2b801744f5e8", (None, "ws", "other"), {"parent_message_id": "t"}),
        ("de3238e74ac2eeb0281e3bdb783ba53f", (None, "ws", "other"), {"id": "m"}),
        (
            "cd749161f0768d32b27b5fe71b07a479",
            ("ws",),
            {"ephemeral": True, "ephemeral_to": ["u"], "connection_id": "c"},
        ),
    ],
)
def test_each_release_computes_the_same_fingerprint(expected, workspaces, fields):
    """A journal depends on it. A reply and an edit go to their thread in any workspace."""
    draft = MessageDraft("ch", "hello", **fields)
    assert {encode(draft, workspace=one).fingerprint() for one in workspaces} == {expected}


def test_a_fingerprint_differs_with_all_that_is_asked_for():
    """Two drafts that ask for different things are told apart."""
    given_ = [
        {},
        {"parent_message_id": "t"},
        {"id": "m"},
        {"id": "m", "parent_message_id": "t"},
        {"sender": "u"},
        {"hidden_data": {}},
        {"hidden_data": {"a": 1}},
        {"override": {"title": "T"}},
        {"workspace_id": "other"},
        {"extra": {"files": []}},
        {"extra": {"place": 1}},
        {"extra": {"place": 2}},
        {"ephemeral": True, "ephemeral_to": ["u"], "connection_id": "c"},
        {"ephemeral_id": "e", "ephemeral_to": ["u"], "connection_id": "c"},
        {"ephemeral_id": "e", "ephemeral_to": ["u"], "connection_id": "d"},
    ]
    prints = {encode(MessageDraft("ch", "hello", **one)).fingerprint() for one in given_}
    assert len(prints) == len(given_)
    assert encode(MessageDraft("other", "hello")).fingerprint() not in prints
    one, other = (encode(MessageDraft("ch", "x", front_id=name)) for name in "ab")
    assert one.fingerprint() == other.fingerprint()


# --- what cannot be sent ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("pinned", {"pinned": True}),
        ("user_specific", {"user_specific": [{"user_id": "u"}]}),
        ("ephemeral_to", {"ephemeral": True}),
        ("ephemeral_to", {"ephemeral": True, "ephemeral_to": ["u", "v"], "connection_id": "c"}),
        ("connection_id", {"ephemeral": True, "ephemeral_to": ["u"]}),
        ("connection_id", {"ephemeral_id": "e", "ephemeral_to": ["u"]}),
    ],
)
def test_what_only_the_other_api_does_is_refused_by_the_names_of_both(field, fields):
    """The error says which API can."""
    with pytest.raises(InvalidDraftError) as caught:
        encode(MessageDraft("ch", "hello", **fields))
    assert caught.value.field == field
    assert 'api="v1"' in str(caught.value)
    assert 'api="node"' in str(caught.value)


def test_what_only_this_api_does_is_refused_there_by_the_names_of_both():
    """The other way round."""
    with pytest.raises(InvalidDraftError) as caught:
        encode_save(MessageDraft("ch", "hello", override={"title": "T"}), group_id="co")
    assert caught.value.field == "override"
    assert 'api="v1"' in str(caught.value)
    assert 'api="node"' in str(caught.value)


@pytest.mark.parametrize(
    ("field", "content", "fields"),
    [
        ("content", None, {}),
        ("content", "", {}),
        ("content", [], {}),
        ("content", 5, {}),
        ("content", "\ud83d", {}),
        ("content", [twacode.Bold("x")] * 2 + ["\ud83d"], {}),
        ("content", None, {"id": "m"}),
        ("content", None, {"id": "m", "override": {}}),
        ("content", "\ud83d", {"parent_message_id": "t"}),
        ("sender", "x", {"id": "m", "sender": "u"}),
        ("hidden_data", "x", {"hidden_data": {FRONT_ID: "f"}}),
        ("hidden_data", None, {"id": "m", "hidden_data": {MARKER: "f"}}),
        ("hidden_data", "x", {"hidden_data": {"a": float("nan")}}),
        ("hidden_data", "x", {"hidden_data": {"a": object()}}),
        ("hidden_data", "x", {"hidden_data": {"a": "\ud83d"}}),
        ("hidden_data", None, {"id": "m", "hidden_data": {"a": "\ud83d"}}),
        ("files", "x", {"extra": {"files": {1: 2}}}),
        *[
            ("extra", "x", {"extra": {name: "y"}})
            for name in (
                *("text", "blocks", "subtype", "context", "user_id", "override", "ephemeral"),
                *("id", "thread_id", "channel_id", "front_id", "hidden_data", "sender"),
            )
        ],
        ("extra", None, {"id": "m", "hidden_data": {}, "extra": {"text": "y"}}),
    ],
)
def test_what_cannot_be_sent_is_refused_by_its_name(field, content, fields):
    """No byte leaves, and the error names the caller's field."""
    with pytest.raises(InvalidDraftError) as caught:
        encode(MessageDraft("ch", content, **fields)).request()
    assert caught.value.field == field


def test_a_message_that_a_server_would_not_take_is_refused():
    """Node takes 1 MiB, all of the request counted."""
    around = len(encode(MessageDraft("ch", "x")).request().body) - 2
    fits = (LARGEST_BODY - around) // 2
    assert LARGEST_BODY - 2 < len(save("x" * fits)[0].body) <= LARGEST_BODY
    with pytest.raises(InvalidDraftError, match="bytes") as caught:
        save("x" * (fits + 1))
    assert caught.value.field == "content"
    with pytest.raises(InvalidDraftError, match="bytes"):
        save("é" * (fits // 2 + 1))


@pytest.mark.parametrize("over", [0, 1])
def test_the_largest_message_has_exactly_as_many_bytes_as_a_server_takes(over):
    """One more is too many."""
    around = len(save("x", hidden_data={"a": ""})[0].body)
    draft = encode(MessageDraft("ch", "x", hidden_data={"a": "y" * (LARGEST_BODY - around + over)}))
    if not over:
        assert len(draft.request().body) == LARGEST_BODY
        return
    with pytest.raises(InvalidDraftError, match="bytes"):
        draft.request()


def test_the_codec_of_the_api_writes_a_request():
    """A faster one does where it is installed."""
    codec = Codec(lambda document: b"written", json.loads)
    draft = encode(MessageDraft("ch", "hello"), api=Api(codec=codec))
    assert draft.request().body == b"written"


# --- the API as a session sees it ----------------------------------------------------------------


class Steps:
    """A session that notes for which requests it is asked for steps."""

    def __init__(self) -> None:
        self.asked: list = []

    def steps_of_save(self, save):
        self.asked.append(save)
        return "the steps of a save"

    def steps_of_remove(self, remove):
        self.asked.append(remove)
        return "the steps of a remove"


def test_what_a_session_sends_has_its_steps_and_its_workspace():
    """Both a save and a remove; a draft may name another workspace."""
    session = Steps()
    node = Node(API, session, "ws")
    save = node.encode(MessageDraft("ch", "hello"), "co").request()
    assert (save.place.company, save.place.workspace) == ("co", "ws")
    other = MessageDraft("ch", "hello", workspace_id="other")
    assert node.encode(other, "co").request().place.workspace == "other"
    remove = node.remove(MessageRef("ch", "m"), "co")
    assert remove.path == "/api/messages/v1/companies/co/threads/m/messages/m/delete"
    assert remove.target == "m"
    assert save.api is remove.api is API
    assert (save.steps, remove.steps) == ("the steps of a save", "the steps of a remove")
    assert session.asked == [save, remove]


def test_a_check_of_a_session_looks_at_its_group_and_its_workspace():
    """An invalid id is found before any request."""
    assert next(Node(API, Steps(), "ws").check("co")).method == "POST"
    with pytest.raises(ConfigurationError, match="workspace_id"):
        next(Node(API, Steps(), "").check("co"))
    with pytest.raises(ConfigurationError, match="group_id"):
        next(Node(API, Steps(), "ws").check(None))


def test_where_nobody_would_see_it_is_a_matter_of_configuration():
    """A new thread needs a workspace, "direct" for a direct channel; replies and edits do not."""
    for workspace in (None, ""):
        with pytest.raises(ConfigurationError, match="nobody sees") as caught:
            encode(MessageDraft("ch", "hello"), workspace=workspace)
        assert caught.value.field == "workspace_id"
    for draft in (
        MessageDraft("ch", "hello", workspace_id="direct"),
        MessageDraft("ch", "hello", parent_message_id="t"),
        MessageDraft("ch", "hello", id="m"),
    ):
        request = encode(draft, workspace=None).request()
        assert request.place.workspace == (draft.workspace_id or "")
    for draft in (MessageDraft("ch", "hello"), MessageDraft("ch", "hello", id="m")):
        with pytest.raises(ConfigurationError) as caught:
            encode(draft, group=None)
        assert caught.value.field == "group_id"
    with pytest.raises(ConfigurationError):
        encode_remove(MessageRef("ch", "m"), group_id=None, api=API)
    request, sent = save(workspace_id="other")
    assert json.loads(request.body)["resource"]["participants"][0]["workspace_id"] == "other"
    assert sent["text"] == "hello"


def test_a_value_too_deep_for_the_stack_is_refused_and_nothing_else_sent():
    """If only the parts around the message are too deep, no other body is sent in its place."""

    def nested(levels):
        value = []
        for _ in range(levels):
            value = [value]
        return value

    def at_depth(levels):
        return at_depth(levels - 1) if levels else save(hidden_data={"a": nested(450)})

    frames = len(__import__("inspect").stack())
    for left in range(430, 520):
        try:
            request, sent = at_depth(sys.getrecursionlimit() - frames - left)
        except (InvalidDraftError, RecursionError):
            continue
        assert sent["text"] == "hello"
        assert request.body.startswith(b'{"resource"')


@pytest.mark.parametrize("value", [float("nan"), object(), {1: 2}, b"x"])
def test_what_json_cannot_hold_is_refused_in_a_tree_too(value):
    """Whatever form the tree has."""
    for tree in ([{"type": "bold", "content": "x", "more": value}], {"prepared": [[value]]}):
        with pytest.raises(InvalidDraftError) as caught:
            save(tree)
        assert caught.value.field == "content"

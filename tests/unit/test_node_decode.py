"""Node: every message becomes the same `Message` as over v1, and nothing of it is lost."""

from __future__ import annotations

import datetime
import json

import pytest
from decoded import check_types
from encoding import encode_save
from hypothesis import example, given
from hypothesis import strategies as st
from node_recorded import CASES
from node_rows import row
from plain_ids import plain_id
from strategies import JSON, TEXT

from twake_async import twacode
from twake_async._protocol.node.api import FRONT_ID, MARKER, Api
from twake_async._protocol.node.decode import decode_message
from twake_async._protocol.node.encode import encode_draft
from twake_async._protocol.node.same import is_same
from twake_async._protocol.v1.decode import decode_message as decode_v1
from twake_async._sending.sender import draft_of_edit
from twake_async.errors import InvalidDraftError
from twake_async.messages import Message, MessageDraft, Reaction

#: The values of an answer whose field in a message has another name.
RENAMED = {"updated_at": "modification_date", "created_at": "creation_date"}


def answered(value):
    """Yield each message in a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("id"), str) and "thread_id" in value and "type" in value:
            yield value
        for item in value.values():
            yield from answered(item)
    elif isinstance(value, list):
        for item in value:
            yield from answered(item)


def documents():
    for case in CASES:
        body = case["response"].get("body") or ""
        if "/messages/v1/" in case["request"]["path"] and body.startswith("{"):
            try:
                yield f"{case['server']}-{case['name']}", json.loads(body)
            except ValueError:
                assert case["name"] == "size-1040k"


MESSAGES = [(name, found) for name, document in documents() for found in answered(document)]


def leaves(value, path=()):
    """Yield each value that holds no other and is not null, with its place."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from leaves(item, (*path, key))
    elif value is not None:
        yield path, value


def put_back(message):
    """Return the values of an answer that a message stands for, from its fields and its extra."""
    raw = dict(message.extra)
    raw["id"] = message.id
    raw.setdefault("application_id", message.application_id)
    raw["text"] = message.content
    if isinstance(message.content, dict) and message.content.keys() == {
        *("original_str", "fallback_string", "prepared")
    }:
        content = message.content
        assert content["original_str"] == content["fallback_string"]
        raw["text"] = content["original_str"]
        raw["blocks"] = [{"type": "twacode", "elements": content["prepared"]}]
    left = raw.get("context", {})
    if isinstance(left, dict):
        known = {FRONT_ID: message.front_id} if message.front_id else {}
        raw["context"] = {**message.hidden_data, **known, **left}
    for name, field in RENAMED.items():
        moment = getattr(message, field)
        if moment is not None:
            raw[name] = round(moment.timestamp() * 1000)
    raw.setdefault("thread_id", message.parent_message_id or message.id)
    raw.setdefault("user_id", message.sender or message.application_id)
    raw.setdefault("override", dict(message.override))
    raw.setdefault(
        "reactions",
        [
            {"name": name, "users": list(one.users), "count": one.count}
            for name, one in message.reactions.items()
        ],
    )
    return raw


#: Ids that may be empty, which means the same as no id.
NO_ID = (("context", FRONT_ID), ("thread_id",))


def check_nothing_is_lost(found, message):
    """Assert that each leaf of an answer is in the message, with its value."""
    raw = put_back(message)
    plain = [{"type": "twacode", "elements": [found.get("text")]}]
    for name, value in found.items():
        if name == "blocks" and name not in raw:
            assert value in (None, [], plain)
            continue
        for path, leaf in leaves(value, (name,)):
            kept = raw
            for key in path:
                kept = kept[key]
            # An empty id means no id.
            assert [kept] == [leaf] or (path in NO_ID and leaf == "")


def test_there_are_messages_to_decode():
    """Of both releases, in answers to sends, edits and reads."""
    assert len(MESSAGES) > 380
    assert {name.partition("-")[0] for name, _ in MESSAGES} >= {"v2022.Q2.975", "v2023.Q1.1223"}


@pytest.mark.parametrize("found", [one for _, one in MESSAGES], ids=[name for name, _ in MESSAGES])
def test_every_recorded_message_is_decoded_without_a_loss(found):
    """Each value of each answer of the real servers is in the message, in its one type."""
    message = decode_message(found)
    check_types(message)
    check_nothing_is_lost(found, message)
    assert not message.maybe_duplicated
    assert message.message_type == (1 if found["application_id"] else 0)


def test_what_the_recorded_messages_leave_over_is_known():
    """Values without a field are in `extra`, and the hidden data shows none of our ids."""
    left = {name for _, found in MESSAGES for name in decode_message(found).extra}
    assert left == {
        *("type", "subtype", "cache", "status", "stats", "last_replies", "edited", "pinned_info"),
        *("files", "quote_message", "users", "application"),
        # Without a channel in the cache, in blocks of another kind, and where they are texts.
        *("channel_id", "workspace_id", "company_id", "blocks", "context", "override"),
    }


VALUES = JSON | st.sampled_from(
    [
        "m",
        0,
        1795640789421,
        -1,
        2**80,
        [{"type": "twacode", "elements": ["x"]}],
        [{"type": "twacode", "elements": [{"type": "bold", "content": "x"}]}],
        [{"type": "twacode", "elements": []}],
        [{"type": "twacode", "elements": "x"}],
        [{"type": "section"}],
        {FRONT_ID: "f"},
        {FRONT_ID: "f", MARKER: "k", "a": 1},
        {FRONT_ID: 5, MARKER: "k"},
        {MARKER: None},
        {"channel_id": "c", "workspace_id": "w", "company_id": "co"},
        {"title": "T", "picture": None},
        {"replies": 3},
        [{"name": ":+1:", "users": ["u"], "count": 1}],
        [{"name": ":+1:", "users": ["u"], "count": 1}] * 2,
        [{"name": ":+1:", "users": [5], "count": 1}],
    ]
)
NAMES = st.sampled_from(
    [
        *("thread_id", "type", "subtype", "created_at", "updated_at", "user_id", "text", "blocks"),
        *("application_id", "context", "edited", "pinned_info", "reactions", "override", "cache"),
        *("stats", "ephemeral", "files", MARKER, FRONT_ID, "front_id", "content"),
    ]
)


@given(TEXT, st.dictionaries(NAMES | TEXT, VALUES, max_size=12))
@example("m", {"text": None, "blocks": [{"type": "twacode", "elements": [None]}]})
@example("m", {MARKER: "x", "context": {FRONT_ID: "f", MARKER: "k"}})
@example("m", {"text": 5, "blocks": [{"type": "twacode", "elements": [5]}]})
@example("m", {"created_at": 253402300799999, "updated_at": 253402300800000})
@example("m", {"edited": False, "pinned_info": {}})
@example("0", {"type": "m", "thread_id": ""})
def test_any_resource_with_an_id_is_decoded_without_a_loss(name, fields):
    """For any answer, decoding never raises, the types hold, and no value is lost."""
    found = {**fields, "id": name}
    message = decode_message(found)
    check_types(message)
    check_nothing_is_lost(found, message)
    assert MARKER not in message.hidden_data
    assert not isinstance(message.hidden_data.get(FRONT_ID), str)


def test_values_nested_deeper_than_the_stack_are_passed_on():
    """Values that a fast JSON reader accepts are not compared with anything as deep."""
    deep, same = [], []
    for _ in range(100_000):
        deep, same = [deep], [same]
    names = ("text", "context", "cache", "reactions", "override", "stats", "user_id", "edited")
    message = decode_message({"id": "m", **dict.fromkeys(names, deep)})
    assert message.content is deep
    blocks = [{"type": "twacode", "elements": [same]}]
    assert decode_message({"id": "m", "text": deep, "blocks": blocks}).content["prepared"] == [same]


def test_the_key_of_an_application_is_in_no_message():
    """A server of 2023 shows the key where a message quotes one of that application's."""
    text = next(
        case["response"]["body"]
        for case in CASES
        if (case["server"], case["name"]) == ("v2023.Q1.1223", "send-quote")
    )
    assert "private_key" in text
    message = decode_message(json.loads(text)["resource"]["message"])
    assert message.extra["quote_message"]["application"]["api"]["hooks_url"]
    assert "private_key" not in json.dumps(message.extra)
    for deep in (
        {"application": {"api": {"private_key": "k"}}},
        {"quote_message": [{"application": {"api": {"private_key": "k"}}}]},
        {"last_replies": [{"id": "1"}, {"application": {"api": {"private_key": "k"}}}]},
    ):
        values = json.dumps(decode(**deep).extra)
        assert '"api": {}' in values
        assert "private_key" not in values
    assert decode(context={"api": {"private_key": "k"}}).hidden_data == {
        "api": {"private_key": "k"}
    }


# --- single fields ------------------------------------------------------------------------------


def decode(**fields):
    """Return the message of an answer with these fields."""
    return decode_message({"id": "m", **fields})


def test_the_ids_stand_where_they_stand_over_v1():
    """The thread is the parent, unless it is the message itself; the place is in the cache."""
    cache = {"company_id": "co", "workspace_id": "direct", "channel_id": "ch"}
    message = decode(thread_id="t", cache=cache)
    assert (message.parent_message_id, message.channel_id) == ("t", "ch")
    assert (message.workspace_id, message.ref.workspace_id) == ("direct", "direct")
    assert decode(thread_id="m").parent_message_id == ""
    for other in ({"channel_id": 1, "workspace_id": ["w"]}, {}, "ch", None):
        message = decode(cache=other)
        assert (message.channel_id, message.workspace_id) == ("", "")
        assert message.extra == ({} if other is None else {"cache": other})


def test_hidden_data_shows_no_id():
    """The front_id is a field, and the marker is kept for an edit."""
    message = decode(context={"a": 1, FRONT_ID: "f", MARKER: "k"})
    assert (message.hidden_data, message.front_id) == ({"a": 1}, "f")
    assert message.extra == {"context": {MARKER: "k"}}
    message = decode(context={"a": 1})
    assert (message.hidden_data, message.front_id, message.extra) == ({"a": 1}, "", {})
    assert decode(context={MARKER: "k"}).hidden_data == {}
    strange = decode(context={"a": 1, FRONT_ID: 5})
    assert (strange.hidden_data, strange.front_id) == ({}, "")
    assert strange.extra == {"context": {"a": 1, FRONT_ID: 5}}
    both = {FRONT_ID: 5, MARKER: "k"}
    assert decode(context=both).extra == {"context": both}


@pytest.mark.parametrize(
    ("fields", "sender", "kind"),
    [
        ({"user_id": "app", "application_id": "app"}, None, 1),
        ({"user_id": "u", "application_id": "app"}, "u", 1),
        ({"user_id": "u", "application_id": None}, "u", 0),
        ({"user_id": "u", "subtype": "system"}, "u", 2),
    ],
)
def test_who_sent_it(fields, sender, kind):
    """An application alone, an application in the name of a user, a user, or the system."""
    message = decode(**fields)
    assert (message.sender, message.message_type) == (sender, kind)
    assert message.application_id == fields.get("application_id")


def test_counts_dates_and_reactions():
    """The servers count the first message of a thread among its replies, and tell milliseconds."""
    message = decode(
        stats={"replies": 3},
        created_at=1795640789421,
        updated_at=1795640789422,
        edited={"edited_at": 1795640789422},
        pinned_info={"pinned_by": "u", "pinned_at": 1},
        reactions=[{"name": ":heart:", "count": 2, "users": ["u", "v"]}],
    )
    assert message.responses_count == 2
    moment = datetime.datetime(2026, 11, 25, 21, 6, 29, 421000, datetime.UTC)
    assert message.creation_date == moment
    assert message.modification_date - moment == datetime.timedelta(milliseconds=1)
    assert message.edited
    assert message.pinned
    assert message.reactions == {":heart:": Reaction(("u", "v"), 2)}
    for stats in ({"replies": 0}, {"replies": "3"}, {"replies": True}, {}, 3):
        assert decode(stats=stats).responses_count == 0


def test_an_ephemeral_message_has_the_id_that_was_given_to_it():
    """Its other values stay in `extra`, and so does a value without such an id."""
    shown = {"id": "e", "version": "1", "recipient": "u"}
    message = decode(ephemeral=shown)
    assert (message.ephemeral_id, message.extra) == ("e", {"ephemeral": shown})
    for other in ({"id": 5}, {}, "e", ["e"]):
        message = decode(ephemeral=other)
        assert (message.ephemeral_id, message.extra) == (None, {"ephemeral": other})


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_a_date_is_taken_in_its_one_type(name):
    """Milliseconds in UTC; a year that Python does not know stays a number."""
    field = {"created_at": "creation_date", "updated_at": "modification_date"}[name]
    moment = datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000, datetime.UTC)
    message = decode(**{name: 1_500})
    assert (getattr(message, field), message.extra) == (moment, {})
    for other in ("1500", 1.5, True, 10**18, 10**400):
        message = decode(**{name: other})
        assert (getattr(message, field), message.extra) == (None, {name: other})


@pytest.mark.parametrize("updated", [1.0, True, 1, 2, 10**18])
def test_the_two_dates_are_told_apart(updated):
    """They are the same moment in a new message, where each must be a number."""
    message = decode(created_at=1, updated_at=updated)
    assert message.creation_date is not None
    if type(updated) is int and updated < 10:
        milliseconds = message.modification_date.microsecond / 1000
        assert (milliseconds, message.extra) == (updated, {})
    else:
        assert (message.modification_date, message.extra) == (None, {"updated_at": updated})
    both = decode(created_at=10**18, updated_at=10**18)
    assert both.extra == {"created_at": 10**18, "updated_at": 10**18}


@pytest.mark.parametrize("name", ["application_id", "user_id", "thread_id"])
def test_an_id_that_is_no_text_stays_as_it_is(name):
    """In `extra`, under its name."""
    for other in (5, ["a"], {"a": "a"}, 0, ""):
        message = decode(**{name: other})
        assert message.extra == ({} if other == "" else {name: other})
        assert (message.application_id or None, message.parent_message_id) == (None, "")
        assert not message.sender


@pytest.mark.parametrize(
    "reactions",
    [
        {},
        ["x"],
        [{"name": "a"}],
        [{"name": 5, "count": 1, "users": []}],
        [{"name": "a", "count": "1", "users": []}],
        [{"name": "a", "count": 1, "users": "u"}],
        [{"name": "a", "count": 1, "users": [5]}],
        [{"name": "a", "count": 1, "users": []}, {"name": "a", "count": 2, "users": []}],
    ],
)
def test_other_reactions_stay_as_they_are(reactions):
    """A value that does not fit the field is in `extra` under its name."""
    message = decode(reactions=reactions)
    assert (message.reactions, message.extra) == ({}, {"reactions": reactions})


@pytest.mark.parametrize("value", [[], 5, "x", {"title": 5}])
def test_another_override_stays_as_it_is(value):
    """It is a title and a picture, both texts."""
    assert decode(override=value).extra == {"override": value}
    message = decode(override={"title": "T", "picture": None})
    assert (message.override, message.extra) == ({"title": "T"}, {})


# --- content ------------------------------------------------------------------------------------

TREES = [
    "plain text",
    [twacode.Bold("Hi"), " there"],
    twacode.Bold("alone"),
    ["only a text in a list"],
    ["\nwith a line break around\n"],
    [twacode.Break()],
    [twacode.Button("A", action_id="a")],
    {"fallback_string": "short", "prepared": [{"type": "bold", "content": "long"}]},
    [{"type": "unknown", "a": 1.0}, ["nested", ["list"]]],
]


#: Who sent a message, and where it stands.
AS = {"name": "m", "thread": "m", "application": "app", "channel_id": "ch", "workspace_id": "ws"}


def encode(content, **fields):
    draft = MessageDraft("ch", content, **fields)
    return encode_draft(draft, group_id="co", workspace_id="ws", api=Api()).request()


def sent_over_node(content):
    """Return the message that a server of Node answers."""
    fields = json.loads(encode(content).body)["options"]["message"]
    return decode_message(row(fields, **AS))


def sent_over_v1(content):
    """Return the content as a server of v1 echoes it."""
    body = json.loads(encode_save(MessageDraft("ch", content), group_id="co", text_form="portable").body)  # fmt: skip
    return decode_v1({"id": "m", "content": body["message"]["content"]})


@pytest.mark.parametrize("content", TREES, ids=plain_id)
def test_a_content_comes_back_as_over_v1(content):
    """A text is a string; rich content is in the portable form, which `twacode.decode` reads."""
    node, v1 = sent_over_node(content), sent_over_v1(content)
    assert node.text == v1.text
    if isinstance(v1.content, dict):
        assert node.content["prepared"] == v1.content["prepared"]
        assert node.content["fallback_string"] == v1.content["fallback_string"]
        assert isinstance(twacode.decode(node.content), twacode.Portable)
    else:
        assert node.content == v1.content
    assert node.extra.keys() == {"type", "subtype", "status", "cache"}


@given(TEXT)
def test_any_text_comes_back_as_itself(text):
    """One string, whichever API carried it."""
    if text:
        assert sent_over_node(text).content == sent_over_v1(text).content == text


def tree():
    """Draw content as an application writes it."""
    leaf = TEXT | st.builds(lambda text: {"type": "bold", "content": text}, TEXT)
    return st.lists(leaf, min_size=1, max_size=4)


@given(tree())
def test_an_edit_with_its_own_content_changes_nothing(content):
    """The decoded content is sent again unchanged."""
    try:
        stored = row(json.loads(encode(content).body)["options"]["message"], **AS)
    except InvalidDraftError:
        return
    message = decode_message(stored)
    draft = draft_of_edit(
        message,
        message.content,
        hidden_data=message.hidden_data,
        pinned=None,
        user_specific=(),
        replaces=False,
    )
    edit = encode_draft(draft, group_id="co", workspace_id="ws", api=Api()).request()
    sent = json.loads(edit.body)["resource"]
    assert sent.keys() == {"text", "blocks", "context"}
    assert is_same(sent, {name: stored[name] for name in sent})


def test_an_edit_names_the_ids_only_where_it_replaces_them():
    """Without hidden data any ids stay: another program may have set them."""
    cache = {"channel_id": "ch"}
    message = decode(context={"a": 1, FRONT_ID: "0", MARKER: "k"}, cache=cache)
    given_ = {"pinned": None, "user_specific": (), "replaces": False}
    draft = draft_of_edit(message, "new", hidden_data=None, **given_)
    assert (draft.front_id, draft.extra) == (None, {})
    message = decode(context={"a": 1, FRONT_ID: "f", MARKER: "k"}, cache=cache)
    draft = draft_of_edit(message, None, hidden_data={"b": 2}, **given_)
    assert draft.front_id is None
    edit = encode_draft(draft, group_id="co", workspace_id="ws", api=Api()).request()
    assert json.loads(edit.body) == {"resource": {"context": {"b": 2, FRONT_ID: "f", MARKER: "k"}}}
    for context, ids in (
        ({FRONT_ID: "f"}, {FRONT_ID: "f"}),
        ({FRONT_ID: 5, MARKER: "k"}, {MARKER: "k"}),
        ({FRONT_ID: "f", MARKER: 5}, {FRONT_ID: "f"}),
        ({}, {}),
    ):
        draft = draft_of_edit(decode(context=context, cache=cache), None, hidden_data={}, **given_)
        edit = encode_draft(draft, group_id="co", workspace_id="ws", api=Api()).request()
        assert json.loads(edit.body) == {"resource": {"context": ids}}


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "section", "text": {"type": "mrkdwn", "text": "*Hi*"}}],
        [{"type": "twacode", "elements": ["x"]}] * 2,
        [{"type": "twacode", "elements": ["x"], "more": 1}],
        [{"type": "twacode", "elements": []}],
        {"a": 1},
        5,
    ],
)
def test_other_blocks_stay_as_they_are(blocks):
    """The content is the text then, as a notification shows it."""
    message = decode(text="x", blocks=blocks)
    assert (message.content, message.extra) == ("x", {"blocks": blocks})


def test_rich_content_without_a_text_reads_as_its_tree():
    """The servers store null there, if a program sends it."""
    blocks = [{"type": "twacode", "elements": [{"type": "bold", "content": "Hi"}]}]
    assert decode(text=None, blocks=blocks).text == "Hi"
    assert isinstance(decode(text=None, blocks=blocks), Message)


@pytest.mark.parametrize(
    ("ephemeral", "name"),
    [({"id": "e", "version": "1"}, "e"), ({"id": 1}, None), ("e", None), ({}, None)],
)
def test_an_ephemeral_message_is_known_by_its_id(ephemeral, name):
    """Its other values stay in `extra`."""
    message = decode_message({"id": "m", "ephemeral": ephemeral})
    assert message.ephemeral_id == name
    assert message.extra["ephemeral"] == ephemeral

"""Requests: what a draft or a reference becomes, to the byte, and what is refused before."""

from __future__ import annotations

import base64
import functools
import json
import uuid

import pytest
from encoding import encode_save
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import JSON, TEXT

from twake_async._arguments import Credentials
from twake_async._protocol.json_codec import PLAIN, Codec
from twake_async._protocol.v1.api import Api
from twake_async._protocol.v1.encode import check_draft, encode_draft, encode_remove
from twake_async._protocol.v1.generation import V1
from twake_async.errors import ConfigurationError, InvalidDraftError, Outcome
from twake_async.messages import MessageDraft, MessageRef
from twake_async.twacode import Bold, Portable, decode
from twake_async.twacode._rules import why_blank


def sent(draft=None, *, group_id="g", text_form="portable", **fields):
    """Return the request of a draft, and its body as JSON."""
    draft = draft or MessageDraft(**{"channel_id": "c", "content": "x", **fields})
    request = encode_save(draft, group_id=group_id, text_form=text_form)
    return request, json.loads(request.body)


def test_the_documented_request_to_the_byte():
    """A plain message is the documented JSON and nothing besides our front_id."""
    request, _ = sent(
        channel_id="chan", content="Hello, é ✓", front_id="f", group_id="grp", text_form="plain"
    )
    assert request.path == "/api/v1/messages/save"
    expected = (
        '{"group_id":"grp","message":{"channel_id":"chan","content":"Hello, é ✓","front_id":"f"}}'
    )
    assert request.body == expected.encode()
    assert (request.operation, request.front_id, request.target) == ("create", "f", None)
    assert (request.text, request.content) == ("Hello, é ✓", None)
    assert not request.repeatable


def test_a_front_id_is_minted_once_a_send():
    """Without one of the caller's, each create gets a fresh UUID, the same in body and request."""
    draft = MessageDraft("c", "x")
    first, second = sent(draft), sent(draft)
    for request, document in (first, second):
        assert str(uuid.UUID(request.front_id)) == request.front_id
        assert document["message"]["front_id"] == request.front_id
    assert first[0].front_id != second[0].front_id


def test_a_resumed_draft_goes_out_under_the_front_id_of_its_earlier_run():
    """The request names it, and so does its body."""
    encoded = encode_draft(MessageDraft("c", "x", front_id="new"), group_id="g")
    for front_id in ("earlier", "new"):
        request = encoded.request(None if front_id == "new" else front_id)
        assert request.front_id == front_id
        assert json.loads(request.body)["message"]["front_id"] == front_id
        assert json.loads(request.body)["message"]["channel_id"] == "c"


def test_every_field_goes_out_under_the_servers_name():
    """All fields of a create, each named as the server reads it."""
    _, document = sent(
        parent_message_id="p",
        front_id="f",
        sender="u",
        hidden_data={"a": [1, None]},
        pinned=False,
        extra={"new_field": {"b": 1}},
    )
    assert document == {
        "group_id": "g",
        "message": {
            "channel_id": "c",
            "content": {"original_str": "x", "fallback_string": "x", "prepared": ["x"]},
            "front_id": "f",
            "parent_message_id": "p",
            "sender": "u",
            "hidden_data": {"a": [1, None]},
            "pinned": False,
            "new_field": {"b": 1},
        },
    }


def test_what_is_not_given_is_not_sent():
    """An edit names what it was given and nothing else: a server of 2020 keeps the rest."""
    draft = MessageDraft("c", "x", id="m", pinned=True, parent_message_id="")
    request, document = sent(draft, text_form="plain")
    assert document["message"] == {"channel_id": "c", "id": "m", "content": "x", "pinned": True}
    assert (request.operation, request.front_id, request.target) == ("edit", None, "m")
    assert (request.text, request.content) == ("x", "x")
    assert sent(draft)[0].content == {
        "original_str": "x",
        "fallback_string": "x",
        "prepared": ["x"],
    }
    assert sent(draft)[0].text is None
    assert request.repeatable


def test_an_edit_may_wipe_the_text():
    """`""` is sent in an edit: it wipes."""
    assert sent(id="m", content="", text_form="plain")[1]["message"]["content"] == ""
    wiped = {"original_str": "", "fallback_string": "", "prepared": [""]}
    assert sent(id="m", content="")[1]["message"]["content"] == wiped


def test_an_edit_without_content_is_refused():
    """Servers of mid-2021 and later would wipe the message; the error says so."""
    with pytest.raises(InvalidDraftError, match="would delete the text") as caught:
        sent(MessageDraft("c", id="m", pinned=True))
    assert caught.value.field == "content"


@pytest.mark.parametrize(
    "front_id",
    ["mail FROM\tbob 12", "x IS NULL y", "recount(7)", "a  b", "a\nb", "a\x00b", "\xa0x", "a\x85"],
)
def test_a_front_id_that_the_server_may_rewrite_is_refused(front_id):
    """v1 answers some of these 200 with an id, and stores nothing (wire cases 15o to 15zf)."""
    for extra in ({}, {"id": "m"}, {"ephemeral": True}):
        with pytest.raises(InvalidDraftError, match="front_id") as caught:
            sent(MessageDraft("c", "x", front_id=front_id, **extra))
        assert caught.value.field == "front_id"
    with pytest.raises(InvalidDraftError, match="front_id"):
        sent(MessageDraft("c", "x", extra={"front_id": front_id}))


@pytest.mark.parametrize("front_id", ["f-1", "it's", '"q"', "Ünï", "\\", "a)b", "from:count"])
def test_any_other_front_id_goes_out_as_it_is(front_id):
    """Quotes, backslashes and letters were stored as given when recorded."""
    assert sent(front_id=front_id)[1]["message"]["front_id"] == front_id


def test_empty_hidden_data_is_sent():
    """`{}` is a value, not an omission."""
    assert sent(hidden_data={})[1]["message"]["hidden_data"] == {}


def test_an_edit_of_a_reply_names_the_parent():
    """Without it the server does not find the reply."""
    _, document = sent(id="m", parent_message_id="p")
    assert document["message"]["parent_message_id"] == "p"


def test_an_ephemeral_message_goes_out_as_the_server_reads_it():
    """The flag is a real true, recipients are a list, and both are absent otherwise."""
    request, document = sent(
        ephemeral=True, ephemeral_to=("u1", "u2"), front_id="f", text_form="plain"
    )
    assert document["message"] == {
        "channel_id": "c",
        "content": "x",
        "front_id": "f",
        "_once_ephemeral_message": True,
        "ephemeral_message_recipients": ["u1", "u2"],
    }
    assert (request.operation, request.target, request.repeatable) == ("ephemeral", None, False)


def test_an_ephemeral_message_replaces_another_by_its_id():
    """The replaced id is sent, and the answer may name it."""
    request, document = sent(ephemeral_id="e")
    assert document["message"]["ephemeral_id"] == "e"
    assert "_once_ephemeral_message" not in document["message"]
    assert (request.operation, request.target) == ("ephemeral", "e")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([{"user_id": "u", "modifiers": {}}], {"user_id": "u", "modifiers": {}}),
        ([{"user_id": "u"}, {"user_id": "v"}], [{"user_id": "u"}, {"user_id": "v"}]),
        ((), None),
    ],
)
def test_user_specific_updates_are_one_or_a_list(given, expected):
    """One update is sent bare, several as a list, none not at all."""
    _, document = sent(user_specific=given)
    assert document["message"].get("_once_user_specific_update") == expected


def test_the_portable_form_of_a_text():
    """Every release takes the form that the web client sends."""
    request, document = sent(content="Hi **you**", text_form="portable")
    assert document["message"]["content"] == {
        "original_str": "Hi **you**",
        "fallback_string": "Hi **you**",
        "prepared": ["Hi **you**"],
    }
    assert request.text is None


@pytest.mark.parametrize("content", [[{"type": "br"}, "x"], {"type": "bold", "content": "x"}])
@pytest.mark.parametrize("text_form", ["plain", "portable"])
def test_rich_content_goes_out_in_the_portable_form(content, text_form):
    """What is given as JSON is sent as that JSON, with the text that a reader reads beside it."""
    document = sent(content=content, text_form=text_form)[1]
    assert document["message"]["content"] == {
        "original_str": "x",
        "fallback_string": "x",
        "prepared": content if isinstance(content, list) else [content],
    }


def test_a_remove_is_the_documented_one():
    """Remove has its own path; a reply is removed with its parent."""
    request = encode_remove(MessageRef("c", "m"), group_id="g")
    assert request.path == "/api/v1/messages/remove"
    assert request.body == b'{"group_id":"g","message":{"channel_id":"c","id":"m"}}'
    assert (request.operation, request.target, request.repeatable) == ("remove", "m", True)
    assert request.front_id is None
    reply = encode_remove(MessageRef("c", "m", "p"), group_id="g")
    assert json.loads(reply.body)["message"]["parent_message_id"] == "p"


def test_a_generation_gives_its_requests_what_the_session_has():
    """Its credentials, its codec and the form of its texts."""
    written: list[object] = []

    def encode(document):
        written.append(document)
        return PLAIN.encode(document)

    api = Api(credentials=Credentials("bot", "k" * 40), codec=Codec(encode, json.loads))
    for text_form in ("plain", "portable"):
        v1 = V1(api, text_form)
        for draft in (MessageDraft("c", "x"), MessageDraft("c", "x", id="m")):
            save = v1.encode(draft, "g").request()
            assert written.pop() == json.loads(save.body)
            assert save.headers() == api.headers()
            assert save.text == ("x" if text_form == "plain" else None)
            assert json.loads(save.body)["group_id"] == "g"
        remove = v1.remove(MessageRef("c", "m"), "g")
        assert json.loads(remove.body) == {
            "group_id": "g",
            "message": {"channel_id": "c", "id": "m"},
        }
        assert (remove.target, remove.headers()) == ("m", api.headers())
        probe = next(v1.check("g"))
        assert (probe.operation, probe.headers()) == ("check", api.headers())
    assert api.headers() == ((b"Authorization", b"Basic " + base64.b64encode(b"bot:" + b"k" * 40)),)


def test_a_request_shows_no_content():
    """The repr tells the size of the body, not what it says; nor does it show who sends it."""
    api = Api(credentials=Credentials("bot", "secret key"))
    for text_form in ("plain", "portable"):
        for draft in (MessageDraft("c", "secret text"), MessageDraft("c", "secret text", id="m")):
            request = encode_draft(draft, group_id="g", text_form=text_form, api=api).request()
            assert "secret" not in repr(request)
    remove = encode_remove(MessageRef("c", "m"), group_id="g", api=api)
    assert "secret" not in f"{remove!r} {api!r} {next(V1(api).check('g'))!r}"


RICH = st.lists(JSON, min_size=1, max_size=5) | st.dictionaries(TEXT, JSON, min_size=1, max_size=5)


def prepared_of(content):
    """Give the list of nodes that content stands for; the portable form has it in one of its fields."""
    tree = decode(content)
    shown = content[tree.slot] if isinstance(tree, Portable) else content
    return shown if isinstance(shown, list) else [shown]


@example(content={"formatted": True})
@example(content={"prepared": ["x"], "formatted": 0})
@given(content=RICH.filter(lambda content: why_blank(prepared_of(content)) is None))
def test_any_content_is_the_same_behind_the_wire(content):
    """Whatever JSON can hold and the client can show arrives in the request as it was given."""
    _, document = sent(content=content)
    assert document["message"]["content"]["prepared"] == prepared_of(content)


@given(content=TEXT.filter(bool))
def test_any_text_is_the_same_behind_the_wire(content):
    """Plain text arrives in the request as it was given, in either form."""
    assert sent(content=content, text_form="plain")[1]["message"]["content"] == content
    whole = {"original_str": content, "fallback_string": content, "prepared": [content]}
    assert sent(content=content)[1]["message"]["content"] == whole


@given(hidden=st.dictionaries(TEXT, JSON, max_size=5))
def test_any_hidden_data_is_the_same_behind_the_wire(hidden):
    """Hidden data arrives as it was given."""
    assert sent(hidden_data=hidden)[1]["message"]["hidden_data"] == hidden


# --- bad input never reaches the wire ----------------------------------------------------------


@pytest.mark.parametrize("group_id", [None, "", "a\nb", "\ud800", 5, b"g", ["g"]])
@pytest.mark.parametrize(
    "encode",
    [
        lambda group_id: encode_save(MessageDraft("c", "x"), group_id=group_id),
        lambda group_id: encode_remove(MessageRef("c", "m"), group_id=group_id),
    ],
)
def test_a_missing_group_is_refused(encode, group_id):
    """The error names the three places to give it."""
    with pytest.raises(ConfigurationError) as caught:
        encode(group_id)
    assert caught.value.field == "group_id"
    for fix in ("the session", "the call", "TWAKE_GROUP_ID"):
        assert fix in str(caught.value)


@pytest.mark.parametrize("content", [None, "", [], {}, ()])
@pytest.mark.parametrize("how", [{}, {"ephemeral": True}, {"ephemeral_id": "e"}])
@pytest.mark.parametrize("text_form", ["plain", "portable"])
def test_a_new_message_needs_content(content, how, text_form):
    """Without content the server shows an empty message, or shows nothing."""
    with pytest.raises(InvalidDraftError, match="content is empty") as caught:
        sent(content=content, text_form=text_form, **how)
    assert caught.value.field == "content"


@pytest.mark.parametrize("content", [5, 1.5, True, b"x", {"a"}, object()])
def test_content_is_text_a_node_or_a_list(content):
    """Other types are refused with their name."""
    with pytest.raises(InvalidDraftError, match=f"not {type(content).__name__}$") as caught:
        sent(content=content)
    assert caught.value.field == "content"


def cycle():
    value = []
    value.append({"content": value})
    return value


def deep(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize("field", ["content", "hidden_data", "extra", "user_specific"])
@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        "\ud800",
        {"\udfff": 1},
        {5: 1},
        b"x",
        cycle(),
        deep(501),
        10**5000,
    ],
    ids=[
        "nan",
        "inf",
        "-inf",
        "surrogate",
        "surrogate-key",
        "key",
        "bytes",
        "cycle",
        "deep",
        "long",
    ],
)
def test_what_json_cannot_hold_is_refused_in_every_field(field, value):
    """The error names the field that holds it, and nothing was encoded."""
    wraps = {
        "content": [value],
        "hidden_data": {"a": value},
        "extra": {"further": value},
        "user_specific": [{"a": value}],
    }
    with pytest.raises(InvalidDraftError) as caught:
        sent(**{field: wraps[field]})
    assert caught.value.field == ("further" if field == "extra" else field)
    assert caught.value.outcome is Outcome.NOT_SENT


def test_500_levels_pass_in_content():
    """The bound is what the server reads, less what wraps the content (wire case 22zd)."""
    assert sent(content=deep(500))[1]["message"]["content"]["prepared"] == deep(500)


def test_a_lone_surrogate_in_plain_text_is_refused():
    """A plain text is checked as rich content is, in both forms."""
    for text_form in ("plain", "portable"):
        with pytest.raises(InvalidDraftError, match="a lone surrogate") as caught:
            sent(content="a\ud800", text_form=text_form)
        assert caught.value.field == "content"


@pytest.mark.parametrize(
    "name",
    [
        "channel_id",
        "content",
        "front_id",
        "id",
        "sender",
        "pinned",
        "hidden_data",
        "_once_ephemeral_message",
        "ephemeral_id",
        "parent_message_id",
    ],
)
def test_extra_does_not_go_round_the_fields(name):
    """A field of the draft in `extra` would escape its checks; the error says where it belongs."""
    with pytest.raises(
        InvalidDraftError, match="is a field of MessageDraft: give it there"
    ) as caught:
        sent(extra={name: "x"})
    assert caught.value.field == "extra"


def test_a_minted_front_id_is_a_random_uuid():
    """It has the form of `uuid.uuid4()`, and is another one each time."""
    minted = [encode_save(MessageDraft("c", "x"), group_id="g").front_id for _ in range(100)]
    found = [uuid.UUID(front_id) for front_id in minted]
    assert [str(each) for each in found] == minted
    assert {(each.version, each.variant) for each in found} == {(4, uuid.RFC_4122)}
    assert len(set(minted)) == 100


def test_the_digits_of_a_minted_front_id_tell_nothing_of_each_other():
    """The variant is any of four, whatever digit follows it."""
    minted = [encode_save(MessageDraft("c", "x"), group_id="g").front_id for _ in range(1_500)]
    assert len({front_id[19:21] for front_id in minted}) == 4 * 16


# --- a check without a request -------------------------------------------------------------------

KINDS = st.sampled_from(["bold", "br", "button", "compile", "img", "input", "nop", "select", "url"])
CONTENT = st.recursive(
    st.one_of(TEXT, JSON, st.just("\ud83d"), st.builds(Bold, TEXT.filter(str.strip))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.fixed_dictionaries({"type": KINDS}, optional={"content": inner, "user_id": inner}),
        st.dictionaries(st.sampled_from(["prepared", "formatted", "start", "end"]), inner),
    ),
    max_leaves=12,
)


def refusal(function, *args, **named) -> str:
    """Return why a draft is refused; empty where it is not."""
    try:
        function(*args, **named)
    except InvalidDraftError as exc:
        return str(exc)
    return ""


@given(
    content=CONTENT,
    front_id=st.one_of(st.none(), st.text(max_size=3)),
    extra=st.dictionaries(st.sampled_from(["content", "a", "b"]), JSON, max_size=2),
    edit=st.booleans(),
)
@example(content="a text", front_id=None, extra={"a": 1}, edit=False)
@example(content="a text", front_id="mine", extra={}, edit=True)
@example(content="a text", front_id="a b", extra={}, edit=False)
@example(content={"prepared": ["x", 1.5]}, front_id=None, extra={}, edit=False)
@example(content="a text", front_id=None, extra={"a": "\ud83d"}, edit=False)
@example(content="half a pair: \ud83d", front_id=None, extra={}, edit=False)
@example(content=[{"type": "bold", "content": "x"}], front_id=None, extra={}, edit=True)
@example(content=[Bold("x")], front_id=None, extra={}, edit=False)
def test_a_check_refuses_what_an_encoding_refuses(content, front_id, extra, *, edit):
    """In the same words, though it makes no request."""
    try:
        draft = MessageDraft(
            "c", content, front_id=front_id, extra=extra, id="m1" if edit else None
        )
    except InvalidDraftError:
        return
    assert refusal(check_draft, draft) == refusal(encode_save, draft, group_id="g")


def test_a_check_names_a_field_as_an_encoding_does():
    """By the name that the draft has for it."""
    draft = MessageDraft("c", "x", user_specific=[{"user_id": "\ud800", "modifiers": {}}])
    assert refusal(check_draft, draft).startswith("user_specific holds a lone surrogate")
    assert refusal(check_draft, draft) == refusal(encode_save, draft, group_id="g")


@pytest.mark.parametrize("depth", [499, 500, 501, 600])
def test_a_check_knows_the_depth_that_can_be_sent(depth):
    """It is the server's, for lists, for nodes in lists and for a node alone."""
    lists = functools.reduce(lambda inner, _: [inner], range(depth), "x")
    nodes = functools.reduce(
        lambda inner, _: [{"type": "bold", "content": inner}], range(depth), "x"
    )
    node = functools.reduce(lambda inner, _: {"type": "bold", "content": inner}, range(depth), "x")
    for content in (lists, nodes, node, {"prepared": node}, {"prepared": lists}):
        draft = MessageDraft("c", content)
        assert refusal(check_draft, draft) == refusal(encode_save, draft, group_id="g")

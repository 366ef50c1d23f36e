"""messages.py: a draft that the server would mishandle is refused when it is made."""

from __future__ import annotations

import datetime
import pickle
from collections import ChainMap, OrderedDict, UserDict, UserList, deque
from types import MappingProxyType

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async.errors import InvalidDraftError, Outcome
from twake_async.messages import Message, MessageDraft, MessageRef, Reaction

PRINTABLE = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Cf", "Co", "Zl", "Zp"]), min_size=1
).filter(lambda text: text.isprintable() and not text.isspace())


def refusal(field, **fields):
    """Return the message of the error that refuses a draft with these fields."""
    fields = {"channel_id": "c", "content": "x", **fields}
    with pytest.raises(InvalidDraftError) as caught:
        MessageDraft(**fields)
    assert caught.value.field == field
    assert caught.value.outcome is Outcome.NOT_SENT
    return str(caught.value)


def test_a_draft_keeps_what_it_was_given():
    """Every field can be read, and the others are unset."""
    draft = MessageDraft("c", ["x"], front_id="f", hidden_data={"a": 1}, ephemeral_to=[])
    assert (draft.channel_id, draft.content, draft.front_id) == ("c", ["x"], "f")
    assert draft.hidden_data == {"a": 1}
    unset = (draft.parent_message_id, draft.id, draft.sender, draft.pinned, draft.ephemeral_id)
    assert unset == (None,) * 5
    assert not draft.is_ephemeral


@pytest.mark.parametrize(
    "make",
    [lambda: MessageDraft("c", "x"), lambda: MessageRef("c", "m"), lambda: Message(id="m")],
)
def test_values_are_frozen_and_compare(make):
    """Drafts, references and messages are values: compared by content, and not changeable."""
    assert make() == make()
    field = attrs.fields(type(make()))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(make(), field, "other")
    assert pickle.loads(pickle.dumps(make())) == make()


@pytest.mark.parametrize("field", ["channel_id", "parent_message_id", "id", "sender"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5, "must be a string, not int"),
        (b"x", "must be a string, not bytes"),
        (["x"], "must be a string, not list"),
        ("a\nb", "holds a control character"),
        ("a\x00", "holds a control character"),
        ("a\x7f", "holds a control character"),
        ("a\u2028", "holds a control character"),
        ("\ud800", "a lone surrogate"),
        ("  ", "is blank"),
        ("\u3000", "is blank"),
    ],
)
def test_ids_that_are_none_are_refused(field, value, words):
    """An id is printable text; the error names the field and where to find the id."""
    message = refusal(field, **{field: value})
    assert message.startswith(field)
    assert words in message


@pytest.mark.parametrize("field", ["channel_id", "id", "sender"])
def test_empty_ids_are_refused(field):
    """An empty id names nothing; the error says what to give."""
    assert refusal(field, **{field: ""}) == f"{field} is empty: give the id that Twake shows"


def test_an_empty_ephemeral_id_is_refused():
    """The server would take it for a new ephemeral message."""
    assert "ephemeral_id is empty" in refusal("ephemeral_id", ephemeral_id="")


def test_a_missing_channel_is_refused():
    """None is no channel."""
    assert "not NoneType" in refusal("channel_id", channel_id=None)


def test_an_empty_parent_means_the_root():
    """`""` is the parent in an answer for a message at the root, so a draft accepts it."""
    assert MessageDraft("c", "x", parent_message_id="").parent_message_id == ""
    assert MessageRef("c", "m", "").parent_message_id == ""


@given(PRINTABLE)
def test_any_printable_id_passes(text):
    """Only the server decides on ids, as long as they can be sent."""
    draft = MessageDraft(text, "x", parent_message_id=text, id=text, sender=text)
    assert draft.channel_id == text
    assert MessageRef(text, text, text).id == text


@pytest.mark.parametrize("value", ["", "0", 0, 12345, 1.5, True, {"a": 1}, ["f"], b"f"])
def test_a_front_id_that_the_server_loses_is_refused(value):
    """The server stores nothing under an integer or a map, and replaces "" and "0"."""
    assert 'must be a non-empty string other than "0"' in refusal("front_id", front_id=value)


def test_a_front_id_with_half_a_character_is_refused():
    """A lone surrogate cannot be sent."""
    assert "front_id holds a lone surrogate" in refusal("front_id", front_id="f\udc00")


@pytest.mark.parametrize("value", ["00", " ", "a'b\"c\\d é ✓", "0.0", "x" * 1000, "line\nbreak"])
def test_a_front_id_that_the_server_keeps_passes(value):
    """Any other string is stored and echoed as it is."""
    assert MessageDraft("c", "x", front_id=value).front_id == value


@pytest.mark.parametrize("value", ["true", "false", 0, 1, [], "x"])
def test_flags_are_real_booleans(value):
    """The server takes the string "false" for true, so nothing but True and False passes."""
    assert refusal("pinned", pinned=value) == "pinned must be True or False"
    assert refusal("ephemeral", ephemeral=value) == "ephemeral must be True or False"


def test_pinned_may_be_unset_and_ephemeral_may_not():
    """None for `pinned` keeps it as it is; a message is ephemeral or not."""
    assert MessageDraft("c", "x", pinned=None).pinned is None
    assert "True or False" in refusal("ephemeral", ephemeral=None)


@pytest.mark.parametrize("field", ["ephemeral_to", "user_specific"])
@pytest.mark.parametrize("value", ["user", {"u": 1}, {"u"}, iter(["u"]), None, 5])
def test_lists_are_lists(field, value):
    """The server would get a string letter by letter, and an iterator as nothing."""
    message = refusal(field, ephemeral=True, **{field: value})
    assert message.startswith(f"{field} must be a list of ")
    assert message.endswith(f"not {type(value).__name__}")


@pytest.mark.parametrize("field", ["hidden_data", "extra"])
@pytest.mark.parametrize("value", ["text", ["a"], 5, (("a", 1),)])
def test_maps_are_mappings(field, value):
    """A newer server loses a message whose hidden data is a string."""
    assert refusal(field, **{field: value}).startswith(f"{field} must be a mapping, not ")


@pytest.mark.parametrize("field", ["hidden_data", "extra"])
@pytest.mark.parametrize(
    "value", [MappingProxyType({"a": 1}), ChainMap({"a": 1}), UserDict(a=1), OrderedDict(a=1)]
)
def test_any_mapping_is_taken_and_kept_as_a_dict(field, value):
    """Every Mapping is accepted; a dict can be compared, pickled and sent."""
    draft = MessageDraft("c", "x", **{field: value})
    assert getattr(draft, field) == {"a": 1}
    assert isinstance(getattr(draft, field), dict)


@pytest.mark.parametrize("value", [UserList(["u"]), deque(["u"])])
def test_any_sequence_but_a_string_is_taken(value):
    """It is kept as a tuple."""
    assert MessageDraft("c", "x", ephemeral=True, ephemeral_to=value).ephemeral_to == ("u",)


@pytest.mark.parametrize("name", [5, None, ("a",), "a\nb", "\ud800"])
def test_further_fields_have_names(name):
    """A name in `extra` is printable text."""
    assert "a name in extra is not a string" in refusal("extra", extra={name: 1})


@pytest.mark.parametrize("user", ["", 5, None, "a\tb"])
def test_recipients_are_ids(user):
    """Each recipient of an ephemeral message is an id."""
    assert "ephemeral_to" in refusal("ephemeral_to", ephemeral=True, ephemeral_to=["u", user])


def test_recipients_without_ephemeral_are_refused():
    """A message for a few users would be shown to all; the error names the missing argument."""
    message = refusal("ephemeral_to", ephemeral_to=["u"])
    assert "without ephemeral=True would show the message to everyone" in message


@pytest.mark.parametrize("how", [{"ephemeral": True}, {"ephemeral_id": "e"}])
def test_an_ephemeral_message_has_recipients_and_no_id(how):
    """Both kinds of ephemeral messages take recipients, and no id to edit."""
    draft = MessageDraft("c", "x", ephemeral_to=["u"], **how)
    assert draft.is_ephemeral
    message = refusal("id", id="m", **how)
    assert "give ephemeral_id to replace one" in message


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        (("", "m"), "channel_id"),
        (("c", ""), "id"),
        (("c", None), "id"),
        (("c", "m", None), "parent_message_id"),
        (("c", "m", "a\nb"), "parent_message_id"),
        ((5, "m"), "channel_id"),
    ],
)
def test_a_reference_that_finds_nothing_is_refused(fields, culprit):
    """A reference has a channel and an id, and a parent that is text."""
    with pytest.raises(InvalidDraftError) as caught:
        MessageRef(*fields)
    assert caught.value.field == culprit


def test_a_message_gives_its_reference():
    """`.ref` holds the fields for an edit or a remove, with the parent of a reply."""
    message = Message(id="m", channel_id="c", parent_message_id="p", content="x")
    assert message.ref == MessageRef("c", "m", "p")


def test_a_message_has_one_type_a_field_when_nothing_is_known():
    """An answer with only an id is a complete message."""
    message = Message(id="m")
    assert message.content is None
    assert message.reactions == message.hidden_data == message.extra == {}
    assert message.creation_date is None
    assert not message.maybe_duplicated
    assert Reaction() == Reaction(users=(), count=0)


def test_maps_of_a_message_are_its_own():
    """Two messages share no dict."""
    assert Message(id="m").extra is not Message(id="m").extra


def test_messages_are_copied_with_changes():
    """`attrs.evolve` marks a message and keeps its other fields."""
    when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    message = Message(id="m", creation_date=when, extra={"a": 1})
    twin = attrs.evolve(message, maybe_duplicated=True)
    assert twin.maybe_duplicated
    assert (twin.creation_date, twin.extra) == (when, {"a": 1})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain **text**", "plain **text**"),
        (None, ""),
        ([{"type": "bold", "content": "hi"}, {"type": "br"}, "you"], "hi\nyou"),
        ({"fallback_string": "hi", "original_str": "**hi**", "prepared": [{"start": "**"}]}, "hi"),
    ],
)
def test_a_message_can_be_read_as_text(content, text):
    """It holds for each form in which the server keeps the content."""
    assert Message(id="m1", content=content).text == text


@pytest.mark.parametrize(
    "override", [{"name": "x"}, {"title": ""}, {"title": 1}, {"picture": None}, {1: "x"}, "x"]
)
def test_an_override_is_a_title_and_a_picture(override):
    """The server would store anything else, and no client would show it."""
    with pytest.raises(InvalidDraftError) as caught:
        MessageDraft("c", "x", override=override)
    assert caught.value.field == "override"
    assert MessageDraft("c", "x", override={"title": "T", "picture": "p"}).override

"""Fingerprints: a journal recognizes a draft by them, in any later run and release."""

from __future__ import annotations

import attrs
import pytest
from journals import fingerprint

from twake_async._protocol.fingerprint import fingerprint as of_fields
from twake_async.errors import InvalidDraftError
from twake_async.messages import MessageDraft


def turned(value):
    """Return the same JSON with the keys of all maps in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [turned(item) for item in value]
    return value


MAPS = {"b": {"y": 2, "x": [{"q": 1, "p": None}]}, "a": 1}


@pytest.mark.parametrize(
    "field",
    [
        {"hidden_data": MAPS},
        {"extra": {"later": MAPS, "earlier": 1}},
        {"content": {"type": "twacode", "elements": [{"start": "*", "content": "x", "end": "*"}]}},
        {"user_specific": [{"user_id": "u1", "modifiers": {"y": 1, "x": [MAPS]}}]},
    ],
    ids=str,
)
def test_equal_drafts_have_equal_fingerprints(field):
    """The order of keys does not change the request."""
    fields = {"content": "Hello"} | field
    one = MessageDraft("c0", **fields)
    other = MessageDraft("c0", **{name: turned(value) for name, value in fields.items()})
    assert one == other
    assert fingerprint(one) == fingerprint(other) == fingerprint(one, text_form="plain")


def test_a_fingerprint_is_of_the_draft_and_of_nothing_else():
    """The front_id and the form on the wire do not count; all other fields do."""
    draft = MessageDraft("c0", "Hello", hidden_data={"front_id": "mine", "list": [1, 2]})
    mark = fingerprint(draft)
    assert fingerprint(attrs.evolve(draft, front_id="mine")) == mark
    assert fingerprint(attrs.evolve(draft, front_id="other")) == mark
    others = [
        attrs.evolve(draft, hidden_data={"front_id": "other", "list": [1, 2]}),
        attrs.evolve(draft, hidden_data={"front_id": "mine", "list": [2, 1]}),
        attrs.evolve(draft, content="hello"),
        attrs.evolve(draft, channel_id="c1"),
        attrs.evolve(draft, id="m1"),
        attrs.evolve(draft, pinned=True),
    ]
    assert len({mark, *map(fingerprint, others)}) == len(others) + 1


def test_fingerprints_are_the_same_in_the_next_release():
    """A journal of one release has no changed drafts for the next release."""
    draft = MessageDraft(
        "c0", "H\u00e9llo", hidden_data={"b": 1.5, "a": [True, None]}, pinned=False
    )
    assert fingerprint(draft) == "dfe8bf6423f182449b565da158702d88"
    assert fingerprint(MessageDraft("c0", ["Hello"])) == "2aaa38bcd9d367a4fb0cba28635d2919"


@pytest.mark.parametrize(("names", "field"), [({}, "there"), ({"there": "here"}, "here")])
def test_a_field_that_cannot_be_written_is_named_as_the_caller_names_it(names, field):
    """The field may have another name on the server."""
    with pytest.raises(InvalidDraftError) as caught:
        of_fields({"channel_id": "c0", "there": "\ud800"}, names)
    assert caught.value.field == field


def test_a_draft_that_cannot_be_written_names_its_field():
    """The error of its request names it, too."""
    draft = MessageDraft("c0", "Hello", user_specific=[{"user_id": "\ud800", "modifiers": {}}])
    with pytest.raises(InvalidDraftError) as caught:
        fingerprint(draft)
    assert caught.value.field == "user_specific"

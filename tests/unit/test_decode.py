"""_decode.py: every answer becomes a message with one type per field, and no data is lost."""

from __future__ import annotations

import datetime

import pytest
from decoded import FIELDS, TYPES, check_types
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import ALL, last_line

from twake_async._protocol.v1.decode import decode_message
from twake_async.messages import Message, Reaction


def answered():
    """Return (name, object) for every message in any recorded answer, setup exchanges included."""
    for case in ALL:
        exchanges = [*case.case["setup"], case.case]
        for number, exchange in enumerate(exchanges):
            if "/messages/save" not in exchange["request"]["path"]:
                continue
            document = last_line(exchange["response"]["body"] or "")
            found = document.get("object") if isinstance(document, dict) else None
            if isinstance(found, dict) and isinstance(found.get("id"), str):
                yield f"{case.name}-{number}", found


ANSWERS = list(answered())


def plain(value):
    """Return the JSON of a field's value."""
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    if isinstance(value, Reaction):
        return {"users": list(value.users), "count": value.count}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def alike(raw, value):
    """Say whether a field's JSON holds what the server sent: PHP mixes up empty lists and maps."""
    if isinstance(value, dict) and isinstance(raw, list):
        raw = {str(index): item for index, item in enumerate(raw)}
    if isinstance(value, list) and isinstance(raw, dict):
        raw = list(raw.values())
    if isinstance(value, dict) and isinstance(raw, dict):
        return all(alike(raw.get(key), value.get(key)) for key in raw.keys() | value.keys())
    if isinstance(value, list) and isinstance(raw, list):
        return len(raw) == len(value) and all(map(alike, raw, value))
    if type(value) is int and isinstance(raw, str):
        return str(value) == raw
    return (not raw and not value) or [raw] == [value]  # NaN too, where it is the same one


def check_nothing_is_lost(found, message):
    """Assert that each field of an answer is in the message, under its own name."""
    for name, raw in found.items():
        if name in message.extra:
            assert [raw] == [message.extra[name]]
            continue
        assert name in FIELDS
        value = getattr(message, name)
        if name == "content" and isinstance(value, str) and isinstance(raw, dict):
            assert raw == {"original_str": value, "fallback_string": value, "prepared": [value]}
        elif name == "content" or (name == "hidden_data" and isinstance(raw, dict)):
            assert [raw] == [value], name
        else:
            assert alike(raw, plain(value)), name
    assert message.extra.keys() <= found.keys()


def test_the_types_cover_the_fields():
    """Every field of a message is checked here, and there are answers to check."""
    assert TYPES.keys() == FIELDS
    assert len(ANSWERS) > 250
    assert {name.split("-")[0] for name, _ in ANSWERS} == {"v2020", "v2023"}


@pytest.mark.parametrize("found", [one for _, one in ANSWERS], ids=[name for name, _ in ANSWERS])
def test_every_recorded_answer_is_decoded_without_a_loss(found):
    """Each field of each answer of the real server is in the message, in its one type."""
    message = decode_message(found)
    check_types(message)
    check_nothing_is_lost(found, message)
    assert not message.maybe_duplicated


def test_what_the_recorded_answers_leave_over_is_known():
    """Fields of newer releases are in `extra`; of the known fields, only values that do not fit."""
    left = {
        release: {
            name
            for label, found in ANSWERS
            if label.startswith(release)
            for name in decode_message(found).extra
        }
        for release in ("v2020", "v2023")
    }
    assert left["v2020"] & FIELDS == {"front_id", "hidden_data"}
    assert left["v2020"] - FIELDS == {"_user_ephemeral", "ephemeral_message_recipients"}
    assert left["v2023"] & FIELDS == {"hidden_data"}
    assert {"thread_id", "files", "stats", "_reactions"} <= left["v2023"]


def decode(**fields):
    """Return the message of an answer with these fields."""
    return decode_message({"id": "m", **fields})


@pytest.mark.parametrize("empty", [None, {}, []])
@pytest.mark.parametrize("name", ["hidden_data", "reactions", "user_specific_content"])
def test_phps_empties_are_one_empty_map(name, empty):
    """null, {} and [] all mean an empty map."""
    message = decode(**{name: empty})
    assert getattr(message, name) == {}
    assert message.extra == {}


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("pinned", None, False),
        ("pinned", False, False),
        ("pinned", True, True),
        ("pinned", 1, True),
        ("edited", 0, False),
        ("responses_count", None, 0),
        ("responses_count", 3, 3),
        ("increment_at_time", {}, 0),
        ("increment_at_time", [], 0),
        ("increment_at_time", "1", 1),
        ("message_type", None, 0),
        ("message_type", 2, 2),
        ("front_id", None, ""),
        ("channel_id", None, ""),
        ("parent_message_id", None, ""),
        ("parent_message_id", "", ""),
        ("sender", None, None),
        ("sender", "", ""),
        ("sender", "u", "u"),
        ("content", None, None),
        ("content", "text", "text"),
        ("content", {"a": [1]}, {"a": [1]}),
        ("hidden_data", ["a", "b"], {"0": "a", "1": "b"}),
        ("hidden_data", {"a": {}}, {"a": {}}),
        ("user_specific_content", {"u": []}, {"u": {}}),
        ("user_specific_content", [{"a": 1}], {"0": {"a": 1}}),
        ("creation_date", None, None),
        ("creation_date", 0, None),
        ("creation_date", 1, datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)),
        ("creation_date", -1, datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)),
        ("reactions", {":)": {"users": ["u"], "count": 1}}, {":)": Reaction(("u",), 1)}),
        ("reactions", {":)": {"users": {"1": "v"}, "count": "1"}}, {":)": Reaction(("v",), 1)}),
        ("reactions", {":)": {"users": [], "count": 0}}, {":)": Reaction()}),
        ("reactions", {":)": {}}, {":)": Reaction()}),
    ],
)
def test_what_php_makes_of_a_field_comes_out_as_its_one_type(name, raw, expected):
    """Each form that the servers were seen to use has its reading."""
    message = decode(**{name: raw})
    found = getattr(message, name)
    assert found == expected
    assert type(found) is type(expected)
    assert message.extra == {}
    check_types(message)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("front_id", 12345),
        ("front_id", {"a": 1}),
        ("sender", ["u"]),
        ("sender", 5),
        ("pinned", "yes"),
        ("pinned", 2),
        ("edited", {}),
        ("responses_count", "many"),
        ("responses_count", 1.5),
        ("responses_count", True),
        ("responses_count", {"a": 1}),
        ("message_type", "9" * 5000),
        ("hidden_data", "opaque"),
        ("hidden_data", 5),
        ("creation_date", "2026-01-01"),
        ("creation_date", 1.5),
        ("creation_date", True),
        ("creation_date", 10**30),
        ("creation_date", 10**12),
        ("modification_date", {"a": 1}),
        ("reactions", "x"),
        ("reactions", {":)": "x"}),
        ("reactions", {":)": None}),
        ("reactions", {":)": {"users": ["u"], "count": 1, "new": 2}}),
        ("reactions", {":)": {"users": [5], "count": 1}}),
        ("reactions", {":)": {"users": "u", "count": 1}}),
        ("reactions", {":)": {"users": [], "count": "x"}}),
        ("user_specific_content", {"u": "x"}),
        ("user_specific_content", 5),
    ],
)
def test_what_does_not_fit_is_kept_as_it_came(name, raw):
    """The field has its default, its value is in `extra`, and the others do not change."""
    message = decode(**{name: raw, "content": "x", "new": 1})
    assert message.extra == {name: raw, "new": 1}
    assert getattr(message, name) == getattr(Message(id="m"), name)
    assert message.content == "x"


def test_fields_that_nobody_knows_are_kept():
    """An answer that has the names of our own marks does not set them."""
    message = decode(extra={"a": 1}, maybe_duplicated=True, thread_id="t")
    assert message.extra == {"extra": {"a": 1}, "maybe_duplicated": True, "thread_id": "t"}
    assert not message.maybe_duplicated


def test_the_answer_itself_is_left_as_it_was():
    """Decoding does not change its input."""
    found = {"id": "m", "sender": 5, "new": 1, "pinned": None}
    decode_message(found)
    assert found == {"id": "m", "sender": 5, "new": 1, "pinned": None}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
REACTIONS = st.dictionaries(
    st.text(),
    st.fixed_dictionaries(
        {}, optional={"users": st.lists(st.text() | JSON, max_size=3) | JSON, "count": JSON}
    ),
    max_size=2,
)
NAMES = st.sampled_from(sorted(FIELDS - {"id"})) | st.text()


@given(
    found=st.dictionaries(NAMES, JSON, max_size=8),
    reactions=st.none() | REACTIONS,
    own_id=st.text(min_size=1),
)
@example(found={"increment_at_time": "٣"}, reactions=None, own_id="m")
@example(found={"creation_date": -(10**11)}, reactions=None, own_id="m")
def test_any_object_with_an_id_is_decoded_without_a_loss(found, reactions, own_id):
    """Whatever JSON a server sends, nothing is raised, every type holds, and no data is lost."""
    if reactions is not None:
        found["reactions"] = reactions
    found["id"] = own_id
    message = decode_message(found)
    check_types(message)
    check_nothing_is_lost(found, message)


@pytest.mark.parametrize(
    "content",
    [
        {"original_str": "x", "fallback_string": "x", "prepared": ["y"]},
        {"original_str": "x", "fallback_string": "y", "prepared": ["x"]},
        {"original_str": "y", "fallback_string": "x", "prepared": ["x"]},
        {"original_str": ["x"], "fallback_string": ["x"], "prepared": [["x"]]},
        {"original_str": "x", "fallback_string": "x", "prepared": ["x"], "more": 1},
        {"original_str": "x", "fallback_string": "x"},
        {"fallback_string": None, "prepared": [None], "more": 1},
        ["x"],
        "x",
        5,
    ],
)
def test_content_that_is_more_than_a_text_comes_as_it_is(content):
    """Only a text that stands three times in the portable form is shown as the text."""
    assert decode(content=content).content == content
    whole = {"original_str": "x", "fallback_string": "x", "prepared": ["x"]}
    assert decode(content=whole).content == "x"


def test_what_nobody_sees_apart_is_empty():
    """PHP writes null for the empty map of one reader."""
    assert decode(user_specific_content={"alice": None}).user_specific_content == {"alice": {}}

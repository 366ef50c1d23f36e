"""_json.py: the values that JSON and the server's depth can hold, and the refusal of others."""

from __future__ import annotations

import enum
import inspect
import json
import math
import sys
from collections import ChainMap, UserDict
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async._protocol.json_codec import (
    MAX_DEPTH,
    PLAIN,
    Codec,
    check_json,
    dump,
    fast_codec,
    load,
)
from twake_async.errors import InvalidDraftError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


class Colour(enum.StrEnum):
    """A string enum, as callers have them."""

    RED = "red"


def nest(levels, make=lambda inner: [inner], core=()):
    """Return a value of so many containers, one inside the other."""
    value = list(core)
    for _ in range(levels - 1):
        value = make(value)
    return value


def refusal(value):
    """Return the error that refuses the value as `content`."""

    def encode():
        check_json("content", value)
        dump({"message": {"content": value}})

    with pytest.raises(InvalidDraftError) as caught:
        encode()
    assert caught.value.field == "content"
    assert str(caught.value).startswith("content ")
    return str(caught.value)


@given(JSON)
def test_what_json_can_hold_comes_back_as_it_was(value):
    """Every JSON value passes the check, and bytes and back do not change it."""
    check_json("content", value)
    assert load(dump({"content": value})) == {"content": value}


@pytest.mark.parametrize("value", [(1, (2,)), {"a": (1,)}, Colour.RED, [Colour.RED], True, 10**300])
def test_what_python_writes_as_json_passes(value):
    """Tuples, string enums and long integers are as Python's own encoder writes them."""
    check_json("content", value)
    expected = json.loads(json.dumps(value))
    assert load(dump({"content": value})) == {"content": expected}


@pytest.mark.parametrize("codec", [lambda: PLAIN, fast_codec], ids=["plain", "fast"])
def test_any_mapping_is_written_as_a_dict(codec):
    """It holds at any depth; its keys and its depth are checked like those of a dict."""
    value = [MappingProxyType({"a": ChainMap({"b": (UserDict(c=1),)})})]
    check_json("content", value)
    document = {"content": value}
    assert load(dump(document, {}, codec())) == {"content": [{"a": {"b": [{"c": 1}]}}]}
    assert "key that is not a string" in refusal(MappingProxyType({1: 2}))
    assert "holds a set" in refusal(MappingProxyType({"a": {1}}))
    assert "nested deeper" in refusal(nest(501, lambda inner: MappingProxyType({"k": inner})))


@pytest.mark.parametrize("codec", [lambda: PLAIN, fast_codec], ids=["plain", "fast"])
def test_what_was_not_looked_at_is_no_json_either(codec):
    """No encoder accepts such an object; the error names its type."""
    with pytest.raises(TypeError, match="of the type object"):
        codec().encode([object()])


def test_text_is_sent_as_utf8_without_spaces():
    """The bytes are compact, and characters are not escaped."""
    assert dump({"a": ["é", "✓", "😀"], "b": None}) == '{"a":["é","✓","😀"],"b":null}'.encode()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"a": [{"b": x}]}])
def test_numbers_that_json_does_not_know_are_refused(number, wrap):
    """NaN and the infinities would arrive as null; the error says to use a string."""
    message = refusal(wrap(number))
    assert f"holds {number}" in message
    assert "send a string" in message


@pytest.mark.parametrize("thing", [b"x", {1, 2}, Decimal(1), object(), 1j, iter("ab"), range(3)])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: ["a", x], lambda x: {"a": x}])
def test_types_that_json_does_not_know_are_refused(thing, wrap):
    """The message names the type that was found and the types that pass."""
    message = refusal(wrap(thing))
    assert type(thing).__name__ in message
    assert "use strings, numbers, booleans, None, lists and dicts" in message


@pytest.mark.parametrize("value", [[1.5, math.nan], ["a", math.nan], [[math.nan], [1]], [{}, {1}]])
def test_each_item_is_looked_at(value):
    """A bad value is found beside good ones."""
    assert "which JSON does not know" in refusal(value)


@pytest.mark.parametrize("key", [1, None, True, 1.5, ("a",), b"a"])
def test_keys_that_are_not_strings_are_refused(key):
    """Python's encoder would write some of them as strings that the caller did not give."""
    assert "key that is not a string: make it one" in refusal([{key: 1}])


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"k": inner}])
@pytest.mark.parametrize("core", [(), ("leaf",)])
def test_500_levels_pass_and_501_do_not(make, core):
    """The bound is exact, whether or not something lies at the bottom."""
    assert MAX_DEPTH == 500
    deepest = nest(500, make, core)
    check_json("content", deepest)
    assert load(dump({"m": {"content": deepest}})) == {"m": {"content": deepest}}
    assert "nested deeper than 500 levels" in refusal(nest(501, make, core))


def list_in_itself():
    value = []
    value.append(value)
    return value


def dict_in_itself():
    value = {}
    value["self"] = [value]
    return value


def list_twice_in_itself():
    value = []
    value += [value, value]
    return value


def many_ways_round():
    a, b = [], {}
    a += [b] * 50
    b.update({str(n): a for n in range(50)})
    return a


@pytest.mark.parametrize(
    "make", [list_in_itself, dict_in_itself, list_twice_in_itself, many_ways_round]
)
def test_cycles_are_refused_at_once(make):
    """A value that contains itself is refused; one that branches does not grow without end."""
    assert "or contains itself: use fewer levels" in refusal(make())


def test_one_value_in_two_places_is_no_cycle():
    """The same list twice is two lists on the wire."""
    shared = [1]
    check_json("content", [shared, {"a": shared}])
    assert load(dump({"c": [shared, shared]})) == {"c": [[1], [1]]}


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800"])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {x: 1}, lambda x: {"a": x}])
def test_lone_surrogates_are_refused_in_values_and_keys(text, wrap):
    """A lone surrogate has no bytes in UTF-8."""
    assert "a lone surrogate" in refusal(wrap(text))


def test_numbers_of_thousands_of_digits_are_refused():
    """Python itself declines to write them."""
    assert "thousands of digits" in refusal([10**5000])


@pytest.mark.parametrize("at_fault", ["group_id", "content", "hidden_data"])
def test_the_field_that_holds_the_lone_surrogate_is_named(at_fault):
    """Of several fields the error names the one at fault."""
    fields = {"group_id": "g", "content": "c", "hidden_data": {"a": "b"}}
    fields[at_fault] = {"a": "\ud800"} if at_fault == "hidden_data" else "\ud800"
    with pytest.raises(InvalidDraftError, match=rf"^{at_fault} holds a lone surrogate") as caught:
        dump({"group_id": fields["group_id"], "message": fields})
    assert caught.value.field == at_fault


def test_where_no_field_is_at_fault_the_content_is_named():
    """A document may be too deep only as a whole, together with the parts around its fields."""

    def encode(_):
        raise RecursionError

    with pytest.raises(InvalidDraftError, match="^content ") as caught:
        dump({"group_id": "g", "message": {"content": "c"}}, {}, Codec(encode, json.loads))
    assert caught.value.field == "content"


def test_a_stack_that_is_nearly_full_is_an_error_of_the_draft():
    """A caller deep in recursion gets bytes or the error of the draft, as Python's stack allows."""
    content = nest(400)
    ends = []

    def descend(left):
        if left:
            descend(left - 1)
            return
        try:
            ends.append(dump({"content": content}))
        except InvalidDraftError as exc:
            ends.append(exc)

    depth = len(inspect.stack())
    descend(sys.getrecursionlimit() - depth - 100)
    assert isinstance(ends[0], bytes) or "nested too deeply" in str(ends[0])


@given(st.binary(max_size=200))
def test_what_is_no_json_is_a_value_error(body):
    """Any bytes either are JSON or raise `ValueError`, nothing else."""
    try:
        load(body)
    except ValueError:
        pass
    else:
        assert body.strip()


@pytest.mark.parametrize("open_", [b"[", b'{"a":'])
def test_json_without_a_bottom_is_a_value_error(open_):
    """A hundred thousand open brackets do not break the stack."""
    with pytest.raises(ValueError, match=r"^nested too deeply$") as caught:
        load(open_ * 100_000)
    assert type(caught.value) is ValueError


# --- the codec of the fast way ------------------------------------------------------------------


@given(JSON)
def test_both_codecs_write_and_read_the_same(value):
    """Each codec reads the other's output; whole numbers of any size are written whole."""
    for writer in (PLAIN, fast_codec()):
        assert PLAIN.decode(writer.encode(value)) == value


@given(st.recursive(st.none() | st.integers(-(2**63), 2**63) | TEXT, st.lists))
def test_the_fast_codec_reads_what_php_can_write(value):
    """Up to 64 bits nothing is lost."""
    assert fast_codec().decode(PLAIN.encode(value)) == value


@pytest.mark.parametrize("text", [b'{"a":NaN}', rb'"\ud800"', nest(300)])
def test_where_the_fast_codec_gives_up_the_standard_library_goes_on(text):
    """Values that orjson refuses are written and read as without it."""
    if isinstance(text, bytes):
        assert repr(fast_codec().decode(text)) == repr(json.loads(text))
    else:
        assert fast_codec().encode(text) == PLAIN.encode(text)


def test_the_fast_codec_uses_orjson_where_it_can():
    """The result shows which of the two wrote or read a number."""
    codec = fast_codec()
    value = {"a": 1e-7, "b": MappingProxyType({"c": 1})}
    assert codec.encode(value) == b'{"a":1e-7,"b":{"c":1}}' != PLAIN.encode(value)
    assert isinstance(codec.decode(b"18446744073709551616"), float)


def test_the_fast_codec_refuses_what_the_other_refuses():
    """A lone surrogate is named, and bytes that are no JSON are refused."""
    with pytest.raises(InvalidDraftError, match="content"):
        dump({"content": "\ud800"}, {}, fast_codec())
    with pytest.raises(ValueError, match="."):
        load(b"no JSON", fast_codec())

"""Forms: the input of people becomes an object of a class, or an error text for them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any, Literal

import attrs
import pytest

from twake_async import ConfigurationError
from twake_async.bot._forms import Form, FormError


class Colour(enum.Enum):
    RED = "red"
    SEVEN = 7


@attrs.frozen
class Settings:
    rate: int
    share: float = 0.0
    name: str = "x"
    on: bool = False
    colour: Colour = Colour.RED
    word: Literal["a", "b", ""] = "a"
    most: int | None = None
    least: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    tags: list[int] = attrs.field(factory=list)


@dataclasses.dataclass
class Plain:
    rate: int

    def __post_init__(self):
        if self.rate > 100:
            raise ValueError("At most 100 a day.")
        if self.rate == 99:
            raise ValueError
        if self.rate == 98:
            raise ZeroDivisionError("a mistake of the author's")


def read(**form):
    return Form(Settings).read({"rate": 1} | form)


def told(kind=Settings, **form):
    with pytest.raises(FormError) as caught:
        Form(kind).read(form)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "given", "made"),
    [
        ("rate", "7", 7),
        ("rate", " 7 ", 7),
        ("rate", 7, 7),
        ("rate", 7.0, 7),
        ("share", "0.5", 0.5),
        ("share", 1, 1.0),
        ("share", 0.5, 0.5),
        ("name", "", ""),
        ("name", 7, "7"),
        ("on", "true", True),
        ("on", "True", True),
        ("on", "false", False),
        ("on", "", False),
        ("on", None, False),
        ("on", True, True),
        ("on", 0, False),
        ("colour", "red", Colour.RED),
        ("colour", "7", Colour.SEVEN),
        ("word", "b", "b"),
        ("word", "", ""),
        ("most", "", None),
        ("most", None, None),
        ("most", "7", 7),
        ("tags", ["1", "2"], [1, 2]),
        ("unknown", "x", None),
    ],
)
def test_a_string_becomes_what_it_stands_for(field, given, made):
    """Strings that are no field of the class are left out."""
    assert getattr(read(**{field: given}), field, None) == made


@pytest.mark.parametrize(
    ("field", "given", "words"),
    [
        ("rate", "many", "rate must be a whole number, not “many”."),
        ("rate", "7.5", "rate must be a whole number, not “7.5”."),
        ("rate", 7.5, "rate must be a whole number, not “7.5”."),
        ("rate", True, "rate must be a whole number, not “True”."),
        ("rate", "", "rate is missing."),
        ("rate", None, "rate is missing."),
        ("rate", "9" * 5000, f"rate must be a whole number, not “{'9' * 40}…”."),
        ("rate", [], "rate must be a whole number, not “[]”."),
        ("share", "nan", "share must be a number, not “nan”."),
        ("share", "inf", "share must be a number, not “inf”."),
        ("rate", float("inf"), "rate must be a whole number, not “inf”."),
        ("name", None, "name is missing."),
        ("name", {}, "name must be a text."),
        ("on", "perhaps", "on must be yes or no, not “perhaps”."),
        ("colour", "blue", "colour must be one of red, 7, not “blue”."),
        ("colour", "", "colour is missing."),
        ("word", "c", "word must be one of a, b, not “c”."),
        ("most", "x", "most must be a whole number, not “x”."),
        ("least", "0", "'least' must be >= 1: 0"),
        ("tags", ["1", "x"], "tags must be a whole number, not “x”."),
        ("tags", "x", "tags must be a whole number, not “x”."),
        ("tags", [1] * 1001, "tags has more than 1000 entries."),
        ("rate", "a\nb\x1b\u202e", "rate must be a whole number, not “a b??”."),
    ],
)
def test_what_does_not_fit_is_said_in_words_that_name_the_field(field, given, words):
    """The words are for the person who typed the input."""
    assert told(**{"rate": 1, field: given}) == words


@attrs.frozen
class Inner:
    size: int = 1


@attrs.frozen
class Shapes:
    words: list[str] = attrs.field(factory=list)
    few: frozenset[int] = frozenset()
    pair: tuple[int, str] | None = None
    sizes: dict[str, int] = attrs.field(factory=dict)
    inner: Inner | None = None
    inners: Sequence[Inner] = ()
    plain: Plain | None = None
    rest: Any = None


@pytest.mark.parametrize(
    ("field", "given", "made"),
    [
        ("words", "abc", ["abc"]),
        ("words", 5, ["5"]),
        ("words", "", []),
        ("words", None, []),
        ("words", {"0": "a", "2": "b"}, ["a", "b"]),
        ("few", "12", frozenset({12})),
        ("pair", ["1", "a"], (1, "a")),
        ("sizes", {"a": "1"}, {"a": 1}),
        ("sizes", [], {}),
        ("inner", [], Inner()),
        ("inner", {"size": "2"}, Inner(2)),
        ("inner", "", None),
        ("inners", [{"size": "3"}, []], (Inner(3), Inner())),
        ("plain", {"rate": "1"}, Plain(1)),
        ("rest", ["x"], ["x"]),
    ],
)
def test_a_list_or_an_object_has_the_shape_that_its_field_needs(field, given, made):
    """A single choice is no list of letters; PHP writes an empty object as an empty list."""
    found = getattr(Form(Shapes).read({field: given}), field)
    assert (tuple(found) if field == "inners" else found) == made


@pytest.mark.parametrize(
    ("field", "given", "words"),
    [
        ("sizes", "abc", "sizes does not fit."),
        ("sizes", None, "sizes is missing."),
        ("sizes", [1], "sizes does not fit."),
        ("inner", "abc", "inner does not fit."),
        ("inners", "abc", "inners does not fit."),
        ("pair", {"b": "1", "a": "x"}, "pair must be a list."),
        ("plain", [], "rate is missing."),
    ],
)
def test_another_shape_is_an_error_of_the_user(field, given, words):
    """It is not an error of the author."""
    assert told(Shapes, **{field: given}) == words


@attrs.frozen
class Quoting:
    word: str = attrs.field(validator=attrs.validators.in_(["a"]))


def test_what_a_user_is_told_has_an_end():
    """A browser may send a mebibyte, and a validator quotes it."""
    words = told(Quoting, word="x" * 100_000)
    assert len(words) == 301
    assert words.startswith("'word' must be in ['a'] (got 'xxx")
    lines = told(Shapes, inners=[{"size": f"x{number}"} for number in range(99)]).splitlines()
    assert len(lines) == 11
    assert lines[10] == "…"


def test_all_that_is_wrong_is_said_at_once():
    """Each error has a line."""
    assert told(share="x").splitlines() == ["rate is missing.", "share must be a number, not “x”."]


def test_the_words_of_an_author_are_said():
    """A ValueError has those words; without words, the text says that the value does not fit."""
    assert told(Plain, rate="101") == "At most 100 a day."
    assert told(Plain, rate="99") == "The form does not fit."
    assert Form(Plain).read({"rate": "1"}) == Plain(1)


def test_a_mistake_of_the_author_is_none_of_the_users():
    """It is raised unchanged."""
    with pytest.raises(BaseExceptionGroup) as caught:
        Form(Plain).read({"rate": "98"})
    assert caught.group_contains(ZeroDivisionError)


@attrs.frozen
class Unreadable:
    thing: int | bytes


@pytest.mark.parametrize("bad", ["Settings", 7, object, Unreadable])
def test_what_cannot_be_made_is_said_where_it_stands(bad):
    """The error comes where the class is given, not when a form comes."""
    with pytest.raises(ConfigurationError, match="form"):
        Form(bad)

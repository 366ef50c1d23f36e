"""Forms: what people type becomes a class, or words for them."""

from __future__ import annotations

import dataclasses
import enum
from typing import Literal

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
    """And what is no field of the class is left out."""
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
    ],
)
def test_what_does_not_fit_is_said_in_words_that_name_the_field(field, given, words):
    """For the person who typed it."""
    assert told(**{"rate": 1, field: given}) == words


def test_all_that_is_wrong_is_said_at_once():
    """A line for each."""
    assert told(share="x").splitlines() == ["rate is missing.", "share must be a number, not “x”."]


def test_the_words_of_an_author_are_said():
    """Those of a ValueError; without words, that it does not fit."""
    assert told(Plain, rate="101") == "At most 100 a day."
    assert told(Plain, rate="99") == "The form does not fit."
    assert Form(Plain).read({"rate": "1"}) == Plain(1)


def test_a_mistake_of_the_author_is_none_of_the_users():
    """It is raised as it is."""
    with pytest.raises(BaseExceptionGroup) as caught:
        Form(Plain).read({"rate": "98"})
    assert caught.group_contains(ZeroDivisionError)


@attrs.frozen
class Unreadable:
    thing: int | bytes


@pytest.mark.parametrize("bad", ["Settings", 7, object, Unreadable])
def test_what_cannot_be_made_is_said_where_it_stands(bad):
    """Not when a form comes."""
    with pytest.raises(ConfigurationError, match="form"):
        Form(bad)

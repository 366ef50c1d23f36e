"""Twacode that a person typed: JSON or Python, read and never executed, and bounded."""

from __future__ import annotations

import pytest

from twake_async.errors import InvalidDraftError
from twake_async.twacode import (
    Bold,
    Button,
    Content,
    Input,
    Option,
    ProgressBar,
    Select,
    Text,
    Unknown,
)
from twake_async.twacode._expression import LONGEST, ExpressionError, read_content, read_expression


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Hello"', "Hello"),
        ("'Hello'", "Hello"),
        ('["a", {"type": "br"}]', ["a", {"type": "br"}]),
        ("'a' + 'b'", "ab"),
        ("  Text('Lunch?') + Button('Yes', action_id='yes')\n", Content(Text("Lunch?"), Button("Yes", action_id="yes"))),
        ("'a' + Content('b', Bold('c')) + 'd'", Content("a", "b", Bold("c"), "d")),
        ("Select('a', Option('b', '2', selected=True), passive_id='p')", Select("a", Option("b", "2", selected=True), passive_id="p")),
        ("Button('a', action_id='x', interactive_context={'n': [1, -2.5, None, (True,)]})",
         Button("a", action_id="x", interactive_context={"n": [1, -2.5, None, [True]]})),
        ("ProgressBar(50)", ProgressBar(50)),
        ("Input('p', content='a' 'b')", Input("p", content="ab")),
        ("Unknown({'type': 'new'})", Unknown({"type": "new"})),
    ],
)  # fmt: skip
def test_json_and_expressions_are_read(text, expected):
    """JSON stays JSON, and an expression becomes the tree that Python would make of it."""
    assert read_content(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Hello", "line 1: this (Name) is not read here"),
        ("Hello world", "line 1: invalid syntax"),
        ("Bold('a'", "line 1: "),
        ('{"a": ', "this is no JSON"),
        ("__import__('os').system('x')", "a call of __import__('os').system"),
        ("open('x')", "a call of open"),
        ("Bold.__class__", "this (Attribute)"),
        ("Bold", "this (Name)"),
        ("[Bold('a')][0]", "this is no JSON"),
        ("(lambda: 1)()", "a call of lambda: 1"),
        ("f'{x}'", "this (JoinedStr)"),
        ("b'a'", "a bytes"),
        ("...", "a ellipsis"),
        ("'a' * 9", "an operator other than +"),
        ("Bold('a' - 'b')", "an operator other than +"),
        ("Bold(*['a'])", "this (Starred)"),
        ("Bold(**{'key': 'a'})", "** is not read here"),
        ("Bold('a', marker=None)", "a marker is not read here"),
        ("Bold('a' + 1)", "a sum of anything but text and nodes"),
        ("Text('a') + Option('b', 'c')", "a sum of anything but text and nodes"),
        ("-'a'", "this (UnaryOp)"),
        ("~1", "this (UnaryOp)"),
        ("Unknown({1: 2})", "a key that is no text"),
        ("Unknown({**{}})", "a key that is no text"),
        ("[x for x in 'a']", "this is no JSON"),
        ("(1, 2)", "this is list, and not text or a node"),
        ("Button('a')", "line 1: Button: "),
        ("\n\nBold('a',\n nothing=1)", "line 1: Bold: "),
        ("\x00", "null bytes"),
        ("Bold(" * 150 + "'a'" + ")" * 150, "nested deeper than 100 levels"),
        ("[" * 150 + "]" * 150, "nested deeper than 100 levels"),
        ("[" * 50_000, "nested deeper than 100 levels"),
        ("Text(" + ",".join(["'a'"] * 20_001) + ")", "more than 20000 parts"),
        (" " * (LONGEST + 1), "100001 characters: at most 100000 are read"),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_all_else_is_refused_and_the_error_says_why(text, told):
    """Nothing is executed, and no length or depth breaks the reader."""
    with pytest.raises(ExpressionError) as caught:
        read_content(text)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["-" * 50_000 + "1", "+".join(["'a'"] * 24_000)])
def test_what_python_may_or_may_not_read_is_refused_either_way(text):
    """The depth limit of Python's own reader differs from release to release."""
    with pytest.raises(ExpressionError, match="cannot be read as Python|nested deeper|parts|too"):
        read_content(text)


def test_a_long_sum_is_no_deep_one():
    """Python nests a sum once for each term."""
    assert len(read_expression("+".join(["'a'", "Bold('b')"] * 200))) == 400


def test_the_checks_of_the_nodes_hold():
    """A node that the SDK refuses is refused with its own words."""
    with pytest.raises(InvalidDraftError, match=r"Button\.action_id"):
        read_content("Button('a', action_id='')")

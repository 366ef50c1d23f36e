"""The builder: shows typed Twacode as a client would, with the problems that the SDK finds."""

from __future__ import annotations

import json
from typing import Any, Final

from twake_async.errors import InvalidDraftError
from twake_async.twacode import Node, Portable, decode, encode, fallback_text, portable
from twake_async.twacode._expression import ExpressionError, read_content
from twake_async.twacode._nodes.source import source
from twake_async.twacode._rendering.content import problem, shown
from twake_async.twacode._rendering.elements import to_data

__all__ = ["EXAMPLES", "built"]

_QUESTION = """\
Text("Lunch?")
+ Break()
+ Button("Yes", action_id="vote:yes", style="primary")
+ Button("No", action_id="vote:no", style="danger")"""
_FORM = """\
Input("name", placeholder="Your name", full_width=True)
+ Select("Red", "Green", title="Colour", passive_id="colour")
+ Button("Save", action_id="save")"""
_CARD = """\
Attachment(
    Bold("Build 51"),
    Break(),
    "12 tests failed on ",
    InlineCode("main"),
    ProgressBar(73),
    Url("https://example.org/51", "Open the log", button=True),
)"""
_JSON = """\
[
  {"type": "bold", "content": "Hello"},
  " as JSON"
]"""

EXAMPLES: Final[tuple[tuple[str, str], ...]] = (
    ("A question with buttons", _QUESTION),
    ("A form", _FORM),
    ("A card", _CARD),
    ("JSON", _JSON),
    ("Text", 'Text("plain ", Nop("text"))'),
    ("TextBlock", 'TextBlock("a block of text")'),
    ("Break", '"one" + Break() + "two"'),
    ("Bold", 'Bold("bold ", Italic("and italic"))'),
    ("Italic", 'Italic("italic")'),
    ("Underline", 'Underline("underlined")'),
    ("Strikethrough", 'Strikethrough("struck through")'),
    ("Quote", 'Quote("a quote of one line")'),
    ("MultilineQuote", 'MultilineQuote("a quote", Break(), "of two lines")'),
    ("System", 'System("a notice in small grey text")'),
    ("Nop", 'Nop("what all see", key="result")'),
    ("Attachment", 'Attachment("a block with a bar beside it")'),
    ("InlineCode", '"run " + InlineCode("make")'),
    ("BlockCode", 'BlockCode("def f():\\n    return 1")'),
    ("UserMention", 'UserMention("bob", "7a1c0e32-5b1d-11eb-9c03-0242ac130002")'),
    ("ChannelMention", 'ChannelMention("general", "7a1c0e41-5b1d-11eb-9c04-0242ac130002")'),
    ("Emoji", 'Emoji("tada")'),
    ("Markdown", 'Markdown("**bold** _italic_ `code` and https://example.org")'),
    ("Url", 'Url("https://example.org", "a link")'),
    ("MarkdownLink", 'MarkdownLink("a link", "https://example.org")'),
    ("Email", 'Email("bob@example.org")'),
    ("Image", 'Image("https://example.org/picture.png")'),
    ("Icon", 'Icon(":rocket:") + " away"'),
    ("File", 'File("the id of an uploaded file", mode="mini")'),
    ("ProgressBar", "ProgressBar(40)"),
    ("Copiable", 'Copiable("text to copy")'),
    ("Button", 'Button("a button", action_id="go")'),
    ("Input", 'Input("name", placeholder="Your name")'),
    ("Select", 'Select("Red", Option("Green", "#0f0", selected=True), passive_id="colour")'),
)
"""Names and texts: three messages, JSON, and each node."""


def built(text: str, *, reader_id: str) -> dict[str, Any]:
    """Return what the builder shows for a text.

    Args:
        text: Twacode as JSON or as a Python expression.
        reader_id: The user who looks.

    Returns:
        `pieces` to show, `fallback` as notifications show it, `problems` in words, and the same
        message as `python` and as `json`.

    """
    if not text.strip():
        return _nothing([])
    try:
        read = read_content(text)
    except (ExpressionError, InvalidDraftError) as exc:
        return _nothing([str(exc)])
    content = encode(read) if isinstance(read, str | Node) else read
    trouble = _unsendable(read) or problem(content)
    tree = decode(content)
    shown_tree = tree.content if isinstance(tree, Portable) else tree
    return {
        "pieces": to_data(shown(content, reader_id=reader_id)),
        "fallback": fallback_text(tree)[:1000],
        "problems": [trouble] if trouble else [],
        "python": source(shown_tree) if isinstance(shown_tree, Node) else repr(shown_tree),
        "json": json.dumps(content, indent=1, ensure_ascii=False),
    }


def _nothing(problems: list[str]) -> dict[str, Any]:
    return {"pieces": [], "fallback": "", "problems": problems, "python": "", "json": ""}


def _unsendable(read: Any) -> str | None:
    """Return why the SDK would not send a content; None if the SDK would send it."""
    try:
        portable(read)
    except InvalidDraftError as exc:
        return str(exc)
    return None

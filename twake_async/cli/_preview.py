"""`twake-async preview`: what a reader sees of a message, in the terminal or as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from twake_async.errors import InvalidDraftError
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.twacode import Portable, decode, encode, fallback_text
from twake_async.twacode._expression import LONGEST, ExpressionError, read_content
from twake_async.twacode._rendering.content import ERROR, problem, shown
from twake_async.twacode._rendering.markdown import compiled
from twake_async.twacode._rendering.page import block, whole_page
from twake_async.twacode._rendering.view import as_seen, own_content

from ._sources import standard_text
from ._statuses import FAILED, complain, printable, say

__all__ = ["preview"]


@attrs.frozen
class _Message:
    """A content, and what single readers see in it."""

    content: Any
    specific: Mapping[str, Any] = attrs.field(factory=dict)


@click.command(
    short_help="Show what a reader sees of a message.",
    epilog="""\b
Examples:
  twake-async preview message.json
  twake-async preview message.json --as alice --html out.html
  echo 'Text("Lunch?") + Button("Yes", action_id="yes")' | twake-async preview -

\b
FILE has one of these:
  Twacode as JSON: text, a node, or a list
  a message or a draft as JSON, with its content and what single readers see
  an expression of the classes of twake_async.twacode, which is read and not executed

Exit status: 1 where Twake's client would show an error, or FILE cannot be read.
""",
)
@click.argument("file")
@click.option(
    "--as",
    "reader",
    metavar="USER",
    help="Who reads: an id, or alice, bob or carol of the sandbox.",
)
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write it into this file, as HTML that loads nothing and runs nothing.",
)
def preview(file: str, reader: str | None, page: Path | None) -> int:
    """Print what a reader reads of the message in FILE; with -, of standard input.

    Nothing is sent.
    """
    known = DEFAULT_SEED["users"].get(reader, {})
    reader_id = known.get("id", reader)
    try:
        message = _message(read_content(_read(file)))
        content = as_seen(message.content, own_content(message.specific, reader_id))
        trouble = problem(content)
        if page is not None:
            pieces = shown(content, reader_id=reader_id)
            page.write_text(whole_page(block(pieces), "Preview"), encoding="utf-8")
    except (ExpressionError, InvalidDraftError) as exc:
        complain(f"{file}: {exc}")
        return FAILED
    except OSError as exc:
        complain(f"{exc.filename or file}: {exc.strerror or exc}")
        return FAILED
    if trouble is not None:
        say(ERROR)
        complain(f"{file}: {trouble}")
        return FAILED
    for line in _text(content).split("\n"):
        say(printable(line))
    return 0


def _read(file: str) -> str:
    """Return the text of a file.

    Raises:
        ExpressionError: It is no UTF-8, or too large.
        OSError: It cannot be read.

    """
    if file == "-":
        return standard_text()
    with Path(file).open("rb") as opened:
        given = opened.read(LONGEST * 4 + 1)
    try:
        return given.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ExpressionError(f"it is no UTF-8, or longer than {LONGEST} characters") from None


def _message(read: Any) -> _Message:
    """Return the message that was read: a content, or a message or a draft with one."""
    if not isinstance(read, Mapping):
        return _Message(encode(read) if _is_tree(read) else read)
    if "content" not in read or read.get("type") or read.get("start"):
        return _Message(read)
    specific = read.get("user_specific_content") or {}
    updates = read.get("user_specific") or read.get("_once_user_specific_update") or []
    own = {
        one["user_id"]: one["modifiers"]
        for one in (updates if isinstance(updates, list) else [updates])
        if isinstance(one, Mapping) and {"user_id", "modifiers"} <= one.keys()
    }
    return _Message(read["content"], {**(specific if isinstance(specific, Mapping) else {}), **own})


def _is_tree(read: Any) -> bool:
    return not isinstance(read, str | list | int | float | None)


def _text(content: Any) -> str:
    """Return what a reader reads, not the text that notifications show."""
    tree = decode(_with_markdown(content))
    return fallback_text(tree.content if isinstance(tree, Portable) else tree)


def _with_markdown(content: Any) -> Any:
    """Return a content with what the client makes of the markdown in it."""
    if isinstance(content, list):
        return [_with_markdown(item) for item in content]
    if not isinstance(content, Mapping):
        return content
    markdown = content.get("content")
    if content.get("type") == "compile" and isinstance(markdown, str):
        return {"type": "nop", "content": compiled(markdown)}
    inside = ("content", "prepared", "formatted")
    return {
        name: _with_markdown(value) if name in inside else value for name, value in content.items()
    }

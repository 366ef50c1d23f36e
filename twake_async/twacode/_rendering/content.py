"""The content of a message as elements: what `pseudoMarkdownCompiler.js` shows (lines 502-593)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twake_async.twacode._nodes.client import type_of
from twake_async.twacode._rules import is_truthy, why_blank

from .elements import Piece, element
from .markdown import compiled
from .nodes import DRAWINGS
from .view import View, as_seen, own_content

_DEEPEST: Final = 100
"""How deep lists and nodes may be nested; a note replaces deeper content."""

ERROR: Final = "An error occured while showing this message."
"""What the client shows in place of a message that its code cannot show."""


def problem(content: Any, *, reader_id: str | None = None, specific: Any = None) -> str | None:
    """Return why the client shows an error in place of a content; None if it shows the content.

    The arguments are those of `shown`.
    """
    return why_blank(as_seen(content, own_content(specific, reader_id)))


def shown(content: Any, *, reader_id: str | None = None, specific: Any = None) -> tuple[Piece, ...]:
    """Return what a reader sees of a content.

    Args:
        content: The content as JSON: text, a node, a list, or an object with `prepared` or
            `formatted`.
        reader_id: The id of the reader; None for nobody in particular.
        specific: The `user_specific_content` of the message.

    Returns:
        Text and elements. Node types that the client does not know are left out. If the client
        shows an error, the result is that error.

    """
    seen = as_seen(content, own_content(specific, reader_id))
    trouble = why_blank(seen)
    if trouble is not None:
        return (element("em", "error", ERROR, title=trouble),)
    return _show(seen, View(reader_id))


def _show(value: Any, view: View) -> tuple[Piece, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    if view.depth >= _DEEPEST:
        return (element("em", "error", f"[nested deeper than {_DEEPEST} levels: not shown here]"),)
    if isinstance(value, list):
        inner = view.deeper()
        return tuple(piece for item in value for piece in _show_item(item, inner))
    if isinstance(value, Mapping) and not _is_node(value):
        forms = (value.get("formatted"), value.get("prepared"))
        return _show(next((form for form in forms if is_truthy(form)), None), view.deeper())
    return _show_item(value, view)


def _show_item(item: Any, view: View) -> tuple[Piece, ...]:
    """Return what a reader sees of an item of a list; an object that is not a node is left out."""
    if not isinstance(item, Mapping):
        return _show(item, view) if isinstance(item, str | list) else ()
    name = type_of(item)
    if name is None:
        return ()
    if name == "compile":
        content = item.get("content")
        return _show(compiled(content) if isinstance(content, str) else None, view.deeper())
    return DRAWINGS[name](item, _show, view.deeper())


def _is_node(value: Mapping[str, Any]) -> bool:
    return bool(value.get("type") or value.get("start"))

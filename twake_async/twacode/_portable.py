"""The content of a message: trees as they are sent, and as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs

from ._html import content_html
from ._json import NESTING_LIMIT, from_json, to_json
from ._nodes.checks import is_clean, json_copy, refuse
from ._nodes.node import Child, Content, Json, Node, text_of
from ._rules import is_truthy, why_blank


@attrs.frozen
class Portable:
    """A message's content in the form that every release of Twake accepts: a tree, and its texts.

    `decode` returns it for the content of `portable`, of the web client, and of a server of 2021.
    """

    content: Child
    """The tree."""

    around: Mapping[str, Json] = attrs.field(factory=dict, hash=False)
    """The other fields, unchanged: `fallback_string`, `original_str` and so on."""

    slot: Literal["prepared", "formatted"] = "prepared"
    """The field that has the tree."""

    def __str__(self) -> str:
        text = self.around.get("fallback_string")
        return text_of(text if text and isinstance(text, str) else self.content)

    def _repr_html_(self) -> str:
        """Return what the client shows, for a notebook."""
        return content_html(encode(self))


def fallback_text(tree: Child | Portable) -> str:
    """Return a tree as text, as a reader would read it.

    Buttons, inputs and selects are read by their labels in square brackets, links by their text,
    mentions by their name, a line break as a newline, a progress bar as a percentage, an image as
    `[image]`. Quotes, attachments, code blocks and progress bars are on separate lines.

    Notifications and search show this text and nothing else of a rich message
    (`MessageSystem::mdToText` prefers `fallback_string` to everything else).

    Args:
        tree: Text, a node, a `Content` or a `Portable`.

    Returns:
        The text, without newlines around it; for a `Portable`, the text that was sent with it.

    """
    return str(tree) if isinstance(tree, Portable) else text_of(tree)


def decode(content: Json) -> Child | Portable:
    """Return the tree of a message's content. `encode` returns the same JSON for it.

    Args:
        content: The content as `json.loads` returns it; any JSON.

    Returns:
        Text for a string, a `Content` for a list, a node for an object with the type and the
        attributes of one, a `Portable` for an object with `prepared` or `formatted`, and an
        `Unknown` for everything else.

    """
    if isinstance(content, dict) and not content.get("type") and not content.get("start"):
        for slot in ("formatted", "prepared"):
            if is_truthy(content.get(slot)):
                around = {name: value for name, value in content.items() if name != slot}
                return Portable(from_json(content[slot]), around, slot)
    return from_json(content)


def encode(tree: Child | Portable) -> Json:
    """Return a tree as JSON: the inverse of `decode`.

    Text stays text, a `Content` becomes a list, and a node an object with its `type`. A message is
    sent with the tree in the form that `portable` returns.

    Args:
        tree: Text, a node, a `Content` or a `Portable`.

    Returns:
        The JSON.

    """
    if isinstance(tree, Portable):
        return {**tree.around, tree.slot: to_json(tree.content)}
    return to_json(tree)


def portable(
    content: Child | Portable | Sequence[Child | Mapping[str, Json]] | Mapping[str, Json],
    fallback: str | None = None,
) -> dict[str, Json]:
    """Return a message's content in the form that every release of Twake accepts.

    Args:
        content: Text, a node, a `Content`, a list of nodes, or JSON as it is sent.
        fallback: What notifications and search show. Default: the text that the content brings, or
            else `fallback_text` of the tree.

    Returns:
        `{"fallback_string": text, "original_str": text, "prepared": list of nodes}`.

    Raises:
        InvalidDraftError: The tree is nested deeper than 500 levels, is not JSON, or contains JSON
            that the client cannot show.

    """
    tree = _tree(content)
    shown = tree.content if isinstance(tree, Portable) else tree
    prepared = to_json(shown if isinstance(shown, Content) else Content(shown))
    around = tree.around if isinstance(tree, Portable) and fallback is None else {}
    if trouble := why_unsendable(prepared) or _why_not_json(around):
        refuse(None, "content", trouble)
    text = str(tree) if fallback is None else fallback
    if not is_clean(text):
        refuse(None, "fallback", "a lone surrogate cannot be sent as JSON")
    return {"original_str": text, **around, "fallback_string": text, "prepared": prepared}


def _tree(content: Any) -> Child | Portable:
    if isinstance(content, str):
        return from_json(content)
    if isinstance(content, Portable | Node):
        return content
    if isinstance(content, Sequence) and not isinstance(content, bytes | bytearray | memoryview):
        return Content(*(_item(item) for item in with_dicts(list(content))))
    if isinstance(content, Mapping):
        return decode(with_dicts(content))
    kind = type(content).__name__
    return refuse(None, "content", f"text, a node or a list of them is needed, not {kind}")


def _item(item: Any) -> Child:
    return item if isinstance(item, Node) else from_json(item)


def with_dicts(value: Json) -> Json:
    """Return JSON with a dict for each mapping of another class; without one, the same object.

    It does not recurse. A part that occurs several times, or in itself, is copied once.
    """
    if not _has_other_mapping(value):
        return value
    copies: dict[int, tuple[Json, Json]] = {}  # with the original, which keeps its id
    out: list[Json] = [value]
    work: list[tuple[Any, Any]] = [(out, 0)]
    while work:
        place, at = work.pop()
        item = place[at]
        if not isinstance(item, list | Mapping):
            continue
        if id(item) not in copies:
            copy = list(item) if isinstance(item, list) else dict(item)
            copies[id(item)] = item, copy
            work.extend(
                (copy, key) for key in (range(len(copy)) if isinstance(copy, list) else copy)
            )
        place[at] = copies[id(item)][1]
    return out[0]


def _has_other_mapping(value: Json) -> bool:
    seen: set[int] = set()
    work = [value]
    while work:
        item = work.pop()
        if not isinstance(item, list | Mapping) or id(item) in seen:
            continue
        if not isinstance(item, list | dict):
            return True
        seen.add(id(item))
        work.extend(_items(item))
    return False


def why_unsendable(content: Json) -> str | None:
    """Return why a value cannot be sent as content: too deep, not JSON, or not to be shown."""
    if _is_deeper(content, NESTING_LIMIT):
        return f"it is nested deeper than {NESTING_LIMIT} levels"
    if trouble := _why_not_json(content):
        return trouble
    trouble = why_blank(content)
    return trouble and f"the client would show an error in its place: {trouble}"


def _why_not_json(content: Json) -> str | None:
    try:
        json_copy(content)
    except ValueError as exc:
        return f"JSON cannot hold it: {exc}"
    return None


def _is_deeper(value: Json, limit: int) -> bool:
    """Return whether lists and objects are nested more than `limit` deep."""
    work = [(value, 1)]
    while work:
        item, depth = work.pop()
        if isinstance(item, list | dict):
            if depth > limit:
                return True
            work.extend((one, depth + 1) for one in _items(item))
    return False


def _items(value: list[Json] | dict[str, Json]) -> Iterable[Json]:
    return value if isinstance(value, list) else value.values()

"""A tree of nodes to JSON and back, without recursion and without loss."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from twake_async.errors import InvalidDraftError

from ._attributes import inside, pack, unpack
from ._nodes.checks import is_clean
from ._nodes.classes import NODE_CLASSES
from ._nodes.client import type_of
from ._nodes.node import Child, Content, Json, Marker
from ._nodes.unknown import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

NESTING_LIMIT: Final = 500
"""How deep lists and objects may be nested. PHP refuses a request with more than 512 levels."""


# ---- encoding -----------------------------------------------------------------------------------


def to_json(tree: Child) -> Json:
    """Return the JSON of a tree."""
    out: list[Json] = [None]
    work: list[tuple[Child, Any, int | str]] = [(tree, out, 0)]
    while work:
        item, place, at = work.pop()
        if isinstance(item, str):
            place[at] = item
        elif type(item) is Unknown:
            place[at] = item.raw
        elif type(item) is Content:
            place[at] = _listed(item.items, work)
        else:
            place[at] = _outline(item, work)
    return out[0]


def _listed(items: tuple[Child, ...], work: list[tuple[Child, Any, int | str]]) -> list[Json]:
    listed: list[Json] = [None] * len(items)
    work.extend((item, listed, at) for at, item in enumerate(items))
    return listed


def _outline(node: Any, work: list[tuple[Child, Any, int | str]]) -> dict[str, Json]:
    """Return the JSON of a node, and add its children to the work."""
    marker: Marker | None = getattr(node, "marker", None)
    head = {"type": node.type_name} if marker is None else {"start": marker.start}
    outline = {**head, **pack(node)}
    if marker is not None and marker.end is not None:
        outline["end"] = marker.end
    children: tuple[Child, ...] = getattr(node, "children", ())
    holder = inner if isinstance(inner := outline.get("content"), dict) else outline
    if len(children) == 1:
        work.append((children[0], holder, "content"))
    elif "content" in holder and holder["content"] is None:
        holder["content"] = _listed(children, work)
    return outline


# ---- decoding -----------------------------------------------------------------------------------


def from_json(value: Json) -> Child:
    """Return the tree of a JSON value, as `json.loads` gives it."""
    found: list[tuple[Json, list[int]]] = []
    work: list[tuple[Json, list[int], int]] = [(value, [], 1)]
    while work:
        item, siblings, depth = work.pop()
        siblings.append(len(found))
        kids: list[int] = []
        found.append((item, kids))
        within = _within(item) if depth < NESTING_LIMIT else ()
        work.extend((child, kids, depth + 1) for child in reversed(within))
    built: list[Child] = [""] * len(found)
    for at in reversed(range(len(found))):
        item, kids = found[at]
        built[at] = _build(item, tuple(built[kid] for kid in kids))
    return built[0]


def _class_of(raw: Mapping[str, Json]) -> type[Any] | None:
    name = type_of(raw)
    return None if name is None else NODE_CLASSES[name]


def _within(value: Json) -> tuple[Json, ...] | list[Json]:
    """Return the parts of a JSON value that become children."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and (cls := _class_of(value)):
        return inside(cls, value)
    return ()


def _build(value: Json, children: tuple[Child, ...]) -> Child:
    if isinstance(value, str) and is_clean(value):
        return value
    if isinstance(value, list) and len(children) == len(value):
        return Content(*children)
    if isinstance(value, dict) and (cls := _class_of(value)):
        return _node(cls, value, children) or Unknown(value)
    return Unknown(value)


def _node(cls: type[Any], raw: dict[str, Json], children: tuple[Child, ...]) -> Child | None:
    """Return the node of a JSON object, or None if it would encode to other JSON."""
    try:
        node = unpack(cls, raw, children)
    except InvalidDraftError:
        return None
    if node is None:
        return None
    return node if _same(_outline(node, []), raw, but_for="content" if children else None) else None


def _same(made: dict[str, Json], raw: dict[str, Json], *, but_for: str | None) -> bool:
    """Return whether two objects are the same JSON; 1, 1.0 and true are different."""
    if made.keys() != raw.keys():
        return False
    pairs = [(made[name], raw[name]) for name in made if name != but_for]
    return all(json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True) for a, b in pairs)

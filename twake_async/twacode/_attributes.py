"""The fields of one node as attributes of its JSON object, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from ._nodes.forms import Option, Select
from ._nodes.links import MarkdownLink, Url
from ._nodes.node import Child, Json, Marker
from ._nodes.styles import Break
from ._nodes.words import ChannelMention, UserMention

Object: TypeAlias = dict[str, Json]

_JOINED: Final[dict[type[Any], tuple[str, str, str]]] = {
    UserMention: ("name", ":", "id"),
    ChannelMention: ("name", ":", "id"),
    MarkdownLink: ("title", "](", "url"),
}
"""Nodes that have two fields in one `content`, and what separates them."""


def _names(cls: type[Any]) -> set[str]:
    return set(attrs.fields_dict(cls)) - {"marker", "children"}


def _needed(cls: type[Any]) -> set[str]:
    fields = attrs.fields(cls)
    return {field.name for field in fields if field.default is attrs.NOTHING} & _names(cls)


# ---- to JSON: None stands for the children, which `_json` fills in -----------------------------


def pack(node: Any) -> Object:
    """Return the attributes of a node; those with a default value are left out."""
    cls = type(node)
    if cls in _JOINED:
        first, between, second = _JOINED[cls]
        return {"content": getattr(node, first) + between + getattr(node, second)}
    packed: Object = {"content": None} if hasattr(node, "children") else {}
    for field in attrs.fields(cls):
        value = getattr(node, field.name)
        if field.name in _names(cls) and value is not None and value is not False:
            packed[field.name] = _plain(value)
    return _reshape(node, packed)


def _plain(value: Any) -> Json:
    if isinstance(value, tuple):
        return [pack(option) for option in value]
    return json.loads(json.dumps(value)) if isinstance(value, Mapping) else value


def _reshape(node: Any, packed: Object) -> Object:
    cls = type(node)
    if cls is Break and not node.children and node.marker is None:
        del packed["content"]
    elif cls is Url and not node.children:
        packed["content"] = packed.pop("url")
    elif cls is Url and packed.pop("button", False):
        packed["content"] = {"type": "button", "content": None}
    return packed


# ---- from JSON ----------------------------------------------------------------------------------


def inside(cls: type[Any], raw: Object) -> tuple[Json, ...]:
    """Return the JSON of the children of an object: its content, or nothing."""
    if "content" not in raw or "children" not in attrs.fields_dict(cls):
        return ()
    if cls is Url and "url" not in raw:
        return ()
    return (raw["content"]["content"] if _is_link_button(cls, raw) else raw["content"],)


def _is_link_button(cls: type[Any], raw: Object) -> bool:
    content = raw.get("content")
    return (
        cls is Url
        and isinstance(content, dict)
        and content.keys() == {"type", "content"}
        and content["type"] == "button"
    )


def unpack(cls: type[Any], raw: Object, children: tuple[Child, ...]) -> Child | None:
    """Return the node of an object, or None if the object has other attributes than the class.

    Raises:
        InvalidDraftError: The class refuses the attributes.

    """
    make: Callable[..., Child] = cls
    named = {name: value for name, value in raw.items() if name not in {"type", "start", "end"}}
    if children:
        del named["content"]
    named = _unshape(cls, raw, named)
    if not _needed(cls) <= named.keys() <= _names(cls):
        return None
    if not raw.get("type"):
        if "marker" not in attrs.fields_dict(cls):
            return None
        named["marker"] = Marker(raw["start"], raw.get("end"))
    first = (named.pop("url"),) if cls is Url else named.pop("values") if cls is Select else ()
    return make(*first, *children, **named)


def _unshape(cls: type[Any], raw: Object, named: Object) -> Object:
    """Return the fields of a node whose attributes `pack` does not write one by one."""
    content = named.pop("content", None) if cls in {*_JOINED, Url} else None
    if cls in _JOINED and isinstance(content, str):
        first, between, second = _JOINED[cls]
        left, _, right = content.partition(between)
        return {**named, first: left, second: right}
    if isinstance(content, str):
        return {"url": content, **named}
    if cls is Select:
        return {**named, "values": _options(named.get("values"))}
    return {**named, "button": True} if _is_link_button(cls, raw) else named


def _options(values: Json) -> tuple[Json, ...]:
    """Return the options of a select; anything else stays as it is, and the class refuses it."""
    return tuple(
        Option(**item)
        if isinstance(item, dict) and _needed(Option) <= item.keys() <= _names(Option)
        else item
        for item in (values if isinstance(values, list) else ())
    )

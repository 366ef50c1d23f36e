"""A node as the Python that makes it, whole or cut to one short line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

LONGEST: Final = 100
"""The most characters of a node's `repr`."""

_SPREAD: Final = frozenset(("children", "items", "values"))
"""The fields that a class takes as positional arguments, one for each item."""


class _Code(str):
    """Text of the expression, written unchanged; a plain string is a value."""

    __slots__ = ()


def source(node: Any) -> str:
    """Return the Python expression that makes a node. It does not say how markdown wrote it."""
    return "".join(_written(node))


def short_source(node: Any) -> str:
    """Return the beginning of the Python that makes a node: at most `LONGEST` characters."""
    text = ""
    for piece in _written(node):
        text += piece
        if len(text) > LONGEST:
            return text[: LONGEST - 1] + "…"
    return text


def _written(node: Any) -> Iterator[str]:
    """Yield the pieces of the expression, in order. It does not recurse."""
    work: list[Any] = [node]
    while work:
        item = work.pop()
        if isinstance(item, _Code):
            yield item
        elif attrs.has(type(item)):
            work.extend(reversed(_call(item)))
        else:
            yield repr(item)


def _call(node: Any) -> list[Any]:
    """Return the parts of the call that makes a node."""
    arguments = _arguments(node)
    parts: list[Any] = [_Code(f"{type(node).__name__}(")]
    for place, (name, value) in enumerate(arguments):
        parts += [_Code(", " * bool(place) + (f"{name}=" if name else "")), value]
    return [*parts, _Code(")")]


def _arguments(node: Any) -> list[tuple[str, Any]]:
    """Return the arguments that make a node, with the names of those that are given by name."""
    fields = [field for field in attrs.fields(type(node)) if field.name != "marker"]
    spread = next((field.name for field in fields if field.name in _SPREAD), None)
    arguments: list[tuple[str, Any]] = []
    is_positional = True
    for field in fields:
        value = getattr(node, field.name)
        if field.name == spread:
            arguments += [("", _option(one)) for one in value]
            is_positional = False
        elif field.default is attrs.NOTHING and is_positional:
            arguments.append(("", value))
        elif value != field.default:
            arguments.append((field.name, value))
    return arguments


def _option(item: Any) -> Any:
    """Return an option of a select as text, where its name is also its value."""
    if not hasattr(item, "selected") or item.selected or item.name != item.value:
        return item
    return item.name

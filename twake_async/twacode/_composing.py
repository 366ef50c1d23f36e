"""What all nodes share: children, the sequence of nodes, `+`, and how a tree is read aloud.

A node is any frozen class that `node` has registered. Node classes share functions, not ancestors:
each takes `__add__`, `__radd__` and `__str__` from here into its own body.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeAlias, TypeVar

import attrs

from ._checks import are_children, is_node, register

Json: TypeAlias = Any
"""A value as `json.loads` gives it."""


class Node(Protocol):
    """Anything that can stand in a tree: the classes of this package that say `type_name`."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads of this node, in order."""
        ...


class Space(enum.IntEnum):
    """What is to separate two pieces of text, where nothing separates them yet."""

    WORD = 1
    LINE = 2


Child: TypeAlias = str | Node
"""What a node takes as a child: text, or another node."""

Part: TypeAlias = str | Node | Space


@attrs.frozen
class Marker:
    """How the client's markdown compiler wrote a node, for a node that it made.

    `decode` sets it, so that the node encodes back to the same JSON. A node that is made by hand
    needs none: it is then sent by its type.

    """

    start: str
    """The marker in front, such as `**`."""

    end: str | None = None
    """The marker behind; None if the compiler wrote none."""


NodeClass = TypeVar("NodeClass", bound=type[Any])


def node(cls: NodeClass) -> NodeClass:
    """Register a class as a node."""
    register(cls)
    return cls


def fill(instance: object, **values: object) -> None:
    """Give a frozen node its fields, and run their validators."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
    attrs.validate(instance)  # type: ignore[arg-type]  # every node is an attrs class


def text_of(self: Node) -> str:
    """Give the text that a reader reads: a node's `__str__`."""
    return fallback_text(self)


def add(self: Node, other: Child) -> Content:
    """Give the sequence of this node and what follows: a node's `__add__`."""
    if not (isinstance(other, str) or is_node(other)):
        return NotImplemented  # type: ignore[no-any-return]  # as Python's operators ask
    return Content(*_items(self), *_items(other))


def add_to(self: Node, other: Child) -> Content:
    """Give the sequence of what comes before and this node: a node's `__radd__`."""
    if not (isinstance(other, str) or is_node(other)):
        return NotImplemented  # type: ignore[no-any-return]  # as Python's operators ask
    return Content(*_items(other), *_items(self))


def _items(child: Child) -> tuple[Child, ...]:
    return child.items if isinstance(child, Content) else (child,)


@node
@attrs.frozen(init=False)
class Content:
    """A sequence of text and nodes, shown one after the other: what `+` makes.

    Iterating over it, its length and its indices are those of `items`. Sent as a JSON list.

    Raises:
        InvalidDraftError: An item is neither text nor a node.

    """

    items: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes, in order. It may be empty, which shows nothing."""

    def __init__(self, *items: Child) -> None:
        fill(self, items=items)

    def __iter__(self) -> Iterator[Child]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Child:
        return self.items[index]

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: each item in turn."""
        return self.items

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


def normal(children: tuple[Child, ...]) -> tuple[Child, ...]:
    """Give children in the one form that encodes and decodes to itself.

    One child is sent as itself, none or several as a list, and a `Content` as a list, too. So a
    lone `Content` says the same as its items, unless it has exactly one.
    """
    match children:
        case (Content() as only,) if len(only) != 1:
            return only.items
        case _:
            return children


def fallback_text(tree: Child) -> str:
    """Give a tree as text, as a reader would read it.

    Buttons, inputs and selects are read by their labels in square brackets, links by their text,
    mentions by their name, a line break as a newline, a progress bar as a percentage, an image as
    `[image]`. Quotes, attachments, code blocks and progress bars stand on lines of their own.

    Notifications and search show this text and nothing else of a rich message
    (`MessageSystem::mdToText` prefers `fallback_string` to everything else).

    Args:
        tree: Text, a node or a `Content`.

    Returns:
        The text, without newlines around it.

    """
    written: list[str] = []
    space: Space | None = None
    work: list[Part] = [tree]
    while work:
        part = work.pop()
        if isinstance(part, Space):
            space = max(part, space or part)
        elif not isinstance(part, str):
            work.extend(reversed(tuple(part.reading())))
        elif part:
            if space and written:
                written.append(_between(written[-1], part, space))
            written.append(part)
            space = None
    return "".join(written).strip("\n")


def _between(before: str, after: str, space: Space) -> str:
    if space is Space.LINE:
        return "" if before.endswith("\n") or after.startswith("\n") else "\n"
    return "" if before[-1:].isspace() or after[0].isspace() else " "


def alone(*parts: Part) -> tuple[Part, ...]:
    """Read something on lines of its own."""
    return (Space.LINE, *parts, Space.LINE)


def labelled(*parts: Part) -> tuple[Part, ...]:
    """Read something in square brackets, apart from the words around it."""
    return (Space.WORD, "[", *parts, "]", Space.WORD)

"""The base classes of all nodes: children, the sequence of nodes, `+`, and a tree as text."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, final

import attrs

from .checks import is_key, is_marker, is_string, refuse
from .source import short_source

Json: TypeAlias = Any
"""A value as `json.loads` returns it."""

_PACKAGE: Final = __name__.rpartition(".")[0]


class Space(enum.IntEnum):
    """A separator between two pieces of text, if there is none yet."""

    WORD = 1
    LINE = 2


class Node(abc.ABC):
    """The base class of everything that can be in a tree, for annotations and `isinstance`.

    Only this package has subclasses of it. The client shows no other nodes. `Unknown` holds the
    JSON of a node type that this package has no class for.

    """

    __slots__ = ()

    type_name: ClassVar[str] = ""
    """The `type` of the node in JSON."""

    _html_of: ClassVar[Callable[[Node], str]]
    """Returns a node as HTML; set by `_html.py`, which imports this module."""

    if TYPE_CHECKING:
        # Type checkers demand the keyword, so they refuse a subclass of a user, too.
        def __init_subclass__(cls, *, type_name: str | None) -> None: ...
    else:

        def __init_subclass__(cls, *, type_name: str | None = None) -> None:
            if cls.__module__.rpartition(".")[0] != _PACKAGE:
                raise TypeError(
                    f"{cls.__name__}: the client shows no nodes but those of twake_async.twacode, "
                    "so none can be subclassed; Unknown holds the JSON of any other"
                )
            if type_name is not None:  # attrs makes each class again, without the keyword
                cls.type_name = type_name

    @abc.abstractmethod
    def reading(self) -> Iterable[Part]:
        """Return what a reader reads of this node, in order."""

    def __str__(self) -> str:
        return text_of(self)

    def __repr__(self) -> str:
        return short_source(self)

    def _repr_html_(self) -> str:
        """Return what the client shows, for a notebook."""
        return self._html_of()

    def __add__(self, other: Child) -> Content:
        if not isinstance(other, str | Node):
            return NotImplemented
        return Content(*_items(self), *_items(other))

    def __radd__(self, other: Child) -> Content:
        if not isinstance(other, str | Node):
            return NotImplemented
        return Content(*_items(other), *_items(self))


Child: TypeAlias = str | Node
"""What a node takes as a child: text, or another node."""

Part: TypeAlias = str | Node | Space
"""What `Node.reading` returns: text, a node to read in its place, or a space."""


def _items(child: Child) -> tuple[Child, ...]:
    return child.items if type(child) is Content else (child,)


@attrs.frozen
class Marker:
    """How the client's markdown compiler wrote a node.

    `decode` sets it, so that the node encodes to the same JSON. A node that is made by hand needs
    no marker: it is sent with its type.

    """

    start: str
    """The marker before the content, such as `**`."""

    end: str | None = None
    """The marker after the content; None if the compiler wrote none."""


# ---- nodes with children ------------------------------------------------------------------------


def are_children(owner: object, field: attrs.Attribute[Any], value: tuple[object, ...]) -> None:
    """Refuse children that are neither text nor nodes."""
    for place, child in enumerate(value):
        if isinstance(child, str):
            is_string(owner, field, child)
        elif not isinstance(child, Node):
            kind = type(child).__name__
            refuse(
                owner, field.name, f"item {place} is {kind}, and only text and nodes can be shown"
            )


def fill(node: Any, **values: object) -> None:
    """Set and validate the fields of a node whose class has an `__init__` of its own."""
    node.__attrs_init__(**values)


@final
@attrs.frozen(init=False, repr=False)
class Content(Node, type_name=None):
    """A sequence of text and nodes, shown one after the other: the result of `+`.

    It can be iterated, measured and indexed like its `items`. It is sent as a JSON list.

    Raises:
        InvalidDraftError: An item is neither text nor a node.

    """

    items: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes, in order. An empty sequence shows nothing."""

    def __init__(self, *items: Child) -> None:
        fill(self, items=items)

    def __iter__(self) -> Iterator[Child]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Child:
        return self.items[index]

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: each item in turn."""
        return self.items


def normal(children: tuple[Child, ...]) -> tuple[Child, ...]:
    """Return children in the form in which `decode` returns them.

    One child is sent as itself, none or several as a list, and a `Content` as a list, too. So a
    single `Content` is the same as its items, unless it has exactly one.
    """
    if len(children) == 1 and type(only := children[0]) is Content and len(only) != 1:
        return only.items
    return children


@attrs.frozen(init=False, repr=False)
class Parent(Node, type_name=None):
    """A node that shows its children."""

    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to show. Without any, the node shows nothing."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """The name that `UserSpecific` calls this node by, to show one reader other children."""

    def __init__(self, *children: Child, key: str | None = None) -> None:
        fill(self, children=normal(children), key=key)

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the children."""
        return self.children


@attrs.frozen(init=False, repr=False)
class MarkdownParent(Parent, type_name=None):
    """A node that shows its children, and that the markdown compiler writes as well."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker)
    """Set by `decode` for a node that the markdown compiler made."""

    def __init__(
        self, *children: Child, key: str | None = None, marker: Marker | None = None
    ) -> None:
        fill(self, children=normal(children), key=key, marker=marker)


@attrs.frozen(repr=False)
class MarkdownLeaf(Node, type_name=None):
    """A node without children that the markdown compiler writes as well."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, kw_only=True)
    """Set by `decode` for a node that the markdown compiler made."""


attrs.resolve_types(MarkdownLeaf)  # for the `__init__` that attrs writes in other rooms


# ---- a tree as text -----------------------------------------------------------------------------


def text_of(tree: Child) -> str:
    """Return a tree as text, as a reader would read it, without newlines around it."""
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


def on_own_lines(*parts: Part) -> tuple[Part, ...]:
    """Return parts that are read on lines of their own."""
    return (Space.LINE, *parts, Space.LINE)


def in_brackets(*parts: Part) -> tuple[Part, ...]:
    """Return parts that are read in square brackets, with spaces around them."""
    return (Space.WORD, "[", *parts, "]", Space.WORD)

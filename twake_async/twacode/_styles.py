"""Nodes that show their children in a style, within the line. They take children like text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import attrs

from ._checks import are_children, is_key, is_marker
from ._composing import (
    Child,
    Marker,
    Part,
    add,
    add_to,
    fill,
    node,
    normal,
    text_of,
)


@node
@attrs.frozen(init=False)
class Text:
    """Text without a style: a way to give text a key.

    Source: `text`, dictionary line 17-30.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "text"
    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to show; none shows nothing."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """What `UserSpecific` calls this node by, to show a reader other children."""

    def __init__(self, *children: Child, key: str | None = None) -> None:
        fill(self, children=normal(children), key=key)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the children."""
        return self.children

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen(init=False)
class Break:
    """A new line, and what stands on it.

    Source: `br`, dictionary line 31.

    Raises:
        InvalidDraftError: A child is neither text nor a node.

    """

    type_name: ClassVar[str] = "br"
    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """What to show after the break; usually nothing, since what follows stands there."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False)
    """Set by `decode` for a node that the markdown compiler made."""

    def __init__(self, *children: Child, marker: Marker | None = None) -> None:
        fill(self, children=normal(children), marker=marker)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: a newline, then the children."""
        return ("\n", *self.children)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen(init=False)
class Bold:
    """Bold text.

    Source: `bold`, dictionary line 75-81.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "bold"
    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to show; none shows nothing."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """What `UserSpecific` calls this node by, to show a reader other children."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False)
    """Set by `decode` for a node that the markdown compiler made."""

    def __init__(
        self, *children: Child, key: str | None = None, marker: Marker | None = None
    ) -> None:
        fill(self, children=normal(children), key=key, marker=marker)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the children."""
        return self.children

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen(init=False)
class Italic:
    """Italic text.

    Source: `italic`, dictionary line 75-81.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "italic"
    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to show; none shows nothing."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """What `UserSpecific` calls this node by, to show a reader other children."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False)
    """Set by `decode` for a node that the markdown compiler made."""

    def __init__(
        self, *children: Child, key: str | None = None, marker: Marker | None = None
    ) -> None:
        fill(self, children=normal(children), key=key, marker=marker)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the children."""
        return self.children

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen(init=False)
class Underline:
    """Underlined text.

    Source: `underline`, dictionary line 75-81.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "underline"
    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to show; none shows nothing."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """What `UserSpecific` calls this node by, to show a reader other children."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False)
    """Set by `decode` for a node that the markdown compiler made."""

    def __init__(
        self, *children: Child, key: str | None = None, marker: Marker | None = None
    ) -> None:
        fill(self, children=normal(children), key=key, marker=marker)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the children."""
        return self.children

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen(init=False)
class Strikethrough:
    """Text that is struck through.

    Source: `strikethrough`, dictionary line 75-81.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "strikethrough"
    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to show; none shows nothing."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """What `UserSpecific` calls this node by, to show a reader other children."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False)
    """Set by `decode` for a node that the markdown compiler made."""

    def __init__(
        self, *children: Child, key: str | None = None, marker: Marker | None = None
    ) -> None:
        fill(self, children=normal(children), key=key, marker=marker)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the children."""
        return self.children

    __str__ = text_of
    __add__ = add
    __radd__ = add_to

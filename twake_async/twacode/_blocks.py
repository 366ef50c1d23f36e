"""Nodes that hold their children together: groups, notices, quotes and blocks."""

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
    alone,
    fill,
    node,
    normal,
    text_of,
)


@node
@attrs.frozen(init=False)
class TextBlock:
    """Text without a style, as the client wraps what stands beside a block.

    Source: `text_block_parent`, dictionary line 17-30.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "text_block_parent"
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
class Nop:
    """A group of nodes that looks like nothing: the usual holder of a key.

    Source: `nop`, dictionary line 75-81.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "nop"
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
class System:
    """Small grey text, as Twake itself writes notices.

    Source: `system`, dictionary line 125.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "system"
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
class Quote:
    """A quote of one line, with a bar beside it.

    Source: `quote`, dictionary line 75-81.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "quote"
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
        """Give what a reader reads: the children, on lines of their own."""
        return alone(*self.children)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen(init=False)
class MultilineQuote:
    """A quote of several lines, with a bar beside it.

    Source: `mquote`, dictionary line 75-81.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "mquote"
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
        """Give what a reader reads: the children, on lines of their own."""
        return alone(*self.children)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen(init=False)
class Attachment:
    """A block with a bar beside it, set apart from the text around it.

    Source: `attachment`, dictionary line 151.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    type_name: ClassVar[str] = "attachment"
    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to show; none shows nothing."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """What `UserSpecific` calls this node by, to show a reader other children."""

    def __init__(self, *children: Child, key: str | None = None) -> None:
        fill(self, children=normal(children), key=key)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the children, on lines of their own."""
        return alone(*self.children)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to

"""Nodes that show their children in a style, within the line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import attrs

from .checks import is_marker
from .node import Child, MarkdownParent, Marker, Node, Parent, Part, are_children, fill, normal


@final
@attrs.frozen(init=False, repr=False)
class Text(Parent, type_name="text"):
    """Text without a style; it can have a key.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `text`, dictionary line 17-30.


@final
@attrs.frozen(init=False, repr=False)
class Break(Node, type_name="br"):
    """A new line, and what is on it.

    Raises:
        InvalidDraftError: A child is neither text nor a node.

    """

    # Source: `br`, dictionary line 31.

    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """What to show after the break; usually nothing, and the text follows the node."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker)
    """Set by `decode` for a node that the markdown compiler made."""

    def __init__(self, *children: Child, marker: Marker | None = None) -> None:
        fill(self, children=normal(children), marker=marker)

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: a newline, then the children."""
        return ("\n", *self.children)


@final
@attrs.frozen(init=False, repr=False)
class Bold(MarkdownParent, type_name="bold"):
    """Bold text.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `bold`, dictionary line 75-81.


@final
@attrs.frozen(init=False, repr=False)
class Italic(MarkdownParent, type_name="italic"):
    """Italic text.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `italic`, dictionary line 75-81.


@final
@attrs.frozen(init=False, repr=False)
class Underline(MarkdownParent, type_name="underline"):
    """Underlined text.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `underline`, dictionary line 75-81.


@final
@attrs.frozen(init=False, repr=False)
class Strikethrough(MarkdownParent, type_name="strikethrough"):
    """Text that is struck through.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `strikethrough`, dictionary line 75-81.

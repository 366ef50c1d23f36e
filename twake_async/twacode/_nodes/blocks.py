"""Nodes that group their children: groups, notices, quotes and blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import attrs

from .node import MarkdownParent, Parent, Part, on_own_lines


@final
@attrs.frozen(init=False, repr=False)
class TextBlock(Parent, type_name="text_block_parent"):
    """Text without a style, as the client writes it around a block.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `text_block_parent`, dictionary line 17-30.


@final
@attrs.frozen(init=False, repr=False)
class Nop(Parent, type_name="nop"):
    """A group of nodes without a look of its own: the usual node for a key.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `nop`, dictionary line 75-81.


@final
@attrs.frozen(init=False, repr=False)
class System(Parent, type_name="system"):
    """Small grey text, as in the notices of Twake.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `system`, dictionary line 125.


@final
@attrs.frozen(init=False, repr=False)
class Quote(MarkdownParent, type_name="quote"):
    """A quote of one line, with a bar beside it.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `quote`, dictionary line 75-81.

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the children, on lines of their own."""
        return on_own_lines(*self.children)


@final
@attrs.frozen(init=False, repr=False)
class MultilineQuote(MarkdownParent, type_name="mquote"):
    """A quote of several lines, with a bar beside it.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `mquote`, dictionary line 75-81.

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the children, on lines of their own."""
        return on_own_lines(*self.children)


@final
@attrs.frozen(init=False, repr=False)
class Attachment(Parent, type_name="attachment"):
    """A block with a bar beside it, apart from the text around it.

    Raises:
        InvalidDraftError: A child is neither text nor a node, or the key could not be matched.

    """

    # Source: `attachment`, dictionary line 151.

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the children, on lines of their own."""
        return on_own_lines(*self.children)

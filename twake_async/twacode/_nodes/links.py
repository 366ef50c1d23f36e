"""Nodes that are links."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import attrs

from .checks import is_email, is_flag, is_key, is_link, is_title, refuse
from .node import Child, MarkdownLeaf, Node, Part, are_children, fill, normal


@final
@attrs.frozen(repr=False)
class Email(Node, type_name="email"):
    """An email address, as a link that opens the reader's mail program.

    Raises:
        InvalidDraftError: It is not one address. `mailto:` does not belong to it.

    """

    # Source: `email`, dictionary line 118.

    content: str = attrs.field(validator=is_email)
    """The address."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the address."""
        return (self.content,)


@final
@attrs.frozen(init=False, repr=False)
class Url(Node, type_name="url"):
    """A link.

    Raises:
        InvalidDraftError: The address is empty, of another protocol than http and https, or one
            that the client would change; a child is neither text nor a node; or a button or a key
            has no children.

    """

    # Source: `url`, dictionary lines 82-105.

    url: str = attrs.field(validator=is_link)
    """The address. The client adds `https://` if it has no protocol."""

    children: tuple[Child, ...] = attrs.field(validator=are_children)
    """The text and nodes to click on. Without any, the node shows the address."""

    button: bool = attrs.field(default=False, validator=is_flag)
    """Whether to show the children as a button that opens the link."""

    user_identifier: bool = attrs.field(default=False, validator=is_flag)
    """Whether the client adds `twake_user=<id of the reader>` to the address."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """The name that `UserSpecific` calls this node by, to show one reader other children."""

    def __init__(
        self,
        url: str,
        *children: Child,
        button: bool = False,
        user_identifier: bool = False,
        key: str | None = None,
    ) -> None:
        flags = {"button": button, "user_identifier": user_identifier}
        fill(self, url=url, children=normal(children), key=key, **flags)
        if not self.children and (button or key is not None):
            refuse(self, "children", "a button or a key needs text or nodes of its own")

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the children, or the address."""
        return self.children or (self.url,)


@final
@attrs.frozen(repr=False)
class MarkdownLink(MarkdownLeaf, type_name="markdown_link"):
    """A link as in markdown: `[title](url)`.

    Raises:
        InvalidDraftError: The title or the address is empty, one of them holds `](`, or the
            address is one that `Url` refuses.

    """

    # Source: `markdown_link`, dictionary line 106; sent as `title](url`.

    title: str = attrs.field(validator=is_title)
    """The text to click on."""

    url: str = attrs.field(validator=[is_link, is_title])
    """The address. The client adds `https://` if it has no protocol."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the title."""
        return (self.title,)

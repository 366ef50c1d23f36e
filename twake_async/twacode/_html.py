"""A tree as a notebook shows it: the HTML of what a reader sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._json import to_json
from ._nodes.node import Node

if TYPE_CHECKING:
    from ._nodes.node import Json


def content_html(content: Json) -> str:
    """Return a message's content as HTML: what the client shows, with the style that it needs.

    Nothing in it runs or loads anything. A picture from another server is a link.

    Args:
        content: The content as JSON.

    """
    from ._rendering.content import shown  # noqa: PLC0415 - whoever only sends needs none of it
    from ._rendering.page import block, notebook  # noqa: PLC0415

    return notebook(block(shown(content)))


def _node_html(node: Node) -> str:
    return content_html(to_json(node))


# The nodes cannot import the modules that know their JSON.
Node._html_of = _node_html  # noqa: SLF001

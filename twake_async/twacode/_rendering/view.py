"""The reader of a message, and the content that only this reader sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from twake_async.twacode._rules import is_truthy

_INSIDE: Final = ("content", "prepared", "formatted")


@attrs.frozen
class View:
    """The reader, and the position of a node in a message."""

    reader_id: str | None = None
    """The id of the reader; None for nobody in particular."""

    depth: int = 0
    """How many lists and nodes contain it."""

    is_inside: bool = False
    """Whether it is in a link or a button: then it is neither a link nor a button itself."""

    def deeper(self) -> View:
        """Return the view of what is inside."""
        return attrs.evolve(self, depth=self.depth + 1)

    def inside(self) -> View:
        """Return the view of what is in a link or a button."""
        return attrs.evolve(self, is_inside=True)


def own_content(specific: Any, reader_id: str | None) -> Mapping[str, Any]:
    """Return what one reader sees in keyed nodes, from the `user_specific_content` of a message.

    Args:
        specific: The contents by user id and key. PHP writes an empty map as a list.
        reader_id: The reader's id.

    """
    if reader_id is None or not isinstance(specific, Mapping):
        return {}
    for user_id, own in specific.items():
        if str(user_id).lower() == reader_id.lower() and isinstance(own, Mapping):
            return own
    return {}


def as_seen(content: Any, own: Mapping[str, Any]) -> Any:
    """Return a content with what one reader sees in its keyed nodes. It does not recurse.

    Source: `Messages.js` lines 406-459. It replaces nothing in nodes without content, and
    nothing inside a replacement.
    """
    out: list[Any] = [content]
    work: list[tuple[Any, Any]] = [(out, 0)] if own else []
    while work:
        place, at = work.pop()
        node = place[at]
        if isinstance(node, list):
            place[at] = copied = list(node)
            work += [(copied, index) for index in range(len(copied))]
        elif isinstance(node, Mapping):
            place[at] = changed = dict(node)
            key = node.get("key")
            mine = own.get(key) if isinstance(key, str) else None
            if is_truthy(mine) and is_truthy(node.get("content")):
                changed["content"] = mine
            else:
                work += [(changed, name) for name in _INSIDE if name in changed]
    return out[0]

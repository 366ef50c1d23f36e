"""JSON that this package has no class for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, final

import attrs

from .client import type_of
from .node import Json, Node, Part

_SIGNS: Final = {"user": "@", "channel": "#"}
_SILENT: Final = frozenset({"image", "icon", "file", "progress_bar", "select", "emoji"})


@final
@attrs.frozen(repr=False)
class Unknown(Node, type_name=""):
    """JSON that is not a node of this package, or a node with other attributes. It stays unchanged.

    `decode` makes it, so that nothing is lost. It can also be made by hand, for a node type that
    this package does not have. It is checked when the message is sent: `portable` refuses what the
    client cannot show.
    """

    # Source: the client shows no unknown node, nor its children (compiler line 546).

    raw: Json = attrs.field(hash=False)
    """The JSON."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: text, and the content of node types that the client knows."""
        if isinstance(self.raw, str):
            return (self.raw,)
        if isinstance(self.raw, list):
            return tuple(Unknown(item) for item in self.raw)
        return _read(self.raw) if isinstance(self.raw, Mapping) else ()


def _read(raw: Mapping[str, Any]) -> tuple[Part, ...]:
    name, content = type_of(raw), raw.get("content")
    if name is None or name in _SILENT:
        return ()
    if isinstance(content, str) and name in _SIGNS:
        return (_SIGNS[name] + content.partition(":")[0],)
    return ("\n" * (name == "br"), Unknown(content))

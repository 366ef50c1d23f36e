"""What a message holds that this package has no class for: kept as it came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

import attrs

from ._checks import MARKERS
from ._composing import Json, Part, add, add_to, node, text_of

_SIGNS: Final = {"user": "@", "channel": "#"}
_SILENT: Final = frozenset({"image", "icon", "file", "progress_bar", "select", "emoji"})


@node
@attrs.frozen
class Unknown:
    """JSON that is no node of this package, or one with attributes of its own: kept as it came.

    `decode` makes it, so that nothing is lost. It can also be made by hand, for a node type that
    is newer than this package; nothing is checked then until `portable` looks whether the client
    could show the message.


    Source: the client leaves out what it does not know, children included (compiler line 546).
    """

    type_name: ClassVar[str] = ""
    raw: Json = attrs.field(hash=False)
    """The JSON."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: text, and the content of node types that the client knows."""
        if isinstance(self.raw, str):
            return (self.raw,)
        if isinstance(self.raw, list):
            return tuple(Unknown(item) for item in self.raw)
        return _read(self.raw) if isinstance(self.raw, Mapping) else ()

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


def _read(raw: Mapping[str, Any]) -> tuple[Part, ...]:
    name, content = type_of(raw), raw.get("content")
    if name is None or name in _SILENT:
        return ()
    if isinstance(content, str) and name in _SIGNS:
        return (_SIGNS[name] + content.partition(":")[0],)
    return ("\n" * (name == "br"), Unknown(content))


def type_of(raw: Mapping[str, Any]) -> str | None:
    """Give the node type that the client takes a JSON object for, if it knows it."""
    name = raw.get("type")
    if name:
        return name if isinstance(name, str) and name in KNOWN_TYPES else None
    start = raw.get("start")
    return MARKERS.get(start) if isinstance(start, str) else None


_PLAIN_TYPES: Final = (
    *("text", "text_block_parent", "nop", "url", "email", "system", "file", "image", "icon"),
    *("progress_bar", "attachment", "button", "copiable", "input", "select", "compile"),
)
KNOWN_TYPES: Final = frozenset((*MARKERS.values(), *_PLAIN_TYPES))
"""Every node type that the client knows."""

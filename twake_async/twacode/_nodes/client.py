"""The node types that the web client knows, and how it finds the type of a JSON object.

The tables are those of `PseudoMarkdownDictionary.js` and `pseudoMarkdownCompiler.js`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MARKERS: Final = {
    "text": "text",
    "text_block_parent": "text_block_parent",
    "\n": "br",
    ":": "emoji",
    "@": "user",
    "#": "channel",
    "[": "markdown_link",
    "```": "mcode",
    "`": "icode",
    "__": "underline",
    "~~": "strikethrough",
    "**": "bold",
    "*": "italic",
    "_": "italic",
    ">>>": "mquote",
    ">": "quote",
}
"""The `start` that the client's markdown compiler writes, and the node type that it means."""

_OTHER_TYPES: Final = (
    *("text", "text_block_parent", "nop", "url", "email", "system", "file", "image", "icon"),
    *("progress_bar", "attachment", "button", "copiable", "input", "select", "compile"),
)
KNOWN_TYPES: Final = frozenset((*MARKERS.values(), *_OTHER_TYPES))
"""Every node type that the client knows."""

OBJECT_MEMBERS: Final = frozenset(
    (
        *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
        *("__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"),
        *("toLocaleString", "toString", "valueOf"),
    )
)
"""Members of every JavaScript object: the client thinks that it knows such a `key` or `type`."""


def type_of(raw: Mapping[str, Any]) -> str | None:
    """Return the node type that the client takes a JSON object for; None if it knows none."""
    name = raw.get("type")
    if name:
        return name if isinstance(name, str) and name in KNOWN_TYPES else None
    start = raw.get("start")
    return MARKERS.get(start) if isinstance(start, str) else None

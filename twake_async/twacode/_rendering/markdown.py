"""Twake's markdown, as each reader's client compiles it.

Source: `compileToJSON` (pseudoMarkdownCompiler.js, lines 348-500), whose results were recorded.
Emojis and names stay as they are written: the client completes names from what it has loaded.
"""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

_BLOCK: Final = "```"
_DEEPEST: Final = 20
"""How deep one marker may stand in another; what is deeper stays text."""

_WORD = re.compile(r"\w")
_LINE = r"[^\n]*?"


@attrs.frozen
class _Rule:
    """What stands between a marker and its end."""

    content: str
    end: str = ""
    """What ends it; `""` ends it with its content."""
    is_text: bool = False
    """Whether its content is not compiled."""
    bounds: bool = False
    """Whether no letter or digit may stand before it."""
    starts_line: bool = False

    def match(self, text: str, start: int) -> re.Match[str] | None:
        """Return the content and the end that follow a marker; no backslash stands before it."""
        end = rf"(?<!\\){re.escape(self.end)}" if self.end else ""
        return re.compile(f"({self.content}){end}").match(text, start)


#: By marker, the longer one first where one begins another.
_RULES: Final = {
    "\n": _Rule("", is_text=True),
    ">>>": _Rule(r"(?s:.*)", starts_line=True),
    ">": _Rule(r"[^\n]*", starts_line=True),
    "[": _Rule(r"[^\]\n]*\]\([^\n]*?", ")", is_text=True),
    ":": _Rule(r"[a-z_]+", ":", is_text=True),
    "@": _Rule(r"[\w@-]+", is_text=True, bounds=True),
    "#": _Rule(r"[^\W A-Z]+[\w-]*", is_text=True, bounds=True),
    "`": _Rule(_LINE, "`", is_text=True, bounds=True),
    "__": _Rule(_LINE, "__", bounds=True),
    "~~": _Rule(_LINE, "~~", bounds=True),
    "**": _Rule(_LINE, "**"),
    "*": _Rule(_LINE, "*", bounds=True),
    "_": _Rule(_LINE, "_", bounds=True),
}
_MARKER = re.compile("|".join(re.escape(marker) for marker in _RULES))
_LINK = re.compile(
    r"(?<!\S)(?:(?P<email>(?:mailto:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<url>(?:https?|ftp)://[^\s<>\"]+"
    r"|[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|eu|fr|de|uk|app|dev|info)(?:/[^\s<>\"]*)?))"
    r"(?=[.,;:!?)]*(?:\s|\Z))",
    re.IGNORECASE,
)


def compiled(text: str) -> list[Any]:
    """Return what the client makes of markdown: the `prepared` content."""
    prepared: list[Any] = []
    for number, part in enumerate(text.split(_BLOCK)):
        if number % 2:
            prepared.append({"start": _BLOCK, "content": part, "end": "\n" + _BLOCK})
        elif part:
            prepared.extend(_with_links(part))
    return prepared


def _with_links(text: str) -> list[Any]:
    """Return the links of a text as nodes, and what is compiled of the text between them."""
    parts: list[Any] = []
    end = 0
    for link in _LINK.finditer(text):
        if between := text[end : link.start()]:
            parts.append(_part(between))
        shown = link[0].rstrip(".,;:!?)")
        parts.append({"type": "email" if link["email"] else "url", "content": shown})
        end = link.start() + len(shown)
    if rest := text[end:]:
        parts.append(_part(rest))
    return parts


def _part(text: str) -> Any:
    found = _compiled(text, 0)
    return found[0] if found == [text] and not _RULES.get(text) else found


def _compiled(text: str, depth: int) -> list[Any]:
    """Return the text and the nodes of a text: its first marker, then what is after that."""
    nodes: list[Any] = []
    while text:
        found = _first(text)
        if found is None:
            nodes.append(text)
            break
        marker, at = found
        after = at + len(marker)
        match = _RULES[marker].match(text, after) if depth < _DEEPEST else None
        if match is None:
            nodes.append(text[:after])
            text = text[after:]
            continue
        nodes += [text[:at]] if at else []
        nodes.append(_node(marker, match[1], depth))
        text = text[match.end() :]
    return nodes


def _first(text: str) -> tuple[str, int] | None:
    """Return the first marker that may begin something, and where it stands."""
    at = 0
    while (match := _MARKER.search(text, at)) is not None:
        begin, before = match.start(), text[match.start() - 1 : match.start()]
        rule = _RULES[match[0]]
        stands = not (rule.starts_line and before not in ("", "\n"))
        stands = stands and not (rule.bounds and before and _WORD.match(before))
        if stands and before != "\\":
            return match[0], begin
        at = begin + len(match[0])
    return None


def _node(marker: str, content: str, depth: int) -> dict[str, Any]:
    rule = _RULES[marker]
    if marker == "\n":
        return {"start": marker, "content": [], "end": ""}
    shown: Any = content if rule.is_text else _compiled(content, depth + 1)
    if isinstance(shown, list) and len(shown) == 1 and isinstance(shown[0], str):
        shown = shown[0]
    end = {"end": rule.end} if rule.end else {}
    if marker == ">>>":
        end = {"end": content[-1:]}
    return {"start": marker, "content": shown, **end}

"""Twake's markdown, as each reader's client compiles it.

Source: `compileToJSON` (pseudoMarkdownCompiler.js, lines 348-500), whose results were recorded.
Emojis and names stay as they are written: the client completes names from what it has loaded.
"""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

_BLOCK: Final = "```"
_LONGEST: Final = 100_000
"""The most characters that are compiled; a longer text stays text."""
_DEEPEST: Final = 20
"""How deep markers may be nested; deeper markers stay text."""

_WORD = re.compile(r"\w")
_LINE = r"[^\n]*?"
_TITLE = r"[^\]\n]{0,300}\]\([^\n]{0,2000}?"


@attrs.frozen
class _Rule:
    """The rule for the text between a marker and its end."""

    content: str
    end: str = ""
    """The text that ends it; `""` if it ends after its content."""
    is_text: bool = False
    """Whether its content is not compiled."""
    bounds: bool = False
    """Whether no letter or digit may stand before it."""
    starts_line: bool = False
    pattern: re.Pattern[str] = attrs.field(
        init=False, default=attrs.Factory(lambda rule: rule.compiled(), takes_self=True)
    )

    def compiled(self) -> re.Pattern[str]:
        """Return a pattern for the content and the end, without a backslash before the end."""
        end = rf"(?<!\\){re.escape(self.end)}" if self.end else ""
        return re.compile(f"({self.content}){end}")


#: The rule of each marker. A marker comes before any shorter one that it begins with.
_RULES: Final = {
    "\n": _Rule("", is_text=True),
    ">>>": _Rule(r"(?s:.*)", starts_line=True),
    ">": _Rule(r"[^\n]*", starts_line=True),
    "[": _Rule(_TITLE, ")", is_text=True),
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
    """Return the `prepared` content that the client makes from markdown."""
    if len(text) > _LONGEST:
        return [text]
    prepared: list[Any] = []
    for number, part in enumerate(text.split(_BLOCK)):
        if number % 2:
            prepared.append({"start": _BLOCK, "content": part, "end": "\n" + _BLOCK})
        elif part:
            prepared.extend(_with_links(part))
    return prepared


def _with_links(text: str) -> list[Any]:
    """Return the links of a text as nodes, and the text between them compiled."""
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
    found = _Part(text, 0, len(text), depth=0).compiled()
    return found[0] if found == [text] and not _RULES.get(text) else found


@attrs.define
class _Part:
    """A part of a text, compiled from its begin to its end.

    The work grows with the length, not with its square: a marker that has no end before the
    end of its line is not tried again on that line.
    """

    text: str
    begin: int
    end: int
    depth: int
    _open: dict[str, int] = attrs.field(factory=dict)
    """For each marker: the position up to which it has no end."""

    def compiled(self) -> list[Any]:
        """Return the text and the nodes: up to the first marker, that marker, and so on."""
        nodes: list[Any] = []
        while self.begin < self.end:
            found = self._first()
            if found is None:
                nodes.append(self.text[self.begin : self.end])
                break
            marker, at = found
            after = at + len(marker)
            match = self._match(marker, after)
            if match is None:
                nodes.append(self.text[self.begin : after])
                self.begin = after
                continue
            nodes += [self.text[self.begin : at]] if at > self.begin else []
            nodes.append(self._node(marker, match))
            self.begin = match.end()
        return nodes

    def _first(self) -> tuple[str, int] | None:
        """Return the first marker that may begin a node, and its position."""
        for match in _MARKER.finditer(self.text, self.begin, self.end):
            at, rule = match.start(), _RULES[match[0]]
            before = self.text[at - 1] if at > self.begin else ""
            if rule.starts_line and before not in ("", "\n"):
                continue
            if rule.bounds and before and _WORD.match(before):
                continue
            if before != "\\":
                return match[0], at
        return None

    def _match(self, marker: str, after: int) -> re.Match[str] | None:
        if self.depth >= _DEEPEST or after <= self._open.get(marker, -1):
            return None
        match = _RULES[marker].pattern.match(self.text, after, self.end)
        if match is None and _RULES[marker].content in (_LINE, _TITLE):
            line_end = self.text.find("\n", after, self.end)
            line_end = self.end if line_end < 0 else line_end
            if marker != "[" or self.text.find(")", after, line_end) < 0:
                self._open[marker] = line_end
        return match

    def _node(self, marker: str, match: re.Match[str]) -> dict[str, Any]:
        rule, content = _RULES[marker], match[1]
        if marker == "\n":
            return {"start": marker, "content": [], "end": ""}
        shown: Any = content
        if not rule.is_text:
            inner = _Part(self.text, match.start(1), match.end(1), depth=self.depth + 1)
            shown = inner.compiled()
            if len(shown) == 1 and isinstance(shown[0], str):
                shown = shown[0]
        end = {"end": rule.end} if rule.end else {}
        if marker == ">>>":
            end = {"end": content[-1:]}
        return {"start": marker, "content": shown, **end}

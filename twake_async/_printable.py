"""Text that others wrote, made safe for one line of a terminal, a log or a page. No I/O."""

from __future__ import annotations

import re

__all__ = ["printable"]

#: A sentence longer than this is cut: a server may answer with megabytes.
LONGEST = 4_000
_SPACES = re.compile(r"\s+")


def printable(text: str, longest: int = LONGEST) -> str:
    """Return the text on one line, without characters that control a terminal or text direction.

    White space that is no plain space, line breaks included, becomes one space. Each other
    character that cannot be printed (ESC and other control characters, the marks that change the
    direction of a text, a lone surrogate) becomes a question mark.

    Args:
        text: What a server, a proxy or a file said.
        longest: The most characters that are returned.

    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    text = _SPACES.sub(lambda found: found[0] if found[0].isprintable() else " ", text)
    return "".join(one if one.isprintable() else "?" for one in text)

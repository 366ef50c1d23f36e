"""A message in a notebook, and a page of its own: its elements with the style that they need."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from .elements import Element, Piece, clean, element, to_html

STYLE: Final = """\
.tw{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;line-height:1.45}
.tw blockquote.tw-quote{margin:.25em 0;padding:0 .75em;border-left:3px solid currentColor}
.tw .tw-attachment{margin:.25em 0;padding:.4em .75em;border-left:3px solid #5b63f5;\
background:rgba(127,127,127,.12)}
.tw code,.tw pre{font-family:ui-monospace,monospace;font-size:.92em;\
background:rgba(127,127,127,.16);border-radius:3px;padding:0 .25em}
.tw pre.tw-code{padding:.5em .75em;margin:.25em 0;overflow:auto;white-space:pre}
.tw pre.tw-code code{background:none;padding:0}
.tw .tw-system{font-size:.85em;opacity:.8}
.tw .tw-mention{font-weight:600;margin-inline-end:.25em}
.tw .tw-link{text-decoration:underline dotted}
.tw .tw-elsewhere,.tw .tw-file{display:inline-block;padding:.2em .6em;margin:.15em 0;\
border:1px dashed currentColor;border-radius:4px;font-size:.92em}
.tw .tw-file{border-style:solid}
.tw .tw-file.tw-mini{padding:0 .4em;font-size:.85em}
.tw img.tw-image{display:block;max-width:100%;max-height:20em;border-radius:4px}
.tw img.tw-icon{height:1.25em;vertical-align:-.25em}
.tw progress.tw-progress{display:block;width:min(100%,22em);height:.7em;margin:.35em 0;\
accent-color:#5b63f5}
.tw .tw-button{display:inline-block;font:inherit;line-height:1.3;margin:.2em .4em .2em 0;\
padding:.25em .8em;border:1px solid currentColor;border-radius:5px;background:none;color:inherit;\
text-decoration:none}
.tw .tw-button.tw-primary{background:#3840d4;border-color:#3840d4;color:#fff}
.tw .tw-button.tw-danger{background:#b3261e;border-color:#b3261e;color:#fff}
.tw .tw-button.tw-inline{border:0;padding:0;background:none;color:inherit;text-decoration:underline}
.tw input,.tw select{font:inherit;padding:.25em .5em;margin:.2em .4em .2em 0;border-radius:5px;\
border:1px solid #767676;max-width:100%;box-sizing:border-box}
.tw .tw-wide{display:block;width:100%}
.tw .tw-error{font-style:italic}
.tw-message .tw-head{font-size:.9em;margin-bottom:.15em}
.tw-message .tw-head small{opacity:.8;margin-left:.5em}
.tw-message .tw-reactions{margin-top:.25em}
"""
"""How the elements look. It uses no font and no picture from another server."""

_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body{{font:16px system-ui,sans-serif;max-width:44em;margin:2em auto;padding:0 1em}}
{style}</style></head><body>{body}</body></html>
"""


@attrs.frozen
class Frame:
    """The facts that are shown around the content of a message."""

    author: str
    notes: tuple[str, ...] = ()
    """The time when it was sent, and other facts about it."""
    reactions: Mapping[str, int] = attrs.field(factory=dict)
    """How many people reacted, by emoji."""


def block(pieces: Iterable[Piece]) -> Piece:
    """Return the content of a message as one element, to which the style applies."""
    return Element("div", {"class": "tw"}, tuple(pieces))


def in_frame(pieces: Iterable[Piece], frame: Frame) -> Piece:
    """Return a message: its author, its content and its reactions."""
    notes = [element("small", "", note) for note in frame.notes]
    head = element("div", "head", element("b", "", frame.author), *notes)
    parts: list[Piece] = [head, block(pieces)]
    if frame.reactions:
        told = "  ".join(f"{emoji} {count}" for emoji, count in frame.reactions.items())
        parts.append(element("div", "reactions", told))
    return element("div", "message", *parts)


def notebook(piece: Piece) -> str:
    """Return an element as HTML for the output of a notebook, with its style."""
    return f"<style>{STYLE}</style>{to_html([piece])}"


def whole_page(piece: Piece, title: str) -> str:
    """Return an element as a page of its own, which loads nothing and runs nothing."""
    return _PAGE.format(title=html.escape(clean(title)), style=STYLE, body=to_html([piece]))

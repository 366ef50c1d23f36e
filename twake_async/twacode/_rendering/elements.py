"""Elements of a page that can do no harm: few tags, few attributes, safe addresses.

The renderer makes elements and no HTML. `to_html` writes them for a notebook and a file, and
`to_data` for the page of the sandbox, whose script makes elements of them again. So text stays
text: nobody has to escape it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from .links import is_picture, is_safe

TAGS: Final = frozenset(
    (
        *("a", "b", "blockquote", "br", "button", "code", "div", "em", "i", "img", "input"),
        *("option", "p", "pre", "progress", "s", "select", "small", "span", "u"),
    )
)
"""The tags that an element may have."""

ATTRIBUTES: Final = frozenset(
    (
        *("alt", "class", "href", "max", "placeholder", "readonly", "rel", "role", "selected"),
        *("disabled", "src", "target", "title", "type", "value"),
        *("aria-label", "data-action", "data-name"),
    )
)
"""The attributes that an element may have."""

_VOID: Final = frozenset(("br", "img", "input"))
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

Piece: TypeAlias = "str | Element"
"""Text, or an element."""


def _are_attributes(owner: object, field: object, value: Mapping[str, str]) -> None:
    del owner, field
    if unknown := value.keys() - ATTRIBUTES:
        raise ValueError(f"no element has the attributes {sorted(unknown)}")
    if "href" in value and not is_safe(value["href"]):
        raise ValueError(f"no element links to {value['href']!r}")
    if "src" in value and not is_picture(value["src"]):
        raise ValueError(f"no element loads {value['src'][:40]!r}")


@attrs.frozen
class Element:
    """One element.

    Raises:
        ValueError: The tag or an attribute is not on the list, or an address is not safe.

    """

    tag: str = attrs.field(validator=attrs.validators.in_(TAGS))
    """The tag."""

    attributes: Mapping[str, str] = attrs.field(validator=_are_attributes)
    """The attributes; `""` for one without a value, such as `selected`."""

    children: tuple[Piece, ...] = ()
    """What is inside."""


def element(tag: str, look: str = "", *children: Piece, **attributes: str | None) -> Element:
    """Return an element.

    Args:
        tag: The tag.
        look: Its classes, without their prefix `tw-`.
        children: What is inside.
        attributes: The other attributes, with `_` for `-`; None leaves one out.

    """
    named = {name.replace("_", "-"): text for name, text in attributes.items() if text is not None}
    classes = {"class": " ".join(f"tw-{name}" for name in look.split())} if look else {}
    return Element(tag, classes | named, children)


def clean(text: str) -> str:
    """Return text as a page can show it: with a sign for each control character and surrogate."""
    return _NO_TEXT.sub("\ufffd", text)


def to_html(pieces: Iterable[Piece]) -> str:
    """Return elements as HTML."""
    return "".join(_written(piece) for piece in pieces)


def _written(piece: Piece) -> str:
    if isinstance(piece, str):
        return html.escape(clean(piece))
    attributes = "".join(
        f' {name}="{html.escape(clean(text))}"' for name, text in piece.attributes.items()
    )
    begun = f"<{piece.tag}{attributes}>"
    return begun if piece.tag in _VOID else f"{begun}{to_html(piece.children)}</{piece.tag}>"


def to_data(pieces: Iterable[Piece]) -> list[Any]:
    """Return elements as JSON: text as a string, an element as `[tag, attributes, children]`."""
    return [
        clean(piece)
        if isinstance(piece, str)
        else [
            piece.tag,
            {name: clean(text) for name, text in piece.attributes.items()},
            to_data(piece.children),
        ]
        for piece in pieces
    ]

"""Nodes that show a thing rather than text: images, icons, files, progress, text to copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import attrs

from twake_async.twacode._checks import (
    is_icon,
    is_mode,
    is_percentage,
    is_said,
    is_source,
)
from twake_async.twacode._composing import Part, add, add_to, alone, node, text_of


@node
@attrs.frozen
class Image:
    """An image.

    Attributes:
        src: Its address, `http://`, `https://` or `data:image/`.

    Raises:
        InvalidDraftError: it is not such an address; any other would be looked for at the Twake
            server.

    Source: `image`, dictionary line 138.
    """

    type_name: ClassVar[str] = "image"
    src: str = attrs.field(validator=is_source)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: that there is an image."""
        return alone("[image]")

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class Icon:
    """A small icon, of the size of an emoji.

    Attributes:
        src: The address of an image, or the short name of an emoji with its colons.

    Raises:
        InvalidDraftError: it is neither; the client would show it as text, or as HTML.

    Source: `icon`, dictionary line 143.
    """

    type_name: ClassVar[str] = "icon"
    src: str = attrs.field(validator=is_icon)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the short name, and nothing for an address."""
        return (self.src,) if self.src.startswith(":") else ()

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class File:
    """A file that was uploaded to Twake.

    Attributes:
        content: Its id.
        mode: `mini` for a small view of it.

    Raises:
        InvalidDraftError: the id is empty, or the mode unknown.

    Source: `file`, dictionary line 126.
    """

    type_name: ClassVar[str] = "file"
    content: str = attrs.field(validator=is_said)
    mode: Literal["mini"] | None = attrs.field(default=None, validator=is_mode)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: that there is a file."""
        return alone("[file]")

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class ProgressBar:
    """A bar that is filled so far.

    Attributes:
        progress: How far, from 0 to 100 per cent.

    Raises:
        InvalidDraftError: it is not a number from 0 to 100.

    Source: `progress_bar`, dictionary line 144.
    """

    type_name: ClassVar[str] = "progress_bar"
    progress: float = attrs.field(validator=is_percentage)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the percentage, as the client's own short view has it."""
        return alone(f"{self.progress:g}%")

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class Copiable:
    """Text in a field, with a button that copies it.

    Attributes:
        content: The text to copy.

    Raises:
        InvalidDraftError: it is not text, or empty.

    Source: `copiable`, dictionary line 205.
    """

    type_name: ClassVar[str] = "copiable"
    content: str = attrs.field(validator=is_said)

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the text."""
        return alone(self.content)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to

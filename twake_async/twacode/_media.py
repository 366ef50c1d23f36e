"""Nodes that show a thing rather than text: images, icons, files, progress, text to copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import attrs

from ._checks import (
    is_icon,
    is_mode,
    is_percentage,
    is_said,
    is_source,
)
from ._composing import Part, add, add_to, alone, node, text_of


@node
@attrs.frozen
class Image:
    """An image.

    Source: `image`, dictionary line 138.

    Raises:
        InvalidDraftError: It is not such an address; any other would be looked for at the Twake
            server.

    """

    type_name: ClassVar[str] = "image"
    src: str = attrs.field(validator=is_source)
    """Its address, `http://`, `https://` or `data:image/`."""

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

    Source: `icon`, dictionary line 143.

    Raises:
        InvalidDraftError: It is neither; the client would show it as text, or as HTML.

    """

    type_name: ClassVar[str] = "icon"
    src: str = attrs.field(validator=is_icon)
    """The address of an image, or the short name of an emoji with its colons."""

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

    Source: `file`, dictionary line 126.

    Raises:
        InvalidDraftError: The id is empty, or the mode unknown.

    """

    type_name: ClassVar[str] = "file"
    content: str = attrs.field(validator=is_said)
    """Its id."""

    mode: Literal["mini"] | None = attrs.field(default=None, validator=is_mode)
    """`mini` for a small view of it."""

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

    Source: `progress_bar`, dictionary line 144.

    Raises:
        InvalidDraftError: It is not a number from 0 to 100.

    """

    type_name: ClassVar[str] = "progress_bar"
    progress: float = attrs.field(validator=is_percentage)
    """How far, from 0 to 100 per cent."""

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

    Source: `copiable`, dictionary line 205.

    Raises:
        InvalidDraftError: It is not text, or empty.

    """

    type_name: ClassVar[str] = "copiable"
    content: str = attrs.field(validator=is_said)
    """The text to copy."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the text."""
        return alone(self.content)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to

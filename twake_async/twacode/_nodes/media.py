"""Nodes that show more than text: images, icons, files, progress, text to copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, final

import attrs

from .checks import is_icon, is_mode, is_percentage, is_said, is_source
from .node import Node, Part, on_own_lines


@final
@attrs.frozen(repr=False)
class Image(Node, type_name="image"):
    """An image.

    Raises:
        InvalidDraftError: It is another address: the reader's browser would look it up on the Twake
            server.

    """

    # Source: `image`, dictionary line 138.

    src: str = attrs.field(validator=is_source)
    """Its address, `http://`, `https://` or `data:image/`."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: `[image]`."""
        return on_own_lines("[image]")


@final
@attrs.frozen(repr=False)
class Icon(Node, type_name="icon"):
    """A small icon, of the size of an emoji.

    Raises:
        InvalidDraftError: It is neither, and the client would show it as text or HTML.

    """

    # Source: `icon`, dictionary line 143.

    src: str = attrs.field(validator=is_icon)
    """The address of an image, or the short name of an emoji with its colons."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the short name, and nothing for an address."""
        return (self.src,) if self.src.startswith(":") else ()


@final
@attrs.frozen(repr=False)
class File(Node, type_name="file"):
    """A file that was uploaded to Twake.

    Raises:
        InvalidDraftError: The id is empty, or the mode unknown.

    """

    # Source: `file`, dictionary line 126.

    content: str = attrs.field(validator=is_said)
    """Its id."""

    mode: Literal["mini"] | None = attrs.field(default=None, validator=is_mode)
    """`mini` for a small view of it."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: `[file]`."""
        return on_own_lines("[file]")


@final
@attrs.frozen(repr=False)
class ProgressBar(Node, type_name="progress_bar"):
    """A progress bar.

    Raises:
        InvalidDraftError: It is not a number from 0 to 100.

    """

    # Source: `progress_bar`, dictionary line 144.

    progress: float = attrs.field(validator=is_percentage)
    """The progress, from 0 to 100 per cent."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the percentage, as in the client's preview."""
        return on_own_lines(f"{self.progress:g}%")


@final
@attrs.frozen(repr=False)
class Copiable(Node, type_name="copiable"):
    """Text in a field, with a button that copies it.

    Raises:
        InvalidDraftError: It is not text, or empty.

    """

    # Source: `copiable`, dictionary line 205.

    content: str = attrs.field(validator=is_said)
    """The text to copy."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the text."""
        return on_own_lines(self.content)

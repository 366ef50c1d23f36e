"""Nodes that stand for one thing in the text: code, a mention, an emoji, markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import attrs

from ._checks import (
    is_emoji,
    is_marker,
    is_name,
    is_said,
)
from ._composing import (
    Marker,
    Part,
    Space,
    add,
    add_to,
    alone,
    node,
    text_of,
)


@node
@attrs.frozen
class InlineCode:
    """Code within the line.

    Source: `icode`, dictionary line 68.

    Raises:
        InvalidDraftError: The code is not text, or empty: a list there blanks the whole message.

    """

    type_name: ClassVar[str] = "icode"
    content: str = attrs.field(validator=is_said)
    """The code. The client trims it."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False, kw_only=True)
    """Set by `decode` for a node that the markdown compiler made."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the code, trimmed."""
        return (self.content.strip(),)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class BlockCode:
    """Code in a block of its own, highlighted by the client.

    Source: `mcode`, dictionary line 61.

    Raises:
        InvalidDraftError: The code is not text, or empty: a list there blanks the whole message.

    """

    type_name: ClassVar[str] = "mcode"
    content: str = attrs.field(validator=is_said)
    """The code. The client trims it."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False, kw_only=True)
    """Set by `decode` for a node that the markdown compiler made."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the code, trimmed, on lines of its own."""
        return alone(self.content.strip())

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class UserMention:
    """A mention of a user, who is notified: the server looks for the id in the message.

    `@all` and `@here` are no users: write them as plain text.

    Source: `user`, dictionary line 39; sent as `name:id`.

    Raises:
        InvalidDraftError: The name or the id is empty, or holds a colon or a control character.

    """

    type_name: ClassVar[str] = "user"
    name: str = attrs.field(validator=is_name)
    """What to show behind the `@`."""

    id: str = attrs.field(validator=is_name)
    """The user's id."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False, kw_only=True)
    """Set by `decode` for a node that the markdown compiler made."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the name behind an `@`. The client shows a space after it."""
        return (f"@{self.name}", Space.WORD)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class ChannelMention:
    """A mention of a channel, which is a link to it.

    Source: `channel`, dictionary line 50; sent as `name:id`.

    Raises:
        InvalidDraftError: The name or the id is empty, or holds a colon or a control character.

    """

    type_name: ClassVar[str] = "channel"
    name: str = attrs.field(validator=is_name)
    """What to show behind the `#`."""

    id: str = attrs.field(validator=is_name)
    """The channel's id."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False, kw_only=True)
    """Set by `decode` for a node that the markdown compiler made."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the name behind a `#`. The client shows a space after it."""
        return (f"#{self.name}", Space.WORD)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class Emoji:
    """An emoji by its short name.

    Source: `emoji`, dictionary line 34.

    Raises:
        InvalidDraftError: It is not a short name. The colons do not belong to it.

    """

    type_name: ClassVar[str] = "emoji"
    content: str = attrs.field(validator=is_emoji)
    """The short name without its colons, such as `tada`."""

    marker: Marker | None = attrs.field(default=None, validator=is_marker, repr=False, kw_only=True)
    """Set by `decode` for a node that the markdown compiler made."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the short name between colons."""
        return (f":{self.content}:",)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to


@node
@attrs.frozen
class Markdown:
    """Text in Twake's markdown, which each reader's client compiles.

    `**bold**`, `_italic_`, `__underline__`, `~~strikethrough~~`, code in one or three backticks,
    `> quote`, `:emoji:`, `[title](url)`, and bare links work; so do `@name` and `#channel` where
    the reader's client knows them, but nobody is notified: use `UserMention` for that.

    Source: `compile`, compiler line 536. The one-line preview of a thread leaves it out
    (lines 636-641), and shows nothing in its place.

    Raises:
        InvalidDraftError: It is not text, or empty.

    """

    type_name: ClassVar[str] = "compile"
    content: str = attrs.field(validator=is_said)
    """The markdown."""

    def reading(self) -> Iterable[Part]:
        """Give what a reader reads: the markdown as it was written."""
        return (self.content,)

    __str__ = text_of
    __add__ = add
    __radd__ = add_to

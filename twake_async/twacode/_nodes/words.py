"""Nodes without children within the text: code, mentions, emojis, markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import attrs

from .checks import is_emoji, is_name, is_said
from .node import MarkdownLeaf, Node, Part, Space, on_own_lines


@final
@attrs.frozen(repr=False)
class InlineCode(MarkdownLeaf, type_name="icode"):
    """Code within the line.

    Raises:
        InvalidDraftError: The code is not text, or empty: a list there blanks the whole message.

    """

    # Source: `icode`, dictionary line 68.

    content: str = attrs.field(validator=is_said)
    """The code. The client trims it."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the code, trimmed."""
        return (self.content.strip(),)


@final
@attrs.frozen(repr=False)
class BlockCode(MarkdownLeaf, type_name="mcode"):
    """Code in a block of its own, highlighted by the client.

    Raises:
        InvalidDraftError: The code is not text, or empty: a list there blanks the whole message.

    """

    # Source: `mcode`, dictionary line 61.

    content: str = attrs.field(validator=is_said)
    """The code. The client trims it."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the code, trimmed, on lines of its own."""
        return on_own_lines(self.content.strip())


@final
@attrs.frozen(repr=False)
class UserMention(MarkdownLeaf, type_name="user"):
    """A mention of a user, who is notified: the server looks for the id in the message.

    `@all` and `@here` are not users: write them as plain text.

    Raises:
        InvalidDraftError: The name or the id is empty, or holds a colon or a control character.

    """

    # Source: `user`, dictionary line 39; sent as `name:id`.

    name: str = attrs.field(validator=is_name)
    """What to show after the `@`."""

    id: str = attrs.field(validator=is_name)
    """The user's id."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the name after an `@`; the client shows a space after it."""
        return (f"@{self.name}", Space.WORD)


@final
@attrs.frozen(repr=False)
class ChannelMention(MarkdownLeaf, type_name="channel"):
    """A mention of a channel, which is a link to it.

    Raises:
        InvalidDraftError: The name or the id is empty, or holds a colon or a control character.

    """

    # Source: `channel`, dictionary line 50; sent as `name:id`.

    name: str = attrs.field(validator=is_name)
    """What to show after the `#`."""

    id: str = attrs.field(validator=is_name)
    """The channel's id."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the name after a `#`; the client shows a space after it."""
        return (f"#{self.name}", Space.WORD)


@final
@attrs.frozen(repr=False)
class Emoji(MarkdownLeaf, type_name="emoji"):
    """An emoji by its short name.

    Raises:
        InvalidDraftError: It is not a short name. The colons do not belong to it.

    """

    # Source: `emoji`, dictionary line 34.

    content: str = attrs.field(validator=is_emoji)
    """The short name without its colons, such as `tada`."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the short name between colons."""
        return (f":{self.content}:",)


@final
@attrs.frozen(repr=False)
class Markdown(Node, type_name="compile"):
    """Text in Twake's markdown, which each reader's client compiles.

    `**bold**`, `_italic_`, `__underline__`, `~~strikethrough~~`, code in one or three backticks,
    `> quote`, `:emoji:`, `[title](url)`, and bare links work; so do `@name` and `#channel` where
    the reader's client knows them, but nobody is notified: use `UserMention` for that.

    The one-line preview of a thread does not show it.

    Raises:
        InvalidDraftError: It is not text, or empty.

    """

    # Source: `compile`, compiler line 536.

    content: str = attrs.field(validator=is_said)
    """The markdown."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the markdown as it was written."""
        return (self.content,)

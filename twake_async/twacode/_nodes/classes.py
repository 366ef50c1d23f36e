"""The class of each node type.

A new node type is a class in one of the modules of this folder, and a name in this list.
"""

from __future__ import annotations

from typing import Final

from .blocks import Attachment, MultilineQuote, Nop, Quote, System, TextBlock
from .forms import Button, Input, Select
from .links import Email, MarkdownLink, Url
from .media import Copiable, File, Icon, Image, ProgressBar
from .node import Node  # noqa: TC001
from .styles import Bold, Break, Italic, Strikethrough, Text, Underline
from .words import BlockCode, ChannelMention, Emoji, InlineCode, Markdown, UserMention

NODE_CLASSES: Final[dict[str, type[Node]]] = {
    cls.type_name: cls
    for cls in (
        *(Attachment, MultilineQuote, Nop, Quote, System, TextBlock),
        *(Button, Input, Select),
        *(Email, MarkdownLink, Url),
        *(Copiable, File, Icon, Image, ProgressBar),
        *(Bold, Break, Italic, Strikethrough, Text, Underline),
        *(BlockCode, ChannelMention, Emoji, InlineCode, Markdown, UserMention),
    )
}
"""The class of each node type, by the `type` that stands in JSON."""

"""Twacode: Twake's rich messages, as a tree of nodes that is composed like text.

    Bold("hi ", Italic("you")) + Break() + UserMention("bob", bob_id) + "look at this"

Text is a string, children are positional arguments, and `+` makes a `Content`. A node is refused
when it is made, if the client would show an error in place of the message, or would ignore the
node. `Markdown("**hi**")` is compiled by the reader's client.

A node type is a class in `_nodes/`. How a tree becomes JSON stands in `_json.py`, and what the
client cannot show in `_rules.py`.
"""

from twake_async._field_texts import show_field_texts as _show_field_texts

from ._hidden_data import hidden_data
from ._nodes.blocks import Attachment, MultilineQuote, Nop, Quote, System, TextBlock
from ._nodes.forms import Button, Input, Option, Select
from ._nodes.links import Email, MarkdownLink, Url
from ._nodes.media import Copiable, File, Icon, Image, ProgressBar
from ._nodes.node import Child, Content, Marker, Node
from ._nodes.styles import Bold, Break, Italic, Strikethrough, Text, Underline
from ._nodes.unknown import Unknown
from ._nodes.words import BlockCode, ChannelMention, Emoji, InlineCode, Markdown, UserMention
from ._portable import Portable, decode, encode, fallback_text, portable
from ._user_specific import UserSpecific, user_specific_update

__all__ = [
    "Attachment",
    "BlockCode",
    "Bold",
    "Break",
    "Button",
    "ChannelMention",
    "Child",
    "Content",
    "Copiable",
    "Email",
    "Emoji",
    "File",
    "Icon",
    "Image",
    "InlineCode",
    "Input",
    "Italic",
    "Markdown",
    "MarkdownLink",
    "Marker",
    "MultilineQuote",
    "Node",
    "Nop",
    "Option",
    "Portable",
    "ProgressBar",
    "Quote",
    "Select",
    "Strikethrough",
    "System",
    "Text",
    "TextBlock",
    "Underline",
    "Unknown",
    "Url",
    "UserMention",
    "UserSpecific",
    "decode",
    "encode",
    "fallback_text",
    "hidden_data",
    "portable",
    "user_specific_update",
]

_show_field_texts(__name__)

"""How the client shows each node type, as elements.

Source: `PseudoMarkdownDictionary.js` (TWACODE.md). A picture or an icon from another server
is shown as its address: no message makes a reader's browser load anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from .elements import Piece, element
from .emoji import EMOJI
from .links import client_link, is_picture, mail_link
from .view import View

Node: TypeAlias = Mapping[str, Any]
Pieces: TypeAlias = tuple[Piece, ...]
Show: TypeAlias = Callable[[Any, View], Pieces]
Drawing: TypeAlias = Callable[[Node, Show, View], Pieces]


def _text(value: Any) -> str:
    """Return an attribute as text; `""` for anything but text and numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def _some(value: Any) -> str | None:
    return _text(value) or None


# ---- text ---------------------------------------------------------------------------------------


def _children(node: Node, show: Show, view: View) -> Pieces:
    return show(node.get("content"), view)


def _styled(tag: str, look: str = "") -> Drawing:
    def draw(node: Node, show: Show, view: View) -> Pieces:
        return (element(tag, look, *show(node.get("content"), view)),)

    return draw


def _break(node: Node, show: Show, view: View) -> Pieces:
    return (element("br"), *show(node.get("content"), view))


def _code(node: Node, show: Show, view: View) -> Pieces:
    del show, view
    return (element("code", "", _text(node.get("content")).strip()),)


def _code_block(node: Node, show: Show, view: View) -> Pieces:
    return (element("pre", "code", *_code(node, show, view)),)


def _mention(sign: str) -> Drawing:
    def draw(node: Node, show: Show, view: View) -> Pieces:
        del show, view
        name, _, named_id = _text(node.get("content")).partition(":")
        found = _some(node.get("id")) or named_id or None
        return (element("span", "mention", sign + name, title=found),)

    return draw


def _emoji_named(name: str) -> Piece:
    if name not in EMOJI:
        return element("span", "emoji", f":{name}:")
    return element("span", "emoji", EMOJI[name], role="img", aria_label=name, title=f":{name}:")


def _emoji(node: Node, show: Show, view: View) -> Pieces:
    del show, view
    return (_emoji_named(_text(node.get("content"))),)


# ---- links --------------------------------------------------------------------------------------


def _linked(address: str | None, label: Pieces, view: View, look: str = "") -> Pieces:
    """Return a link; without an address, or inside another link, only text that looks like one."""
    if view.is_inside:
        return (element("span", look or "link", *label),)
    if address is None:
        nowhere = "this link leads nowhere"
        return (element("span", look or "link", *label, title=nowhere),)
    safe = {"href": address, "target": "_blank", "rel": "noopener noreferrer"}
    return (element("a", look, *label, **safe),)


def _url(node: Node, show: Show, view: View) -> Pieces:
    content = node.get("content")
    address = _text(node.get("url", content))
    reader_id = view.reader_id if node.get("user_identifier") else None
    look = ""
    only = content[0] if isinstance(content, list) and len(content) == 1 else content
    if isinstance(only, Mapping) and only.get("type") == "button":  # the link looks like it
        look, content = _button_look(only), only.get("content")
    label = show(content, view.inside()) or (address,)
    return _linked(client_link(address, reader_id=reader_id), label, view, look)


def _markdown_link(node: Node, show: Show, view: View) -> Pieces:
    del show
    title, _, address = _text(node.get("content")).partition("](")
    return _linked(client_link(address), (title,), view)


def _email(node: Node, show: Show, view: View) -> Pieces:
    del show
    address = _text(node.get("content"))
    return _linked(mail_link(address), (address,), view)


# ---- pictures, files, progress ------------------------------------------------------------------


def _elsewhere(kind: str, address: str, view: View) -> Pieces:
    """Return the kind of a picture from another server, and a link to the picture."""
    is_web = address.startswith(("http://", "https://"))
    link = client_link(address) if is_web else None
    where = (urlsplit(link).hostname or "") if link else "of an address that shows nothing"
    return _linked(link, (f"{kind}: {where}",), view, "elsewhere")


def _image(node: Node, show: Show, view: View) -> Pieces:
    del show
    source = _text(node.get("src"))
    if is_picture(source):
        return (element("img", "image", src=source, alt="picture"),)
    return _elsewhere("picture", source, view)


def _icon(node: Node, show: Show, view: View) -> Pieces:
    del show
    source = _text(node.get("src"))
    if is_picture(source):
        return (element("img", "icon", src=source, alt="icon"),)
    if source.startswith(("http://", "https://")):
        return _elsewhere("icon", source, view)
    if len(source) > 2 and source.startswith(":") and source.endswith(":"):
        return (_emoji_named(source[1:-1]),)
    return (source,)


def _file(node: Node, show: Show, view: View) -> Pieces:
    del show, view
    look = "file mini" if node.get("mode") == "mini" else "file"
    return (element("span", look, "📄 ", element("code", "", _text(node.get("content")))),)


def _progress(node: Node, show: Show, view: View) -> Pieces:
    del show, view
    try:
        share = min(100.0, max(0.0, float(_text(node.get("progress")) or 0)))
    except ValueError:
        share = 0.0
    told = f"{share:g}" if share == share else "0"  # noqa: PLR0124 - NaN is no share
    bar = element("progress", "progress", f"{told}%", max="100", value=told, aria_label="progress")
    return (bar,)


def _copiable(node: Node, show: Show, view: View) -> Pieces:
    del show, view
    text = _text(node.get("content"))
    named = {"aria_label": "text to copy", "readonly": "", "type": "text", "value": text}
    return (element("span", "copiable", element("input", "", **named)),)


# ---- what readers use ---------------------------------------------------------------------------


def _button_look(node: Node) -> str:
    style = node.get("style")
    looks = ["button", *([str(style)] if style in ("primary", "danger") else [])]
    return " ".join([*looks, *(["inline"] if node.get("inline") else [])])


def _button(node: Node, show: Show, view: View) -> Pieces:
    label, look = show(node.get("content"), view.inside()), _button_look(node)
    if view.is_inside:
        return (element("span", look, *label),)
    action_id = _some(node.get("action_id"))
    told = None if action_id else "without an action_id, a click does nothing"
    return (element("button", look, *label, type="button", data_action=action_id, title=told),)


def _width(node: Node, look: str) -> str:
    return f"{look} wide" if node.get("full_width") else look


def _input(node: Node, show: Show, view: View) -> Pieces:
    del show, view
    name, hint = _some(node.get("passive_id")), _some(node.get("placeholder"))
    field = element(
        "input",
        _width(node, "input"),
        type="text",
        value=_text(node.get("content")),
        placeholder=hint,
        aria_label=hint or name or "input",
        data_name=name,
    )
    return (field,)


def _select(node: Node, show: Show, view: View) -> Pieces:
    del show, view
    title, action_id = _some(node.get("title")), _some(node.get("action_id"))
    name = _some(node.get("passive_id")) or action_id
    values = [one for one in node["values"] if isinstance(one, Mapping)]
    options = [_option(one) for one in values]
    if not any(one.get("selected") for one in values):
        options.insert(0, element("option", "", title or "", value="", selected="", disabled=""))
    field = element(
        "select",
        _width(node, "select"),
        *options,
        aria_label=title or name or "select",
        data_action=action_id,
        data_name=name,
    )
    return (field,)


def _option(value: Mapping[str, Any]) -> Piece:
    chosen = "" if value.get("selected") else None
    return element(
        "option", "", _text(value.get("name")), value=_text(value.get("value")), selected=chosen
    )


DRAWINGS: Final[Mapping[str, Drawing]] = {
    **dict.fromkeys(("text", "text_block_parent", "nop"), _children),
    "br": _break,
    "bold": _styled("b"),
    "italic": _styled("i"),
    "underline": _styled("u"),
    "strikethrough": _styled("s"),
    "quote": _styled("blockquote", "quote"),
    "mquote": _styled("blockquote", "quote"),
    "system": _styled("small", "system"),
    "attachment": _styled("div", "attachment"),
    "icode": _code,
    "mcode": _code_block,
    "user": _mention("@"),
    "channel": _mention("#"),
    "emoji": _emoji,
    "url": _url,
    "markdown_link": _markdown_link,
    "email": _email,
    "image": _image,
    "icon": _icon,
    "file": _file,
    "progress_bar": _progress,
    "copiable": _copiable,
    "button": _button,
    "input": _input,
    "select": _select,
}
"""How each node type is shown, but for `compile`."""

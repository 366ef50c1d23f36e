"""Which JSON the client cannot show.

The nodes of this package follow these rules already. The rules are for other JSON, as in `Unknown`.
They come from `PseudoMarkdownDictionary.js` and `pseudoMarkdownCompiler.js` of the client. If its
code throws, it shows "An error occured while showing this message." in place of the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ._nodes.client import OBJECT_MEMBERS, type_of

if TYPE_CHECKING:
    from ._nodes.node import Json

_STRING_CONTENT: Final = frozenset({"user", "channel", "mcode", "icode", "markdown_link"})


def why_blank(content: Json) -> str | None:
    """Return why the client cannot show a message's content; None if it can."""
    work: list[Json] = [content]
    while work:
        value = _listed(work.pop())
        if value is None:
            return "an object, a number or true stands where text or nodes are expected"
        for item in value:
            if item is None:
                return "null stands in a list of nodes"
            if isinstance(item, list):
                work.append(item)
            elif isinstance(item, dict):
                if trouble := _trouble(item):
                    return trouble
                if (name := type_of(item)) and name != "compile":
                    work.append(item.get("content"))
    return None


def is_truthy(value: Json) -> bool:
    """Return whether a value is true in JavaScript: an empty list or object is."""
    return isinstance(value, list | dict) or bool(value)


def _listed(value: Json) -> list[Json] | None:
    """Return the items that the client shows; None if its code throws."""
    if isinstance(value, dict):
        forms = (value.get("formatted"), value.get("prepared"))
        value = next((form for form in forms if is_truthy(form)), value)
    if not is_truthy(value) or isinstance(value, str):
        return []
    if isinstance(value, dict) and (value.get("type") or value.get("start")):
        return [value]
    return value if isinstance(value, list) else None


def _trouble(item: dict[str, Any]) -> str | None:
    """Return what is wrong with one object in a list of nodes; its content is not checked."""
    claimed = item.get("type") or item.get("start")
    if isinstance(claimed, str) and claimed in OBJECT_MEMBERS:
        return f"the client takes the type {claimed!r} for a member of every object"
    name, content = type_of(item), item.get("content")
    if name in _STRING_CONTENT and is_truthy(content) and not isinstance(content, str):
        return f"the content of a node of type {name!r} must be text"
    if name == "markdown_link" and not isinstance(content, str):
        return "a node of type 'markdown_link' needs content"
    if name == "url" and not isinstance(_href(item), str):
        return "a node of type 'url' with nodes as its content needs a url, which must be text"
    return _select_trouble(item) if name == "select" else None


def _href(item: dict[str, Any]) -> Json:
    """Return the address of a link, as the client takes it; "" for an empty one."""
    href = item["url"] if "url" in item else item.get("content")
    return href if is_truthy(href) else ""


def _select_trouble(item: dict[str, Any]) -> str | None:
    values = item.get("values")
    if not isinstance(values, list) or None in values:
        return "a node of type 'select' needs a list of values, none of them null"
    names = [value.get("name") for value in values if isinstance(value, dict)]
    if any(isinstance(shown, list | dict) for shown in (item.get("title"), *names)):
        return "the title and the names of a node of type 'select' must be text"
    return None

"""Reads the built reference: each signature shows real defaults, and each field its text.

`python built_reference.py FOLDER` reads FOLDER/reference.html; it ends with status 1, and says what
is missing. The session `docs` of nox runs it after each build.
"""

from __future__ import annotations

import html
import importlib
import pathlib
import re
import sys

import attrs
from fields import field_texts

MODULES = ("twake_async", "twake_async.events", "twake_async.resources", "twake_async.sandbox")
#: The text that stands in a signature for a default that was not computed.
NO_DEFAULTS = ("attr_dict", "NOTHING", "<factory>", "_Nothing", " object at 0x")


def classes() -> dict[str, type]:
    """Return the public classes of attrs by the names that the reference gives them."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            if attrs.has(one := getattr(module, name)):
                found[f"{module.__name__}.{name}"] = one
    return found


def words(text: str) -> str:
    """Return the words of a text without markup, in one line."""
    text = html.unescape(re.sub(r"<[^>]+>", "", text)).replace("¶", " ")
    text = re.sub("[`'\"\u2018\u2019\u201c\u201d]", "", text)
    return " ".join(text.split())


def part(page: str, name: str) -> str:
    """Return what the page shows from the anchor of a name to the next anchor of its kind."""
    pieces = page.split(f'id="{name}"', 1)
    return "" if len(pieces) == 1 else pieces[1].split('class="sig sig-object py"', 1)[0]


def shown_defaults(cls: type, signature: str) -> list[str]:
    """Return the fields of a class whose default a signature does not show."""
    lacking = []
    for field in attrs.fields(cls):
        if not field.init or field.name.startswith("_") or field.default is attrs.NOTHING:
            continue
        default = field.default
        made = {} if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
        if not re.search(rf"\b{field.name}: [^=]*? = {re.escape(words(repr(made)))}", signature):
            lacking.append(f"{field.name} = {made!r}")
    return lacking


def problems(page: str) -> list[str]:
    """Return what is missing on the page, one line for each."""
    found = [f"{word!r} stands in the page" for word in NO_DEFAULTS if word in words(page)]
    for name, cls in classes().items():
        signature = words(part(page, name).split("</dt>", 1)[0])
        found += [f"{name}: no default {one}" for one in shown_defaults(cls, signature)]
        for field, text in field_texts(cls).items():
            first = words(re.sub(r"\{\w+\}", "", text)).split(". ")[0]
            if first not in words(part(page, f"{name}.{field}")):
                found.append(f"{name}.{field}: its text is missing")
    return found


def main(folder: str) -> int:
    """Print what is missing, and return the exit status."""
    page = pathlib.Path(folder, "reference.html").read_text(encoding="utf-8")
    found = problems(page)
    count = len(classes())
    sys.stdout.write("\n".join([*found, f"{count} classes, {len(found)} problems", ""]))
    return 1 if found or count < 30 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""How the documentation is built; nothing here needs the network."""

import pathlib
import re
import sys
import tomllib
from collections.abc import Mapping
from typing import Any

import attrs
from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from twake_async import MessageDraft, TwakeSession  # noqa: E402
from twake_async.twacode import UserSpecific  # noqa: E402

# This alias says nothing at run time, where twacode is imported only when it is used.
for function in (MessageDraft.__init__, TwakeSession.edit_message):
    function.__globals__["ReaderUpdate"] = UserSpecific | Mapping[str, Any]
_project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "twake-async"
author = _project["authors"][0]["name"]
copyright = author  # noqa: A001 - Sphinx's name for it
release = version = _project["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "examples"]
html_static_path = ["_static"]
html_css_files = ["house.css"]
html_favicon = "_static/favicon.svg"
html_search_scorer = str(ROOT / "docs" / "_static" / "scorer.js")
highlight_language = "none"
html_theme = "furo"
html_title = f"twake-async {release}"
html_copy_source = False

# Docstrings mark names with single backticks, as the rest of the project does.
default_role = "code"
nitpicky = True
# Foreign types have no pages here, and the build fetches none from elsewhere.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(httpx2?|ssl|attr|attrs|collections|typing|datetime|asyncio|enum|os|pathlib)(\..*)?",
    ),
    # Aliases of types, which the pages explain in words; and a path is a path.
    (r"py:class", r"twake_async\.bot\._(bot|router)\.(E|T|R|On\w+)"),
    # What the session hands to its resources.
    (r"py:class", r"(twake_async\.resources\._caller\.)?Caller"),
    (r"py:class", r"Child|Json|FileSource|OnProgress|Action|Form|Refusal|Path|Drafts|ReaderUpdate"),
]

autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3


def _sections(
    app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]
) -> None:
    """Turn "Args:" and "Raises:" into fields, in the docstrings of classes and functions only.

    Napoleon as an extension would take the first words of "Seconds: at most ..." for a type.
    """
    if what in {"class", "exception", "function", "method"}:
        config = Config(napoleon_use_rtype=False)
        lines[:] = _without_attributes(lines)
        lines[:] = GoogleDocstring(lines, config, app, what, name, found, options).lines()


def _without_attributes(lines: list[str]) -> list[str]:
    """Leave out the section "Attributes:", which is for `help()`: each attribute follows anyway."""
    if "Attributes:" not in lines:
        return lines
    start = lines.index("Attributes:")
    end = next((n for n in range(start + 1, len(lines)) if lines[n][:1].strip()), len(lines))
    return lines[:start] + lines[end:]


def _signature(
    app: Sphinx, what: str, name: str, found: object, options: object, text: str, returns: str
) -> tuple[str, str] | None:
    """Show the defaults of an attrs class, and an empty map for one that is made anew each time."""
    if not text:
        return None

    def default(match: re.Match[str]) -> str:
        return repr(attrs.fields_dict(found)[match[1]].default)  # type: ignore[arg-type]

    text = re.sub(r"attr_dict\['(\w+)'\]\.default", default, text)
    return text.replace("NOTHING", "{}"), returns


def _plain_type(app: Sphinx, document: nodes.document) -> None:
    """Let `type[...]` in a signature be no link: Sphinx would take an attribute of this name."""
    for link in list(document.findall(addnodes.pending_xref)):
        if link["reftarget"] == "type":
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Join Sphinx."""
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _sections)
    app.connect("doctree-read", _plain_type)
    app.add_lexer("cron", TextLexer)  # Pygments has none for crontabs

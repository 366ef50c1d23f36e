"""What users read is in plain English, and says nothing that only contributors can look up."""

from __future__ import annotations

import importlib
import inspect
import re

import click
import pytest
from pages import PAGES, ROOT

from twake_async.cli._commands import twake_async as command_line

#: What was once there, and cost readers time: inversions, aphorisms, words of our own.
NEVER_AGAIN = (
    "wire case",
    "Source:",
    "what became of",
    "what can become of",
    "whatever became",
    "says what shall be",
    "one extra less",
    "an own ",
    "deal out",
    "told by its number",
    "is left for what is none",
    " aside.",
    "provably",
    "shall hear",
    "as the server has it",
    "beside the messages",
    "may be fed back",
    "it is known whose",
    "Twice is better",
    "owned up to",
    "nobody need ",
    "is under way at once",
    "minted when None",
    "what finds it",
)
PAPERS = [ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")]
MODULES = (
    "twake_async",
    "twake_async.bot",
    "twake_async.events",
    "twake_async.resources",
    "twake_async.sandbox",
    "twake_async.twacode",
)


def found_in(text: str) -> list[str]:
    """Return the phrases that a text has, whatever its line breaks."""
    flat = " ".join(text.split())
    return [phrase for phrase in NEVER_AGAIN if phrase.lower() in flat.lower()]


@pytest.mark.parametrize("path", [*PAGES, *PAPERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_has_plain_words(path):
    """A reader whose second language is English takes each sentence in at once."""
    text = path.read_text("utf-8")
    if path.name == "CONTRIBUTING.md":  # it says how to write down a source
        text = text.replace("# Source: …", "")
    assert found_in(text) == []


def docstrings(module: str) -> dict[str, str]:
    """Return the docstrings of the public classes and functions of a module, and of their members."""
    texts = {}
    for name in importlib.import_module(module).__all__:
        public = getattr(importlib.import_module(module), name)
        if not (inspect.isclass(public) or inspect.isfunction(public)):
            continue
        texts[name] = inspect.getsource(public) if inspect.isclass(public) else ""
        texts[name] = " ".join(re.findall(r'"""(.*?)"""', texts[name], re.DOTALL))
        texts[name] += inspect.getdoc(public) or ""
    return texts


@pytest.mark.parametrize("module", MODULES)
def test_the_docstrings_of_the_public_names_have_plain_words(module):
    """They are the reference, and what `help()` shows."""
    texts = docstrings(module)
    assert texts
    assert {name: found for name, text in texts.items() if (found := found_in(text))} == {}


def commands(group: click.Group) -> list[click.Command]:
    """Return all commands of a group, those of its groups too."""
    found, context = [], click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found += commands(command) if isinstance(command, click.Group) else [command]
    return found


@pytest.mark.parametrize("command", commands(command_line), ids=lambda command: command.name)
def test_the_help_of_a_command_has_plain_words(command):
    """Of all its options, too."""
    text = command.get_help(click.Context(command))
    assert len(text) > 100
    assert found_in(text) == []


def test_a_phrase_that_comes_back_is_found():
    """Also across a line break, and in capitals."""
    assert found_in("See Wire\n  cases 19g.") == ["wire case"]

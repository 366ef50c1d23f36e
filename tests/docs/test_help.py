"""`help()` shows the text of each public field, as the reference does."""

from __future__ import annotations

import copy
import importlib
import inspect
import pydoc
import subprocess
import sys
import types

import attrs
import pytest
from fields import field_texts

from twake_async._field_texts import show_field_texts

pytestmark = pytest.mark.measured

MODULES = (
    "twake_async",
    "twake_async.bot",
    "twake_async.events",
    "twake_async.resources",
    "twake_async.sandbox",
    "twake_async.twacode",
)
CLASSES = {
    f"{module}.{name}": found
    for module in MODULES
    for name in importlib.import_module(module).__all__
    if inspect.isclass(found := getattr(importlib.import_module(module), name))
}


def words(text: str) -> str:
    """Return a text in one line, without the bars that `help()` draws."""
    return " ".join(text.replace("|", " ").split())


@pytest.mark.parametrize("name", CLASSES)
def test_help_shows_the_text_of_each_field(name):
    """Its own fields and the inherited ones; an exception shows its base by name."""
    found = CLASSES[name]
    shown = words(pydoc.render_doc(found, renderer=pydoc.plaintext))
    shows = [
        cls for cls in found.__mro__ if cls is found or isinstance(vars(cls).get("__slots__"), dict)
    ]
    texts = {field: text for cls in shows for field, text in field_texts(cls).items()}
    assert [field for field, text in texts.items() if words(text) not in shown] == []


def test_there_are_many_fields():
    """The test above compares something."""
    assert sum(len(field_texts(cls)) for cls in CLASSES.values()) > 150


def test_an_import_reads_no_source():
    """The texts are read when `help()` is called."""
    code = (
        "import sys, inspect; inspect.getsource = None; import twake_async, twake_async.events\n"
        "print(twake_async.RetryPolicy().attempts)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "4\n"


@pytest.mark.parametrize("lacking", [OSError("no source"), TypeError("built in")])
def test_without_the_source_help_shows_the_fields_alone(monkeypatch, lacking):
    """Some installations have only compiled modules."""

    @attrs.frozen
    class Bare:
        width: int
        """How wide it is."""

    def lacks(_: object) -> str:
        raise lacking

    module = types.ModuleType("twake_async.bare")
    module.Bare, module.__all__, Bare.__module__ = Bare, ["Bare"], module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("twake_async._field_texts.inspect.getsource", lacks)
    show_field_texts(module.__name__)
    shown = pydoc.render_doc(Bare, renderer=pydoc.plaintext)
    assert "width" in shown
    assert "How wide" not in shown
    assert copy.copy(Bare(3)) == attrs.evolve(Bare(3))  # its slots hold its fields as before

"""The list of equivalent mutants: each entry is about code that is there, and says why."""

from __future__ import annotations

import importlib.util
import sys
import tomllib

import pytest
from places import ROOT, TESTS

FOLDER = TESTS / "project" / "mutants"
ENTRIES = tomllib.loads((FOLDER / "equivalent.toml").read_text(encoding="utf-8"))["equivalent"]


@pytest.fixture
def mutant(monkeypatch):
    """Give the class of mutants from the program of `nox -s mutants`."""
    spec = importlib.util.spec_from_file_location("mutants_run", FOLDER / "run.py")
    program = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, program)
    spec.loader.exec_module(program)
    return program.Mutant


@pytest.mark.parametrize(
    "entry", ENTRIES, ids=[f"{one['module']}:{one['function']}" for one in ENTRIES]
)
def test_an_equivalent_mutant_is_of_code_that_is_there(entry: dict):
    """An entry whose line has changed means nothing any more; and each has its reason."""
    source = (ROOT / "twake_async" / entry["module"]).read_text(encoding="utf-8")
    code = " ".join(source.split())
    assert [was for was, _ in entry["changes"] if " ".join(was.split()) not in code] == []
    assert all(was != becomes for was, becomes in entry["changes"])
    assert len(entry["why"].split()) > 5
    assert entry["why"].endswith(".")


@pytest.mark.parametrize(
    ("was", "becomes", "words_only"),
    [
        ('raise E("it is late")', 'raise E("XXit is lateXX")', True),
        ('raise E("It is late")', 'raise E("it is late")', True),
        ('raise E("it is late", field="a")', 'raise E("it is late", field="XXaXX")', False),
        ('raise E("it is late")', "raise E(None)", False),
        ('return "late"', 'return "XXlateXX"', False),
        ("return x + 1", "return x - 1", False),
    ],
)
def test_a_change_of_words_alone_is_told_from_others(mutant, was, becomes, words_only):
    """A word that programs read is not a sentence."""
    assert mutant("m.py", "f", was, becomes).changes_words_only() is words_only

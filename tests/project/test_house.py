"""The papers of the house: what they say is what is there."""

import ast
import itertools
import pathlib
import re
import tomllib

import pytest
from floors import drawing
from house import drawn
from imports import imports_of
from places import ROOT, TESTS

COMMANDS = (
    'python3 -m venv .venv && .venv/bin/pip install ".[sandbox]" && .venv/bin/twake-async demo',
    "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox",
)
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))


def code_blocks(path: str) -> str:
    """All fenced blocks of a Markdown file, one after another."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_gives_the_two_commands_word_for_word(command: str):
    """A newcomer copies a whole line, on the README's first screen, and it works."""
    assert command in code_blocks("README.md").splitlines()
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40]
    assert command in first_screen


def paths_in(text: str) -> set[str]:
    """Return the paths of the project that a Markdown text names in code and in links."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    words = {word for code in re.findall(r"`([^`]+)`", prose) for word in code.split()}
    words |= set(re.findall(r"\]\(([^)#]+)", prose))
    made = (".nox/", ".venv/")  # by a command
    return {
        word
        for word in words
        if re.fullmatch(r"[\w./-]+(/|\.(py|md|toml|txt))", word) and not word.startswith(made)
    }


def is_there(path: str) -> bool:
    """Say whether a path begins at the top of the project, or in a folder of its package or tests."""
    folders = (ROOT, *(ROOT / "twake_async").rglob("*/"), *TESTS.rglob("*/"))
    return any((folder / path).exists() for folder in folders)


def test_each_path_that_contributing_names_is_there():
    """A newcomer finds each file and folder where CONTRIBUTING says that it is."""
    named = paths_in((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert {"twake_async/retry.py", "docs/connections.md"} <= named
    assert [path for path in sorted(named) if not is_there(path)] == []


def test_ci_runs_what_the_readme_says_and_nothing_else():
    """Everybody can run the check that counts; a system package may be installed before it."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in script if line and not line.startswith(("#", "set ", "cd "))]
    *before, last = commands
    assert last == COMMANDS[1]
    installs = before and before[0].startswith("if ! command -v pgbouncer") and before[-1] == "fi"
    assert installs or not before
    assert not {"python", "python3", "pip", "nox"}.intersection(" ".join(before).split())


def test_the_drawing_of_the_house_shows_what_is_there():
    """The drawing in CONTRIBUTING equals the one that is made from the folders and the floors."""
    assert "session" in drawing()
    assert drawn() == drawing(), "run: python tests/support/house.py"


def test_each_constraint_is_a_name_and_a_version():
    """Only pinned versions decide which tools check a commit."""
    lines = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert pins
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_every_test_says_in_one_sentence_what_holds(path: pathlib.Path):
    """A test that nobody can read protects nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tests = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]
    silent = [test.name for test in tests if not (ast.get_docstring(test) or "").endswith(".")]
    assert silent == []


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_no_test_file_imports_another(path: pathlib.Path):
    """Code that several test files use is in tests/support."""
    names = {other.stem for other in TEST_FILES}
    found = imports_of(path.read_text(encoding="utf-8"), path.stem)
    assert [one.name for one in found if names & set(one.name.split("."))] == []


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_a_body_in_gzip_is_the_same_in_each_process(path: pathlib.Path):
    """It may be a parameter: processes that share the suite must call each test by the same name."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "gzip.compress"
    ]
    with_time = [call.lineno for call in calls if "mtime" not in {one.arg for one in call.keywords}]
    assert with_time == []


def loose_texts(path: pathlib.Path) -> list[int]:
    """Return the lines with a text that is a statement, and neither a docstring nor a field's."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    bodies = [node.body for node in nodes if isinstance(getattr(node, "body", None), list)]
    return [
        after.lineno
        for body in bodies
        for before, after in itertools.pairwise(body)
        if isinstance(after, ast.Expr) and not isinstance(before, ast.Assign | ast.AnnAssign)
        if isinstance(after.value, ast.JoinedStr)
        or (isinstance(after.value, ast.Constant) and isinstance(after.value.value, str))
    ]


@pytest.mark.parametrize("folder", ["twake_async", "tests", "docs"])
def test_no_text_is_a_statement_by_mistake(folder: str):
    """The second line of a text without brackets is lost: no linter says so."""
    found = {path: loose_texts(path) for path in sorted((ROOT / folder).rglob("*.py"))}
    assert {path.name: lines for path, lines in found.items() if lines} == {}


def test_the_metadata_names_the_pythons_that_are_tested():
    """The package index shows only what the checks cover."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = re.search(r"^PYTHONS = \((.*)\)$", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    named = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r" 3\.\d+$", c)]
    assert re.findall(r"\d\.\d+", tested[1]) == named
    assert project["requires-python"] == f">={named[0]}"
    assert "Typing :: Typed" in project["classifiers"]
    assert (ROOT / "twake_async" / "py.typed").exists()
    assert {"description", "readme", "license", "license-files", "keywords"} <= project.keys()

"""The house: imports run strictly downwards, extras and HTTP libraries stay in their rooms.

Which room stands on which floor is said in pyproject.toml, and nowhere else; import-linter holds it.
The checker of extras works on source text, so that it can be shown to catch what it is there for.
"""

import ast
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from floors import PACKAGE, floors, folders, modules
from imports import imports_of, module_name
from places import ROOT

#: The rooms above the core: these may import extras.
ABOVE = frozenset({"__main__", "cli", "sandbox", "testing"})
EXTRAS = frozenset(
    {
        "uvicorn",
        "starlette",
        "click",
        "rich",
        "orjson",
        "pytest",
        "pytest_asyncio",
        "aiohttp",
        "httptools",
        "httpx2",
        "httpcore2",
        "psycopg",
    }
)
# The rooms of the core that know an extra, and import it when it is used.
EXTRA_ROOMS = {
    "_transport.http_library": frozenset({"httpx2", "httpcore2"}),
    "_protocol.http_answer": frozenset({"httptools"}),
    "_protocol.json_codec": frozenset({"orjson"}),
    "_journal.postgres.address": frozenset({"psycopg"}),
    "_journal.postgres.connection": frozenset({"psycopg"}),
    "session": frozenset({"httpx2"}),  # for its types: no room but one imports it to run
}
HTTP_LIBRARIES = frozenset({"httpx", "httpcore", "httpx2", "httpcore2"})
HTTP_ROOMS = frozenset({"_transport.http_library", "sandbox._serving.in_process"})
# Lines of a module, docstrings aside: what is documented well shall not have to be cut for it.
LONGEST_ROOM = 300


def complaints(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What a module imports from outside and must not."""
    room = module.removeprefix(PACKAGE).removeprefix(".")
    in_core = room.partition(".")[0] not in ABOVE
    allowed = EXTRA_ROOMS.get(room, frozenset())
    wrong = []
    for found in imports_of(source, module, is_package=is_package):
        top = found.name.partition(".")[0]
        if found.at_run_time and top in HTTP_LIBRARIES and room not in HTTP_ROOMS:
            wrong.append(f"line {found.line}: {module} imports {top}: only the network's rooms may")
        elif in_core and top in EXTRAS - allowed:
            wrong.append(f"line {found.line}: {module} imports {top}, which is an extra")
    return wrong


#: The rooms of the sandbox that show what is in it, and what of the SDK they show it with.
SHOWING = {
    f"{PACKAGE}.sandbox._page": ("errors", "twacode"),
    f"{PACKAGE}.sandbox._typed": ("_protocol.v1.decode", "messages"),
    f"{PACKAGE}.sandbox._sandbox": ("messages",),  # for a type that it names
}

MODULES = modules()


def lint_imports(root: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Hold the imports of the package in a folder against the floors of its pyproject.toml."""
    command = shutil.which("lint-imports", path=pathlib.Path(sys.executable).parent)
    env = os.environ | {"PYTHONPATH": str(root)}
    arguments = [command, "--no-cache", "--config", str(root / "pyproject.toml")]
    return subprocess.run(arguments, cwd=root, env=env, capture_output=True, text=True, check=False)


def test_imports_run_strictly_downwards():
    """No room imports its own floor or a higher one, for types and inside functions neither."""
    ran = lint_imports(ROOT)
    assert ran.returncode == 0, ran.stdout


def test_each_folder_has_floors_and_each_room_stands_on_one():
    """A contract that leaves out a folder, or may leave out rooms, would hold nothing."""
    assert set(floors()) == folders()
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert config.count("exhaustive = true") == config.count("[[tool.importlinter.contracts]]")


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("errors.py", "from .session import TwakeSession"),
        ("errors.py", "if TYPE_CHECKING:\n    from .messages import Message"),
        ("messages.py", "def late():\n    from twake_async import session"),
        ("_protocol/exchange.py", "from twake_async._transport.pool import Pool"),
        ("_protocol/exchange.py", "from . import json_codec"),
        ("new_room.py", "import attrs"),
    ],
)
def test_an_import_upwards_is_found(tmp_path: pathlib.Path, room: str, line: str):
    """In each of the ways to write it; and a room without a floor is found as well."""
    shutil.copytree(ROOT / PACKAGE, tmp_path / PACKAGE)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / PACKAGE / room).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    ran = lint_imports(tmp_path)
    assert ran.returncode == 1
    assert "BROKEN" in ran.stdout  # it ended so because of the import, and could start at all


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_http_libraries_and_extras_stay_in_their_rooms(path: pathlib.Path):
    """The core imports no extra, and only one room imports httpx or httpx2."""
    source = path.read_text(encoding="utf-8")
    assert complaints(source, module_name(path), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    "path", [path for path in MODULES if "sandbox" in path.parts], ids=module_name
)
def test_the_sandbox_imports_nothing_of_the_client(path: pathlib.Path):
    """Otherwise a mistake of the client could hide in the server that tests it.

    Only the rooms that show what is there know anything of the SDK: they answer no request of it.
    """
    name = module_name(path)
    found = imports_of(
        path.read_text(encoding="utf-8"), name, is_package=path.name == "__init__.py"
    )
    ours = [one.name for one in found if one.name.partition(".")[0] == PACKAGE]
    showing = next((rooms for room, rooms in SHOWING.items() if name.startswith(room)), ())
    known = tuple(f"{PACKAGE}.{room}" for room in ("sandbox", *showing))
    assert [one for one in ours if not one.startswith(known)] == []


def length(source: str) -> int:
    """How many lines a module has, docstrings aside."""
    docstrings = [
        node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and node.end_lineno
    ]
    return len(source.splitlines()) - sum(docstrings)


def arguments(source: str) -> int:
    """How many lines of a module are the arguments of functions, each on a line of its own."""
    return sum(
        max(0, node.body[0].lineno - node.lineno - 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


#: The public face: each call has its arguments, as its documentation shows them, and hands them on.
FACE = "twake_async.session"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_room_stays_small(path: pathlib.Path):
    """A module that outgrows its bound does more than one thing.

    Of the session, which is all face, the arguments of its calls do not count.
    """
    source = path.read_text(encoding="utf-8")
    lines = length(source) - (arguments(source) if module_name(path) == FACE else 0)
    assert lines <= LONGEST_ROOM


def test_docstrings_do_not_make_a_room_long():
    """Code, comments and blank lines count; a docstring of three lines does not."""
    assert length('"""One\ntwo\nthree."""\n\n# why\nx = "text"\n') == 3
    assert arguments("def f(\n    a,\n    b,\n):\n    return a\n") == 3
    assert arguments("def f(a): return a\n") == 0


@pytest.mark.parametrize(
    "source",
    [
        "if typing.TYPE_CHECKING:\n    pass\nelse:\n    import httpx",
        "import httpx",
        "from httpcore import Response",
        "def late():\n    import httpx2",
        "try:\n    import orjson\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    import rich",
    ],
)
def test_the_checker_catches_what_it_is_there_to_catch(source: str):
    """Each way of importing an extra or an HTTP library is seen in a room of the core."""
    assert len(complaints(source, "twake_async.messages")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from twake_async.errors import TwakeError",
        "from .errors import TwakeError",
        "if TYPE_CHECKING:\n    import httpx",
        "import json, attrs",
    ],
)
def test_the_checker_lets_pass_what_is_allowed(source: str):
    """Rooms of the house, types of httpx, and the standard library are not its concern."""
    assert complaints(source, "twake_async.messages") == []


def run_python(code: str) -> str:
    """Run a program in an interpreter of its own, and hand back what it printed."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_the_package_imports_no_extra():
    """A program that only sends never pays for the sandbox; httpx's own imports do not count."""
    loaded = run_python(
        "import sys, attrs, cattrs, httpx, sniffio; before = set(sys.modules); import twake_async; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    assert PACKAGE in loaded.split()
    assert EXTRAS.isdisjoint(loaded.split())


def test_importing_the_package_puts_off_what_takes_long():
    """httpx, most of the cost of an import, waits for the first session, and httpcore for a send."""
    loaded = run_python("import sys, twake_async; print(*sys.modules)").split()
    assert HTTP_LIBRARIES.isdisjoint(loaded)


def test_the_package_works_where_no_extra_is_installed():
    """An extra that cannot be imported is not missed by a program that only sends."""
    code = f"import sys; sys.modules |= dict.fromkeys({sorted(EXTRAS)}); import twake_async"
    assert run_python(f"{code}; print(twake_async.TwakeSession.__name__)").strip() == "TwakeSession"

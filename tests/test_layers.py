"""The house: which room is on which floor, and that imports run strictly downwards.

The checker works on source text, so that it can be shown to catch what it is there to catch.
"""

import ast
import pathlib
import subprocess
import sys

import pytest
from attrs import frozen

import twake_async

PACKAGE = "twake_async"
ROOT = pathlib.Path(twake_async.__file__).parent

# A room may import the rooms of lower floors, and no other. Floors are those of the design; a room
# that had to be divided has a half floor for the part below or above. "" is the package itself, the
# face: it gathers the public names of floors 0 to 5, and no room looks back up at it.
FLOORS = {
    "_printable": 0,
    "errors": 0.25,
    "_channels": 0,
    "_results": 0,
    "twacode": 0.5,
    "_facts": 0,
    "messages": 1,
    "retry": 1,
    "_json": 1,
    "_settings": 1,
    "_decode": 2,
    "deliveries": 2,
    "_journal_errors": 1,
    "_journal_lock": 2,
    "_journal_wal": 0,
    "_journal_rows": 2.5,
    "_journal_checks": 2.75,
    "_journal_file": 2.85,
    "_journal_views": 2.85,
    "_body": 2.5,
    "_judge": 2.75,
    "_tls": 1,
    "_http_library": 0.5,
    "_proxies": 1,
    "_wire": 2.5,
    "_lanes": 2.5,
    "_names": 2,
    "_connector": 0.5,
    "_limiter": 0,
    "_maker": 3.75,
    "_waiting": 0,
    "_dial": 2.5,
    "_incoming": 2.5,
    "_link": 3,
    "_witness": 3,
    "_network": 3,
    "journal": 3,
    "_ends": 3.75,
    "_resume": 3.5,
    "_transport": 3.5,
    "_fast": 3.75,
    "_intake": 4,
    "_attempts": 4,
    "_way": 4,
    "check": 4,
    "_life": 4,
    "_breaker": 4.25,
    "_plan": 4.375,
    "_outage": 0.5,
    "_loop": 0.5,
    "_progress": 3,
    "_given": 1.5,
    "_proof": 4.25,
    "_worker": 4,
    "batch": 4.5,
    "session": 5,
    "": 6,
    "sandbox": 6,
    "testing": 7,
    "cli": 7,
    "__main__": 8,
}
HIGHEST_CORE_FLOOR = 5
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
    }
)
# The rooms of the core that know an extra, and import it when it is used.
EXTRA_ROOMS = {
    "_http_library": frozenset({"httpx2", "httpcore2"}),
    "_incoming": frozenset({"httptools"}),
    "_json": frozenset({"orjson"}),
    "session": frozenset({"httpx2"}),  # for its types: no room but one imports it to run
}
HTTP_LIBRARIES = frozenset({"httpx", "httpcore", "httpx2", "httpcore2"})
HTTP_ROOMS = frozenset({"_http_library"})
# Lines of a module, docstrings aside: what is documented well shall not have to be cut for it.
LONGEST_ROOM = 330


@frozen
class Import:
    """One name that a module imports: absolute, dotted, and where."""

    name: str
    line: int
    at_run_time: bool


def module_name(path: pathlib.Path) -> str:
    """The dotted name of a module of the package, from its file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    """The room that a dotted name of this package belongs to; "" is the face."""
    parts = name.split(".")
    known = len(parts) > 1 and (parts[1] in FLOORS or (ROOT / f"{parts[1]}.py").exists())
    return parts[1] if known else ""


def is_type_checking(node: ast.expr) -> bool:
    """Whether an `if` asks for TYPE_CHECKING, by its bare or its dotted name."""
    return (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING") or (
        isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING"
    )


def absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """The module that a `from` import names, with its leading dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    keep = len(parts) - node.level + is_package
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def imports_of(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    """Every import of a module, in functions and in branches too."""
    found: list[Import] = []

    def walk(node: ast.AST, *, at_run_time: bool) -> None:
        if isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.body:
                walk(child, at_run_time=False)
            for child in node.orelse:
                walk(child, at_run_time=at_run_time)
            return
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = absolute(node, module, is_package=is_package)
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            names = []
        found.extend(Import(name, node.lineno, at_run_time) for name in names)
        for child in ast.iter_child_nodes(node):
            walk(child, at_run_time=at_run_time)

    walk(ast.parse(source), at_run_time=True)
    return found


def complaints(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What a module imports and must not."""
    room = room_of(module)
    wrong = []
    for found in imports_of(source, module, is_package=is_package):
        top = found.name.partition(".")[0]
        if top == PACKAGE:
            target = room_of(found.name)
            if target != room and FLOORS[target] >= FLOORS[room]:
                wrong.append(f"line {found.line}: {module} imports upwards: {found.name}")
            if target == room == "":
                wrong.append(
                    f"line {found.line}: {module} imports what no room holds: {found.name}"
                )
        if found.at_run_time and top in HTTP_LIBRARIES and room not in HTTP_ROOMS:
            wrong.append(f"line {found.line}: {module} imports {top}: only the network's rooms may")
        allowed = EXTRA_ROOMS.get(room, frozenset())
        if top in EXTRAS - allowed and (FLOORS[room] <= HIGHEST_CORE_FLOOR or room == ""):
            wrong.append(f"line {found.line}: {module} imports {top}, which is an extra")
    return wrong


MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_belongs_to_a_room_that_has_a_floor(path: pathlib.Path):
    """A new room is put on a floor before it is used."""
    parts = module_name(path).split(".")
    assert len(parts) == 1 or parts[1] in FLOORS


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_strictly_downwards(path: pathlib.Path):
    """No room imports its own floor or a higher one, httpx stays in its room, extras stay out."""
    source = path.read_text(encoding="utf-8")
    assert complaints(source, module_name(path), is_package=path.name == "__init__.py") == []


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


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_room_stays_small(path: pathlib.Path):
    """A module that outgrows its bound does more than one thing."""
    lines = length(path.read_text(encoding="utf-8"))
    assert lines <= LONGEST_ROOM


def test_docstrings_do_not_make_a_room_long():
    """Code, comments and blank lines count; a docstring of three lines does not."""
    assert length('"""One\ntwo\nthree."""\n\n# why\nx = "text"\n') == 3


@pytest.mark.parametrize(
    "source",
    [
        "from twake_async.session import TwakeSession",
        "from twake_async import session",
        "from twake_async import TwakeSession",
        "import twake_async.session",
        "import twake_async",
        "from . import session",
        "from .session import TwakeSession",
        "from .retry import RetryPolicy",
        "def late():\n    from twake_async.session import TwakeSession",
        "if TYPE_CHECKING:\n    from twake_async.session import TwakeSession",
        "if typing.TYPE_CHECKING:\n    pass\nelse:\n    import httpx",
        "import httpx",
        "from httpcore import Response",
        "try:\n    import orjson\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    import rich",
    ],
)
def test_the_checker_catches_what_it_is_there_to_catch(source: str):
    """Each way of importing upwards, sideways or an extra is seen in a room of floor 1."""
    assert len(complaints(source, "twake_async.messages")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from twake_async.errors import TwakeError",
        "from twake_async import errors",
        "from .errors import TwakeError",
        "if TYPE_CHECKING:\n    import httpx",
        "import json, attrs",
    ],
)
def test_the_checker_lets_pass_what_is_allowed(source: str):
    """Downward imports, types of httpx, and the standard library are no one's concern."""
    assert complaints(source, "twake_async.messages") == []


def test_relative_imports_inside_a_package_room_stay_in_it():
    """A room that is a package may be divided; its parts see each other and the rooms below."""
    source = "from . import state\nfrom .state import State\nfrom ..errors import TwakeError\n"
    assert complaints(source, "twake_async.sandbox.app") == []
    assert complaints(source, "twake_async.sandbox", is_package=True) == []


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

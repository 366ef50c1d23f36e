"""The pages of the documentation as programs: every block of code is run, every output compared.

Each page meets a sandbox of its own, whose ids are those that the pages use, in a new folder. Its
blocks share their names from top to bottom, and may `await` at the top level. A `text` block shows
what the block before it printed; a block that prints what no `text` block shows is a failure.
A `console` block holds commands, behind `$ `, and their output; where it shows none, it is enough
that the command ends well. It shows a server of 2020, and is not run on another release.
Where two outputs differ in ids, ports, dates or durations only, they are the same; `...` stands for
anything.
"""

from __future__ import annotations

import ast
import asyncio
import configparser
import contextlib
import copy
import doctest
import inspect
import io
import json
import logging
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tomllib
from typing import Any

import yaml
from sybil import Document, Example
from sybil.parsers.myst import CodeBlockParser

from twake_async import TwakeSession, WrongEventLoopError
from twake_async.cli._commands import twake_async as command_line
from twake_async.sandbox import Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)])

#: The values that differ from run to run, and their replacements before two outputs are compared.
_VOLATILE = (
    # A line of progress, which only a slow machine prints.
    (r"(?m)^twake-async: \d{4}-\d\d-\d\dT\S+ .*; [\d,]+/s.*\n", ""),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"\d\d:\d\d:\d\d(?:[.,]\d+)?", "TIME"),
    (r"\d+(?:\.\d+)? (s|ms|seconds)\b", r"N \1"),
)
#: Commands that pages show and that must not run here: they would change the machine.
_NOT_RUN = ("pip ", "python3 -m venv", ".venv/bin/", "sudo ", "docker ", "ssh ")
#: The names that pages use and that a test has: the package itself, and a build that ends well.
_SHELL = """
twake-async() {
    if [ "$1" = run ]; then set -- "$@" --port 0; fi  # the port of the page may be in use
    "$PYTHON" -m twake_async "$@"
}
pytest() { "$PYTHON" -m pytest -p no:cacheprovider "$@"; }
python() { "$PYTHON" "$@"; }
produce() { echo '{"channel_id": "channel-id", "content": "Hello"}'; }
make() { echo "all is built"; }
sqlite3() { "$PYTHON" -c 'import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row, sep="|")' "$@"; }
"""


def world(channels: int = 500) -> dict[str, Any]:
    """The sandbox's own world under the ids that the pages use, with many channels."""
    seed: dict[str, Any] = copy.deepcopy(dict(DEFAULT_SEED))
    seed["groups"]["acme"]["id"] = "group-id"
    seed["apps"]["bot"] |= {"id": "public-id", "key": "private-key"}
    general = seed["channels"]["general"]
    general["id"] = "channel-id"
    seed["channels"] |= {f"c{n}": {**general, "id": f"team-{n}"} for n in range(channels)}
    return seed


def same(want: str, got: str) -> bool:
    """Whether two outputs are the same to a reader."""
    for pattern, name in _VOLATILE:
        want, got = re.sub(pattern, name, want), re.sub(pattern, name, got)
    want, got = (re.sub(r"[ \t]+$", "", t, flags=re.MULTILINE).strip("\n") for t in (want, got))
    return doctest.OutputChecker().check_output(want + "\n", got + "\n", doctest.ELLIPSIS)


class Page:
    """One page, ready to be run from top to bottom."""

    def __init__(self, path: pathlib.Path, folder: pathlib.Path, release: str = "2020") -> None:
        self.folder = folder
        self.release = release
        self.shown: str | None = None
        kinds = {
            "python": self.python,
            "text": self.text,
            "console": self.console,
            "toml": lambda example: tomllib.loads(example.parsed) and None,
            "json": lambda example: json.loads(example.parsed) and None,
            "sql": _run_sql,
            "nginx": lambda _: None,  # test_bot_behind_nginx.py runs it
            "ini": _read_unit,
            "yaml": _read_yaml,
            "cron": _read_cron,
            "powershell": _read_powershell,
        }
        parsers = [CodeBlockParser(kind, evaluate) for kind, evaluate in kinds.items()]
        self.document = Document.parse(str(path), *parsers)

    def run(self) -> None:
        """Run all that the page shows, in the folder."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.chdir(self.folder))
            pathlib.Path(".config/fish/completions").mkdir(parents=True)  # where a shell looks
            stack.enter_context(_quiet_logging())
            self.box = stack.enter_context(Sandbox(world(), release=self.release))
            self.runner = stack.enter_context(asyncio.Runner())
            stack.enter_context(_environment(self.box, self.folder))
            stack.enter_context(_default_address(self.box.url))
            self.document.namespace |= {"__name__": "__main__", "box": self.box}
            stack.callback(self.close)
            self.printed = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            for example in self.document.examples():
                example.evaluate()
            assert not self.shown, f"the page does not show what it prints: {self.shown}"

    def close(self) -> None:
        """Close what the page's blocks left open, as the end of a program would."""
        for kept in list(self.document.namespace.values()):
            if isinstance(kept, TwakeSession):
                with contextlib.suppress(WrongEventLoopError):  # it was closed in its own loop
                    self.runner.run(kept.aclose())

    def python(self, example: Example) -> str | None:
        """Run a block of Python, which may await at its top level."""
        if self.shown:
            return f"the page does not show what the block above prints: {self.shown}"
        start = example.line + example.parsed.line_offset
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        source = "\n" * start + example.parsed
        code = compile(source, example.path, "exec", flags=flags, dont_inherit=True)
        before = len(self.printed.getvalue())
        done = eval(code, example.namespace)
        if inspect.iscoroutine(done):
            self.runner.run(done)
        self.shown = self.printed.getvalue()[before:]
        return None

    def text(self, example: Example) -> str | None:
        """Compare what a page shows with what the block above it printed."""
        got, self.shown = self.shown, None
        if got is None:
            return "there is nothing above that prints this"
        return None if same(example.parsed, got) else f"shown:\n{example.parsed}\nprinted:\n{got}"

    def console(self, example: Example) -> str | None:
        """Run the commands of a block, and compare what each prints."""
        if self.shown:
            return f"the page does not show what the block above prints: {self.shown}"
        if self.release != "2020":
            return None
        for command, want in _commands(example.parsed):
            if command.startswith(_NOT_RUN):
                continue
            serves = re.match(r"twake-async sandbox(?! fail)", command)
            got, status = _serve(command) if serves else _shell(command)
            if not (same(want, got) if want.strip() else status == 0):
                return f"$ {command}\nshown:\n{want}\nprinted:\n{got}"
        return None


def _run_sql(example: Example) -> None:
    """Run statements on a database of their own."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(example.parsed)


def _read_unit(example: Example) -> None:
    """Read a unit of systemd or a file of services: sections, and settings with values."""
    unit = configparser.RawConfigParser(interpolation=None, strict=False)
    unit.read_string(example.parsed)
    assert unit.sections()


def _read_yaml(example: Example) -> None:
    """Read the documents of a block; each is a mapping."""
    assert all(isinstance(document, dict) for document in yaml.safe_load_all(example.parsed))


def _read_cron(example: Example) -> None:
    """Read a crontab: settings, and lines with five fields of time and a command."""
    for line in example.parsed.splitlines():
        assert re.match(r"[A-Z_]+=\S|([\d*/,-]+\s+){5}\S", line), line


def _read_powershell(example: Example) -> None:
    """Check lines for a shell that may be missing here: each names a command that exists."""
    named = re.findall(r"twake-async(?:\.exe)? ([a-z-]+)", example.parsed)
    assert [name for name in named if name not in command_line.list_commands(None)] == []


def _commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block, and the shown output of each."""
    parts = re.split(r"^\$ ((?:.*\\\n)*.*)\n?", block, flags=re.MULTILINE)
    assert not parts[0], f"a console block begins with a command, not with {parts[0]!r}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _shell(command: str) -> tuple[str, int]:
    """Run a command as a shell would, and return the terminal's output and the status."""
    ended = subprocess.run(
        ["bash", "-c", _SHELL + command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.stdout, ended.returncode


def _serve(command: str) -> tuple[str, int]:
    """Run the sandbox until it has answered one message, and end it with Ctrl-C."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "twake_async", *command.split()[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    shown, environment = "", dict[str, str]()
    for line in serving.stdout:
        shown += line
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            environment[name] = value
        if "Ctrl-C" in line:
            break
    with _variables(environment):
        asyncio.run(_say_hello(environment["TWAKE_CHANNEL_ID"]))
    while '"Hello"' not in shown:  # the message; a login may come before it
        shown += serving.stdout.readline()
    serving.send_signal(signal.SIGINT)
    rest, _ = serving.communicate(timeout=120)
    return shown + rest, serving.returncode


async def _say_hello(channel_id: str) -> None:
    async with TwakeSession.from_env() as twake:
        await twake.send_message(channel_id, "Hello")


@contextlib.contextmanager
def _variables(values: dict[str, str]):
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _environment(box: Sandbox, home: pathlib.Path):
    """The environment of a reader who follows the page with this sandbox."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return _variables(
        box.environment
        | {
            "TWAKE_CHANNEL_ID": box.channel_id,
            "PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join(paths),
            "HOME": str(home),
            "NO_PROXY": "*",
            "COLUMNS": "100",
        }
    )


@contextlib.contextmanager
def _default_address(url: str):
    """Use the sandbox in place of the public server: no page needs `base_url` for that."""
    defaults = TwakeSession.__init__.__kwdefaults__
    before = defaults["base_url"]
    defaults["base_url"] = url
    try:
        yield
    finally:
        defaults["base_url"] = before


@contextlib.contextmanager
def _quiet_logging():
    """Give a page the logging of a new program, and restore the old one after it."""
    root, own = logging.getLogger(), logging.getLogger("twake_async")
    before = (root.handlers[:], root.level, own.handlers[:], own.level)
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:], own.handlers[:] = before[0], before[2]
        root.setLevel(before[1])
        own.setLevel(before[3])

"""Signals that end `send-many` and `send`: each line is in exactly one list, at any moment.

The default run takes a few moments of each kind. The full run, with ten moments of each kind, takes
4 minutes on two cores:

    TWAKE_SIGNALS=10 python -m pytest tests/unit/cli/test_cli_signals.py -n 4 --dist worksteal
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
from collections import Counter

import attrs
import pytest

pytest.importorskip("click")

from click.testing import CliRunner
from command_line import COMMAND, environment, restore_ctrl_c, texts, wait_for

from twake_async.cli import _sandbox
from twake_async.cli._commands import twake_async
from twake_async.cli._signals import Signals
from twake_async.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

MOMENTS = int(os.environ.get("TWAKE_SIGNALS", "0"))
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LINES = 600
#: This is more than the pipe and the read-ahead of the batch hold together.
PADDING = "." * 2_000


@attrs.define(eq=False)
class Trial:
    """One run of `send-many` in its own folder, which signals end."""

    sandbox: object
    folder: pathlib.Path
    source: str
    journal: bool
    status: int | None = None
    out: str = ""
    err: str = ""

    def __attrs_post_init__(self):
        self.folder.mkdir()
        lines = (
            {"channel_id": self.sandbox.channel_id, "content": f"{n} {PADDING}"}
            for n in range(LINES)
        )
        self.path("in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def path(self, name: str) -> pathlib.Path:
        return self.folder / name

    def start(self, *more: str, ignored: int | None = None) -> subprocess.Popen:
        arguments = ["in.jsonl" if self.source == "file" else "-", "--no-order", "--in-flight", "5"]
        for name in ("undelivered", "unknown", "results"):
            arguments += [f"--{name}", f"{name}.jsonl"]
        if self.journal:
            arguments += ["--journal", "run.sqlite"]
        process = subprocess.Popen(
            [*COMMAND, "send-many", *arguments, *more],
            env=environment(**self.sandbox.environment),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=ignored and functools.partial(signal.signal, ignored, signal.SIG_IGN),  # noqa: PLW1509
        )
        if self.source == "stdin":
            threading.Thread(target=self._feed, args=(process.stdin,), daemon=True).start()
        return process

    def _feed(self, stdin) -> None:
        with contextlib.suppress(BrokenPipeError), stdin:
            stdin.write(self.path("in.jsonl").read_text())

    def end(self, process: subprocess.Popen) -> None:
        self.out, self.err = process.stdout.read(), process.stderr.read()
        self.status = process.wait(timeout=60)
        for stream in (process.stdout, process.stderr):
            stream.close()
        if self.source == "file":
            process.stdin.close()

    def lines(self, name: str) -> list[dict]:
        text = self.path(f"{name}.jsonl").read_text()
        assert text.endswith("\n") or not text, "the last line is cut"
        return [json.loads(line) for line in text.splitlines()]

    def numbers(self, name: str) -> list[int]:
        return [int(line["content"].split()[0]) for line in self.lines(name)]


def stored(sandbox) -> Counter[int]:
    """Return how often each line is in the channel, once all requests have ended."""
    count = -1
    while count != len(texts(sandbox)):
        count = len(texts(sandbox))
        time.sleep(0.1)
    return Counter(int(text.split()[0]) for text in texts(sandbox))


def check(trial: Trial) -> None:
    """Check that each line is in one list, and that the lists are right."""
    there = stored(trial.sandbox)
    rest, unknown = trial.numbers("undelivered"), trial.numbers("unknown")
    results = {one["line"] - 1: one["outcome"] for one in trial.lines("results")}
    delivered = [number for number, outcome in results.items() if outcome == "delivered"]
    assert len(trial.lines("results")) == len(results), "a line has two results"
    assert Counter([*rest, *unknown, *delivered]) == Counter(range(LINES)), trial.err
    assert {number for number, outcome in results.items() if outcome == "unknown"} == {*unknown}
    assert not there.keys() & {*rest}, "what is certainly not delivered is there"
    assert there.keys() >= {*delivered}, "what was delivered is not there"
    assert max(there.values(), default=0) <= 1
    assert trial.status == (4 if unknown else 3 if rest else 0), trial.err
    assert "Traceback" not in trial.err
    for line in trial.lines("undelivered"):
        assert line["_result"]["reason"] in ("stopped", "cancelled"), line


def one_moment(sandbox, folder, number: int, times: int, source: str, *, journal: bool) -> int:
    """Interrupt a run at a random moment, check it, and continue it; return its status."""
    sandbox.reset()
    sandbox.slow(0.015)
    trial = Trial(sandbox, folder, source, journal)
    process = trial.start()
    wait_for(trial.path("results.jsonl").exists)
    time.sleep(random.uniform(0, 1.5))
    for _ in range(times):
        if process.poll() is None:
            process.send_signal(number)
        time.sleep(random.choice((0, 0.001, 0.01, 0.1)))
    trial.end(process)
    check(trial)
    status = trial.status
    if journal and status:
        unknown = {*trial.numbers("unknown")}
        sandbox.slow(0)
        trial.end(trial.start())
        there = stored(sandbox)
        assert there.keys() >= set(range(LINES)) - unknown, trial.err
        assert max(there.values()) == 1, "a line was sent again"
        assert {*trial.numbers("unknown")} == unknown
        assert trial.status == (4 if unknown else 0), trial.err
    return status


KINDS = [(number, times) for number in SIGNALS for times in (1, 2, 3)]
FEW = [
    (signal.SIGINT, 1, "stdin", True),
    (signal.SIGINT, 3, "file", False),
    (signal.SIGTERM, 2, "file", True),
    (signal.SIGHUP, 1, "stdin", False),
    (signal.SIGHUP, 2, "stdin", False),
]
ALL = [(*kind, source, kept) for kind in KINDS for source in ("file", "stdin") for kept in (0, 1)]


@pytest.mark.parametrize(("number", "times", "source", "journal"), ALL if MOMENTS else FEW)
def test_no_line_is_in_no_list_and_none_in_two(
    sandbox, tmp_path, *, number, times, source, journal
):
    """With any signals, at any time, the lists, the results and the channel agree."""
    ends: Counter[int | None] = Counter()
    for moment in range(MOMENTS or 1):
        folder = tmp_path / str(moment)
        ends[one_moment(sandbox, folder, number, times, source, journal=bool(journal))] += 1
    print(f"{number.name} x{times}, {source}, journal {bool(journal)}: {dict(ends)}")  # noqa: T201 - the figures of the long form


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_what_ends_while_it_loads_sends_nothing_and_says_so(sandbox, tmp_path, number, times):
    """The file is still being read: status 3, no traceback, and the lists do not change."""
    fifo, rest = tmp_path / "in.csv", tmp_path / "rest.jsonl"
    os.mkfifo(fifo)
    rest.write_text("an earlier list\n")
    arguments = ["send-many", str(fifo), "--format", "csv", "--undelivered", str(rest)]
    with started(sandbox, *arguments) as process, fifo.open("wb") as end:  # it is open: it loads
        end.write(b"channel_id,content\nc,one\n")
        end.flush()
        for _ in range(times):
            process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "Traceback" not in err
    assert rest.read_text() == "an earlier list\n"
    assert sandbox.requests == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_send_that_is_ended_tells_what_is_certain(sandbox, number):
    """Before its request left it is not sent, after it unknown; a second signal changes nothing."""
    with started(sandbox, "send", "--channel", sandbox.channel_id, "-") as process:
        process.stdin.write("half a te" * 20_000)  # more than a pipe holds: it reads, then
        process.stdin.flush()
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (3, "twake-async: not sent: interrupted\n")
    sandbox.fail_next(before_storing="silent")
    with started(sandbox, "send", "--channel", sandbox.channel_id, "x") as process:
        wait_for(lambda: sandbox.requests)
        process.send_signal(number)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (4, "twake-async: unknown: interrupted\n")


def test_one_signal_ends_a_run_that_only_waits_for_its_rate(sandbox, tmp_path):
    """Nothing is in flight, so there is nothing to wait for."""
    trial = Trial(sandbox, tmp_path / "run", "file", journal=False)
    process = trial.start("--rate", "0.01")
    wait_for(lambda: texts(sandbox))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    trial.end(process)
    assert time.monotonic() - began < 20
    check(trial)
    assert trial.out.startswith("1 delivered, ")


def test_what_nohup_started_goes_on_without_its_terminal(sandbox, tmp_path):
    """An ignored SIGHUP stays ignored."""
    trial = Trial(sandbox, tmp_path / "run", "file", journal=False)
    sandbox.slow(0.005)
    process = trial.start(ignored=signal.SIGHUP)
    wait_for(lambda: texts(sandbox))
    process.send_signal(signal.SIGHUP)
    trial.end(process)
    assert (trial.status, trial.out) == (0, f"{LINES} delivered\n")


def test_a_command_inside_a_program_leaves_the_program_its_signals(sandbox, cli):
    """The earlier handlers are restored."""
    before = [signal.getsignal(number) for number in SIGNALS]
    assert cli("send", "x")[0] == 0
    assert CliRunner().invoke(twake_async, ["send", "x"]).exit_code == 0
    assert [signal.getsignal(number) for number in SIGNALS] == before


def started(sandbox, *arguments: str) -> subprocess.Popen:
    """Start a command whose SIGINT is not ignored, though this suite may ignore it."""
    return subprocess.Popen(
        # A file that an interrupt left open, between two steps of the interpreter, is no traceback.
        [COMMAND[0], *COMMAND[1:3], "-W", "ignore::ResourceWarning", *COMMAND[3:], *arguments],
        env=environment(**sandbox.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_ctrl_c,  # noqa: PLW1509 - it only sets a signal
    )


async def test_a_sandbox_that_is_ended_at_its_first_line_ends_in_order(monkeypatch, capsys):
    """A reader of the line may send a signal before the next one is printed."""
    signals = Signals()
    monkeypatch.setattr(
        _sandbox, "say", lambda line: line.startswith("export") and signals._receive()
    )
    async with asyncio.timeout(20):
        assert await _sandbox._serve(Sandbox(), 0, signals) == 0
    assert capsys.readouterr().err.endswith("# The sandbox has ended.\n")

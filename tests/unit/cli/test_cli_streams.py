"""Standard streams that are closed, full or without a reader: no hang, the right status."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess

import pytest

pytest.importorskip("click")

from command_line import COMMAND, environment, message, texts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")


@pytest.fixture
def shell(sandbox):
    """Run a shell command, in which COMMAND is the command line with its arguments."""

    def run(line: str, *arguments: str, stdout=subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        more = {**sandbox.environment, "TWAKE_CHANNEL_ID": sandbox.channel_id}
        bash = ["bash", "-o", "pipefail", "-c", line.replace("COMMAND", '"$@"'), "bash"]
        ran = subprocess.run(
            [*bash, *COMMAND, *arguments],
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in ran.stderr
        assert "Exception ignored" not in ran.stderr
        return ran

    return run


@pytest.mark.parametrize(
    "arguments",
    [["send"], ["send", "-"], ["send-many", "-"], ["send-many", "-", "--format", "csv"]],
)
@pytest.mark.parametrize("more", ["", ">&-", "2>&-", ">&- 2>&-"])
def test_closed_standard_input_is_a_wrong_command_line(sandbox, shell, arguments, more):
    """Nothing is sent, and the error is where it can be read."""
    ran = shell(f"COMMAND <&- {more}", *arguments)
    assert ran.returncode == 64
    assert ("tandard input is closed" in ran.stderr) == ("2>" not in more)
    assert sandbox.requests == []


@pytest.mark.parametrize("how", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_closed_stream_changes_no_outcome(sandbox, shell, write, tmp_path, how):
    """Delivered is 0, refused is 2, for one message and for many, and a journal stays whole."""
    file, journal = write(message(sandbox, 1)), str(tmp_path / "run.sqlite")
    assert shell(f"COMMAND {how}", "send", "x").returncode == 0
    assert shell(f"COMMAND {how}", "send-many", file, "--journal", journal).returncode == 0
    sandbox.refuse_next("group", times=2)
    assert shell(f"COMMAND {how}", "send", "x").returncode == 2
    assert shell(f"COMMAND {how}", "send-many", file).returncode == 2
    assert shell("COMMAND", "journal", journal, "--json").stdout.startswith('{"delivered": 1,')
    assert texts(sandbox) == ["x", "message 1"]


@pytest.mark.parametrize("how", [">&-", ">/dev/full"])
def test_an_id_that_cannot_be_printed_is_not_lost(sandbox, shell, write, how):
    """If standard output is closed or full, standard error has the id, or the counts."""
    ran = shell(f"COMMAND {how}", "send", "x")
    [stored] = sandbox.messages(sandbox.channel_id)
    assert stored["id"] in ran.stderr
    assert "1 delivered" in shell(f"COMMAND {how}", "send-many", write(message(sandbox, 1))).stderr


@pytest.mark.parametrize("arguments", [["-h"], ["send-many", "-h"], ["completion", "bash"]])
@pytest.mark.parametrize("how", [">&-", ">/dev/full"])
def test_what_was_asked_for_and_cannot_be_printed_is_a_failure(shell, arguments, how):
    """The status is 1: a user who asked for help, and closed its stream, got none."""
    ran = shell(f"COMMAND {how}", *arguments)
    assert ran.returncode == 1
    assert "cannot continue" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["-h"], 0),
        (["completion", "zsh"], 0),
        (["send", "x"], 0),
        (["send", "--group", "g", "x"], 2),
        (["send-many", "{file}"], 0),
        (["send-many", "{file}", "--group", "g"], 2),
        (["check"], 0),
        (["journal", "{journal}"], 0),
        (["journal", "{journal}", "--list", "delivered"], 0),
        (["journal", "{journal}", "--json"], 0),
    ],
)
def test_a_reader_that_goes_away_is_met_with_silence(
    sandbox, shell, write, tmp_path, *, arguments, status
):
    """With `| head -1` and the like, there is no message, and the status does not change."""
    file, journal = write(message(sandbox, 1)), str(tmp_path / "run.sqlite")
    assert shell("COMMAND", "send-many", file, "--journal", journal).returncode == 0
    given = [word.format(file=file, journal=journal) for word in arguments]
    read, written = os.pipe()
    os.close(read)
    try:
        ran = shell("COMMAND", *given, stdout=written)
    finally:
        os.close(written)
    assert ran.returncode == status
    assert "roken pipe" not in ran.stderr
    assert "standard output" not in ran.stderr
    if not status:
        assert ran.stderr == ""


def test_the_first_line_of_many_is_enough(sandbox, shell, write, tmp_path):
    """With `head -1` a long list gives its first line, no message, and status 0."""
    file = write(*(message(sandbox, number) for number in range(500)))
    journal = str(tmp_path / "run.sqlite")
    assert shell("COMMAND", "send-many", file, "--journal", journal).returncode == 0
    ran = shell("COMMAND | head -1", "journal", journal, "--list", "delivered")
    assert json.loads(ran.stdout)["outcome"] == "delivered"
    assert (ran.returncode, ran.stderr) == (0, "")


def test_no_file_is_opened_under_the_number_of_a_closed_stream(sandbox, shell, tmp_path):
    """Otherwise messages to standard error would be written into the journal."""
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps(message(sandbox, n)) + "\n" for n in range(120)))
    sandbox.slow(0.02)
    look = "for p in 0 1 2; do readlink /proc/$!/fd/$p; done"
    given = ("send-many", str(file), "--journal", str(tmp_path / "run.sqlite"))
    begun = f"until [ -s {shlex.quote(given[-1])} ]; do sleep 0.05; done"
    ran = shell(f"COMMAND <&- >&- 2>&- & {begun}; {look}; wait $!", *given)
    if pathlib.Path("/proc/self/fd").exists():
        assert ran.stdout.split() == [os.devnull] * 3
    assert ran.returncode == 0


def test_text_that_a_terminal_does_not_know_is_shown_by_its_codes(sandbox, shell, write):
    """Standard output that takes only ASCII raises nothing."""
    ran = shell("PYTHONIOENCODING=ascii LC_ALL=C COMMAND", "send-many", "nöne.jsonl")
    assert ran.returncode == 64
    ran = shell("PYTHONIOENCODING=ascii COMMAND", "send-many", write("nö JSON"))
    assert ran.returncode == 3

"""Signals that end the commands around a message: the text is certain, and no file stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

pytest.importorskip("click")

from command_line import COMMAND, environment, restore_ctrl_c, wait_for

from twake_async.sandbox import Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

ALICE = DEFAULT_SEED["users"]["alice"]["id"]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def sandbox():
    with Sandbox(max_body=10_000_000) as found:
        yield found


@pytest.fixture
def note(tmp_path):
    path = tmp_path / "note.bin"
    path.write_bytes(b"x" * 3_000_000)
    return path


def run(sandbox, *arguments):
    """Run a command to its end."""
    variables = environment(**sandbox.environment)
    return subprocess.run(
        [*COMMAND, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def ended(sandbox, number, reached, *arguments, times=1):
    """Run a command that a signal ends; return its exit status, output and standard error."""
    variables = environment(**sandbox.environment)
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_ctrl_c,  # noqa: PLW1509 - it only sets a signal
    ) as process:
        wait_for(reached)
        for _ in range(times):
            process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out, err


def asked(sandbox, path):
    return lambda: any(one.path.endswith(path) for one in sandbox.requests)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_download_that_is_ended_leaves_nothing(sandbox, note, tmp_path, number, times):
    """The temporary file is removed, too."""
    file_id = run(sandbox, "files", "put", str(note)).stdout.strip()
    folder = tmp_path / "to"
    folder.mkdir()
    sandbox.fail_next(after_storing="cut_silent", on="read")
    status, out, err = ended(
        sandbox,
        number,
        lambda: list(folder.iterdir()),
        *("files", "get", file_id, str(folder / "a")),
        times=times,
    )
    assert (status, out, err) == (130, "", "twake-async: interrupted\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_upload_that_is_ended_may_be_there(sandbox, note, number):
    """Its answer was lost, so its outcome is unknown."""
    sandbox.fail_next(after_storing="silent")
    arguments = ("files", "put", str(note), "--json")
    status, out, err = ended(sandbox, number, asked(sandbox, "drive/save"), *arguments)
    assert (status, err) == (4, "twake-async: unknown: interrupted\n")
    assert json.loads(out) == {"outcome": "unknown", "reason": "interrupted"}


def test_a_remove_that_is_ended(sandbox):
    """The server may have carried it out."""
    sandbox.fail_next(after_storing="silent")
    arguments = ("remove", "an-id", "--channel", sandbox.channel_id)
    ended_with = ended(sandbox, signal.SIGINT, asked(sandbox, "messages/remove"), *arguments)
    assert ended_with == (4, "", "twake-async: unknown: interrupted\n")


def test_what_came_before_a_message_is_not_the_message(sandbox, note):
    """An uploaded file or a found channel does not make the message delivered."""
    for arguments in (("--to-user", ALICE), ("--channel", sandbox.channel_id)):
        file = ("--file", str(note)) if "--channel" in arguments else ()
        sandbox.reset()
        if file:
            sandbox.slow_next(0)  # the upload
        sandbox.fail_next(before_storing="silent")
        status, out, err = ended(
            sandbox,
            signal.SIGINT,
            asked(sandbox, "messages/save"),
            *("send", *arguments, *file, "--json", "a text"),
        )
        assert status == 4
        assert err.startswith("twake-async: unknown: interrupted\n") or "note: the file" in err
        assert json.loads(out)["attempts"] == 1
        assert sandbox.messages(sandbox.channel_id) == []


def test_a_message_that_is_ended_before_it_left_was_not_sent(sandbox, note):
    """Its file is being uploaded, or its channel is being looked up; either may be done."""
    sandbox.fail_next(after_storing="silent")
    arguments = ("send", "--channel", sandbox.channel_id, "--file", str(note), "a text")
    status, _, err = ended(sandbox, signal.SIGINT, asked(sandbox, "drive/save"), *arguments)
    assert status == 3
    assert "not sent: interrupted" in err
    assert "the file may be there" in err
    sandbox.reset()
    sandbox.fail_next(after_storing="silent", on="read")
    arguments = ("send", "--to-user", ALICE, "a text")
    status, _, err = ended(sandbox, signal.SIGINT, asked(sandbox, "direct_channel"), *arguments)
    assert (status, err) == (3, "twake-async: not sent: interrupted\n")

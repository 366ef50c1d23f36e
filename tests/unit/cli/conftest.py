"""Fixtures of the command line: a sandbox to send to, calls in this process, files to send."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def served():
    """Serve one sandbox for the module from its own thread."""
    from twake_async.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served, monkeypatch, tmp_path):
    """Give the sandbox in its first state; its credentials are in the environment, none at home."""
    from command_line import at_home

    served.reset()
    at_home(monkeypatch, tmp_path)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TWAKE_CHANNEL_ID", served.channel_id)
    return served


@pytest.fixture
def cli(capsys):
    """Run a command line in this process; check that its output does not show the key."""
    from command_line import KEY

    from twake_async.cli._commands import run

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(arguments)
        out, err = capsys.readouterr()
        assert KEY not in out + err
        assert "Traceback" not in err
        return status, out, err

    return call


@pytest.fixture
def write(tmp_path):
    """Write lines of JSON into a file and give its name."""

    def write(*lines, name: str = "in.jsonl") -> str:
        path = tmp_path / name
        text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(text) + "\n")
        return str(path)

    return write

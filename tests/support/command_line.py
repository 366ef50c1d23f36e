"""The command line as its users have it: a process of its own, its files and its environment."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from places import ROOT

from twake_async.cli._credentials import _NAMES
from twake_async.sandbox import Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED

__all__ = [
    "COMMAND",
    "KEY",
    "at_home",
    "environment",
    "file_settings",
    "listed",
    "message",
    "restore_ctrl_c",
    "spawn",
    "spawned",
    "texts",
    "wait_for",
    "write_config",
]

COMMAND = [sys.executable, "-W", "error", "-m", "twake_async"]
KEY = DEFAULT_SEED["apps"]["bot"]["key"]


def at_home(monkeypatch, path):
    """Forget this machine's own settings, and live in an empty home."""
    for name in list(os.environ):
        if name.startswith("TWAKE_") or name == "XDG_CONFIG_HOME":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(path))


def texts(sandbox: Sandbox) -> list[str]:
    """Return the texts in the sandbox's first channel."""
    return [message["content"] for message in sandbox.messages(sandbox.channel_id)]


def environment(**more: str) -> dict[str, str]:
    """Return an environment for a process of its own, without this machine's settings."""
    others = ("TWAKE_", "FORCE_COLOR", "XDG_CONFIG_HOME")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def spawn(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**more),
        input="",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def wait_for(condition) -> None:
    """Wait until a condition holds that depends on another process or thread."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def restore_ctrl_c() -> None:
    """Undo what a shell does to background jobs, and so perhaps to the suite: SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def write_config(path: pathlib.Path, mode: int = 0o600, **settings: str) -> pathlib.Path:
    """Write a configuration file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    path.chmod(mode)
    return path


def file_settings(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings that a file needs to reach the sandbox."""
    settings = {
        name.removeprefix("TWAKE_").lower(): value for name, value in sandbox.environment.items()
    }
    return {name: value for name, value in settings.items() if name in _NAMES}


def message(sandbox, number: int, **more) -> dict:
    return {"channel_id": sandbox.channel_id, "content": f"message {number}", **more}


def spawned(sandbox, *arguments: str, **options) -> subprocess.Popen:
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [*COMMAND, "send-many", *arguments],
        env=environment(**sandbox.environment),
        stdin=options.pop("stdin", subprocess.PIPE),
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        text=True,
        **options,
    )


def listed(path) -> list[str]:
    """Return the lines of a list as they came in, without the member that gives the reason."""
    lines = []
    for line in pathlib.Path(path).read_text().splitlines():
        assert line.startswith('{"_result": ')
        fields = json.loads(line)
        del fields["_result"]
        lines.append(json.dumps(fields))
    return lines

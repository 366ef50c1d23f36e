"""`twake-async sandbox`: it prints the address of its page, and opens it on request."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request

import pytest

pytest.importorskip("click")

from command_line import COMMAND, environment, wait_for

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a browser that is a script")


@pytest.mark.parametrize("works", [True, False])
def test_the_page_is_told_and_opened(tmp_path, works):
    """It opens in the user's browser, from $BROWSER here; without one the sandbox still runs."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" > "{opened}"\nexit {0 if works else 1}\n')
    browser.chmod(0o755)
    env = environment(BROWSER=str(browser)) | {"PATH": "" if works else str(tmp_path)}
    with subprocess.Popen(
        [*COMMAND, "sandbox", "--open"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        told = process.stderr.readline()
        assert "Ctrl-C" in process.stderr.readline()
        wait_for(opened.exists)
        if not works:
            assert "No browser could be opened." in process.stderr.readline()
        address = told.rpartition(" ")[2].strip()
        wait_for(lambda: opened.read_text() == address)
        page = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address)
        assert b"Twake sandbox" in page.read()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_run_tells_the_page_of_its_sandbox(tmp_path):
    """So a person can try a bot by clicking."""
    (tmp_path / "app.py").write_text("async def app(scope, receive, send): pass\n")
    env = environment() | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    }
    ran = subprocess.run(
        [*COMMAND, "run", "app:app", "--sandbox", "--port", "0"],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=tmp_path,
    )
    assert "# Or on the page of its Twake: http://127.0.0.1:" in ran.stderr

"""The units that the documentation shows are units that systemd takes."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import pytest
from pages import ROOT

PAGE = ROOT / "docs" / "howto" / "operators.md"


def units() -> dict[str, str]:
    """Return the units of the page by the name of their file."""
    blocks = re.findall(r"^```ini\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return {pathlib.PurePath(block.split()[1]).name: block for block in blocks}


def verify(folder: pathlib.Path, shown: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Let systemd read the units, with a program of this machine in place of the command."""
    for name, unit in shown.items():
        (folder / name).write_text(unit.replace("/opt/twake/bin/twake-async", "/bin/true"))
    files = [str(folder / name) for name in shown]
    command = ["systemd-analyze", "verify", *files]
    return subprocess.run(command, capture_output=True, text=True, check=False)


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@needs_systemd
def test_systemd_takes_the_units_of_the_page(tmp_path):
    """Each unit is complete, and no setting is misspelled or not allowed."""
    shown = units()
    assert set(shown) == {"twake-digest.service", "twake-digest.timer", "twake-bot.service"}
    verified = verify(tmp_path, shown)
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
def test_a_unit_with_a_mistake_is_found_out(tmp_path):
    """A setting that systemd does not allow for this type of unit is a failure."""
    wrong = {"wrong.service": units()["twake-digest.service"] + "RestartForceExitStatus=3\n"}
    assert verify(tmp_path, wrong).returncode != 0

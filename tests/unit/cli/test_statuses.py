"""The table of exit statuses in docs/cli.md: each cell is run, and no status is left out."""

from __future__ import annotations

import re

import pytest
from command_line import message
from places import ROOT

from twake_async.cli._commands import twake_async
from twake_async.cli._statuses import FAILED, INTERRUPTED, STATUSES, USAGE

NOBODY = "11111111-1111-11e1-8111-111111111111"
OUTCOMES = ("delivered", "refused", "not sent", "unknown", "usage")
BY_OUTCOME = dict(zip(OUTCOMES, (0, 2, 3, 4, 64), strict=True))
COMMANDS = ("send", "send-many", "edit", "remove", "check", "channels", "files list", "files put")


@pytest.fixture
def line_of(sandbox, write, tmp_path):
    """Return a function that gives each command its arguments; each ends well without a fault."""
    note = tmp_path / "note.txt"
    note.write_text("a note")

    def line(command: str) -> list[str]:
        sent = sandbox.say("Hello")
        where, quick = ["--workspace", sandbox.workspace_id], ["--deadline", "1"]
        channel = ["--channel", sandbox.channel_id]
        return {
            "send": ["send", *channel, "Hello", *quick],
            "send-many": ["send-many", write(message(sandbox, 1))],
            "edit": ["edit", *channel, sent["id"], "Bye", *quick],
            "remove": ["remove", *channel, sent["id"], *quick],
            "check": ["check", *quick],
            "channels": ["channels", "--user", sent["sender"], *quick, *where],
            "files list": ["files", "list", *quick, *where],
            "files put": ["files", "put", str(note), *quick, *where],
        }[command]

    return line


@pytest.fixture
def meet(sandbox, monkeypatch):
    """Return the steps that make the next command end with an outcome."""

    def meet(outcome: str) -> None:
        if outcome == "refused":
            monkeypatch.setenv("TWAKE_PRIVATE_API_KEY", "wrong")
        elif outcome == "not sent":
            monkeypatch.delenv("TWAKE_GROUP_ID")
        elif outcome == "unknown":
            monkeypatch.setenv("TWAKE_BASE_URL", sandbox.url + "/elsewhere")

    return meet


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_ends_with_the_status_of_its_outcome(cli, line_of, meet, command, outcome):
    """The same number means the same for each command that asks a server."""
    line = line_of(command)
    meet(outcome)
    if outcome == "usage":
        line.append("--no-such-option")
    expected = BY_OUTCOME[outcome]
    if outcome == "unknown" and command in ("check", "send-many"):
        expected = 2  # a check proves that Twake answers, but not on this path
    assert cli(*line)[0] == expected


@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "send-many"])
def test_a_server_that_is_down_is_status_3(cli, line_of, monkeypatch, command):
    """Nothing listens there; `send-many` would wait for it."""
    line = line_of(command)
    monkeypatch.setenv("TWAKE_BASE_URL", "http://127.0.0.1:9")
    assert cli(*line)[0] == 3


def test_an_answer_that_is_lost_is_status_4(sandbox, cli, line_of):
    """It holds for a batch, too."""
    sandbox.fail_next(after_storing="close")
    assert cli(*line_of("send-many"))[0] == 4


def test_the_statuses_of_the_outcomes_are_those_of_the_table():
    """`--help` and the documentation have the same list."""
    assert [STATUSES[one] for one in STATUSES] == [0, 2, 3, 4]
    assert (FAILED, USAGE, INTERRUPTED) == (1, 64, 130)
    shown = twake_async.epilog
    for status in (0, 1, 2, 3, 4, 64):
        assert re.search(rf"^  {status} +\w", shown, re.MULTILINE)


def test_the_page_lists_each_status():
    """It is in the table, or in the text below it."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    section = page.split("## Exit statuses")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|", section, re.MULTILINE)
    assert rows == [str(one) for one in BY_OUTCOME.values()]
    assert "Status 1 " in section
    assert "Status 130 " in section

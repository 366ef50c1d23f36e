"""The texts of the command line: its own words, each fact once, and advice only where it helps."""

from __future__ import annotations

import ast
import datetime
import json
import pathlib
import re
import socket

import pytest

pytest.importorskip("click")

from command_line import at_home, message

import twake_async
from twake_async.cli._progress import Display
from twake_async.cli._words import of_error, of_text
from twake_async.errors import (
    ConfigurationError,
    InvalidDraftError,
    NotSentError,
    Outcome,
)
from twake_async.sandbox import Sandbox

ROOT = pathlib.Path(twake_async.__file__).parent
#: Modules whose sentences may reach a user of the command line.
ROOMS = sorted(path.stem for path in ROOT.glob("*.py") if path.stem != "testing")
PYTHON = re.compile(
    r"\b\w+=(True|False|None|\")"
    r"|\b(MessageDraft|MessageRef|TwakeSession|RetryPolicy|RetryBudget|RefusedError|NotSentError)"
    r"|\b(a|the) (dict|str|int|tuple)\b|\bbe (True|None)\b|\bfrom_env\b"
)
#: Sentences for programmers: no command line causes these errors.
FOR_PROGRAMS = (
    "send takes a MessageDraft",
    "an ephemeral reply is for the user of an event",
    "but send_many takes",
    "a TwakeSession cannot be pickled",
    "message must be a Message that a send returned, or a MessageRef",
    "drafts must be an iterable or an async iterable of MessageDrafts",
    "on_unknown must be",
    "http_client",
    "transport",
    "verify",
    'proxy must be "env"',
    "follow_redirects",
    "needs a running asyncio event loop",
)


def sentences(room: str):
    """Yield the texts of the calls that make errors and the like, without the values filled in."""
    for node in ast.walk(ast.parse((ROOT / f"{room}.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        for argument in node.args:
            parts = [one for one in ast.walk(argument) if isinstance(one, ast.Constant)]
            text = "".join(str(one.value) for one in parts if isinstance(one.value, str))
            if " " in text:
                yield text


@pytest.mark.parametrize("room", ROOMS)
def test_no_sentence_of_the_library_reaches_a_shell_in_words_of_python(room):
    """Arguments become options; a sentence that cannot reach a shell is in the list above."""
    for text in sentences(room):
        if not any(words in text for words in FOR_PROGRAMS):
            assert not PYTHON.search(of_text(text, send=True)), text
            assert not PYTHON.search(of_text(text)), text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no answer; check base_url", "no answer; check --base-url (TWAKE_BASE_URL)"),
        ("check group_id (TWAKE_GROUP_ID), or", "check --group (TWAKE_GROUP_ID), or"),
        ("to 'https://a/?group_id=1&base_url=2'", "to 'https://a/?group_id=1&base_url=2'"),
        ("pinned must be True or False", "pinned must be true or false"),
        ('one user over api="node" alone', "one user with --api node alone"),
        ("api must be one of v1, node", "--api (TWAKE_API) must be one of v1, node"),
        ('set api="node" and a workspace_id', "set --api node and --workspace"),
        ("hidden_data must be a dict, not list", "hidden_data must be a JSON object, not a list"),
    ],
)
def test_arguments_become_options_where_they_stand_alone(text, said):
    """The words of a server or a file do not change."""
    assert of_text(text) == said


def test_the_fields_of_a_message_are_options_of_send_alone():
    """In a file they are fields."""
    error = InvalidDraftError("channel_id is empty", field="channel_id")
    assert of_error(error, send=True) == "--channel is empty"
    assert of_error(error) == "channel_id is empty"


def test_a_missing_group_says_where_it_may_come_from(cli, sandbox, monkeypatch):
    """They are the option, the variable and the file; sessions and calls are not named."""
    monkeypatch.delenv("TWAKE_GROUP_ID")
    for command in (["send", "x"], ["check"]):
        status, _, err = cli(*command)
        assert status == 3
        for words in ("--group", "TWAKE_GROUP_ID", "group_id"):
            assert words in err
        assert "session" not in err
    assert "give --group" in of_error(ConfigurationError("x", field="group_id"))


def test_nothing_is_said_twice(sandbox, cli, write):
    """The outcome comes before the reason, and is not repeated in it."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        aside = ("--base-url", url, "--attempts", "1")
        assert ": not sent: no " in cli("send", *aside, "x")[2]
        assert ": not sent: no " in cli("send-many", write(message(sandbox, 1)), *aside)[2]
    sandbox.fail_next(after_storing="close", times=2)
    assert ": unknown: the connection " in cli("send", "x")[2]
    assert ": unknown: the connection " in cli("send-many", write(message(sandbox, 1)))[2]
    for command in (["send", "x"], ["send-many", write(message(sandbox, 1))]):
        sandbox.refuse_next("group")
        assert cli(*command)[2].count("refused") == 1


def test_what_an_earlier_run_did_not_learn_is_told_with_the_option(sandbox, cli, write, tmp_path):
    """It is `--resend`, the option of the shell, not the argument of the library."""
    given = (write(message(sandbox, 1)), "--journal", str(tmp_path / "run.sqlite"))
    sandbox.fail_next(after_storing="close")
    cli("send-many", *given)
    err = cli("send-many", *given)[2]
    assert (
        "line 1: unknown: an earlier run ended before its outcome was known; --resend sends it again\n"
        in err
    )
    assert "resend=" not in err


AGAIN = "to continue: run the same command again"


@pytest.mark.parametrize(
    ("what", "helps"),
    [("unreachable", True), ("refused", False), ("bad draft", False), ("unknown", False)],
)
def test_the_same_command_again_is_said_only_where_it_helps(
    sandbox, cli, write, tmp_path, *, what, helps
):
    """It helps where nobody listens, but not for a refusal, a bad draft or an unknown outcome."""
    more = {"front_id": "FROM x"} if what == "bad draft" else {}
    given = ["send-many", write(message(sandbox, 1, **more)), "--attempts", "1"]
    given += ["--journal", str(tmp_path / "run.sqlite")]
    if what == "refused":
        sandbox.refuse_next("group")
    if what == "unknown":
        sandbox.fail_next(after_storing="close")
    if what == "unreachable":
        with sandbox.unreachable():
            status, _, err = cli(*given)
    else:
        status, _, err = cli(*given)
    assert status == {"refused": 2, "unknown": 4}.get(what, 3)
    assert (AGAIN in err) == helps


def test_without_a_journal_the_list_is_what_to_go_on_with(sandbox, cli, write, tmp_path):
    """The same command would send all messages again."""
    rest = str(tmp_path / "rest.jsonl")
    given = ("send-many", write(message(sandbox, 1)), "--attempts", "1", "--undelivered", rest)
    with sandbox.unreachable():
        err = cli(*given)[2]
    assert AGAIN not in err
    assert f"to continue: send {rest}" in err
    assert cli("send-many", rest)[0] == 0


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "0", "1e400", "x"])
@pytest.mark.parametrize("option", ["--rate", "--deadline"])
def test_a_rate_and_a_deadline_are_finite_numbers(sandbox, cli, write, option, value):
    """`inf` and `nan` are numbers in Python, and have no meaning here."""
    commands = [["send-many", write(message(sandbox, 1))]]
    if option == "--deadline":
        commands = [["send", "x"], ["check"]]
    for command in commands:
        status, _, err = cli(*command, option, value)
        assert status == 64
        assert option in err
    assert sandbox.requests == []


@pytest.mark.parametrize("attempts", [1, 3])
def test_attempts_are_as_many_as_asked_for(sandbox, cli, write, tmp_path, attempts):
    """The first attempt counts."""
    results = tmp_path / "results"
    given = ("send-many", write(message(sandbox, 1)), "--results", str(results))
    with sandbox.unreachable():
        assert cli(*given, "--attempts", str(attempts))[0] == 3
        status, out, _ = cli("send", "--json", "--attempts", str(attempts), "x")
    assert json.loads(results.read_text())["attempts"] == attempts
    assert (status, json.loads(out)["attempts"]) == (3, attempts)


def test_quiet_says_nothing_where_all_is_well_and_the_sum_where_it_is_not(sandbox, cli, write):
    """The option is for cron, which mails all output."""
    file = write(*(message(sandbox, number) for number in range(3)))
    assert cli("send-many", file, "--quiet") == (0, "", "")
    sandbox.refuse_next("group")
    assert cli("send-many", file, "--quiet") == (2, "2 delivered, 1 refused\n", "")
    assert json.loads(cli("send-many", file, "--quiet", "--json")[1])["counts"]["delivered"] == 3


# --- progress -------------------------------------------------------------------------------------


def test_plain_progress_has_the_time(capfd):
    """A log of hours needs it."""
    now = 0.0
    moment = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    display = Display(10, clock=lambda: now, wall=lambda: moment)
    now = 6.0
    display.note(Outcome.DELIVERED)
    assert "twake-async: 2026-02-03T04:05:06+00:00 1 delivered; 0/s" in capfd.readouterr().err
    assert datetime.datetime.fromisoformat(Display(None).wall().isoformat()).tzinfo is not None


def test_a_file_has_a_number_of_lines_that_are_left(sandbox, cli, write, monkeypatch):
    """The lines were counted in the check; for a stream nobody knows their number."""
    monkeypatch.setattr("twake_async.cli._progress._EVERY", 0.0)
    file = write(*(message(sandbox, number) for number in range(3)))
    err = cli("send-many", file)[2]
    assert [line.split("; ")[2].split(",")[0] for line in err.splitlines()] == [
        "2 left",
        "1 left",
        "0 left",
    ]
    monkeypatch.undo()


def test_what_a_resume_skipped_makes_no_haste(capfd):
    """900 of 1,000 were delivered before; the rest goes at one each second, so 90 s are left."""
    now = 100.0
    display = Display(1_000, clock=lambda: now)
    for _ in range(900):
        now += 0.001
        display.note(Outcome.DELIVERED, resumed=True)
    for _ in range(10):
        now += 1.0
        display.note(Outcome.DELIVERED)
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.endswith(" 910 delivered; 1/s; 90 left, 90 s")


def test_where_nothing_was_sent_so_far_no_time_is_guessed(capfd):
    """All messages so far were known from the journal."""
    now = 0.0
    display = Display(100, clock=lambda: now)
    now = 9.0
    display.note(Outcome.DELIVERED, resumed=True)
    assert capfd.readouterr().err.endswith(" 1 delivered; 0/s; 99 left\n")


def test_an_error_that_ends_a_batch_is_told_in_these_words():
    """An error of the batch is translated like an error of a message."""
    error = NotSentError("the message was not sent: no connection; check base_url", reason="dns")
    assert of_error(error) == "no connection; check --base-url (TWAKE_BASE_URL)"


@pytest.mark.parametrize("release", ["2020", "2021", "2022", "2023"])
@pytest.mark.parametrize("command", ["send", "edit", "remove"])
def test_the_likely_cause_is_in_the_words_of_the_command_line(
    cli, monkeypatch, tmp_path, release, command
):
    """Options replace the arguments of the library, and no word is cut."""
    nobody = "11111111-1111-11e1-8111-111111111111"
    at_home(monkeypatch, tmp_path)
    with Sandbox(release=release) as box:
        for name, value in box.environment.items():
            monkeypatch.setenv(name, value)
        line = {
            "send": ["send", "--channel", "general", "Hello"],
            "edit": ["edit", "--channel", box.channel_id, nobody, "Hello"],
            "remove": ["remove", "--channel", box.channel_id, nobody],
        }[command]
        status, _, err = cli(*line)
    assert "channel_id" not in err
    assert "parent_message_id" not in err
    assert "an MESSAGE_ID" not in err
    if (release, command) == ("2020", "send"):
        assert "--channel is not the id of a channel: 'general' is not a UUID" in err
        assert status == 4

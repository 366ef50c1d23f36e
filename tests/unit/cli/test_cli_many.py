"""`send-many` and `journal`: files of messages, interrupted, resumed and sent again."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import signal
import sqlite3

import pytest

click = pytest.importorskip("click")

from command_line import at_home, listed, message, spawned, texts, wait_for  # noqa: E402

from twake_async.cli._csv_lines import read_csv  # noqa: E402
from twake_async.cli._lines import read_jsonl  # noqa: E402
from twake_async.cli._progress import Display  # noqa: E402
from twake_async.deliveries import Pause  # noqa: E402
from twake_async.errors import Outcome  # noqa: E402
from twake_async.sandbox import Sandbox  # noqa: E402

# --- what is sent --------------------------------------------------------------------------------


def test_a_file_of_json_lines_is_sent_in_order(sandbox, cli, write):
    """Each line is a message; the counts go to standard output, the status is 0."""
    file = write(*(message(sandbox, number) for number in range(30)), "", "  ")
    status, out, err = cli("send-many", file)
    assert (status, out, err) == (0, "30 delivered\n", "")
    assert texts(sandbox) == [f"message {number}" for number in range(30)]


def test_a_csv_file_names_its_fields_in_the_first_row(sandbox, cli, write):
    """Cells are used unchanged, empty ones count as not given, and some hold JSON."""
    file = write(
        "channel_id,content,hidden_data,pinned",
        f'{sandbox.channel_id},"one, with a comma","{{""a"": 1}}",',
        "",
        f"{sandbox.channel_id},two,,true",
        name="in.csv",
    )
    assert cli("send-many", file) == (0, "2 delivered\n", "")
    assert texts(sandbox) == ["one, with a comma", "two"]
    assert [one["pinned"] for one in sandbox.messages(sandbox.channel_id)] == [False, True]


def test_standard_input_is_sent_as_it_comes(sandbox):
    """The first message is in the channel before the input has ended; a bad line ends nothing."""
    with spawned(sandbox, "-") as process:
        process.stdin.write(json.dumps(message(sandbox, 1)) + "\nnot JSON\n")
        process.stdin.flush()
        wait_for(lambda: texts(sandbox) == ["message 1"])
        process.stdin.write(json.dumps(message(sandbox, 2)))
        out, err = process.communicate()
    assert (process.returncode, out) == (3, "2 delivered, 1 not sent\n")
    assert "line 2: not sent: it is not JSON" in err
    assert texts(sandbox) == ["message 1", "message 2"]


def test_a_piped_line_that_cannot_be_encoded_ends_nothing(sandbox):
    """The error has its line, and the words of a file's check; the others are sent."""
    with spawned(sandbox, "-") as process:
        lines = (message(sandbox, 1), message(sandbox, 2, content=""), message(sandbox, 3))
        out, err = process.communicate("\n".join(map(json.dumps, lines)))
    assert (process.returncode, out) == (3, "2 delivered, 1 not sent\n")
    assert "line 2: not sent: content is empty, but a new message needs content" in err
    assert texts(sandbox) == ["message 1", "message 3"]


def test_csv_from_standard_input_is_checked_first(sandbox):
    """Rows may span lines, so CSV is read to its end before anything is sent."""
    with spawned(sandbox, "-", "--format", "csv") as process:
        out, _ = process.communicate(f'channel_id,content\n{sandbox.channel_id},"two\nlines"\n')
    assert (process.returncode, out) == (0, "1 delivered\n")
    assert texts(sandbox) == ["two\nlines"]


def test_a_bad_line_in_a_file_stops_everything_before_it_begins(sandbox, cli, write):
    """All lines are checked first: each error has its line, and nothing is sent."""
    file = write(message(sandbox, 1), "{", message(sandbox, 3, colour="red"), message(sandbox, 4))
    status, out, err = cli("send-many", file)
    assert status == 3
    assert out == "2 messages, 2 bad lines; nothing was sent\n"
    assert "line 2: it is not JSON" in err
    assert "line 3: 'colour' is not a field of a draft" in err
    assert texts(sandbox) == []


def test_a_dry_run_sends_nothing(sandbox, cli, write, monkeypatch):
    """--dry-run checks every line, and needs no credentials."""
    monkeypatch.delenv("TWAKE_PUBLIC_ID")
    file = write(message(sandbox, 1))
    assert cli("send-many", file, "--dry-run") == (
        0,
        "1 messages, 0 bad lines; nothing was sent\n",
        "",
    )
    assert texts(sandbox) == []


def test_only_the_first_bad_lines_are_shown(cli, write):
    """A file of another kind does not fill the terminal."""
    status, _, err = cli("send-many", write(*["nonsense"] * 50))
    assert status == 3
    assert len(err.splitlines()) == 20


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[1]", "not a JSON object"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b'{"content": "x"}', "channel_id"),
        (b'{"channel_id": "c", "content": "x", "ephemeral_to": 5}', "ephemeral_to must be a list"),
        (b'{"channel_id": "c", "content": "x", "pinned": "yes"}', "pinned"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line, problem):
    """The sentence says what to fix."""
    [read] = read_jsonl([b"\n", line])
    assert read.draft is None
    assert read.number == 2
    assert problem in read.problem


def test_what_is_wrong_with_a_row_is_said():
    """It has too many cells, cells that should hold JSON, or no cells."""
    rows = b"channel_id,content,pinned\nc,x,true,more\nc,x,maybe\nc,good,\n\n", b""
    read = list(read_csv(rows))
    assert [line.number for line in read] == [2, 3, 4]
    assert "more cells" in read[0].problem
    assert "column 3 (pinned) must hold true or false" in read[1].problem
    assert read[2].draft.content == "good"
    assert list(read_csv([])) == []


# --- what became of them -------------------------------------------------------------------------


def test_the_status_is_the_worst_that_became_of_any(sandbox, cli, write):
    """The order is unknown, not sent, refused; each failure is reported with its line."""
    file = write(*(message(sandbox, number) for number in range(3)))
    sandbox.fail_next(before_storing=500)
    status, out, err = cli("send-many", file)
    assert (status, out) == (4, "2 delivered, 1 unknown\n")
    assert "line 1: unknown: " in err


def test_what_was_not_delivered_can_be_fed_back_in(sandbox, cli, write, tmp_path, monkeypatch):
    """The file of undelivered messages is an input; the unknown ones are in another file."""
    rest, doubt = str(tmp_path / "rest.jsonl"), str(tmp_path / "doubt.jsonl")
    file = write(*(message(sandbox, number) for number in range(3)))
    both = ("--undelivered", rest, "--unknown", doubt)
    key = os.environ["TWAKE_PRIVATE_API_KEY"]
    monkeypatch.setenv("TWAKE_PRIVATE_API_KEY", "wrong")
    assert cli("send-many", file, *both)[:2] == (2, "3 not sent\n")
    monkeypatch.setenv("TWAKE_PRIVATE_API_KEY", key)
    assert listed(rest) == pathlib.Path(file).read_text().splitlines()
    assert pathlib.Path(doubt).read_text() == ""
    sandbox.fail_next(before_storing=500)
    again = str(tmp_path / "again.jsonl")
    assert cli("send-many", rest, "--undelivered", again, "--unknown", doubt)[0] == 4
    assert listed(doubt) == [json.dumps(message(sandbox, 0))]
    assert pathlib.Path(again).read_text() == ""


def test_json_tells_a_script_all_of_it(sandbox, cli, write):
    """There is one object with the counts by outcome."""
    status, out, _ = cli("send-many", write(message(sandbox, 1)), "--json")
    assert status == 0
    assert json.loads(out) == {
        "counts": {"delivered": 1, "refused": 0, "not sent": 0, "unknown": 0},
        "interrupted": False,
        "error": None,
    }


@pytest.mark.parametrize(
    "setting",
    [
        "TWAKE_PRIVATE_API_KEY=wrong",
        "TWAKE_GROUP_ID=00000000-0000-0000-0000-000000000001",
        "TWAKE_BASE_URL={url}/elsewhere",
    ],
)
def test_settings_that_no_message_could_be_sent_with_cost_no_message(
    sandbox, cli, write, monkeypatch, setting
):
    """The server is asked first: nothing was sent, and the same command would fail again."""
    variable, _, value = setting.format(url=sandbox.url).partition("=")
    monkeypatch.setenv(variable, value)
    status, out, err = cli("send-many", write(*(message(sandbox, number) for number in range(3))))
    assert (status, out) == (2, "3 not sent\n")
    assert variable.replace("TWAKE_BASE_URL", "base_url") in err
    assert "to go on" not in err
    assert len(sandbox.requests) <= 2


def test_many_failures_are_not_all_shown(sandbox, cli, write):
    """The first twenty are reported one by one, the others as a number."""
    sandbox.refuse_next("group", times=25)
    status, _, err = cli("send-many", write(*(message(sandbox, n) for n in range(25))))
    assert status == 2
    assert err.count("refused: ") == 20
    assert "... and 5 more" in err


def test_missing_credentials_are_status_3(cli, write, monkeypatch, tmp_path):
    """Nothing was sent, and the sentence says what to set."""
    at_home(monkeypatch, tmp_path)
    status, _, err = cli("send-many", write({"channel_id": "c", "content": "x"}))
    assert status == 3
    assert "TWAKE_PUBLIC_ID" in err


def test_a_cut_text_is_warned_of_once(cli, write, monkeypatch, tmp_path):
    """The setting that helps is named once, not for each message."""
    at_home(monkeypatch, tmp_path)
    with Sandbox(release="2021") as newer:
        for name, value in newer.environment.items():
            monkeypatch.setenv(name, value)
        file = write(*(message(newer, number) for number in range(3)))
        status, out, err = cli("send-many", file, "--text-form", "plain")
        assert (status, out) == (0, "3 delivered\n")
        assert err.count("--text-form portable") == 1
        assert cli("send-many", file) == (0, "3 delivered\n", "")


def test_a_pause_is_told_in_a_line_when_it_begins_and_when_it_is_over(capsys):
    """There is one line each, however often the server is asked meanwhile."""
    display = Display(None)
    for seconds in (0.0, 0.25, 0.75):
        display.note_pause(Pause("gateway", seconds, is_over=False))
    display.note_pause(Pause("gateway", 12.4, is_over=True))
    begun, over = capsys.readouterr().err.splitlines()
    assert "paused (gateway)" in begun
    assert "after 12 s" in over


def test_a_file_goes_on_after_a_gateway_lost_its_server(sandbox, cli, write):
    """One message is unknown, and the others are sent once the server answers."""
    sandbox.fail_next(before_storing=502)
    status, out, err = cli("send-many", write(*(message(sandbox, number) for number in range(5))))
    assert (status, out) == (4, "4 delivered, 1 unknown\n")
    assert "paused (gateway)" in err


# --- journals ------------------------------------------------------------------------------------


def test_a_second_run_with_the_journal_sends_nothing_again(sandbox, cli, write, tmp_path):
    """The second run continues the journal, and `journal` shows its state."""
    journal = str(tmp_path / "run.sqlite")
    file = write(*(message(sandbox, number) for number in range(5)))
    sandbox.fail_next(before_storing=500)
    assert cli("send-many", file, "--journal", journal)[0] == 4
    status, out, err = cli("send-many", file, "--journal", journal)
    assert (status, out) == (4, "4 delivered, 1 unknown\n")
    assert "resend" in err
    assert len(texts(sandbox)) == 4
    status, out, err = cli("journal", journal)
    assert (status, err) == (0, "")
    counts = [line.split(maxsplit=1) for line in out.splitlines()]
    assert counts == [
        ["4", "delivered"],
        ["0", "refused"],
        ["0", "not sent"],
        ["1", "unknown"],
        ["0", "in flight"],
    ]
    assert json.loads(cli("journal", journal, "--json")[1])["unknown"] == 1
    status, out, _ = cli("journal", journal, "--list", "unknown")
    assert json.loads(out)["key"] == "000000000"
    assert json.loads(out)["outcome"] == "unknown"
    assert cli("send-many", file, "--journal", journal, "--resend")[:2] == (0, "5 delivered\n")
    assert len(texts(sandbox)) == 5


def test_a_changed_file_is_told_and_the_rest_is_written(sandbox, cli, write, tmp_path):
    """A journal that does not fit the file stops the run with status 3."""
    journal, rest = str(tmp_path / "run.sqlite"), tmp_path / "rest.jsonl"
    cli("send-many", write(*(message(sandbox, n) for n in range(3))), "--journal", journal)
    changed = write(*(message(sandbox, n) for n in range(9, 14)))
    status, _, err = cli("send-many", changed, "--journal", journal, "--undelivered", str(rest))
    assert status == 3
    assert "the input was changed" in err
    assert listed(rest) == pathlib.Path(changed).read_text().splitlines()
    assert len(texts(sandbox)) == 3


@pytest.mark.parametrize(
    ("option", "fault", "delivered"),
    [
        ("--hold", 502, 0),
        ("--hold", "refuse", 2),
        ("--hold-failed", 502, 0),
        ("--hold-failed", "refuse", 0),
    ],
)
def test_what_holds_a_channel(sandbox, cli, write, *, option, fault, delivered):
    """`--hold` holds after an unknown outcome only, `--hold-failed` after any but delivered."""
    if fault == "refuse":
        sandbox.refuse_next("capability")
    else:
        sandbox.fail_next(before_storing=fault)
    file = write(*(message(sandbox, number) for number in range(3)))
    status, out, _ = cli("send-many", file, option, "--attempts", "1")
    assert status != 0
    assert len(sandbox.messages(sandbox.channel_id)) == delivered
    assert ("2 not sent" in out) == (delivered == 0)


def test_resend_without_a_journal_is_a_wrong_command_line(cli, write):
    """Without a journal there is nothing to send again."""
    assert cli("send-many", write(), "--resend")[0] == 64


def test_a_file_that_is_no_journal_is_told(cli, write):
    """The status is 1, with one sentence."""
    status, out, err = cli("journal", write("nonsense " * 100))
    assert (status, out) == (1, "")
    assert "is not a journal" in err


# --- interruptions -------------------------------------------------------------------------------


def test_ctrl_c_lets_what_is_on_its_way_end_and_says_how_to_go_on(sandbox, write, tmp_path):
    """Each line is delivered or in the rest file, and together they are the whole input."""
    journal, rest = str(tmp_path / "run.sqlite"), tmp_path / "rest.jsonl"
    file = write(*(message(sandbox, number) for number in range(400)))
    arguments = (file, "--journal", journal, "--rate", "100", "--undelivered", str(rest))
    with spawned(sandbox, *arguments) as process:
        wait_for(lambda: len(texts(sandbox)) >= 5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 3
    assert "interrupted: waiting" in err
    assert "to continue: run the same command again" in err
    sent = texts(sandbox)
    assert 5 <= len(sent) < 400
    assert out.startswith(f"{len(sent)} delivered")
    left = [json.loads(line)["content"] for line in rest.read_text().splitlines()]
    assert sent + left == [f"message {number}" for number in range(400)]
    connection = sqlite3.connect(journal)
    [(count,)] = connection.execute(
        "SELECT count(*) FROM message WHERE outcome = 'delivered'"
    ).fetchall()
    assert count == len(sent)
    connection.close()
    with spawned(sandbox, file, "--journal", journal) as process:
        out, _ = process.communicate()
    assert (process.returncode, out) == (0, "400 delivered\n")
    assert texts(sandbox) == [f"message {number}" for number in range(400)]


def test_a_second_ctrl_c_does_not_wait(sandbox, write):
    """Sends in flight are cancelled, and reported as unknown."""
    sandbox.fail_next(before_storing="silent")
    with spawned(sandbox, write(message(sandbox, 1))) as process:
        wait_for(lambda: len(sandbox.requests) == 3)  # two of a check, and the message
        process.send_signal(signal.SIGINT)
        assert "interrupted" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (4, "1 unknown\n")
    assert "--journal" not in err.splitlines()[0]


def test_ctrl_c_ends_a_wait_for_standard_input(sandbox):
    """An idle stream does not delay the end."""
    with spawned(sandbox, "-") as process:
        process.stdin.write(json.dumps(message(sandbox, 1)) + "\n")
        process.stdin.flush()
        wait_for(lambda: texts(sandbox))
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
    assert process.returncode == 3


# --- progress ------------------------------------------------------------------------------------


def test_a_terminal_shows_a_bar(sandbox, write):
    """On a terminal the counts are drawn in place."""
    file = write(*(message(sandbox, number) for number in range(20)))
    ours, theirs = pty.openpty()
    with spawned(sandbox, file, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        try:
            while chunk := os.read(ours, 4096):
                drawn += chunk
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        out = process.communicate()[0]
    assert (process.returncode, out) == (0, "20 delivered\n")
    assert b"\x1b[" in drawn
    assert b"20 delivered" in drawn


def test_elsewhere_a_line_now_and_then(capfd):
    """Plain lines, seconds apart, have counts, rate and remaining time."""
    now = 0.0
    with Display(1_000, clock=lambda: now) as display:
        for _ in range(600):
            now += 0.02
            display.note(Outcome.DELIVERED)
    with Display(None, clock=lambda: now) as display:
        now += 60
        display.note(Outcome.UNKNOWN)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert " delivered; 50/s; 749 left, 15 s" in lines[0]
    assert lines[2].endswith("1 unknown; 0/s")

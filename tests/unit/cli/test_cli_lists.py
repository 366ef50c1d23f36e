"""The output files of `send-many`: lists of undelivered and of unknown lines, and the results."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import signal
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("click")

from command_line import file_settings, listed, message, spawned, texts, wait_for, write_config

from twake_async import Journal
from twake_async.cli._known import Known
from twake_async.cli._lines import Line, read_jsonl
from twake_async.cli._results import unsent_result, with_result
from twake_async.errors import Outcome

FULL = pathlib.Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
LISTS = ("--undelivered", "--unknown", "--results")


# --- which files they may be ----------------------------------------------------------------------


@pytest.fixture
def folder(sandbox, tmp_path, monkeypatch):
    """Work in a folder with an input, a journal of it, and links to both."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps(message(sandbox, number)) for number in range(2)]
    pathlib.Path("in.jsonl").write_text("\n".join(lines) + "\n")
    settings = dict(file_settings(sandbox))
    write_config(pathlib.Path("config.toml").absolute(), **settings)
    write_config(tmp_path / ".config/twake-async.toml", **settings)
    for name in ("in.jsonl", "config.toml"):
        pathlib.Path(f"symbolic-{name}").symlink_to(name)
        pathlib.Path(f"hard-{name}").hardlink_to(name)
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--rate", "5"], ["--resend"]])
@pytest.mark.parametrize(
    "name",
    [
        "in.jsonl",
        "./in.jsonl",
        "symbolic-in.jsonl",
        "hard-in.jsonl",
        "config.toml",
        "hard-config.toml",
        ".config/twake-async.toml",
    ],
)
@pytest.mark.parametrize("option", LISTS)
def test_a_list_is_never_written_over_what_is_read(sandbox, folder, cli, *, option, name, more):
    """The input, the credentials, and links to them give status 64, and do not change."""
    before = pathlib.Path(name).read_bytes()
    given = ("send-many", "in.jsonl", "--config", "config.toml", option, name, *more)
    assert cli(*given)[0] == 64
    assert pathlib.Path(name).read_bytes() == before
    assert sandbox.requests == []


def test_a_list_is_never_standard_input(sandbox, folder):
    """A file that the shell redirects to standard input is not overwritten."""
    with pathlib.Path("in.jsonl").open() as stdin:
        with spawned(sandbox, "-", "--undelivered", "in.jsonl", stdin=stdin) as process:
            _, err = process.communicate()
    assert process.returncode == 64
    assert "same file as the input" in err
    assert len(pathlib.Path("in.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("end", ["", "-wal", "-lock", "-shm"])
@pytest.mark.parametrize("name", ["run.sqlite", "sub/../run.sqlite", "symbolic.sqlite"])
def test_a_list_is_never_the_journal(sandbox, folder, cli, name, end):
    """It is not an existing journal, a journal to be made, or a file beside it."""
    pathlib.Path("sub").mkdir()
    pathlib.Path("symbolic.sqlite" + end).symlink_to("run.sqlite" + end)
    given = ("send-many", "in.jsonl", "--journal", "run.sqlite", "--undelivered", name + end)
    assert cli(*given)[0] == 64
    assert not pathlib.Path("run.sqlite").exists()
    assert cli("send-many", "in.jsonl", "--journal", "run.sqlite")[0] == 0
    assert cli(*given)[0] == 64
    assert Journal("run.sqlite").counts() == {Outcome.DELIVERED: 2}
    assert len(texts(sandbox)) == 2


def test_the_input_is_never_the_journal(folder, cli):
    """An empty file is a new journal, and would get rows."""
    pathlib.Path("empty.jsonl").touch()
    assert cli("send-many", "empty.jsonl", "--journal", "empty.jsonl")[0] == 64
    assert pathlib.Path("empty.jsonl").stat().st_size == 0


@pytest.mark.parametrize("there", [True, False])
def test_two_lists_are_two_files(folder, cli, there):
    """It holds whether the file exists or not, and for each of its names."""
    if there:
        pathlib.Path("list").write_text("an earlier list\n")
    assert cli("send-many", "in.jsonl", "--undelivered", "list", "--unknown", "./list")[0] == 64
    assert pathlib.Path("list").exists() == there


def test_a_list_is_not_where_standard_output_goes(sandbox, folder):
    """The summary would be written over its lines."""
    with pathlib.Path("out").open("w") as out:
        with spawned(sandbox, "in.jsonl", "--results", "out", stdout=out) as process:
            _, err = process.communicate()
    assert process.returncode == 64
    assert "same file as standard output" in err


def test_all_of_them_may_be_the_null_device(sandbox, folder, cli):
    """Several lists may share a device that keeps nothing."""
    given = [word for option in LISTS for word in (option, os.devnull)]
    assert cli("send-many", "in.jsonl", *given)[0] == 0


@pytest.mark.parametrize("name", [".", "none/list", "in.jsonl/list", ""])
def test_a_list_that_cannot_be_written_is_a_wrong_command_line(sandbox, folder, cli, name):
    """A directory, or a missing folder, is named before anything is sent or made."""
    given = ("send-many", "in.jsonl", "--journal", "run.sqlite", "--unknown", "new", "--results")
    status, _, err = cli(*given, name)
    assert status == 64
    assert "--results" in err
    assert sandbox.requests == []
    assert not pathlib.Path("run.sqlite").exists()
    assert not pathlib.Path("new").exists()


@pytest.mark.skipif(not pathlib.Path("/proc/self").exists(), reason="no /proc")
@pytest.mark.parametrize("journal", [[], ["--journal", "run.sqlite"]])
def test_a_list_that_cannot_be_made_after_all_sends_nothing(sandbox, folder, cli, journal):
    """Its folder is writable, but takes no file."""
    if not os.access("/proc", os.W_OK):
        pytest.skip("it does not let itself be written here")
    pathlib.Path("old").write_text("an earlier list\n")
    given = ("--undelivered", "old", "--results", "/proc/none", *journal)
    status, _, err = cli("send-many", "in.jsonl", *given)
    assert status == 64
    assert "--results /proc/none cannot be written" in err
    assert pathlib.Path("old").read_text() == "an earlier list\n"
    assert texts(sandbox) == []


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write all")
def test_a_list_that_may_not_be_written_is_a_wrong_command_line(sandbox, folder, cli):
    """The file belongs to another user."""
    pathlib.Path("list").touch(mode=0o400)
    assert cli("send-many", "in.jsonl", "--results", "list")[0] == 64
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("lines", "more", "status"),
    [
        ([], ["--dry-run"], 0),
        ([], ["--no-such-option"], 64),
        ([], ["--group", "not\ta group"], 3),
        ([], ["--base-url", "http://twake.example.org"], 3),
        (["no JSON"], [], 3),
    ],
)
def test_what_sends_nothing_leaves_an_earlier_list(folder, cli, lines, more, status):
    """A check, a wrong command line, missing settings and a bad file change no list."""
    with pathlib.Path("in.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    for name in ("old", "new"):
        if name == "old":
            pathlib.Path(name).write_text("an earlier list\n")
        assert cli("send-many", "in.jsonl", "--undelivered", name, *more)[0] == status
    assert pathlib.Path("old").read_text() == "an earlier list\n"
    assert not pathlib.Path("new").exists()


def test_a_journal_that_cannot_be_used_leaves_an_earlier_list(sandbox, folder, cli):
    """The messages that another batch is sending now are not listed as undelivered."""
    pathlib.Path("old").write_text("an earlier list\n")
    sandbox.slow(3.0)
    with spawned(sandbox, "in.jsonl", "--journal", "run.sqlite") as process:
        wait_for(lambda: texts(sandbox))
        given = ("--undelivered", "old", "--results", "new")
        status, out, err = cli("send-many", "in.jsonl", "--journal", "run.sqlite", *given)
        process.kill()
        process.communicate()
    assert (status, out) == (3, "nothing was sent; 2 not reached\n")
    assert "used by another batch" in err
    assert "to go on" not in err
    assert pathlib.Path("old").read_text() == "an earlier list\n"
    assert not pathlib.Path("new").exists()


# --- how they are written -------------------------------------------------------------------------


def test_a_list_is_for_its_owner_alone_and_stays_the_file_that_it_is(sandbox, folder, cli):
    """A new list has the mode 0600; an existing one keeps its mode, its links and its inode."""
    pathlib.Path("old").write_text("longer than what follows\n" * 100)
    pathlib.Path("old").chmod(0o640)
    pathlib.Path("link").symlink_to("old")
    inode = pathlib.Path("old").stat().st_ino
    sandbox.refuse_next("group", times=2)
    status, *_ = cli("send-many", "in.jsonl", "--undelivered", "link", "--results", "new")
    assert status == 2
    assert pathlib.Path("link").is_symlink()
    assert stat.S_IMODE(pathlib.Path("old").stat().st_mode) == 0o640
    assert stat.S_IMODE(pathlib.Path("new").stat().st_mode) == 0o600
    assert pathlib.Path("old").stat().st_ino == inode
    assert len(listed("old")) == 2


def test_a_list_grows_and_a_crash_leaves_it_whole(sandbox, folder):
    """Each line is written as soon as its message has ended."""
    with spawned(sandbox, "-", "--undelivered", "rest", "--results", "results") as process:
        for number in range(1, 4):
            process.stdin.write(f'{{"channel_id": "c{number}"}}\n')
            process.stdin.flush()
            wait_for(lambda number=number: _count("rest") == _count("results") == number)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert [json.loads(line)["line"] for line in _lines("results")] == [1, 2, 3]


def _lines(name: str) -> list[str]:
    return pathlib.Path(name).read_text().splitlines()


def _count(name: str) -> int:
    return len(_lines(name)) if pathlib.Path(name).exists() else 0


@needs_full
@pytest.mark.parametrize("option", LISTS)
def test_a_full_disk_hides_no_failure(sandbox, folder, cli, option):
    """It is reported once, with the lines that are in no list; the messages decide the status."""
    if option == "--unknown":
        sandbox.fail_next(after_storing="close")
    else:
        sandbox.refuse_next("group")
    given = ("--no-order", "--in-flight", "1", option, str(FULL))
    status, out, err = cli("send-many", "in.jsonl", *given)
    assert status == {"--undelivered": 2, "--unknown": 4, "--results": 3}[option]
    assert err.count("No space left on device") == 1
    assert "missing in the lists: line 1" in err
    # Without the results nobody could tell what was sent, so sending stops.
    assert ("1 delivered" in out) == (option != "--results")


@needs_full
def test_results_that_cannot_be_written_are_told_where_all_was_delivered(sandbox, cli, write):
    """Only the results failed: the status is 1, and the counts are right."""
    status, out, err = cli("send-many", write(message(sandbox, 1)), "--results", str(FULL))
    assert (status, out) == (1, "1 delivered\n")
    assert "No space left on device" in err


@needs_full
def test_a_list_that_nothing_belongs_in_may_be_on_a_full_disk(sandbox, cli, write):
    """All messages were delivered, so nothing had to be written."""
    assert cli("send-many", write(message(sandbox, 1)), "--undelivered", str(FULL))[0] == 0


@needs_full
def test_nothing_more_is_sent_once_results_cannot_be_written(sandbox, cli, write):
    """A message without a result does not leave; the lines that were not sent are named."""
    file = write(*(message(sandbox, number) for number in range(100)))
    given = ("--in-flight", "2", "--results", str(FULL))
    status, out, err = cli("send-many", file, *given)
    sent = len(texts(sandbox))
    assert status == 3
    assert sent < 10
    assert out.startswith(f"{sent} delivered, ")
    assert out.endswith(" not reached\n")
    assert "missing in the lists: line 1 to 100\n" in err


def small_disk() -> None:
    """Let no file grow beyond 1,000 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))


def test_a_list_ends_with_a_whole_line_where_the_disk_is_full(sandbox, folder):
    """Half a line is removed: the rest can be sent again."""
    sandbox.refuse_next("group", times=2)
    more = {"hidden_data": {"a": "x" * 300}}
    lines = [message(sandbox, number, **more) for number in range(5)]
    pathlib.Path("in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with spawned(sandbox, "in.jsonl", "--undelivered", "rest", preexec_fn=small_disk) as process:
        _, err = process.communicate()
    assert process.returncode == 2
    assert "File too large" in err
    assert "Traceback" not in err
    [left] = listed("rest")
    assert json.loads(left)["content"] == "message 0"
    assert pathlib.Path("rest").read_text().endswith("\n")
    assert "missing in the lists: line 2\n" in err


@needs_full
def test_the_lines_that_are_in_no_list_are_named_as_far_as_that_can_be_read(sandbox, cli, write):
    """The first of them are listed, the others counted."""
    lines = [message(sandbox, n, **({"front_id": "a b"} if n % 2 else {})) for n in range(100)]
    file = write(*lines)
    with spawned(sandbox, "-", "--undelivered", str(FULL)) as process:
        _, err = process.communicate(pathlib.Path(file).read_text())
    assert process.returncode == 3
    assert err.count("No space left on device") == 1
    assert "missing in the lists: line 2, 4, 6, " in err
    assert err.splitlines()[-1].endswith("38, 40 and 30 more")


def test_a_list_may_be_standard_output(sandbox, folder):
    """The summary then goes to standard error, so that the list can be piped on."""
    sandbox.refuse_next("group")
    with spawned(sandbox, "in.jsonl", "--undelivered", "-") as process:
        out, err = process.communicate()
    assert process.returncode == 2
    assert [json.loads(line)["content"] for line in out.splitlines()] == ["message 0"]
    assert "1 delivered, 1 refused" in err


def test_a_list_may_be_a_pipe_whose_reader_goes(sandbox, folder):
    """A reader that closes the pipe ends the batch, and the command says so."""
    read, written = os.pipe()
    os.close(read)
    sandbox.refuse_next("group", times=2)
    with spawned(
        sandbox, "in.jsonl", "--undelivered", f"/dev/fd/{written}", pass_fds=[written]
    ) as process:
        os.close(written)
        _, err = process.communicate()
    assert process.returncode in (2, 3)
    assert "Broken pipe" in err
    assert "Traceback" not in err


# --- what stands in them --------------------------------------------------------------------------


def test_the_results_tell_what_became_of_each_line(sandbox, folder, cli):
    """Line, outcome, reason, ids and attempts are enough for a program to go on."""
    lines = [message(sandbox, number) for number in range(2)] + [message(sandbox, 2, front_id="f2")]
    pathlib.Path("in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    sandbox.refuse_next("group")
    sandbox.fail_next(after_storing="close")
    assert cli("send-many", "in.jsonl", "--results", "results")[0] == 4
    refused, unknown, delivered = map(json.loads, _lines("results"))
    stored = sandbox.messages(sandbox.channel_id)
    assert delivered == {
        "line": 3,
        "key": None,
        "outcome": "delivered",
        "reason": "",
        "error": "",
        "id": stored[1]["id"],
        "front_id": "f2",
        "channel_id": sandbox.channel_id,
        "attempts": 1,
        "maybe_duplicated": False,
        "from_journal": False,
    }
    assert (refused["line"], refused["outcome"], refused["reason"]) == (1, "refused", "group")
    assert (unknown["line"], unknown["outcome"], unknown["reason"]) == (2, "unknown", "lost")
    assert (unknown["id"], unknown["front_id"]) == (None, stored[0]["front_id"])
    assert unknown["error"].startswith("the connection ended")
    assert unknown["channel_id"] == sandbox.channel_id


def test_the_results_of_a_resumed_run_tell_what_the_journal_knows(sandbox, folder, cli):
    """Each line has a result in each run; earlier results say that they are from the journal."""
    sandbox.fail_next(after_storing="close")
    given = ("send-many", "in.jsonl", "--journal", "run.sqlite", "--results", "results")
    assert cli(*given)[0] == 4
    first = [json.loads(line) for line in _lines("results")]
    assert [one["from_journal"] for one in first] == [False, False]
    assert cli(*given)[0] == 4
    again = [json.loads(line) for line in _lines("results")]
    assert [one["from_journal"] for one in again] == [True, True]
    assert [one["outcome"] for one in again] == ["unknown", "delivered"]
    assert (
        again[0]["error"]
        == "an earlier run ended before its outcome was known; --resend sends it again"
    )
    assert again[0]["key"] == "000000000"
    assert again[1]["id"] == first[1]["id"]
    assert cli(*given, "--resend")[0] == 0
    assert json.loads(_lines("results")[0])["maybe_duplicated"] is True


def test_each_line_says_why_it_is_there_and_is_fed_back_as_it_was(sandbox, folder, cli):
    """The reason comes first; a second run replaces it, and the message is the same."""
    line = ' {"channel_id":"' + sandbox.channel_id + '", "content": "é\\u00e9", "pinned":true} '
    pathlib.Path("in.jsonl").write_text(line + "\n")
    for _ in range(2):
        sandbox.refuse_next("capability")
        assert cli("send-many", "in.jsonl", "--undelivered", "rest")[0] == 2
        pathlib.Path("rest").rename("in.jsonl")
        [back] = _lines("in.jsonl")
        result = json.loads(back)["_result"]
        assert result.items() >= {"line": 1, "outcome": "refused", "reason": "capability"}.items()
        assert "lacks a capability" in result["error"]
        assert back.endswith(f", {line.strip()[1:]}")
    assert cli("send-many", "in.jsonl")[0] == 0
    [there] = sandbox.messages(sandbox.channel_id)
    assert (there["content"], there["pinned"]) == ("éé", True)


@pytest.mark.parametrize(
    ("source", "rest"),
    [
        ("{}", "{}"),
        ('{"_result": {"a": "}"} , "b": 1}', '{"b": 1}'),
        ('{"_result": 1}', "{}"),
        ('{"b": 1, "_result": 2}', '{"b": 1}'),
        ('{ "b": 1e999}', '{"b": 1e999}'),
    ],
)
def test_a_result_is_put_into_any_object(source, rest):
    """It comes first, once, and the rest of the line does not change."""
    line = with_result(unsent_result(Line(1, source, None, "wrong"), Outcome.NOT_SENT))
    head = json.dumps(
        {"_result": {"line": 1, "outcome": "not sent", "reason": "stopped", "error": "wrong"}}
    )[:-1]
    assert line.startswith(head)
    assert line[len(head) :].removeprefix(", ") == rest[1:]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["_result", "content", "a", "}"]), JSON), st.booleans())
def test_a_result_changes_nothing_else_of_any_object(fields, plain):
    """It is put in twice, as when a list is sent again and fails again: the last one counts."""
    source = json.dumps(fields, ensure_ascii=plain, separators=(",", " : ") if plain else None)
    for why in ("first", "second"):
        source = with_result(unsent_result(Line(1, source, None, why), Outcome.NOT_SENT))
    back = json.loads(source)
    assert back.pop("_result")["error"] == "second"
    assert source.count('"_result": {"line"') >= 1
    assert back == {name: value for name, value in fields.items() if name != "_result"}


@pytest.mark.parametrize("source", ["", "no JSON", "[1]", "{", '"text"', "[" * 100_000])
def test_what_is_no_object_is_listed_as_it_is(source):
    """It is a bad line before and after."""
    assert with_result(unsent_result(Line(1, source, None, "wrong"), Outcome.NOT_SENT)) == source


# --- what an earlier run delivered ----------------------------------------------------------------


def test_a_run_that_cannot_begin_lists_nothing_as_undelivered(sandbox, folder, cli, monkeypatch):
    """Otherwise a person who sends the list would send delivered messages twice."""
    given = ("send-many", "in.jsonl", "--journal", "run.sqlite", "--undelivered", "rest")
    assert cli(*given)[0] == 0
    monkeypatch.delenv("TWAKE_PRIVATE_API_KEY")
    pathlib.Path(".config/twake-async.toml").unlink()
    assert cli(*given)[0] == 3
    assert _count("rest") == 0


def test_a_run_that_ends_early_lists_only_what_no_run_delivered(sandbox, folder):
    """After the interruption, delivered lines are in no list, unknown lines in their own."""
    lines = [message(sandbox, number) for number in range(200)]
    text = [json.dumps(line) + "\n" for line in lines]
    pathlib.Path("in.jsonl").write_text("".join(text[100:]))
    sandbox.fail_next(before_storing=500)
    with spawned(sandbox, "in.jsonl", "--journal", "run.sqlite") as process:
        assert process.communicate()[0] == "99 delivered, 1 unknown\n"
    pathlib.Path("in.jsonl").write_text("".join(text[100:] + text[:100]))  # it grew
    rest = ("--undelivered", "rest", "--unknown", "unknown", "--results", "results")
    given = ("in.jsonl", "--journal", "run.sqlite", "--rate", "10", "--no-order", *rest)
    with spawned(sandbox, *given) as process:
        wait_for(lambda: len(texts(sandbox)) > 100)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 4
    left, doubt = [[json.loads(one)["content"] for one in listed(n)] for n in ("rest", "unknown")]
    assert doubt == ["message 100"]
    assert sorted(left + texts(sandbox) + doubt) == sorted(line["content"] for line in lines)
    results = [json.loads(line) for line in _lines("results")]
    assert sorted(one["line"] for one in results) == list(range(1, 201))


def test_lines_that_moved_in_a_changed_input_are_not_called_undelivered(sandbox, folder, cli):
    """With one more line at the head, the journal's positions are wrong, but not its messages."""
    given = ("send-many", "in.jsonl", "--journal", "run.sqlite")
    assert cli(*given)[0] == 0
    old = _lines("in.jsonl")
    new = [json.dumps(message(sandbox, number)) for number in (8, 9)]
    pathlib.Path("in.jsonl").write_text("\n".join([new[0], *old, new[1]]) + "\n")
    status, _, err = cli(*given, "--undelivered", "rest", "--unknown", "unknown")
    assert "the input was changed" in err
    assert sorted(listed("rest")) == new
    assert sorted(listed("unknown")) == old
    assert status == 3
    assert texts(sandbox) == ["message 0", "message 1"]


def known(path: pathlib.Path | None, line: str, position: int, **found: bool) -> Outcome:
    [read] = read_jsonl([line.encode()])
    with Known.of(path and str(path), **found) as journal:
        return journal.outcome(read, position)


def test_a_journal_that_cannot_be_read_makes_no_line_certain(sandbox, folder, cli):
    """It is broken, gone or another file: nobody knows what an earlier run delivered."""
    assert cli("send-many", "in.jsonl", "--journal", "run.sqlite")[0] == 0
    [line, other] = _lines("in.jsonl")
    path = folder / "run.sqlite"
    assert known(path, line, 0) is Outcome.DELIVERED
    assert known(path, line, 5) is Outcome.NOT_SENT
    assert known(path, line, 1) is Outcome.NOT_SENT  # two alike in the input are two messages
    assert known(path, line, 1, changed=True) is Outcome.UNKNOWN
    assert known(path, other, 7, changed=True) is Outcome.UNKNOWN
    assert known(path, "no JSON", 0) is Outcome.NOT_SENT
    assert known(path, line, 5, moved=True) is Outcome.UNKNOWN
    path.write_bytes(b"broken" * 1_000)
    assert known(path, line, 5) is Outcome.UNKNOWN
    path.unlink()
    assert known(path, line, 5) is Outcome.UNKNOWN
    assert known(None, line, 5) is Outcome.NOT_SENT


def test_a_journal_that_goes_away_makes_the_rest_unknown(sandbox, folder):
    """Nobody can tell what an earlier run delivered of it; each line is in one list."""
    lines = [message(sandbox, number) for number in range(200)]
    pathlib.Path("in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    both = ("--undelivered", "rest", "--unknown", "unknown")
    with spawned(sandbox, "in.jsonl", "--journal", "run.sqlite", "--rate", "50", *both) as process:
        wait_for(lambda: len(texts(sandbox)) > 5)
        pathlib.Path("run.sqlite").unlink()
        _, err = process.communicate()
    assert process.returncode in (3, 4)
    assert "Traceback" not in err
    left = [json.loads(one)["content"] for name in ("rest", "unknown") for one in listed(name)]
    assert sorted(left + texts(sandbox)) == sorted(line["content"] for line in lines)
    assert "message 199" in [json.loads(one)["content"] for one in listed("unknown")]


def test_the_rest_of_a_stream_is_listed_and_an_end_that_did_not_come_is_told(sandbox, folder):
    """The rest of the pipe is read; if its producer goes on, the command says so."""
    with spawned(sandbox, "-", "--rate", "5", "--undelivered", "rest") as process:
        process.stdin.writelines(json.dumps(message(sandbox, n)) + "\n" for n in range(100))
        process.stdin.flush()
        wait_for(lambda: texts(sandbox))
        process.send_signal(signal.SIGTERM)
        assert "interrupted" in process.stderr.readline()
        err = process.stderr.read()
        process.wait()
    assert process.returncode == 3
    assert "the input had not ended" in err
    left = [json.loads(line)["content"] for line in listed("rest")]
    assert texts(sandbox) + left == [f"message {number}" for number in range(100)]

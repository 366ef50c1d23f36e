"""The command line: its output, its exit statuses, and that it never shows the key."""

from __future__ import annotations

import codecs
import copy
import io
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest
from command_line import (
    COMMAND,
    KEY,
    at_home,
    environment,
    file_settings,
    restore_ctrl_c,
    spawn,
    texts,
    wait_for,
    write_config,
)
from places import ROOT

click = pytest.importorskip("click")

from click.testing import CliRunner  # noqa: E402

from twake_async.cli import _credentials  # noqa: E402
from twake_async.cli._commands import twake_async  # noqa: E402
from twake_async.cli._credentials import read_file  # noqa: E402
from twake_async.errors import ConfigurationError  # noqa: E402
from twake_async.sandbox import Sandbox  # noqa: E402
from twake_async.sandbox._seed import DEFAULT_SEED  # noqa: E402

# --- demo ----------------------------------------------------------------------------------------


def test_demo_shows_the_four_outcomes_and_the_channel_within_ten_seconds():
    """A newcomer's first command ends well, fast, within 80 columns and without colour codes."""
    began = time.monotonic()
    ran = spawn("demo", COLUMNS="80")
    assert time.monotonic() - began < 10
    assert (ran.returncode, ran.stderr) == (0, "")
    for word in ("DELIVERED", "REFUSED", "NOT SENT", "UNKNOWN"):
        assert f"    {word}" in ran.stdout
    for error in ("AuthenticationError", "NotSentError", "OutcomeUnknownError"):
        assert error in ran.stdout
    assert "all 100" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert KEY not in ran.stdout


def test_demo_prints_the_channel_as_a_person_sees_it():
    """The reply is under its message, the edit shows, and the removed message does not."""
    out = CliRunner().invoke(twake_async, ["demo"]).output
    channel = out[out.index("# General") :].splitlines()
    first = next(i for i, line in enumerate(channel) if "second thought" in line)
    assert "(edited)" in channel[first]
    reply = channel[first + 1]
    assert "And a reply" in reply
    assert reply.index("Bot") > channel[first].index("Bot")
    shown = "\n".join(channel)
    assert "only for Alice" in shown
    assert "Did this one arrive?" in shown
    assert "97 more" in shown
    assert "Oops" not in shown
    assert "Let me in" not in shown


@pytest.mark.parametrize("release", ["2022", "2023"])
def test_demo_on_the_node_api_finds_a_lost_answer_again(release):
    """A look finds the stored message; one that was not stored stays uncertain."""
    ran = CliRunner().invoke(twake_async, ["demo", "--release", release])
    assert ran.exit_code == 0, ran.output
    for word in ("DELIVERED", "REFUSED", "NOT SENT", "UNKNOWN"):
        assert f"    {word}" in ran.output
    assert "a look at the channel found it" in ran.output
    channel = ran.output[ran.output.index("# General") :]
    assert "only for Alice" in channel
    assert channel.count("Did this one arrive?") == 1
    assert "And this one?" not in channel


def test_demo_needs_no_unicode_terminal():
    """A terminal that knows only ASCII shows all of it, too."""
    ran = spawn("demo", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.isascii()


# --- send ----------------------------------------------------------------------------------------


def test_send_prints_the_id_of_the_delivered_message(sandbox, cli):
    """Status 0 and one line: the id that the channel has."""
    status, out, err = cli("send", "--channel", sandbox.channel_id, "Build 51 is out")
    (message,) = sandbox.messages(sandbox.channel_id)
    assert (status, out, err) == (0, message["id"] + "\n", "")
    assert message["content"] == "Build 51 is out"


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_send_reads_standard_input(sandbox, cli, monkeypatch, arguments):
    """Without TEXT, or with "-", it is the text, without its last line break."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("  é\nwarned \n\n".encode())))
    assert cli("send", *arguments)[0] == 0
    assert texts(sandbox) == ["  é\nwarned \n"]


def test_send_takes_a_reply_and_an_ephemeral_message(sandbox, cli):
    """--reply-to and --ephemeral-to reach the server unchanged."""
    root = cli("send", "root")[1].strip()
    assert cli("send", "--reply-to", root, "reply")[0] == 0
    assert sandbox.messages(sandbox.channel_id)[1]["parent_message_id"] == root
    alice = DEFAULT_SEED["users"]["alice"]["id"]
    assert cli("send", "--ephemeral-to", alice, "psst")[0] == 0
    (shown,) = sandbox.ephemerals(sandbox.channel_id)
    assert shown["content"] == "psst"
    assert len(texts(sandbox)) == 2


def test_a_byte_order_mark_is_no_part_of_the_text(sandbox, cli, monkeypatch):
    """Shells of Windows put one before the piped text."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(codecs.BOM_UTF8 + b"hello")))
    assert cli("send")[0] == 0
    assert texts(sandbox) == ["hello"]


def unread(pipe: int) -> int:
    """Return how many bytes are in a pipe."""
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_text_that_is_not_there_yet_is_waited_for(sandbox):
    """A pipe that does not block, and is empty for the moment, has not ended."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with subprocess.Popen(
        [*COMMAND, "send", "--channel", sandbox.channel_id],
        env=environment(**sandbox.environment),
        stdin=ours,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(ours)
        for part in (b"first, ", b"second"):
            os.write(theirs, part)
            wait_for(lambda: not unread(theirs))
        os.close(theirs)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert texts(sandbox) == ["first, second"]


def test_a_text_without_an_end_is_not_collected(sandbox, cli, monkeypatch):
    """The error says that it is too long; nothing is sent."""
    monkeypatch.setattr("twake_async.cli._sources.LONGEST", 1_000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 1_001)))
    status, _, err = cli("send")
    assert status == 3
    assert "standard input is longer than 1,000 bytes" in err
    assert sandbox.requests == []


@pytest.mark.parametrize("stdin", [None, io.TextIOWrapper(io.BytesIO())])
def test_a_closed_standard_input_is_a_wrong_command_line(sandbox, cli, monkeypatch, stdin):
    """One sentence, no traceback, no wait."""
    if stdin is not None:
        stdin.close()
    monkeypatch.setattr(sys, "stdin", stdin)
    for arguments in (["send", "-"], ["send-many", "-"], ["send-many", "-", "--format", "csv"]):
        status, _, err = cli(*arguments)
        assert status == 64
        assert "Standard input is closed." in err
    assert sandbox.requests == []


def test_a_refused_send_is_status_2(sandbox, cli):
    """A wrong group stores nothing, and one sentence says so."""
    status, out, err = cli("send", "--group", "00000000-0000-0000-0000-000000000001", "x")
    assert (status, out) == (2, "")
    assert err.startswith("twake-async: refused: ")
    assert err.count("\n") == 1
    assert texts(sandbox) == []


def test_a_send_that_reaches_nobody_is_status_3(sandbox, cli):
    """A port where nobody listens: not sent."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        status, out, err = cli("send", "--base-url", url, "--deadline", "0.2", "x")
    assert (status, out) == (3, "")
    assert err.startswith("twake-async: not sent: ")


def test_a_send_of_unknown_fate_is_status_4(sandbox, cli):
    """The answer is lost after storing: unknown, and not repeated."""
    sandbox.fail_next(after_storing="close")
    status, out, err = cli("send", "x")
    assert (status, out) == (4, "")
    assert err.startswith("twake-async: unknown: ")
    assert texts(sandbox) == ["x"]


def test_the_exit_status_is_that_of_the_process(sandbox):
    """A shell sees the result of `run`, and the arguments hold no key."""
    ran = spawn("send", "x", **sandbox.environment)
    assert ran.returncode == 64  # no channel: TWAKE_CHANNEL_ID is not among those
    sandbox.fail_next(after_storing="close")
    ran = spawn("send", "--channel", sandbox.channel_id, "x", **sandbox.environment)
    assert ran.returncode == 4
    assert KEY not in ran.stdout + ran.stderr


def test_a_resend_that_may_have_made_a_second_copy_warns(sandbox, cli):
    """--resend delivers, and warns on standard error of a possible second copy."""
    sandbox.fail_next(after_storing="close")
    status, out, err = cli("send", "--resend", "x")
    assert status == 0
    assert out
    assert "twice" in err
    assert texts(sandbox) == ["x", "x"]


def test_a_reply_that_the_server_moves_to_the_root_warns(sandbox, cli):
    """The server drops a parent that it does not know; the command says so."""
    nobody = "00000000-0000-1000-8000-000000000001"
    status, _, err = cli("send", "--reply-to", nobody, "x")
    assert status == 0
    assert "--reply-to is not the id of a root message there" in " ".join(err.split())


def test_a_cut_text_warns_and_portable_is_not_cut(monkeypatch, tmp_path, cli):
    """A server of 2021 cuts a bare string: the warning names the option that helps."""
    at_home(monkeypatch, tmp_path)
    with Sandbox(release="2021") as newer:
        for name, value in newer.environment.items():
            monkeypatch.setenv(name, value)
        plain = ["--text-form", "plain"]
        status, _, err = cli("send", "--channel", newer.channel_id, *plain, "Hello")
        assert status == 0
        assert "--text-form portable" in err
        status, _, err = cli("send", "--channel", newer.channel_id, "Hello")
        assert (status, err) == (0, "")


def test_json_tells_a_script_all_of_it(sandbox, cli):
    """There is one object for each of delivered, refused and unknown, with the outcome in it."""
    status, out, _ = cli("send", "--json", "x")
    delivered = json.loads(out)
    (message,) = sandbox.messages(sandbox.channel_id)
    assert (status, delivered["outcome"], delivered["id"]) == (0, "delivered", message["id"])
    assert delivered["front_id"] == message["front_id"]
    sandbox.refuse_next("capability")
    refused = json.loads(cli("send", "--json", "x")[1])
    assert (refused["outcome"], refused["error"]) == ("refused", "MissingCapabilityError")
    sandbox.fail_next(after_storing="empty")
    unknown = json.loads(cli("send", "--json", "x")[1])
    assert (unknown["outcome"], unknown["reason"]) == ("unknown", "unreadable")
    assert unknown["http_status"] == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ["send", "--no-such-option"],
        ["send", "--deadline", "0", "x"],
        ["send", "one", "two"],
        ["no-such-command"],
        [],
        ["check", "surplus"],
        ["sandbox", "--release", "1999"],
        ["sandbox", "--events-url", "http://127.0.0.1:8000"],  # 2020 posts nothing to such
        ["sandbox", "--release", "2023", "--events-url", "bot"],
    ],
)
def test_a_wrong_command_line_is_64_and_never_an_outcome(sandbox, cli, arguments):
    """Click's own 2 would say "refused"."""
    status, out, err = cli(*arguments)
    assert (status, out) == (64, "")
    assert "Usage:" in err
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "arguments",
    [["send", ""], ["send", "--base-url", "http://twake.example.org", "x"], ["send", "\udce9"]],
)
def test_what_cannot_be_sent_as_it_is_is_status_3(sandbox, cli, arguments):
    """An empty text, plain http over a network, a lone surrogate: no byte leaves."""
    status, out, err = cli(*arguments)
    assert (status, out) == (3, "")
    assert err.startswith("twake-async: not sent: ")
    assert sandbox.requests == []


def test_standard_input_that_is_no_text_is_status_3(sandbox, cli, monkeypatch):
    """Bytes that are not UTF-8 are not sent, not even in part."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    assert cli("send")[0] == 3
    assert sandbox.requests == []


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="no device that is always full")
def test_an_id_that_cannot_be_printed_changes_no_outcome(sandbox):
    """Standard output is on a full disk: delivered stays delivered, and the id is not lost."""
    with pathlib.Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*COMMAND, "send", "--channel", sandbox.channel_id, "x"],
            env=environment(**sandbox.environment),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        helped = subprocess.run([*COMMAND, "-h"], env=environment(), stdout=full, check=False)
    (message,) = sandbox.messages(sandbox.channel_id)
    assert helped.returncode == 1
    assert ran.returncode == 0, ran.stderr
    assert message["id"] in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupted_send_tells_what_its_attempt_came_to(sandbox):
    """Ctrl-C comes while the answer is awaited: the request left, so the outcome is unknown."""
    sandbox.fail_next(before_storing="silent")
    arguments = ["send", "--channel", sandbox.channel_id, "x"]
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(**sandbox.environment),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_ctrl_c,  # noqa: PLW1509 - it only sets a signal
    ) as process:
        wait_for(lambda: sandbox.requests)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 4
    assert err == "twake-async: unknown: interrupted\n"


# --- credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["option", "variable", "home"])
def test_credentials_may_come_from_a_file(sandbox, cli, monkeypatch, tmp_path, how):
    """--config or TWAKE_CONFIG names the file, or it is in the usual folder."""
    at_home(monkeypatch, tmp_path)
    path = write_config(tmp_path / ".config/twake-async.toml", **file_settings(sandbox))
    if how != "home":
        path = path.rename(tmp_path / "elsewhere.toml")
    if how == "variable":
        monkeypatch.setenv("TWAKE_CONFIG", str(path))
    named = ["--config", str(path)] if how == "option" else []
    assert cli("send", *named, "--channel", sandbox.channel_id, "x")[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o444, 0o404, 0o460, 0o450])
def test_a_file_that_others_may_open_is_refused_with_the_chmod_to_run(sandbox, cli, tmp_path, mode):
    """Its key is not used, even where the environment has credentials of its own."""
    path = write_config(tmp_path / "open file.toml", mode, **file_settings(sandbox))
    status, out, err = cli("send", "--config", str(path), "x")
    assert (status, out) == (3, "")
    assert f"chmod 600 '{path}'" in err
    assert sandbox.requests == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o700])
def test_a_file_that_nobody_may_write_may_be_read_by_its_group(sandbox, cli, tmp_path, mode):
    """Containers and services mount secrets so: a person chose 0440."""
    path = write_config(tmp_path / "c.toml", mode, **file_settings(sandbox))
    assert cli("send", "--config", str(path), "x")[0] == 0


@pytest.mark.parametrize(
    ("mode", "owned", "is_open"),
    [
        (0o640, False, False),  # root's, with the group of a service
        (0o440, False, False),
        (0o640, True, True),
        (0o660, False, True),
        (0o644, False, True),
        (0o604, False, True),
        (0o650, False, True),
    ],
)
def test_a_group_may_read_where_somebody_chose_it(mode, owned, is_open):
    """A file of another user is open to us through its group alone; our own needs no group."""
    assert _credentials.is_open(stat.S_IFREG | mode, owned=owned) is is_open


@pytest.mark.parametrize("where", ["XDG_CONFIG_HOME", "HOME", "both"])
def test_the_file_is_looked_for_in_the_folder_of_the_platform(
    sandbox, cli, monkeypatch, tmp_path, where
):
    """XDG_CONFIG_HOME is used, and a file in ~/.config is still found."""
    at_home(monkeypatch, tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    home, xdg = tmp_path / ".config/twake-async.toml", tmp_path / "xdg/twake-async.toml"
    for path in {"HOME": [home], "XDG_CONFIG_HOME": [xdg], "both": [xdg, home]}[where]:
        write_config(path, **file_settings(sandbox))
    if where == "both":
        write_config(home, public_id="other", private_api_key="wrong")
    assert cli("send", "--channel", sandbox.channel_id, "x")[0] == 0


@pytest.mark.parametrize("xdg", ["", "relative"])
def test_a_file_in_the_working_folder_is_not_taken_for_ones_own(
    sandbox, cli, monkeypatch, tmp_path, xdg
):
    """The working folder may be anybody's, so a setting that leads there is not used."""
    at_home(monkeypatch, tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", xdg)
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path / xdg / "twake-async.toml", **file_settings(sandbox))
    status, _, err = cli("send", "--channel", sandbox.channel_id, "x")
    assert status == 3
    assert str(tmp_path / ".config/twake-async.toml") in err


def test_windows_and_macos_have_folders_of_their_own(monkeypatch, tmp_path):
    """Click knows them; the folder of the first releases comes after."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(click, "get_app_dir", lambda name: str(tmp_path / "Roaming" / name))
    files = _credentials.default_files()
    assert files == [tmp_path / "Roaming/twake-async.toml", tmp_path / ".config/twake-async.toml"]


def test_a_home_that_there_is_none_of_is_no_traceback(cli, monkeypatch, tmp_path):
    """A container's user may have no home."""
    at_home(monkeypatch, tmp_path)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    status, _, err = cli("check")
    assert status == 3
    assert "~/.config/twake-async.toml" in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may enter any folder")
def test_a_home_that_is_closed_to_us_has_no_file(sandbox, cli, monkeypatch, tmp_path):
    """The settings in the environment are enough there."""
    folder = tmp_path / ".config"
    folder.mkdir(mode=0)
    try:
        assert cli("send", "x")[0] == 0
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_file_may_be_a_pipe(sandbox, cli, tmp_path):
    """So a password store can give a key without a file on a disk: --config <(pass show twake)."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    text = "".join(
        f"{name} = {json.dumps(value)}\n" for name, value in file_settings(sandbox).items()
    )
    threading.Thread(target=path.write_text, args=(text,), daemon=True).start()
    assert cli("send", "--config", str(path), "x")[0] == 0


def test_a_file_named_on_the_command_line_goes_before_the_environment(sandbox, cli, tmp_path):
    """The pair comes from one place: the environment's good key does not complete the file's."""
    path = write_config(tmp_path / "c.toml", public_id=sandbox.public_id, private_api_key="wrong")
    assert cli("send", "--config", str(path), "x")[0] == 2


def test_the_environment_goes_before_a_file_at_home(sandbox, cli, tmp_path):
    """A file at home only fills in what the environment leaves out."""
    write_config(tmp_path / ".config/twake-async.toml", public_id="other", private_api_key="wrong")
    assert cli("send", "x")[0] == 0


def test_half_a_pair_in_a_file_is_not_completed_from_the_environment(sandbox, cli, tmp_path):
    """A key from one place and an id from another are a mistake."""
    path = write_config(tmp_path / "c.toml", public_id=sandbox.public_id)
    status, _, err = cli("send", "--config", str(path), "x")
    assert status == 3
    assert "without private_api_key" in err
    assert sandbox.requests == []


@pytest.mark.parametrize("lacking", ["TWAKE_PUBLIC_ID", "TWAKE_PRIVATE_API_KEY"])
def test_half_a_pair_is_named(sandbox, cli, monkeypatch, lacking):
    """An id without its key, or a key without its id, cannot log in."""
    monkeypatch.delenv(lacking)
    status, _, err = cli("send", "x")
    assert status == 3
    assert f"without {lacking.removeprefix('TWAKE_').lower()}" in err


def test_no_credentials_at_all_says_where_they_may_come_from(cli, monkeypatch, tmp_path):
    """The first error that a newcomer meets names the variables and the file."""
    at_home(monkeypatch, tmp_path)
    status, _, err = cli("check")
    assert status == 3
    for word in ("TWAKE_PUBLIC_ID", "TWAKE_PRIVATE_API_KEY", ".config/twake-async.toml"):
        assert word in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'private_api_key = "{KEY}', "not valid TOML"),
        (f'{KEY} = "{KEY}', "not valid TOML"),
        (f'a = "{KEY}"\nb = {"[" * 100_000}', "not valid TOML"),
        (f'private_api_key = "{KEY}"\nb = {"9" * 10_000}', "not valid TOML"),
        (f'private_api_key = "{KEY}"'.encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (f'private_api_key = "{KEY}\xe9"'.encode("cp1252"), "not UTF-8 text"),
        (f'# {"x" * 1_048_576}\nprivate_api_key = "{KEY}"', "longer than 1,048,576 bytes"),
        ('privat_api_key = "x"', "'privat_api_key'"),
        ("private_api_key = 12", "must be a string"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained_without_what_it_holds(tmp_path, text, said):
    """A mistake in the file is named by its kind only: the line itself may hold the key."""
    path = tmp_path / "c.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_file(path)
    assert KEY not in str(caught.value)


def test_a_byte_order_mark_does_no_harm(sandbox, cli, tmp_path):
    """Editors on Windows write one."""
    path = write_config(tmp_path / "c.toml", **file_settings(sandbox))
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert cli("send", "--config", str(path), "x")[0] == 0


def test_a_file_that_cannot_be_read_is_told(sandbox, cli, tmp_path):
    """The path is a folder, or nothing."""
    for path in (tmp_path, tmp_path / "missing.toml"):
        status, _, err = cli("send", "--config", str(path), "x")
        assert status == 3
        assert f"{path} cannot be read" in err


def test_no_option_takes_a_key():
    """Every user of a machine sees arguments. --key of send-many names a field of a line."""
    context = click.Context(twake_async)
    for name in twake_async.list_commands(context):
        command = twake_async.get_command(context, name)
        assert command.name == name
        names = {name for param in command.params for name in param.opts if param.name != "key"}
        assert not [name for name in names if "key" in name or "public" in name]


# --- check ---------------------------------------------------------------------------------------


@pytest.fixture(params=["2020", "2021"])
def either(request, monkeypatch, tmp_path):
    """Serve a sandbox of either release, with its credentials in the environment."""
    at_home(monkeypatch, tmp_path)
    with Sandbox(release=request.param) as newer:
        for name, value in newer.environment.items():
            monkeypatch.setenv(name, value)
        yield newer


def test_check_says_that_all_is_well_and_stores_nothing(either, cli):
    """Each of the five checks is named, on servers of both releases."""
    status, out, err = cli("check")
    assert (status, err) == (0, "")
    assert [line.split()[1] for line in out.splitlines() if line.startswith("ok")] == [
        "address",
        "api",
        "credentials",
        "group",
        "capability",
    ]
    assert either.messages(either.channel_id) == []
    assert json.loads(cli("check", "--json")[1])["release"] == either.release


@pytest.mark.parametrize(
    ("broken", "status", "problem"),
    [
        ("TWAKE_PRIVATE_API_KEY=wrong", 2, "authentication"),
        ("TWAKE_GROUP_ID=00000000-0000-0000-0000-000000000001", 2, "group"),
        ("TWAKE_BASE_URL={url}/elsewhere", 2, "address"),
        ("TWAKE_BASE_URL=http://127.0.0.1:1", 3, "unreachable"),
    ],
)
def test_check_names_what_is_wrong(either, cli, monkeypatch, *, broken, status, problem):
    """A wrong address, key or group is named in words, on servers of both releases."""
    variable, _, value = broken.format(url=either.url).partition("=")
    monkeypatch.setenv(variable, value)
    got, out, err = cli("check", "--json")
    assert (got, json.loads(out)["problem"]) == (status, problem)
    assert err.count("\n") == 1
    got, out, _ = cli("check")
    assert got == status
    # An unreachable server does not prove that its address is wrong.
    assert ("wrong " in out) == (problem != "unreachable")
    assert ("failed address" in out) == (problem == "unreachable")


def test_check_names_a_missing_capability(either, cli, monkeypatch):
    """The check says that an application may not send, on servers of both releases."""
    seed = copy.deepcopy(DEFAULT_SEED)
    seed["apps"]["bot"]["capabilities"] = seed["group_apps"][0]["capabilities"] = ["display_modal"]
    with Sandbox(seed, release=either.release) as poor:
        monkeypatch.setenv("TWAKE_BASE_URL", poor.url)
        status, out, err = cli("check")
    assert status == 2
    assert "ok     group" in out
    assert "wrong  capability" in out
    assert "messages_save" in err


# --- sandbox -------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_gives_an_environment_to_send_with_and_ends_cleanly(
    cli, monkeypatch, tmp_path, end
):
    """Its output is enough to send; each request is a line; Ctrl-C is status 0."""
    at_home(monkeypatch, tmp_path)
    exports = tmp_path / "env.sh"
    with (
        exports.open("w") as out,
        subprocess.Popen(
            [*COMMAND, "sandbox", "--events-url", "http://127.0.0.1:9/whisper"],
            env=environment(),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        wait_for(lambda: "TWAKE_CHANNEL_ID" in exports.read_text())
        for line in exports.read_text().splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            monkeypatch.setenv(name, value)
        assert cli("send", "Hello, sandbox")[0] == 0
        process.send_signal(end)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert '"Hello, sandbox" -> 200' in err
    assert "event hook/new_message -> " in err
    assert "whisper" not in err
    assert "Traceback" not in err
    assert KEY not in err


def test_a_sandbox_that_cannot_start_says_why(cli, tmp_path):
    """An invalid seed and a taken port give one sentence and status 1."""
    seed = tmp_path / "seed.json"
    for text in ("not json", "[]", "{}"):
        seed.write_text(text)
        status, _, err = cli("sandbox", "--seed", str(seed))
        assert (status, err.count("\n")) == (1, 1)
        assert "Error" not in err
    assert cli("sandbox", "--seed", str(tmp_path / "none.json"))[0] == 1
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = cli("sandbox", "--port", str(taken.getsockname()[1]))
    assert (status, err.count("\n")) == (1, 1)


# --- the rest ------------------------------------------------------------------------------------


def test_without_the_extra_one_sentence_says_how_to_get_it(tmp_path):
    """There is no traceback; the status is 1, and the sentence has the command to run."""
    hide = tmp_path / "sitecustomize.py"
    hide.write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('click', 'rich') else find(name, *a)\n"
    )
    ran = spawn("demo", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert 'pip install "twake-async[sandbox]"' in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["", *twake_async.list_commands(click.Context(twake_async))])
def test_every_help_text_teaches(cli, command):
    """Each command explains itself, and all but the shortest have an example."""
    status, out, _ = cli(*command.split(), "--help")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "twake-async" in out.split("Options:")[1] or command == "demo"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_a_script_that_asks_this_program(cli, shell):
    """The script names the variable through which it asks the program."""
    status, out, _ = cli("completion", shell)
    assert status == 0
    assert "_TWAKE_ASYNC_COMPLETE" in out


def test_the_program_completes_its_commands():
    """A shell that asks for "ch" gets "check"."""
    ran = spawn(_TWAKE_ASYNC_COMPLETE="zsh_complete", COMP_WORDS="twake-async ch", COMP_CWORD="1")
    assert "check" in ran.stdout


def test_version_is_told(cli):
    """`--version` names the program and ends with status 0, installed or not."""
    status, out, _ = cli("--version")
    assert status == 0
    assert out.startswith("twake-async")

"""The command line over --api node: its settings, its checks, and its messages."""

from __future__ import annotations

import json
import pathlib

import pytest

pytest.importorskip("click")

from command_line import at_home, file_settings, listed, message, texts, write_config

from twake_async.cli._input import FileInput
from twake_async.cli._known import Known
from twake_async.cli._lines import read_jsonl
from twake_async.cli._offline import Offline
from twake_async.errors import Outcome
from twake_async.sandbox import Sandbox


@pytest.fixture(scope="module")
def served():
    """Serve one sandbox of the last release for the module."""
    with Sandbox(release="2023") as sandbox:
        yield sandbox


@pytest.fixture
def one_of(monkeypatch, tmp_path):
    """Serve a sandbox of a release, and return it; its credentials are in the environment."""
    opened = []

    def serve(release: str) -> Sandbox:
        at_home(monkeypatch, tmp_path)
        sandbox = Sandbox(release=release)
        opened.append(sandbox)
        sandbox.__enter__()
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        return sandbox

    yield serve
    for sandbox in opened:
        sandbox.__exit__(None, None, None)


# --- settings ------------------------------------------------------------------------------------


def test_the_api_and_the_workspace_come_from_options_variables_or_the_file(
    sandbox, cli, monkeypatch, tmp_path
):
    """An option comes before a variable, and a variable before the file."""
    monkeypatch.setenv("TWAKE_API", "v1")
    monkeypatch.delenv("TWAKE_WORKSPACE_ID")
    given = ("--api", "node", "--workspace", sandbox.workspace_id)
    assert cli("send", "by options", *given)[0] == 0
    monkeypatch.setenv("TWAKE_API", "node")
    monkeypatch.setenv("TWAKE_WORKSPACE_ID", sandbox.workspace_id)
    assert cli("send", "by variables")[0] == 0
    path = write_config(tmp_path / "c.toml", **file_settings(sandbox))
    assert "workspace_id = " in path.read_text()
    at_home(monkeypatch, tmp_path)
    assert cli("send", "by a file", "--config", str(path), "--channel", sandbox.channel_id)[0] == 0
    assert texts(sandbox) == ["by options", "by variables", "by a file"]


def test_an_api_that_is_none_is_named_by_its_option(sandbox, cli, write, monkeypatch):
    """On the command line it is a wrong choice; in the environment the error names both APIs."""
    assert cli("send", "x", "--api", "v2")[0] == 64
    monkeypatch.setenv("TWAKE_API", "v2")
    for command in (["send", "x"], ["check"], ["send-many", write(message(sandbox, 1))]):
        status, _, err = cli(*command)
        assert status == 3
        assert "--api (TWAKE_API) must be one of v1, node" in err


def test_a_message_without_a_workspace_says_where_it_may_come_from(
    sandbox, cli, write, monkeypatch
):
    """Nothing is sent, and for a file the error has the lines that lack it."""
    monkeypatch.delenv("TWAKE_WORKSPACE_ID")
    status, _, err = cli("send", "x")
    assert status == 3
    file = write(message(sandbox, 1, workspace_id=sandbox.workspace_id), message(sandbox, 2))
    many, _, told = cli("send-many", file)
    assert many == 3
    assert "line 2: there is no workspace" in told
    for said in (err, told):
        for words in ("--api node", "--workspace", "TWAKE_WORKSPACE_ID", "workspace_id"):
            assert words in said
    assert texts(sandbox) == []


def test_a_workspace_that_is_no_id_is_found_before_anything_is_sent(
    sandbox, cli, write, monkeypatch
):
    """It holds for a message, for a file, and where a file is only checked."""
    monkeypatch.setenv("TWAKE_WORKSPACE_ID", " ")
    file = write(message(sandbox, 1))
    for given in (("send", "x"), ("send-many", file), ("send-many", "--dry-run", file)):
        status, _, err = cli(*given)
        assert status == 3
        assert "nobody sees" in err
    assert texts(sandbox) == []


# --- check ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "api", "apis", "version"),
    [
        ("2020", "v1", ["v1"], None),
        ("2021", "v1", ["v1"], "2021.Q4.860"),
        ("2022", "v1", ["v1", "node"], "2022.Q2.975"),
        ("2022", "node", ["v1", "node"], "2022.Q2.975"),
        ("2023", "node", ["node"], "2023.Q1.1223"),
    ],
)
def test_a_check_shows_the_apis_and_the_release(one_of, cli, *, release, api, apis, version):
    """It shows them for scripts and for people; nothing is stored."""
    sandbox = one_of(release)
    status, out, err = cli("check", "--json", "--api", api)
    said = json.loads(out)
    assert (status, err, said["ok"], said["problem"]) == (0, "", True, "")
    assert (said["release"], said["apis"], said["version"]) == (release, apis, version)
    status, out, _ = cli("check", "--api", api)
    assert f"ok     api {api}\n" in out
    assert ("ok     group" in out) == (api == "v1")
    words = f"its release is {version or release}; it serves {' and '.join(apis)}"
    assert out.splitlines()[-1] == words
    assert sandbox.messages() == []


@pytest.mark.parametrize(
    ("release", "wrong", "right"),
    [("2020", "node", "v1"), ("2021", "node", "v1"), ("2023", "v1", "node")],
)
def test_a_wrong_choice_of_api_says_the_right_one(one_of, cli, write, *, release, wrong, right):
    """It holds in a check, for one message, and before a file is sent."""
    sandbox = one_of(release)
    given = ("--api", wrong, "--workspace", "w")
    commands = (
        ["check"],
        ["send", "x", "--channel", sandbox.channel_id],
        ["send-many", write(message(sandbox, 1))],
    )
    for command in commands:
        status, out, err = cli(*command, *given)
        assert status == 2
        assert f"set --api {right}" in err
        if command == ["check"]:
            assert f"wrong  api {wrong}\n" in out
            assert f"it serves {right}" in out
    assert sandbox.messages() == []


def test_a_check_of_what_is_no_twake_shows_neither(sandbox, cli, monkeypatch):
    """Nothing is known of it."""
    monkeypatch.setenv("TWAKE_BASE_URL", "http://127.0.0.1:1")
    status, out, _ = cli("check")
    assert (status, out) == (3, "failed address\n")


# --- messages ------------------------------------------------------------------------------------


def test_a_message_and_a_reply_are_sent(sandbox, cli):
    """The command is the same as over v1."""
    status, out, err = cli("send", "Hello")
    assert (status, err) == (0, "")
    status, out, err = cli("send", "... done", "--reply-to", out.strip(), "--json")
    assert (status, err) == (0, "")
    [head, reply] = sandbox.messages()
    assert json.loads(out)["parent_message_id"] == reply["parent_message_id"] == head["id"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_file_may_say_the_workspace_and_the_title(sandbox, cli, tmp_path, monkeypatch, kind):
    """In CSV the cell of a map is JSON."""
    monkeypatch.delenv("TWAKE_WORKSPACE_ID")
    workspace, title = sandbox.workspace_id, {"title": "Build"}
    line = message(sandbox, 1, workspace_id=workspace, override=title)
    rows = json.dumps(line)
    if kind == "csv":
        quoted = json.dumps(title).replace('"', '""')
        rows = "channel_id,content,workspace_id,override\n"
        rows += f'{sandbox.channel_id},message 1,{workspace},"{quoted}"'
    file = tmp_path / f"in.{kind}"
    file.write_text(rows)
    assert cli("send-many", str(file), "--dry-run")[0] == 0
    assert cli("send-many", str(file))[:2] == (0, "1 delivered\n")
    [stored] = sandbox.messages()
    assert stored["override"] == title


ONLY_V1 = [{"pinned": True}, {"ephemeral": True}]
ONLY_NODE = [{"override": {"title": "Build"}}]


@pytest.mark.parametrize("api", ["v1", "node"])
@pytest.mark.parametrize("fields", ONLY_V1 + ONLY_NODE)
def test_a_dry_run_checks_for_the_chosen_api(sandbox, cli, write, api, fields):
    """Features of the other API are found before anything is sent, without the server."""
    file = write(message(sandbox, 1), message(sandbox, 2, **fields))
    status, _, err = cli("send-many", file, "--dry-run", "--api", api)
    is_good = (fields in ONLY_V1) == (api == "v1")
    assert (status == 0) == is_good
    if not is_good:
        assert "line 2: " in err
        assert "--api " in err
    assert sandbox.requests == []


def test_an_ephemeral_message_of_a_file_names_its_connection(sandbox, cli, write):
    """The connection of one user comes from an event."""
    user = {"ephemeral": True, "ephemeral_to": ["u"]}
    file = write(message(sandbox, 1, **user))
    assert "needs connection_id" in cli("send-many", file, "--dry-run")[2]
    assert cli("send-many", write(message(sandbox, 1, **user, connection_id="c")))[0] == 0
    assert texts(sandbox) == []


# --- the journal ---------------------------------------------------------------------------------


def test_a_journal_knows_the_messages_of_its_api_alone(sandbox, cli, write, tmp_path):
    """A draft has another hash over the other API."""
    journal = str(tmp_path / "run.sqlite")
    file = write(message(sandbox, 1))
    assert cli("send-many", file, "--journal", journal)[0] == 0
    [line] = read_jsonl([pathlib.Path(file).read_bytes()])
    for offline, outcome in (
        (Offline("node", "-", sandbox.workspace_id), Outcome.DELIVERED),
        (Offline("node", "-", "another"), Outcome.NOT_SENT),
        (Offline("node"), Outcome.NOT_SENT),  # it could not be sent
        (Offline(), Outcome.NOT_SENT),
    ):
        with Known.of(journal, offline) as known:
            assert known.outcome(line, 0) is outcome


def test_lines_that_moved_in_a_changed_input_are_not_called_undelivered(
    sandbox, cli, write, tmp_path
):
    """The command line looks up the rows that the session wrote."""
    old = [message(sandbox, number) for number in (0, 1)]
    journal = ("--journal", str(tmp_path / "run.sqlite"))
    assert cli("send-many", write(*old), *journal)[0] == 0
    rest, doubt = str(tmp_path / "rest"), str(tmp_path / "unknown")
    file = write(message(sandbox, 8), *old)
    status, _, err = cli("send-many", file, *journal, "--undelivered", rest, "--unknown", doubt)
    assert "the input was changed" in err
    assert [json.loads(one) for one in listed(rest)] == [message(sandbox, 8)]
    assert sorted(json.loads(one)["content"] for one in listed(doubt)) == ["message 0", "message 1"]
    assert status == 3


def test_a_journal_of_the_other_api_is_refused(sandbox, cli, write, tmp_path):
    """Its messages have other ids, and nobody could tell which were delivered."""
    given = ("send-many", write(message(sandbox, 1)), "--journal", str(tmp_path / "run.sqlite"))
    assert cli(*given)[0] == 0
    status, _, err = cli(*given, "--api", "v1")
    assert status != 0
    assert "journal" in err
    assert texts(sandbox) == ["message 1"]


def test_what_a_file_holds_is_checked_with_the_ids_of_the_run(tmp_path):
    """The largest message depends on them: the whole body counts."""
    file = tmp_path / "in.jsonl"
    file.write_text(json.dumps({"channel_id": "c", "content": "x" * 524_000}))
    short, long = (Offline("node", group, "w") for group in ("g", "g" * 2_000))
    for offline, is_good in ((short, True), (long, False)):
        with file.open("rb") as opened:
            [line] = FileInput(opened, is_csv=False).check(offline)
        assert (line.draft is not None) == is_good

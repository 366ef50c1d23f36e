"""`twake-async files`, and a message with a file."""

from __future__ import annotations

import json

import pytest
from command_line import environment

click = pytest.importorskip("click")

from click.testing import CliRunner  # noqa: E402

from twake_async.cli import _files  # noqa: E402
from twake_async.cli._commands import twake_async  # noqa: E402
from twake_async.sandbox import Sandbox  # noqa: E402

WORKSPACE = ("--workspace", "7a1c0e20-5b1d-11eb-9c02-0242ac130002")


@pytest.fixture
def v1():
    with Sandbox() as found:
        yield found


def run(sandbox, *arguments, **variables):
    """Run a command on a sandbox; return its exit status, standard output and standard error."""
    env = environment() | sandbox.environment | {"no_proxy": "127.0.0.1"} | variables
    ran = CliRunner().invoke(twake_async, arguments, env=env, standalone_mode=False)
    status = ran.return_value if ran.exception is None else ran.exception
    return status, ran.stdout, ran.stderr


@pytest.fixture
def note(tmp_path):
    path = tmp_path / "note.txt"
    path.write_bytes(b"hello file\n")
    return str(path)


def test_a_file_is_put_listed_and_got(v1, note, tmp_path):
    """Each step uses the id of the step before."""
    status, out, err = run(v1, "files", "put", *WORKSPACE, note)
    assert (status, err) == (0, "")
    file_id = out.strip()
    status, out, _ = run(v1, "files", "list", *WORKSPACE)
    assert (status, out.split()) == (0, [file_id, "11", "note.txt"])
    copy = tmp_path / "copy.txt"
    status, out, err = run(v1, "files", "get", *WORKSPACE, file_id, str(copy))
    assert (status, out.strip(), err) == (0, str(copy), "")
    assert copy.read_bytes() == b"hello file\n"
    status, out, err = run(v1, "files", "get", *WORKSPACE, file_id, str(copy))
    assert (status, out) == (1, "")
    assert "exists" in err
    assert run(v1, "files", "get", *WORKSPACE, "--overwrite", file_id, str(copy))[0] == 0


def test_scripts_are_told_in_json(v1, note, tmp_path):
    """Each command prints one object."""
    status, out, _ = run(v1, "files", "put", *WORKSPACE, "--name", "n.txt", "--json", note)
    found = json.loads(out)
    assert (status, found["name"], found["size"]) == (0, "n.txt", 11)
    _, out, _ = run(v1, "files", "list", *WORKSPACE, "--json")
    assert [one["id"] for one in json.loads(out)["files"]] == [found["id"]]
    arguments = ("--json", "--server-name", found["id"], str(tmp_path))
    _, out, _ = run(v1, "files", "get", *WORKSPACE, *arguments)
    assert json.loads(out) == {"path": str(tmp_path / "n.txt")}


def test_what_is_there_is_named_in_the_words_of_the_command_line(v1, note, tmp_path):
    """They are its options, not the arguments of Python."""
    place = ("--workspace", v1.workspace_id)
    file_id = run(v1, "files", "put", *place, str(note))[1].strip()
    status, _, err = run(v1, "files", "get", *place, file_id, str(note))
    assert status == 1
    assert "give --overwrite to replace it" in err
    status, _, err = run(v1, "files", "get", *place, file_id, str(tmp_path))
    assert status == 3
    assert "PATH is a folder: name the file, or give --server-name" in err


def test_a_folder_is_shown_as_one(v1, note):
    """Its name ends with a slash."""
    import asyncio

    from twake_async import TwakeSession

    async def make() -> str:
        session = TwakeSession(
            v1.public_id, v1.private_api_key, group_id=v1.group_id, base_url=v1.url
        )
        async with session as twake:
            return (await twake.files.make_folder("Reports", workspace_id=WORKSPACE[1])).id

    folder = asyncio.run(make())
    _, out, _ = run(v1, "files", "list", *WORKSPACE)
    assert out.endswith(" Reports/\n")
    assert run(v1, "files", "put", *WORKSPACE, "--folder", folder, note)[0] == 0
    assert "note.txt" in run(v1, "files", "list", *WORKSPACE, "--folder", folder)[1]


@pytest.mark.parametrize("command", [("put", "x"), ("get", "f", "x"), ("list",)])
def test_v1_needs_a_workspace(v1, command):
    """The error says which option is missing."""
    status, _, _ = run(v1, "files", *command, TWAKE_WORKSPACE_ID="")
    assert isinstance(status, click.UsageError)
    assert "--workspace" in str(status)


def test_the_exit_status_is_the_outcome(v1, note, tmp_path):
    """It holds also where the answer is lost."""
    v1.fail_next(after_storing=502)
    status, out, err = run(v1, "files", "put", *WORKSPACE, note)
    assert (status, out) == (4, "")
    assert "unknown" in err
    assert run(v1, "files", "put", *WORKSPACE, "--json", note, TWAKE_GROUP_ID="x")[0] == 2
    assert run(v1, "files", "put", *WORKSPACE, str(tmp_path / "none"))[0] == 3
    target = str(tmp_path / "x")
    assert run(v1, "files", "get", *WORKSPACE, "unknown", target)[0] == 4
    assert run(v1, "files", "list", "--api", "node", *WORKSPACE)[0] == 3


def test_a_message_shows_a_file(v1, note):
    """The file is uploaded first."""
    channel = ("--channel", v1.channel_id)
    status, out, err = run(v1, "send", *channel, *WORKSPACE, "--file", note, "see this")
    assert (status, err) == (0, "")
    [message] = v1.messages()
    assert message["id"] == out.strip()
    assert "see this" in json.dumps(message["content"])
    assert '"type": "file"' in json.dumps(message["content"])


def test_a_message_whose_file_may_not_be_there_is_not_sent(v1, note):
    """The error says why."""
    channel = ("--channel", v1.channel_id)
    v1.fail_next(after_storing=502)
    status, _, err = run(v1, "send", *channel, *WORKSPACE, "--file", note, "see this")
    assert status == 3
    assert "its file may be missing" in err
    assert v1.messages() == []


def test_a_file_whose_message_fails_is_named(v1, note):
    """It can be put into the next message; another upload would make a second file."""
    place = ("--workspace", v1.workspace_id)
    v1.slow_next(0)  # the upload
    v1.refuse_next("group")
    channel = ("--channel", v1.channel_id)
    status, _, err = run(v1, "send", *place, *channel, "--file", str(note), "see")
    assert status == 2
    (listed,) = run(v1, "files", "list", *place)[1].splitlines()
    assert f"note: the file is there, with the id {listed.split()[0]}\n" in err


def test_nothing_is_uploaded_for_somebody_who_is_not_there(v1, note):
    """The command asks for the channel first."""
    place = ("--workspace", v1.workspace_id)
    status, _, err = run(v1, "send", *place, "--to-user", "nobody", "--file", str(note), "see")
    assert (status, "knows no user" in err) == (2, True)
    assert run(v1, "files", "list", *place)[1] == ""


@pytest.mark.measured
def test_a_message_shows_a_file_over_node(note, monkeypatch):
    """The message has the form that the server takes: the recorded one of `send-file-internal`."""
    import asyncio

    from twake_async.resources import Files
    from twake_async.resources._files_node import read_node_element

    file = {"id": "f-1", "company_id": "c-1", "metadata": {"name": "a.txt"}}

    async def upload(self, *_, **__):
        await asyncio.sleep(0)
        return read_node_element(file)

    monkeypatch.setattr(Files, "upload", upload)
    with Sandbox(release="2023") as sandbox:
        status, _, err = run(
            sandbox, "send", "--channel", sandbox.channel_id, "--file", note, "see this"
        )
        assert (status, err) == (0, "")
        sent = [one.body for one in sandbox.requests if "threads" in one.path]
    message = sent[0]["options"]["message"]
    assert message["files"] == [
        {
            "metadata": {
                "source": "internal",
                "external_id": {"company_id": "c-1", "id": "f-1"},
                "name": "a.txt",
            }
        }
    ]


def test_a_terminal_is_shown_a_bar(monkeypatch, capsys):
    """Without a terminal there is no bar."""
    with _files.progress("note.txt") as show:
        assert show is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with _files.progress("note.txt") as show:
        show(512, 1024)
        show(1024, 1024)
    assert "note.txt" in capsys.readouterr().err

"""The commands around a message: edit, remove, channels, users get, and a message to one person."""

from __future__ import annotations

import json

import pytest
from command_line import environment

click = pytest.importorskip("click")

from click.testing import CliRunner  # noqa: E402

from twake_async.cli._commands import twake_async  # noqa: E402
from twake_async.sandbox import Sandbox  # noqa: E402
from twake_async.sandbox._seed import DEFAULT_SEED  # noqa: E402

ALICE = DEFAULT_SEED["users"]["alice"]["id"]


@pytest.fixture(params=["2020", "2023"])
def sandbox(request):
    with Sandbox(release=request.param) as found:
        yield found


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


def test_a_message_is_edited_and_removed(sandbox):
    """They take the id that `send` printed."""
    channel = ("--channel", sandbox.channel_id)
    status, out, _ = run(sandbox, "send", *channel, "first")
    assert status == 0
    message_id = out.strip()
    status, out, err = run(sandbox, "edit", message_id, *channel, "second")
    assert (status, out.strip(), err) == (0, message_id, "")
    assert [one["content"] for one in sandbox.messages()] == ["second"]
    status, out, _ = run(sandbox, "edit", message_id, *channel, "--json", "third")
    assert json.loads(out)["outcome"] == "delivered"
    status, out, err = run(sandbox, "remove", message_id, *channel)
    assert (status, out, err) == (0, "", "")
    assert sandbox.messages() == []
    status, out, _ = run(sandbox, "remove", message_id, *channel, "--json")
    assert json.loads(out) == {"outcome": "delivered"}


def test_a_reply_is_found_by_its_parent(v1):
    """`--parent` names the root."""
    channel = ("--channel", v1.channel_id)
    root = run(v1, "send", *channel, "root")[1].strip()
    reply = run(v1, "send", *channel, "--reply-to", root, "reply")[1].strip()
    assert run(v1, "edit", reply, *channel, "--parent", root, "changed")[0] == 0
    assert run(v1, "remove", reply, *channel, "--parent", root)[0] == 0
    assert [one["content"] for one in v1.messages()] == ["root"]


def test_a_remove_that_is_refused(sandbox):
    """The exit status is the outcome."""
    sandbox.refuse_next("authentication")
    options = ("--channel", sandbox.channel_id, "--json", "--attempts", "1")
    if sandbox.api == "node":
        sandbox.refuse_next("authentication", on="login")
    status, out, err = run(sandbox, "remove", "an-id", *options)
    assert status == 2
    assert err.startswith("twake-async: refused: ")
    assert json.loads(out)["reason"] == "authentication"


def test_markdown_is_for_the_client_to_compile(v1):
    """It holds for `send` and for `edit`."""
    channel = ("--channel", v1.channel_id)
    message_id = run(v1, "send", *channel, "--markdown", "**hi**")[1].strip()
    assert "compile" in json.dumps(v1.messages()[0]["content"])
    assert run(v1, "edit", message_id, *channel, "--markdown", "**ho**")[0] == 0
    assert "**ho**" in json.dumps(v1.messages()[0]["content"])


def test_a_message_to_one_person(v1):
    """The command asks for its channel; without a person or a channel nothing is sent."""
    status, out, err = run(v1, "send", "--to-user", ALICE, "only for you")
    assert (status, err) == (0, "")
    sent = v1.messages()[-1]
    assert (sent["id"], sent["content"]) == (out.strip(), "only for you")
    status, _, err = run(v1, "send", "--to-user", "nobody", "x")
    assert status == 2
    assert "knows no user" in err
    for arguments in (("x",), ("--to-user", ALICE, "--reply-to", "m", "x")):
        error, _, _ = run(v1, "send", *arguments)
        assert isinstance(error, click.UsageError)


def test_the_channels_of_a_workspace(sandbox):
    """There is one per line; over v1 they are the channels that a member sees."""
    who = () if sandbox.api == "node" else ("--user", ALICE)
    status, out, err = run(sandbox, "channels", *who)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"{sandbox.channel_id}  General"
    status, out, _ = run(sandbox, "channels", *who, "--json")
    first, second = json.loads(out)["channels"]
    assert (first["name"], second["name"]) == ("General", "Random")
    assert first["workspace_id"] == sandbox.workspace_id


def test_over_v1_channels_are_those_of_a_person(v1):
    """The command says so."""
    error, _, _ = run(v1, "channels")
    assert isinstance(error, click.UsageError)
    assert "--user" in str(error)


def test_who_a_user_is(sandbox):
    """The command prints the name, full name and address."""
    status, out, err = run(sandbox, "users", "get", ALICE)
    assert (status, out, err) == (0, "alice  Alice Martin  alice@example.org\n", "")
    status, out, _ = run(sandbox, "users", "get", ALICE, "--json")
    assert json.loads(out)["email"] == "alice@example.org"


def test_an_unknown_user(sandbox):
    """Node says that the user does not exist; v1 answers like a server that fails."""
    status, out, err = run(sandbox, "users", "get", "nobody", "--json")
    assert status == (2 if sandbox.api == "node" else 4)
    assert "knows no user" in err
    assert json.loads(out)["error"] in ("NotFoundError", "OutcomeUnknownError")

"""`twake-async sandbox` prints variables for each shell; `sandbox fail` makes it fail."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import shlex
import signal
import subprocess
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from command_line import COMMAND, environment, restore_ctrl_c, texts

from twake_async import NotSentError, OutcomeUnknownError, RefusedError, RetryPolicy, TwakeSession
from twake_async.cli._shells import SHELLS, assignment
from twake_async.sandbox import Sandbox
from twake_async.sandbox._serving.control import PATH

AWKWARD = 'it\'s a $HOME `of` "all" \\ ; & <names>'


def printed(*arguments: str) -> list[str]:
    """Return the standard output of a sandbox, up to its interruption."""
    process = subprocess.Popen(
        [*COMMAND, "sandbox", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_ctrl_c,  # noqa: PLW1509 - it only sets a signal
    )
    with process:
        for line in process.stderr:
            if line.startswith("# Paste"):
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.splitlines()


def ask(box, body: object, method: str = "POST", **headers: str) -> tuple[int, dict]:
    """Send a request to the control route of a sandbox; return the status and the answer."""
    given = {"content-type": "application/json", **headers}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with closing(http.client.HTTPConnection(box.url.removeprefix("http://"), timeout=10)) as client:
        client.request(method, PATH, data, given)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


async def send(box) -> str:
    """Send a message once; return its outcome in one word, with the status of the answer."""
    twake = TwakeSession(
        box.public_id,
        box.private_api_key,
        group_id=box.group_id,
        base_url=box.url,
        retry=RetryPolicy.never(),
    )
    async with twake:
        try:
            await twake.send_message(box.channel_id, "Hello", deadline=10)
        except (RefusedError, NotSentError, OutcomeUnknownError) as error:
            return f"{error.outcome.value} {error.reason}"
        return "delivered"


# --- the variables -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("sh", r"export TWAKE_API=v1"),
        ("fish", r"set -gx TWAKE_API 'v1'"),
        ("powershell", r"$env:TWAKE_API = 'v1'"),
    ],
)
def test_the_variables_are_in_the_words_of_the_shell(shell, line):
    """Each line sets one variable; all shells get the same variables."""
    lines = printed("--shell", shell)
    assert line in lines
    names = [re.search(r"TWAKE_\w+", one)[0] for one in lines]
    assert "TWAKE_PRIVATE_API_KEY" in names
    assert names[-1] == "TWAKE_CHANNEL_ID"


def test_without_a_shell_the_lines_are_those_of_sh():
    """They are unchanged, for bash and zsh."""
    assert all(one.startswith("export TWAKE_") for one in printed())


def test_a_value_means_itself_in_each_shell():
    """It may hold quotes, dollars and backslashes."""
    in_sh = assignment("sh", "X", AWKWARD)
    run = subprocess.run(
        ["sh", "-c", f'{in_sh}\nprintf %s "$X"'], capture_output=True, text=True, check=True
    )
    assert run.stdout == AWKWARD
    assert shlex.split(in_sh) == ["export", f"X={AWKWARD}"]
    # In single quotes, fish knows only \\ and \', and PowerShell only a doubled quote.
    in_fish = assignment("fish", "X", AWKWARD)
    assert in_fish.startswith("set -gx X '")
    assert re.sub(r"\\([\\'])", r"\1", in_fish[len("set -gx X '") : -1]) == AWKWARD
    in_powershell = assignment("powershell", "X", AWKWARD)
    assert in_powershell.removeprefix("$env:X = '")[:-1].replace("''", "'") == AWKWARD
    assert SHELLS == ("sh", "fish", "powershell")


def test_an_unknown_shell_is_a_wrong_command_line(cli):
    """The error names the shells."""
    status, _, err = cli("sandbox", "--shell", "cmd")
    assert status == 64
    assert "powershell" in err


# --- failures from another terminal ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "outcome", "stored"),
    [
        (["close"], "unknown lost", 0),
        (["close", "--after-storing"], "unknown lost", 1),
        (["429", "--retry-after", "2"], "refused later", 0),
        (["500"], "unknown status", 0),
        (["authentication"], "refused authentication", 0),
        (["empty", "--after-storing"], "unknown unreadable", 1),
    ],
)
async def test_the_next_message_fails_as_the_other_terminal_asked(
    sandbox, cli, arguments, outcome, stored
):
    """A status, a failure of the connection, or a refusal in words; the message after it arrives."""
    status, out, err = cli("sandbox", "fail", *arguments)
    assert (status, err) == (0, "")
    assert out.startswith(f"The next write fails: {arguments[0]}, ")
    assert await send(sandbox) == outcome
    assert len(texts(sandbox)) == stored
    assert await send(sandbox) == "delivered"


async def test_several_messages_fail_and_what_waits_can_be_forgotten(sandbox, cli):
    """The options are `--times` and `none`."""
    assert cli("sandbox", "fail", "503", "--times", "3")[1] == "The next 3 writes fail: 503.\n"
    assert await send(sandbox) == "unknown gateway"
    assert cli("sandbox", "fail", "none")[1] == "No failures are waiting now.\n"
    assert await send(sandbox) == "delivered"


def test_what_only_the_node_api_has_needs_it(sandbox, cli):
    """A sandbox of 2020 says so, and no request fails."""
    for arguments in (["swallowed"], ["close", "--on", "login"]):
        status, out, err = cli("sandbox", "fail", *arguments)
        assert (status, out) == (1, "")
        assert "needs a release with the Node API" in err


def test_a_failure_of_the_node_api(cli, monkeypatch):
    """Reads, logins and lost writes can fail there."""
    with Sandbox(release="2023") as box:
        monkeypatch.setenv("TWAKE_BASE_URL", box.url)
        assert cli("sandbox", "fail", "swallowed")[0] == 0
        assert cli("sandbox", "fail", "401", "--on", "login")[1] == "The next login fails: 401.\n"
        assert cli("sandbox", "fail", "swallowed", "--after-storing")[0] == 1


@pytest.mark.parametrize("action", ["explode", "99", "600", "-1", "1" * 5000, "²"])
def test_an_unknown_failure_is_a_wrong_command_line(sandbox, cli, action):
    """The error has the known words."""
    status, _, err = cli("sandbox", "fail", "--", action)
    assert status == 64
    assert "close, reset, silent" in " ".join(err.split())


@pytest.mark.parametrize("url", [None, "https://api.twake.app", "http://", "http://[::1", "x"])
def test_only_a_sandbox_is_asked(sandbox, cli, monkeypatch, url):
    """Without an address, or with that of a real server, nothing is sent."""
    if url is None:
        monkeypatch.delenv("TWAKE_BASE_URL")
    else:
        monkeypatch.setenv("TWAKE_BASE_URL", url)
    assert cli("sandbox", "fail", "close")[0] == 64
    assert sandbox.requests == []


def test_a_sandbox_that_has_ended_is_said_so(sandbox, cli):
    """The status is that of a command that could not run."""
    with Sandbox() as box:
        url = box.url
    status, out, err = cli("sandbox", "fail", "close", "--base-url", url)
    assert (status, out) == (1, "")
    assert "the sandbox does not answer" in err


def test_a_server_that_is_no_sandbox_is_said_so(cli):
    """It holds for any answer."""

    class Other(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        status, _, err = cli(
            "sandbox", "fail", "close", "--base-url", f"http://127.0.0.1:{server.server_port}"
        )
        thread.join()
    assert status == 1
    assert "not a sandbox" in err


# --- who may ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example.com"}, 421),
        ({"host": "evil.example.com", "user-agent": "twake-async"}, 421),
        ({"origin": "http://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_no_web_page_lets_a_sandbox_fail(sandbox, headers, status):
    """It cannot with its own name for this machine, nor with its form."""
    assert ask(sandbox, {"action": "close"}, **headers)[0] == status
    assert await send(sandbox) == "delivered"


def test_the_route_takes_a_post(sandbox):
    """It takes no other method."""
    assert ask(sandbox, {"action": "close"}, "PUT")[0] == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 60_000,
        b" " * 70_000,
        [],
        None,
        {},
        {"action": "close", "more": 1},
        {"action": None},
        {"action": ["close"]},
        {"action": "close", "times": 0},
        {"action": "close", "times": True},
        {"action": "close", "on": "nothing"},
        {"action": "close", "on": ["write"]},
        {"action": 429, "retry_after": "a\nb"},
        {"action": 429, "retry_after": [1]},
        {"action": "group", "after_storing": True},
    ],
)
async def test_what_is_no_failure_is_refused_and_fails_nothing(sandbox, body):
    """A sentence says why."""
    status, told = ask(sandbox, body)
    assert status == 400
    assert told["error"]
    assert await send(sandbox) == "delivered"


def test_a_sandbox_in_this_process_has_no_such_route():
    """A test asks the object itself; the application answers like Twake."""

    async def asked() -> int:
        box = Sandbox()
        async with httpx.AsyncClient(transport=box.transport, base_url="http://t") as client:
            return (await client.post(PATH, json={"action": "close"})).status_code

    assert asyncio.run(asked()) != 200

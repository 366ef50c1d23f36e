"""`twake-async run`: a bot is served, alone and on a sandbox."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

pytest.importorskip("click")

from bots import SECRET, command_body, request, scope_of
from command_line import COMMAND, KEY, at_home, environment

from twake_async.cli._serving import AccessLines, listening, without_secret

BOT = f"""
from twake_async import TwakeSession
from twake_async.bot import Bot, UserError
from twake_async.twacode import Button

bot = Bot(TwakeSession.from_env(), secret="{SECRET}")

@bot.command("ask")
async def ask(event):
    await event.reply(["Vote ", Button("Yes", action_id="vote:1")])

@bot.command()
async def usage(event):
    raise UserError("Type /bot ask")

@bot.action("vote")
async def vote(event):
    await event.update(event.value + " vote")

@bot.message()
async def fail(event):
    raise ZeroDivisionError

class Other:
    async def __call__(self, scope, receive, send):
        await bot(scope, receive, send)

mounted = Other()
number = 7
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a bot, which is imported anew each time."""
    at_home(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_bot.py").write_text(BOT)
    yield tmp_path
    for name in ("my_bot", "broken", "package"):
        sys.modules.pop(name, None)


@pytest.fixture
def run(folder, cli, monkeypatch):
    """Run a command line with lines on standard input; check that its output has no secret."""
    levels = {
        name: logging.getLogger(name).level
        for name in ("httpx", "httpx2", "uvicorn.error", "asyncio")
    }

    def call(*arguments, typed=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status, out, err = cli("run", *arguments)
        assert SECRET not in out + err
        return status, out, err

    yield call
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("release", ["2020", "2023"])
def test_what_is_typed_reaches_the_bot_and_what_people_see_is_printed(run, release):
    """When the input ends, the bot ends by itself."""
    typed = "/bot ask\nbob: !vote:1\n\n/bot\nbob: !nothing\n/nobody\n"
    arguments = ("my_bot:bot", "--sandbox", "--port", "0", "--release", release)
    status, out, err = run(*arguments, typed=typed)
    assert status == 0
    assert out.splitlines() == [
        "bot: Vote [Yes] !vote:1",
        "bot: 1 vote",
        "bot (only for alice): Type /bot ask",
        "# bob sees no button nothing",
        "# no application has the command '/nobody', but '/bot'",
    ]
    assert "/SECRET; end it with Ctrl-C" in err
    assert "TWAKE_PUBLIC_ID" not in os.environ


def test_a_message_is_shown_with_its_answers(run, caplog):
    """The answers in the thread are indented. An error of a handler is logged."""
    status, out, _ = run("my_bot:bot", "--sandbox", "--port", "0", typed="bob: hello\nnote: x\n")
    assert status == 0
    assert out.splitlines() == [
        "bob: hello",
        "  bot (only for bob): Something went wrong",
        "alice: note: x",
        "  bot (only for alice): Something went wrong",
    ]
    assert "ZeroDivisionError" in caplog.text


def test_another_application_says_where_its_bot_is(run):
    """The option is --path."""
    arguments = ("my_bot:mounted", "--sandbox", "--port", "0", "--path", f"/in/it/{SECRET}")
    status, out, err = run(*arguments, typed="/bot ask\n")
    assert status == 0
    assert out == "bot: Vote [Yes] !vote:1\n"
    assert "SECRET" not in err


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("my_bot", "not of the form MODULE:NAME"),
        (":bot", "not of the form MODULE:NAME"),
        ("my_bot:", "not of the form MODULE:NAME"),
        ("my_bot:other", "the module my_bot has no other"),
        ("my_bot:bot.other.one", "the module my_bot has no bot.other.one"),
        ("my_bot:number", "not an ASGI application"),
        ("my_bot:Other", "not an ASGI application"),
        ("missing:bot", "there is no module missing"),
        ("package.missing:bot", "there is no module package.missing"),
    ],
)
def test_what_cannot_be_served_is_said(run, folder, target, words):
    """The error is one sentence."""
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    status, out, err = run(target, "--sandbox", "--port", "0")
    assert (status, out) == (1, "")
    assert words in err


def test_a_bot_without_its_settings_says_which_are_missing(run):
    """Each command does so."""
    status, _, err = run("my_bot:bot", "--port", "0")
    assert status == 1
    assert "TWAKE_PUBLIC_ID is not set" in err


@pytest.mark.parametrize("code", ["1 / 0", "import not_there_at_all", "def f(: pass"])
def test_a_module_that_fails_shows_its_own_traceback(folder, capsys, code):
    """The frames of the command are left out."""
    from twake_async.cli._commands import run

    (folder / "broken.py").write_text(code + "\n")
    assert run(["run", "broken:bot", "--sandbox"]) == 1
    err = capsys.readouterr().err
    assert "broken could not be imported" in err
    assert "broken.py" in err
    assert "_application.py" not in err


def test_a_port_that_is_taken_is_said(run):
    """Nothing is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, _, err = run("my_bot:bot", "--sandbox", "--port", str(taken.getsockname()[1]))
    assert status == 1
    assert "cannot be listened on" in err


def test_an_address_that_is_none_is_said(run):
    """The text is that of the system."""
    status, _, err = run("my_bot:bot", "--sandbox", "--host", "not an address")
    assert status == 1
    assert "cannot be listened on" in err


def test_a_session_that_cannot_be_closed_is_a_failure(run, folder):
    """Its log says why."""
    code = BOT + "\nasync def broken():\n    raise OSError('broken')\nbot.twake.aclose = broken\n"
    (folder / "my_bot.py").write_text(code)
    status, _, err = run("my_bot:bot", "--sandbox", "--port", "0")
    assert status == 1
    assert "could not be started or closed" in err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_signal_lets_the_bot_end_what_it_was_told(folder):
    """It answers over HTTP until then, and prints no secret."""
    code = (
        BOT
        + "\nimport asyncio\n@bot.command('slow')\nasync def slow(event):\n    print('begun', flush=True)\n    await asyncio.sleep(0.3)\n    print('ended', flush=True)\n"
    )
    (folder / "my_bot.py").write_text(code)
    settings = {"TWAKE_PUBLIC_ID": "app", "TWAKE_PRIVATE_API_KEY": KEY, "TWAKE_GROUP_ID": "g"}
    child = subprocess.Popen(
        [*COMMAND, "run", "my_bot:bot", "--port", "0"],
        cwd=folder,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        first = child.stderr.readline()
        base = first.partition("http://")[2].partition("/SECRET")[0]
        health = _ask(f"http://{base}/health")
        assert json.loads(health[1])["status"] == "ok"
        assert _ask(f"http://{base}/{SECRET}", command_body("slow"))[0] == 200
        assert _ask(f"http://{base}/{SECRET}x", command_body("slow"))[0] == 404
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=120)
    finally:
        child.kill()
    assert child.returncode == 0
    assert out == "ended\n"
    lines = [line.partition(" ")[2] for line in err.splitlines()]
    assert lines == ["GET /health 200", "POST /*** 200", "POST /*** 404"]
    assert SECRET not in first + err


def _ask(url, body=None):
    """Make a request, once the server listens."""
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ends = time.monotonic() + 10
    while True:
        try:
            with opener.open(asked, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            exc.close()
            return exc.code, b""
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/a/b/secret", "/a/b/***"), ("/secret", "/***"), ("/", "/"), ("/x/health", "/x/health")],
)
def test_the_last_part_of_a_path_is_shown_to_nobody(path, shown):
    """Only `health` is shown."""
    assert without_secret(path) == shown


async def test_a_line_is_printed_for_each_request_and_for_nothing_else():
    """Nothing is printed for a lifespan."""
    lines, passed = [], []

    async def app(scope, receive, send):
        passed.append(scope["type"])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    around = AccessLines(app, lines.append)
    assert (await request(around, scope_of("/a/secret")))[0] == 204
    await around({"type": "lifespan"}, None, None)
    assert lines == ["POST /a/*** 204"]
    assert passed == ["http", "lifespan"]


def test_ipv6_is_listened_on():
    """It holds if the system has it."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        with listening("::1", 0) as made:
            assert made.family == socket.AF_INET6
    except OSError:
        pytest.skip("no IPv6")

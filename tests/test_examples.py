"""The programs of the documentation: each runs as it stands, and sends what it is there to show."""

from __future__ import annotations

import importlib.util
import inspect
import pprint
import subprocess
import sys
from pathlib import Path

import pytest

from twake_async.twacode import decode, encode

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
NAMES = ["call_invitation", "file_picker", "incoming_webhook", "poll", "rss_card"]


def load(name):
    """Import a program of the documentation without running it."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def box(twake_sandbox):
    return twake_sandbox


@pytest.fixture
def twake(twake_session):
    return twake_session


def contents(module):
    """Give what each function of an example makes that makes content, with the function."""
    made = {
        "call_invitation": lambda: {
            module.form: module.form(),
            module.invitation: module.invitation("alice", "Roadmap", "https://e.org"),
        },
        "file_picker": lambda: {module.picker: module.picker()},
        "incoming_webhook": lambda: {module.card: module.card(module.PAYLOAD)},
        "poll": lambda: {
            module.poll: module.poll({"a": ["alice"], "b": []}),
            module.voted: module.voted("a"),
        },
        "rss_card": lambda: {module.card: module.card(module.ENTRY)},
    }
    return made[module.__name__]()


def test_every_example_is_here():
    """No program stands in the documentation that these tests do not run."""
    assert [path.stem for path in sorted(EXAMPLES.glob("*.py"))] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_as_it_stands(name):
    """The program needs no arguments, ends well, warns of nothing and prints a message."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short(name):
    """A program fits on a screen, and its nodes take fewer lines than their dictionaries."""
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 60
    for function, content in contents(load(name)).items():
        body = inspect.getsource(function).splitlines()[2:]
        assert len(body) < len(pprint.pformat(encode(content), width=100).splitlines())


async def test_the_poll_shows_a_voter_another_message(twake, box):
    """The edit brings the new figures for all, and a note for the one who voted."""
    example = load("poll")
    message = await example.main(twake, box.channel_id)
    [stored] = box.messages(box.channel_id)
    assert stored["hidden_data"] == {"votes": {"Pizzeria": [example.ALICE], "Canteen": []}}
    assert stored["content"]["fallback_string"].startswith(
        f"{example.QUESTION}\n[Pizzeria] [Canteen]"
    )
    note = stored["user_specific_content"][example.ALICE]["vote"]
    assert str(decode(note)) == "You voted for Pizzeria [Vote again]"
    assert decode(note) == example.voted("Pizzeria")
    assert message.edited


async def test_the_call_invitation_stores_only_the_invitation(twake, box):
    """The form is shown to one user and stored nowhere; the invitation is for all."""
    example = load("call_invitation")
    await example.main(twake, box.channel_id)
    [form] = box.ephemerals(box.channel_id)
    assert form["ephemeral_message_recipients"] == [example.ALICE]
    assert decode(form["content"]).content == example.form()
    [stored] = box.messages(box.channel_id)
    assert str(decode(stored["content"])).endswith("[Show call link]\nJoin call Roadmap")
    assert stored["hidden_data"] == {"allow_delete": "everyone", "room_id": "room_42"}


async def test_the_webhook_has_a_name_an_icon_and_an_image(twake, box):
    """What was posted is shown under the name of the service."""
    await load("incoming_webhook").main(twake, box.channel_id)
    [stored] = box.messages(box.channel_id)
    assert stored["hidden_data"]["custom_title"] == "CI"
    assert {"type": "image", "src": "https://ci.example.org/badges/1234.png"} in stored["content"][
        "prepared"
    ]


async def test_the_rss_card_is_read_by_its_title(twake, box):
    """Notifications show the title, the beginning and the source."""
    await load("rss_card").main(twake, box.channel_id)
    [stored] = box.messages(box.channel_id)
    title, beginning, source = stored["content"]["fallback_string"].splitlines()
    assert title == "Python 3.14 is out"
    assert beginning.endswith(" ...")
    assert source == ":newspaper: Example blog"


async def test_the_file_picker_is_replaced_by_what_was_chosen(twake, box):
    """Both messages are one ephemeral: the second is shown in place of the first."""
    await load("file_picker").main(twake, box.channel_id)
    assert box.messages(box.channel_id) == []
    [shown] = box.ephemerals(box.channel_id)
    assert str(decode(shown["content"])) == "You picked Budget.ods."

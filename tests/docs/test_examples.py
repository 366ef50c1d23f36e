"""The programs of the documentation: each runs as it stands, and sends what it shows."""

from __future__ import annotations

import importlib.util
import inspect
import pprint
import subprocess
import sys
from pathlib import Path

import pytest

from twake_async import Journal, MessageDraft
from twake_async.twacode import UserMention, decode, encode

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NAMES = [
    "alert_buttons",
    "call_invitation",
    "ci_notifier",
    "drain",
    "fastapi_service",
    "file_picker",
    "health_check",
    "incoming_webhook",
    "nightly_batch",
    "poll",
    "rss_card",
]
#: Programs that a server runs; test_bot_programs.py drives them.
BOTS = ["bot_in_fastapi", "on_call", "poll_bot", "ticket_form"]
# Programs about rich content: it takes fewer lines than the dictionaries that it replaces.
RICH = ["call_invitation", "file_picker", "incoming_webhook", "poll", "rss_card"]


def load(name):
    """Import a program of the documentation without running it."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: Runs a test on a server of 2020 over v1, and on one of 2023 over the API of Node.
on_both = pytest.mark.parametrize(
    "box",
    [pytest.param(one, marks=pytest.mark.twake(release=one)) for one in ("2020", "2023")],
    indirect=True,
)


@pytest.fixture
def box(twake_sandbox):
    return twake_sandbox


@pytest.fixture
def twake(twake_session):
    return twake_session


def contents(module):
    """Give the functions of an example that make content, each with the content."""
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
    assert [path.stem for path in sorted(EXAMPLES.glob("*.py"))] == sorted(NAMES + BOTS)


def test_every_example_is_named_by_a_page():
    """A reader of the documentation finds each program."""
    pages = [(EXAMPLES.parent / page).read_text("utf-8") for page in ("programs.md", "twacode.md")]
    assert [name for name in NAMES + BOTS if f"(examples/{name}.py)" not in "".join(pages)] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_as_it_stands(name):
    """The program needs no arguments, ends well, warns of nothing and prints a message."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip()


@pytest.mark.parametrize("name", NAMES + BOTS)
def test_an_example_is_short(name):
    """A program fits on a screen."""
    assert len((EXAMPLES / f"{name}.py").read_text("utf-8").splitlines()) < 60


@pytest.mark.parametrize("name", RICH)
def test_nodes_take_fewer_lines_than_dictionaries(name):
    """What makes the content is shorter than the content itself."""
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


@on_both
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


@on_both
async def test_the_webhook_has_a_name_an_icon_and_an_image(twake, box):
    """What was posted is shown under the name of the service."""
    await load("incoming_webhook").main(twake, box.channel_id)
    [stored] = box.messages(box.channel_id)
    assert stored["hidden_data"]["custom_title"] == "CI"
    assert {"type": "image", "src": "https://ci.example.org/badges/1234.png"} in stored["content"][
        "prepared"
    ]


@on_both
async def test_the_rss_card_is_read_by_its_title(twake, box):
    """Notifications show the title, the beginning and the source."""
    await load("rss_card").main(twake, box.channel_id)
    [stored] = box.messages(box.channel_id)
    title, beginning, source = stored["content"]["fallback_string"].splitlines()
    assert title == "Python 3.14 is out"
    assert beginning.endswith(" ...")
    assert source == ":newspaper: Example blog"


@on_both
async def test_the_file_picker_is_replaced_by_what_was_chosen(twake, box):
    """Both messages are one ephemeral: the second is shown in place of the first."""
    await load("file_picker").main(twake, box.channel_id)
    assert box.messages(box.channel_id) == []
    [shown] = box.ephemerals(box.channel_id)
    assert str(decode(shown["content"])) == "You picked Budget.ods."


@on_both
async def test_the_alert_is_sent_though_an_answer_is_lost_and_loses_its_buttons(twake, box):
    """An alert comes at least once, says so if it may stand twice, and ends with a name."""
    example = load("alert_buttons")
    box.fail_next(after_storing="close")
    sent = await example.raise_alert(twake, box.channel_id, "The disk is full")
    stored = box.messages(box.channel_id)
    # Over the API of Node, a look finds the first copy.
    assert (len(stored), sent.maybe_duplicated) == ((2, True) if box.api == "v1" else (1, False))
    for one in stored:
        assert one["hidden_data"] == {"what": "The disk is full"}
        assert str(decode(one["content"])).endswith("[I take it] [Mute for an hour]")
    alice = UserMention("alice", example.ALICE)
    await example.taken(twake, sent.ref, "The disk is full", alice)
    shown = str(decode(box.messages(box.channel_id)[-1]["content"]))
    assert shown.endswith("@alice takes care of it.")


@on_both
async def test_the_notifier_keeps_one_message_for_a_run(twake, box, tmp_path, capsys):
    """The steps of a run edit its message; a refusal is told, and fails no build."""
    example = load("ci_notifier")
    state = tmp_path / "state.json"
    for status in ("running", "passed"):
        await example.notify(twake, box.channel_id, state, "51", status)
    [stored] = box.messages(box.channel_id)
    assert stored["content"]["fallback_string"] == "✓ passed - run 51"
    box.refuse_next("group")
    await example.notify(twake, box.channel_id, state, "51", "failed")
    assert "not announced (refused)" in capsys.readouterr().err


@on_both
async def test_the_health_check_makes_a_message_only_when_the_state_changes(twake, box, capsys):
    """A lasting state is counted in place; the next check shows what could not be shown before."""
    board = load("health_check").Board(twake, box.channel_id)
    for healthy in (True, True, False):
        await board.show(healthy=healthy)
    up, down = (str(decode(m["content"])) for m in box.messages(box.channel_id))
    assert up.startswith("All is well")
    assert up.endswith("seen 2 times")
    assert down.endswith("seen 1 times")
    box.refuse_next("capability")
    await board.show(healthy=True)
    reason = "capability" if box.api == "v1" else "status"
    assert capsys.readouterr().out == f"not shown: refused {reason}\n"
    await board.show(healthy=True)
    assert len(box.messages(box.channel_id)) == 3


def test_the_service_answers_with_a_status_for_each_outcome():
    """502 for a refusal, 504 for a doubt; the message of the good answer is there."""
    command = [sys.executable, str(EXAMPLES / "fastapi_service.py")]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert [line[:3] for line in printed.splitlines()] == ["200", "502", "504"]


@on_both
async def test_the_batch_goes_on_where_it_ended(twake, box, tmp_path, capsys):
    """The second run sends refused messages again, and only reports those in doubt."""
    example = load("nightly_batch")
    journal = Journal(tmp_path / "digest.sqlite")
    box.refuse_next("group", times=2)
    box.fail_next(after_storing="close")
    # Over the API of Node, a look finds what lost its answer.
    lost = 1 if box.api == "v1" else 0
    for missing in (2 + lost, lost):
        drafts = example.digests(box.channel_id, "today", 150)
        assert await example.send_all(twake, drafts, journal) == missing
    texts = [message["content"] for message in box.messages(box.channel_id)]
    assert sorted(texts) == sorted(d.content for d in example.digests("any", "today", 150))
    assert capsys.readouterr().out.count("unknown: lost") == 2 * lost


@on_both
async def test_the_drain_sends_again_only_what_is_surely_not_there(twake, box):
    """Nothing is lost and nothing is there twice: doubts and refusals are left to a person."""
    example = load("drain")
    outbox = example.Outbox([MessageDraft(box.channel_id, f"Order {n}") for n in range(6)])
    box.refuse_next(429, times=2)
    box.refuse_next("capability")
    box.fail_next(after_storing="close")
    await outbox.drain(twake)
    assert [draft.content for draft in outbox.waiting] == ["Order 0", "Order 1"]
    with box.unreachable():
        await outbox.drain(twake)
    assert len(outbox.waiting) == 2
    await outbox.drain(twake)
    assert outbox.waiting == []
    # Over the API of Node, a look finds the fourth, which lost its answer.
    left = ["Order 2", "Order 3"] if box.api == "v1" else ["Order 2"]
    assert [one.draft.content for one in outbox.to_look_at] == left
    stored = [message["content"] for message in box.messages(box.channel_id)]
    assert stored == ["Order 3", "Order 4", "Order 5", "Order 0", "Order 1"]

"""The bots of the documentation: people of a sandbox type to them and click, and they answer."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib.util
import os
import subprocess
import sys

import attrs
import httpx
import pytest
from places import ROOT

from twake_async.bot import Bot
from twake_async.events import ButtonClick
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.twacode import Button, decode

EXAMPLES = ROOT / "docs" / "examples"
SECRET = "secret-of-the-test"
VOTERS = [f"voter{number}" for number in range(20)]


def crowd():
    """The world of the sandbox, with 20 more people in its first channel."""
    seed = copy.deepcopy(dict(DEFAULT_SEED))
    for number, name in enumerate(VOTERS):
        user_id = f"7a1c0e{number:02}-5b1d-11eb-9c09-0242ac130002"
        seed["users"][name] = {**seed["users"]["alice"], "id": user_id, "username": name}
        seed["channel_members"].append(["general", name])
        seed["workspace_users"].append(["main", name])
    return seed


#: Runs a test on a server of 2020 over v1, and on one of 2023 over the API of Node.
on_both = pytest.mark.parametrize(
    "box",
    [
        pytest.param(one, marks=pytest.mark.twake(release=one, seed=crowd()))
        for one in ("2020", "2023")
    ],
    indirect=True,
)


@pytest.fixture
def box(twake_sandbox, monkeypatch):
    monkeypatch.setenv("BOT_SECRET", SECRET)
    return twake_sandbox


def load(name):
    """Import a program anew, as the command that serves it does."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.asynccontextmanager
async def serving(box, program):
    """Post the events of a sandbox to the bot of a program, and close it at the end."""
    async with program.bot.twake, program.bot as bot:
        box.connect(bot, path=f"/twake/{SECRET}")
        yield bot
    assert bot.dropped == 0
    assert {one.status for one in box.posted} == {200}


def shown_to(box, user="alice"):
    """What a person reads in the channel, a text for each message."""
    return [str(decode(message["content"])) for message in box.seen_by(user)]


async def until(holds):
    """Wait until something holds that happens by itself, such as the end of a time limit."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


# --- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["2020", "2023"])
@pytest.mark.parametrize(
    ("target", "typed", "shown"),
    [
        ("poll_bot:bot", "/bot Lunch? ; Soup ; Pizza\nbob: !vote:1\n", "Pizza 100% [Soup]"),
        ("ticket_form:bot", "/bot\n!create\n", "(only for alice): Please fill in the title."),
        ("on_call:bot", "/bot The disk is full\n!take\n", "@alice takes care of it."),
        ("bot_in_fastapi:app", "/bot live\n", "(only for alice): Live: nothing"),
    ],
)
def test_a_program_runs_as_it_stands(target, typed, shown, release):
    """Its first lines say how: with a Twake of its own, and what people type there."""
    options = ["--sandbox", "--release", release, "--port", "0"]
    if target.endswith(":app"):
        options += ["--path", f"/twake/{SECRET}"]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "twake_async", "run", target, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=EXAMPLES,
        env=os.environ | {"BOT_SECRET": SECRET, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        encoding="utf-8",
    ) as running:
        running.stdin.write(typed)
        running.stdin.flush()
        printed = ""
        while shown not in printed and (line := running.stdout.readline()):
            printed += line
        rest, said = running.communicate(timeout=60)  # the end of its input ends it
    assert shown in printed, printed + said
    assert running.returncode == 0, said
    assert SECRET not in printed + rest + said


# --- a poll --------------------------------------------------------------------------------------


@on_both
async def test_twenty_people_vote_at_once_and_twenty_votes_count(box):
    """The votes are in the bot, and the clicks on one message are handled one after another."""
    program = load("poll_bot")
    async with serving(box, program) as bot:
        await box.type("/bot Lunch? ; Pizzeria ; Canteen")
        await bot.wait_idle()
        [poll] = box.messages()
        clicks = [box.click(poll, f"vote:{n % 2}", user=who) for n, who in enumerate(VOTERS)]
        await asyncio.gather(*clicks)
        await bot.wait_idle()
        assert sorted(program.polls[poll["id"]].votes.values()) == ["0"] * 10 + ["1"] * 10
        assert shown_to(box)[0].endswith("20 votes")
        await box.click(poll, "vote:0", user=VOTERS[1])
        await bot.wait_idle()
        assert sorted(program.polls[poll["id"]].votes.values()) == ["0"] * 11 + ["1"] * 9


@on_both
async def test_of_twenty_votes_kept_in_hidden_data_one_survives(box, twake_session):
    """The guide says so: each click brings the data that its browser had, before the others."""
    bot = Bot(twake_session, secret=SECRET)

    @bot.action("vote")
    async def vote(event: ButtonClick) -> None:
        votes = dict(event.message.hidden_data["votes"] or {})
        votes[event.user_id] = event.value
        await event.update(Button("Yes", action_id="vote:yes"), hidden_data={"votes": votes})

    async with bot:
        box.connect(bot, path=f"/twake/{SECRET}")
        question = Button("Yes", action_id="vote:yes")
        poll = await twake_session.send_message(box.channel_id, question, hidden_data={"votes": {}})
        await asyncio.gather(*(box.click(poll, "vote:yes", user=who) for who in VOTERS))
        await bot.wait_idle()
        [stored] = box.messages()
        assert len(stored["hidden_data"]["votes"]) == 1
        # Clicks one after another, each after the edit of the one before, would all have counted.
        await box.click(poll, "vote:yes", user="alice")
        await bot.wait_idle()
        assert len(box.messages()[0]["hidden_data"]["votes"]) == 2


@on_both
async def test_what_is_no_poll_and_what_is_no_answer_is_told_to_one_person(box):
    """A click may claim any message and any answer."""
    program = load("poll_bot")
    async with serving(box, program) as bot:
        await box.type("/bot Lunch? ; Pizzeria")
        await bot.wait_idle()
        [told] = shown_to(box)
        assert told.startswith("Type /bot question")
        await box.type("/bot Lunch? ; Pizzeria ; Canteen", user="bob")
        await bot.wait_idle()
        [poll] = box.messages()
        click = (await box.click(poll, "vote:0", user="carol")).event
        await bot.wait_idle()
        for action_id in ("vote:7", "vote:", "vote:x"):
            content = click["data" if box.api == "v1" else "content"]
            await box.post_event("interactive_message_action", action_id, content, user="carol")
        await bot.wait_idle()
        assert [*program.polls[poll["id"]].votes.values()] == ["0"]
        program.polls.clear()  # as after a restart
        await box.click(poll, "vote:0", user="carol")
        await bot.wait_idle()
        assert shown_to(box, "carol").count("This poll is closed.") == 4
        assert shown_to(box, "bob") == shown_to(box, VOTERS[0])
        assert len(box.messages()) == 1


# --- a form --------------------------------------------------------------------------------------


@pytest.mark.measured
@on_both
async def test_wrong_input_is_told_to_the_one_who_gave_it(box):
    """Nobody else sees the form nor what is wrong; all see the ticket."""
    program = load("ticket_form")
    async with serving(box, program) as bot:
        await box.type("/bot")
        await bot.wait_idle()
        [form] = box.seen_by("alice")
        wrong = (
            {},
            {"title": "Printer", "people": "many"},
            {"title": "Printer", "people": "0"},
        )
        for filled in wrong:
            await box.click(form, "create", form=filled)
            await bot.wait_idle()
        assert shown_to(box)[1:] == [
            "Please fill in the title.",
            "people must be a whole number, not “many”.",
            "'people' must be >= 1: 0",
        ]
        assert program.tickets == {}
        assert box.seen_by("bob") == []
        right = {"title": "Printer", "people": "3", "urgency": "high"}
        await box.click(form, "create", form=right)
        await bot.wait_idle()
        assert program.tickets == {"1": program.Ticket("Printer", 3, "high")}
        assert shown_to(box, "bob") == ["#1 Printer (high)"]
        assert "#1 is created. Type /bot close 1 when it is done." in shown_to(box)
        assert not any("[Create]" in text for text in shown_to(box))


@on_both
async def test_a_ticket_is_closed_by_its_number_once(box):
    """A number that is not there is told to one person."""
    program = load("ticket_form")
    program.tickets["7"] = program.Ticket("Printer")
    async with serving(box, program) as bot:
        for line in ("/bot close 7", "/bot close 7", "/bot close"):
            await box.type(line, user="bob")
            await bot.wait_idle()
        assert shown_to(box, "alice") == ["#7 is closed."]
        assert shown_to(box, "bob")[1:] == [
            "No ticket 7 is open.",
            "No ticket without a number is open.",
        ]


@on_both
async def test_a_form_that_was_asked_for_in_a_thread_is_answered_in_the_thread(box):
    """An ephemeral message begins no thread, but may stand in one."""
    program = load("ticket_form")
    async with serving(box, program) as bot:
        await box.type("Is the printer broken?", user="bob")
        [question] = box.messages()
        await box.type("/bot", parent_message_id=question["id"])
        await bot.wait_idle()
        form = box.seen_by("alice")[-1]
        await box.click(form, "create", form={"title": "Printer"})
        await bot.wait_idle()
        assert box.messages()[-1]["parent_message_id"] == question["id"]
        assert shown_to(box, "carol")[-1] == "#1 Printer (low)"


# --- on call -------------------------------------------------------------------------------------


def patient(program, **seconds):
    """Give each person of the rota so many seconds."""
    program.ROTA[:] = [
        attrs.evolve(one, patience=seconds.get(one.name, one.patience)) for one in program.ROTA
    ]


@on_both
async def test_the_one_who_is_asked_takes_the_alarm(box):
    """Others are told that they are not asked; other commands are handled meanwhile."""
    program = load("on_call")
    async with serving(box, program) as bot:
        for what in ("The disk is full", "The fan is loud"):
            await box.type(f"/bot {what}", user="carol")
            await bot.wait_idle()
        disk, fan = box.messages()
        await box.click(disk, "take", user="bob")
        await bot.wait_idle()
        assert shown_to(box, "bob")[-1] == "Somebody else is asked now."
        for asked in (fan, disk):
            await box.click(asked, "take", user="alice")
            await bot.wait_idle()
        assert shown_to(box) == [
            "The disk is full\n@alice takes care of it.",
            "The fan is loud\n@alice takes care of it.",
        ]


@on_both
async def test_the_next_one_is_asked_when_nobody_answers(box):
    """The second gets a message of their own, and the first is told who was too late."""
    program = load("on_call")
    patient(program, alice=0.05)
    async with serving(box, program) as bot:
        await box.type("/bot The disk is full", user="carol")
        await until(lambda: len(box.messages()) == 2)
        await bot.wait_idle()
        [_, second] = box.messages()
        assert shown_to(box) == [
            "The disk is full\n@alice did not answer.",
            "The disk is full\n@bob can you? [I take it]",
        ]
        await box.click(second, "take", user="alice")
        await box.click(second, "take", user="bob")
        await bot.wait_idle()
        assert shown_to(box)[1] == "The disk is full\n@bob takes care of it."
        assert shown_to(box, "alice")[-1] == "Somebody else is asked now."
        assert len(box.messages()) == 2


@on_both
async def test_nobody_answers(box):
    """All are told at the end."""
    program = load("on_call")
    patient(program, alice=0.05, bob=0.05)
    async with serving(box, program):
        await box.type("/bot", user="carol")
        await until(lambda: len(box.messages()) == 3)
        assert shown_to(box)[-1] == "Something is wrong: nobody answered. @all"


# --- in a service --------------------------------------------------------------------------------


@on_both
async def test_a_service_announces_and_its_bot_takes_the_click(box):
    """The service knows what runs, so a click cannot claim it."""
    program = load("bot_in_fastapi")
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(program.app), base_url="http://service.example"
    )
    async with program.app.router.lifespan_context(program.app), client:
        box.connect(program.app, path=f"/twake/{SECRET}")
        for version in ("1.4", "1.5"):
            answer = await client.post(f"/deployments/{version}?channel_id={box.channel_id}")
            assert answer.status_code == 200
        await program.bot.wait_idle()
        old, new = box.messages()
        await box.click(old, "rollback:1.4")
        await box.click(new, "rollback:1.5", user="bob")
        await box.type("/bot live", user="carol")
        await program.bot.wait_idle()
        assert shown_to(box, VOTERS[0])[1] == "1.5 was rolled back, 1.4 is live."
        assert shown_to(box, "alice")[-1] == "1.4 cannot be rolled back."
        assert shown_to(box, "carol")[-1] == "Live: 1.4"
        assert (await client.get("/twake/health")).json()["status"] == "ok"
        assert (await client.post("/twake/guessed", json={})).status_code == 404
    await box.type("/bot live")
    assert box.posted[-1].status == 503  # closed with the service

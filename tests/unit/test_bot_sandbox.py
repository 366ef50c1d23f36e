"""A bot on a sandbox of each release: people type and click, and see its answers."""

from __future__ import annotations

import asyncio

import pytest
from bots import SECRET

from twake_async import Outcome, OutcomeUnknownError, RetryPolicy, TwakeSession
from twake_async.bot import Bot, UserError
from twake_async.events import ButtonClick
from twake_async.sandbox import Sandbox
from twake_async.twacode import Button

RELEASES = ["2020", "2022", "2023"]


@pytest.fixture(params=RELEASES)
async def stage(request):
    """Give a sandbox, and a bot that is connected to it."""
    box = Sandbox(release=request.param)
    twake = TwakeSession(
        box.public_id,
        box.private_api_key,
        group_id=box.group_id,
        workspace_id=box.workspace_id,
        api=box.api,
        base_url="http://localhost",
        transport=box.transport,
        deadline=5,
        retry=RetryPolicy(initial_wait=0.001, max_wait=0.01),
    )
    async with twake, Bot(twake, secret=SECRET, drain=1) as bot:
        box.connect(bot, path=f"/twake/{SECRET}")
        yield box, bot


def texts(box, user="alice"):
    return [message["content"] for message in box.seen_by(user)]


async def test_people_type_and_click_and_see_the_answers(stage):
    """One person alone sees an ephemeral answer."""
    box, bot = stage

    @bot.command("vote")
    async def vote(event):
        await event.reply(Button("Yes", action_id="vote:1"))

    @bot.command()
    async def usage(event):
        raise UserError("Type /bot vote")

    @bot.action("vote")
    async def count(event):
        await event.update(f"{event.value} vote")

    [typed] = await box.type("/bot vote now")
    assert typed.status == 200
    await bot.wait_idle()
    clicked = await box.click(box.messages()[-1], "vote:1", user="bob")
    assert clicked.status == 200
    await bot.wait_idle()
    assert texts(box)[-1] == "1 vote"
    await box.type("/bot help")
    await bot.wait_idle()
    assert "Type /bot vote" in texts(box)
    assert "Type /bot vote" not in texts(box, "bob")


async def test_a_bot_answers_a_message_once_and_never_itself(stage):
    """It holds whether or not the server posts the bot's own messages."""
    box, bot = stage

    @bot.message()
    async def echo(event):
        await event.reply(f"You said {event.message.text}")

    [typed] = await box.type("hello")
    assert typed.status == 200
    await bot.wait_idle()
    assert [one for one in texts(box) if one.startswith("You said")] == ["You said hello"]
    assert {one.status for one in box.posted} == {200}


async def test_a_handler_asks_and_waits_for_the_answer(stage):
    """It waits for the click of that person on that message."""
    box, bot = stage

    @bot.command("ask")
    async def ask(event):
        sent = await event.reply(Button("Sure", action_id="sure"))
        answer = await bot.wait_for(ButtonClick, from_=event, message=sent, timeout=60)
        await answer.reply("Thank you")

    await box.type("/bot ask")
    await bot.wait_idle()
    asked = box.messages()[-1]
    await box.click(asked, "sure", user="bob")
    await bot.wait_idle()
    assert "Thank you" not in texts(box)
    await box.click(asked, "sure", user="alice")
    await bot.wait_idle()
    assert "Thank you" in texts(box)


@pytest.mark.parametrize("stage", ["2020"], indirect=True)
async def test_a_bot_observes_its_own_messages_also_while_its_queue_is_full(stage):
    """A server of 2020 posts them before it answers, so a lost answer does not matter."""
    box, bot = stage
    bot._dispatcher.queue.size = bot._dispatcher.queue.in_flight = 1
    bot._dispatcher.queue_timeout = 0.01
    door = asyncio.Event()

    @bot.command()
    async def block(event):
        await door.wait()

    for _ in range(2):
        await box.type("/bot x")
    assert (await box.type("/bot x"))[0].status == 503
    box.fail_next(after_storing="close")
    sent = await bot.twake.send_message(box.channel_id, "hello", retry=RetryPolicy.never())
    assert sent.text == "hello"
    assert texts(box).count("hello") == 1
    door.set()
    await bot.wait_idle()


@pytest.mark.parametrize("stage", ["2020"], indirect=True)
async def test_without_a_bot_the_same_answer_is_unknown(stage):
    """So the message was known because the bot observed it."""
    box, bot = stage
    box.connect(lambda *_: asyncio.sleep(0))
    box.fail_next(after_storing="close")
    with pytest.raises(OutcomeUnknownError) as caught:
        await bot.twake.send_message(box.channel_id, "hello", retry=RetryPolicy.never())
    assert caught.value.outcome is Outcome.UNKNOWN

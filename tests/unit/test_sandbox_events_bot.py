"""A real `Bot` in the sandbox: it gets what people type and click, and they see its answers."""

from __future__ import annotations

import pytest

from twake_async import TwakeSession
from twake_async.bot import Bot, UserError
from twake_async.sandbox import Sandbox
from twake_async.twacode import Button, Content, Input

pytestmark = pytest.mark.measured

SECRET = "a-part-of-the-path-that-nobody-knows"


@pytest.mark.parametrize("release", ["2020", "2021", "2022", "2023"])
async def test_a_poll_with_a_real_bot(release):
    """Command, answer, click, and an error that only its person sees."""
    async with Sandbox(release=release) as sandbox:
        async with TwakeSession(
            sandbox.public_id,
            sandbox.private_api_key,
            group_id=sandbox.group_id,
            base_url=sandbox.url,
            api=sandbox.api,
            workspace_id=sandbox.workspace_id,
            proxy=None,
        ) as twake:
            bot = Bot(twake, secret=SECRET)
            votes: list[str | None] = []

            @bot.command()
            async def ask(event):
                await event.reply(Content(event.command, Button("Yes", action_id="vote:1")))

            @bot.action("vote")
            async def vote(event):
                if event.user_id in votes:
                    raise UserError("once is enough")
                votes.append(event.user_id)

            sandbox.connect(bot, path=f"/{SECRET}")
            [posted] = await sandbox.type("/bot Lunch?", user="bob")
            await bot.wait_idle()
            [question] = sandbox.seen_by("carol")
            for name in ("alice", "bob", "alice"):
                assert (await sandbox.click(question, "vote:1", user=name)).status == 200
            await bot.wait_idle()
            assert posted.status == 200
            assert len(votes) == 2
            assert [one["content"] for one in sandbox.seen_by("alice")][1:] == ["once is enough"]
            assert len(sandbox.seen_by("bob")) == 1
            await sandbox.post_event("hook", "new_message", {"message": {"id": "m"}})
            await bot.wait_idle()
            await bot.aclose()


async def test_a_lost_answer_is_settled_by_the_echo():
    """Release 2020: the bot observes what the server posted before it lost the answer."""
    async with Sandbox() as sandbox:
        keys = (sandbox.public_id, sandbox.private_api_key)
        where = {"group_id": sandbox.group_id, "base_url": sandbox.url, "proxy": None}
        async with TwakeSession(*keys, **where) as twake:
            bot = Bot(twake, secret=SECRET)
            sandbox.connect(bot, path=f"/{SECRET}")
            await twake.send_message(sandbox.channel_id, "first")
            sandbox.fail_next(after_storing="close")
            message = await twake.send_message(sandbox.channel_id, "second")
            assert message.id == sandbox.messages()[1]["id"]
            assert [one.status for one in sandbox.posted] == [200, 200]
            await bot.aclose()


@pytest.mark.parametrize("release", ["2020", "2021", "2022", "2023"])
async def test_a_window_opens_and_its_form_comes_back(release):
    """`event.open` shows a form to the user of the event; a click in it brings what was typed.

    A message for that user alone takes the place of the window.
    """
    async with Sandbox(release=release) as sandbox:
        async with TwakeSession(
            sandbox.public_id,
            sandbox.private_api_key,
            group_id=sandbox.group_id,
            base_url=sandbox.url,
            api=sandbox.api,
            workspace_id=sandbox.workspace_id,
            proxy=None,
        ) as twake:
            bot = Bot(twake, secret=SECRET)
            saved: list[object] = []

            @bot.configure()
            async def ask(event):
                form = Content(
                    Input("rate"),
                    Button("Save", action_id="save"),
                    Button("Refuse", action_id="refuse"),
                )
                await event.open(form, hidden_data={"of": event.channel_id})

            @bot.configuration_action("refuse")
            async def refuse(event):
                raise UserError("not today")

            @bot.configuration_action("save")
            async def save(event):
                saved.append((dict(event.form), dict(event.hidden_data)))

            sandbox.connect(bot, path=f"/{SECRET}")
            await sandbox.configure("channel", user="bob")
            await bot.wait_idle()
            assert sandbox.window_of("alice") is None
            assert "rate" in str(sandbox.window_of("bob"))
            await sandbox.configuration_click("save", user="bob", form={"rate": "7"})
            await bot.wait_idle()
            assert saved == [({"rate": "7"}, {"of": sandbox.channel_id})]
            await sandbox.configuration_click("refuse", user="bob")
            await bot.wait_idle()
            assert "not today" in str(sandbox.window_of("bob"))
            assert sandbox.window_of("alice") is None
            await bot.aclose()

"""The bot that answers on the page of the sandbox: `python page_bot.py PORT` serves it.

It keeps nothing, so that it can be restarted at any time.
"""

from __future__ import annotations

import sys

import uvicorn

from twake_async import TwakeSession
from twake_async.bot import Bot
from twake_async.events import ButtonClick, Command, ConfigurationClick, Configure, NewMessage
from twake_async.twacode import Bold, Break, Button, Content, Input, Select, Text

SECRET = "of-the-page"
bot = Bot(TwakeSession.from_env(), secret=SECRET)


@bot.command("ask")
async def ask(event: Command) -> None:
    """Ask with each kind of control."""
    form = (
        Bold(event.argument or "Lunch?")
        + Break()
        + Input("note", placeholder="A note")
        + Select("Red", "Green", title="Colour", action_id="colour")
        + Button("Yes", action_id="yes", style="primary")
    )
    await event.reply(form)


@bot.command("whisper")
async def whisper(event: Command) -> None:
    """Answer one person only."""
    await event.reply("only for you", ephemeral=True)


@bot.action("yes")
async def yes(event: ButtonClick) -> None:
    """Show what came with the click."""
    await event.update(Content(Text("Noted: "), Bold(str(event.form.get("note", "nothing")))))


@bot.action("colour")
async def colour(event: ButtonClick) -> None:
    """Answer a choice."""
    await event.reply(f"You chose {event.form['colour']}")


@bot.message()
async def ping(event: NewMessage) -> None:
    """Answer one word."""
    if event.message.text == "ping":
        await event.reply("pong")


@bot.configure()
async def configure(event: Configure) -> None:
    """Open a window."""
    await event.open(Input("name", placeholder="A name") + Button("Save", action_id="save"))


@bot.configuration_action("save")
async def save(event: ConfigurationClick) -> None:
    """Show the values that came from the window."""
    await event.open(Text(f"Saved {event.form.get('name', 'nothing')}"))


if __name__ == "__main__":
    uvicorn.run(bot, port=int(sys.argv[1]), log_level="error")

"""A bot in a FastAPI service: the service announces a deployment, a click rolls it back.

Serve it with `uvicorn bot_in_fastapi:app --no-access-log`; the event address ends in
`/twake/<BOT_SECRET>`. Try it with
`twake-async run bot_in_fastapi:app --sandbox --path "/twake/$BOT_SECRET"`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from twake_async import TwakeSession
from twake_async.bot import Bot, UserError
from twake_async.events import ButtonClick, Command
from twake_async.twacode import Bold, Button, Content

bot = Bot(TwakeSession.from_env(), secret=os.environ["BOT_SECRET"])
live: list[str] = []  # the versions that were deployed, the one that runs last


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the bot and its session at the end: FastAPI does not close mounted applications."""
    async with bot.twake:
        yield
        await bot.aclose()  # no more events; those that are here have 10 seconds


app = FastAPI(lifespan=lifespan)
app.mount("/twake", bot)  # the event address: https://service.example.com/twake/<secret>


def announcement(version: str) -> Content:
    """Show what runs, with a button to end it."""
    return Bold(version) + " is live " + Button("Roll back", action_id=f"rollback:{version}")


@app.post("/deployments/{version}")
async def deploy(version: str, channel_id: str) -> dict[str, str]:
    """Deploy a version, and tell a channel of it."""
    live.append(version)
    message = await bot.twake.send_message(channel_id, announcement(version), deadline=10)
    return {"message": message.id}


@bot.action("rollback")
async def roll_back(event: ButtonClick) -> None:
    """End a version. The service decides whether it may end, not the data of the click."""
    if len(live) < 2 or live[-1] != event.value:
        raise UserError(f"{event.value} cannot be rolled back.")
    await event.update(Bold(live.pop()) + f" was rolled back, {live[-1]} is live.")


@bot.command("live")
async def show_live(event: Command) -> None:
    """Tell one person what runs: `/bot live`."""
    await event.reply(f"Live: {live[-1] if live else 'nothing'}", ephemeral=True)

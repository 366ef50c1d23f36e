"""A bot: an ASGI application that gives the events of a Twake application to their handlers.

    bot = Bot(TwakeSession.from_env(), secret="…")

    @bot.command("hello")
    async def hello(event: Command) -> None:
        await event.reply("Hello!")

Serve it with `twake-async run my_bot:bot`, or mount it in an application of FastAPI or Starlette.
"""

from ._bot import Bot
from ._errors import BotClosedError, UserError
from ._router import Router

__all__ = ["Bot", "BotClosedError", "Router", "UserError"]

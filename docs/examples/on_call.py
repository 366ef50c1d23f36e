"""On call: `/bot The disk is full` asks one person after the other until one takes it.

Try it with `twake-async run on_call:bot --sandbox`, and BOT_SECRET in the environment.
"""

import os

import attrs

from twake_async import TwakeSession
from twake_async.bot import Bot, UserError
from twake_async.events import ButtonClick, Command
from twake_async.twacode import Bold, Break, Button, Content, System, UserMention

bot = Bot(TwakeSession.from_env(), secret=os.environ["BOT_SECRET"])


@attrs.frozen
class Person:
    """A person to ask, and how many seconds to wait for the answer."""

    name: str
    id: str
    patience: float = 300.0


ROTA = [  # people of the sandbox
    Person("alice", "7a1c0e31-5b1d-11eb-9c03-0242ac130002"),
    Person("bob", "7a1c0e32-5b1d-11eb-9c03-0242ac130002"),
]


def alarm(what: str, *foot: str | UserMention | Button) -> Content:
    """Show the problem, and below it the person who is asked or who took it."""
    return Bold(what) + Break() + System(*foot)


@bot.command()
async def raise_alarm(event: Command) -> None:
    """Ask one person of the rota after the other. Meanwhile, the bot handles other events."""
    what = event.command.strip() or "Something is wrong"
    for person in ROTA:
        mention = UserMention(person.name, person.id)
        asking = alarm(what, mention, " can you? ", Button("I take it", action_id="take"))
        asked = await event.reply(asking)  # a new message for each: an edit notifies nobody
        try:
            await bot.wait_for(ButtonClick, from_=person.id, message=asked, timeout=person.patience)
        except TimeoutError:
            await bot.twake.edit_message(asked, alarm(what, mention, " did not answer."))
        else:
            await bot.twake.edit_message(asked, alarm(what, mention, " takes care of it."))
            return
    await event.reply(Bold(what) + ": nobody answered. @all")


@bot.action("take")
async def take(_: ButtonClick) -> None:
    """Answer people who were not asked, or no longer; `wait_for` takes the other clicks."""
    raise UserError("Somebody else is asked now.")

"""A ticket form: `/bot` shows it to one person, and only that person reads what is wrong in it.

Try it with `twake-async run ticket_form:bot --sandbox`, and BOT_SECRET in the environment.
"""

import itertools
import os
from typing import Literal

import attrs

from twake_async import TwakeSession
from twake_async.bot import Bot, UserError
from twake_async.events import ButtonClick, Command
from twake_async.twacode import Bold, Break, Button, Input, Select

bot = Bot(TwakeSession.from_env(), secret=os.environ["BOT_SECRET"])


def is_filled_in(_: object, field: "attrs.Attribute[str]", value: str) -> None:
    """Refuse an empty text. The person reads the text of this error."""
    if not value.strip():
        raise ValueError(f"Please fill in the {field.name}.")


@attrs.frozen
class Ticket:
    """The values of the form. A browser does not send an unchanged field, so it needs a default."""

    title: str = attrs.field(default="", validator=is_filled_in)
    people: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    urgency: Literal["low", "high"] = "low"


numbers, tickets = itertools.count(1), dict[str, Ticket]()  # a real bot has a database


@bot.command()
async def show_form(event: Command) -> None:
    """Show the form to the person who asked for it."""
    form = Bold("A new ticket") + Break() + Input("title", placeholder="What is broken?")
    form += Input("people", placeholder="How many?") + Select("low", "high", passive_id="urgency")
    await event.reply(form + Button("Create", action_id="create"), ephemeral=True)


@bot.action("create", form=Ticket)
async def create(event: ButtonClick, ticket: Ticket) -> None:
    """Keep the ticket, show it to everybody, and replace the form by a note."""
    tickets[number := str(next(numbers))] = ticket
    await event.reply(Bold(f"#{number} {ticket.title}") + f" ({ticket.urgency})")
    await event.update(f"#{number} is created. Type /bot close {number} when it is done.")


@bot.command("close")
async def close(event: Command) -> None:
    """Close a ticket by its number: `/bot close 7`."""
    if tickets.pop(event.argument, None) is None:
        raise UserError(f"No ticket {event.argument or 'without a number'} is open.")
    await event.reply(f"#{event.argument} is closed.")

"""A bot's code, never run: mypy and pyright, both strict, check the public names with it."""

from typing import assert_type

import attrs

from twake_async import Message, TwakeSession
from twake_async.bot import Bot, Router, UserError
from twake_async.events import (
    ButtonClick,
    Command,
    ConfigurationClick,
    Configure,
    Event,
    NewMessage,
    Parser,
)

bot = Bot(TwakeSession("id", "key", group_id="group"), secret="secret", in_flight=10, drain=1.5)
router = Router()
bot.include(router)


@attrs.frozen
class Settings:
    """The class that a form becomes."""

    rate: int


@bot.command()
@router.command("close")
async def close(event: Command) -> Message:
    """A handler may return anything."""
    assert_type(event.word, str)
    assert_type(await event.update("closed", pinned=False), Message)
    return await event.reply("closed", ephemeral=True)


@bot.action("save", form=Settings)
async def save(event: ButtonClick, form: Settings) -> None:
    """A form has its class."""
    assert_type(form.rate, int)
    assert_type(event.value, str)


@bot.configuration_action("save", form=Settings)
async def save_window(event: ConfigurationClick, form: Settings) -> None:
    """The form of a message has its class."""


@bot.action()
async def click(event: ButtonClick) -> None:
    """A click without a form. What is waited for has its class."""
    if event.value == "x":
        raise UserError("no")
    answer = await bot.wait_for(
        NewMessage, from_=event, timeout=60, where=lambda found: found.message.text == "yes"
    )
    assert_type(answer, NewMessage)


@bot.message(bots=True)
async def message(event: NewMessage) -> None:
    """Events of users, and of applications."""


@bot.configure()
async def configure(event: Configure) -> None:
    """A handler opens a window."""


@bot.on(Event)
async def every(event: Event) -> None:
    """Each event."""


@bot.on_error
async def failed(event: Event, exc: BaseException) -> None:
    """Each error."""


@bot.command()  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def not_async(event: Command) -> None:
    """A handler is async."""


@bot.action("save", form=Settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async def other_form(event: ButtonClick, form: int) -> None:
    """Its form is what the decorator says."""


@bot.message()  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
async def other_event(event: Command) -> None:
    """Its event is what the decorator says."""


async def use(twake: TwakeSession) -> None:
    """The public attributes of a session and a bot."""
    assert_type(twake.public_id, str)
    assert_type(twake.group_id, str | None)
    assert_type(twake.event_parser(remember=10), Parser)
    assert_type(bot.dropped, int)
    assert_type(await bot.accept(Event(message=None)), bool)
    async with bot as same:
        assert_type(same, Bot)
        await same.wait_idle()
    await bot.aclose(0)

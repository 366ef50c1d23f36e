"""`Bot` when things go wrong at the same moment, or in its author's code."""

from __future__ import annotations

import asyncio
import contextvars
import logging

import pytest
from bots import SECRET, click, command, message

from twake_async import ConfigurationError, TwakeSession
from twake_async.bot import Bot, UserError, _dispatcher
from twake_async.events import ButtonClick, Command

KEY = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"


@pytest.fixture
async def bot():
    """A bot whose handlers send nothing."""
    async with (
        TwakeSession("App", KEY, group_id="g1", proxy=None) as twake,
        Bot(twake, secret=SECRET, drain=1) as made,
    ):
        yield made


async def turns(count=20):
    """Let all that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "kind", [StopIteration, asyncio.CancelledError, GeneratorExit, BaseException]
)
async def test_whatever_where_raises_ends_the_wait(bot, kind):
    """A future cannot hold each exception. The event goes to the handlers, and no slot is lost."""
    told, seen = [], []

    def where(event):
        raise kind

    @bot.command("ask")
    async def ask(event):
        try:
            await bot.wait_for(Command, timeout=60, where=where)
        except RuntimeError as exc:
            told.append(exc)

    @bot.command("other")
    async def other(event):
        seen.append(event)

    await bot.accept(command("ask"))
    await turns()
    assert await bot.accept(command("other"))
    await bot.wait_idle()
    [error] = told
    assert str(error) == f"where raised {kind.__name__}"
    assert isinstance(error.__cause__, kind)
    assert len(seen) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_what_ends_the_program_in_where_ends_it(bot, kind):
    """The waiter does not get the error."""

    def where(event):
        raise kind

    waiting = asyncio.ensure_future(bot.wait_for(Command, timeout=60, where=where))
    await turns()
    with pytest.raises(kind):
        await bot.accept(command())
    waiting.cancel()


async def test_where_is_a_plain_function(bot):
    """A coroutine is true, so each event would fit."""

    async def where(event):
        return False

    with pytest.raises(ConfigurationError) as caught:
        await bot.wait_for(Command, timeout=60, where=where)
    assert caught.value.field == "where"


async def test_who_was_cancelled_takes_no_event(bot):
    """Its task may not have run since then. The handlers get the event."""
    seen = []

    @bot.command()
    async def handle(event):
        seen.append(event)

    waiting = asyncio.ensure_future(bot.wait_for(Command, timeout=60))
    await turns()
    waiting.cancel()
    assert await bot.accept(command())
    await bot.wait_idle()
    assert len(seen) == 1


async def test_a_handler_runs_with_the_context_variables_of_its_own_request(bot):
    """It holds also if it begins as another handler ends."""
    user = contextvars.ContextVar("user")
    seen = []

    @bot.command()
    async def handle(event):
        seen.append((event.command, user.get()))
        user.set(f"set by the handler of {event.command}")

    async def request(text):
        user.set(text)
        await bot.accept(command(text))

    await asyncio.gather(*map(request, "abc"))
    await bot.wait_idle()
    assert seen == [(text, text) for text in "abc"]


async def test_handlers_that_wait_for_each_other_go_on(bot, monkeypatch, caplog):
    """One handler holds a lock while it waits for an event; the other one has its place."""
    monkeypatch.setattr(_dispatcher, "_PATIENCE", 0.01)
    lock = asyncio.Lock()
    order = []

    @bot.command("ask")
    async def ask(event):
        async with lock:
            await bot.wait_for(ButtonClick, timeout=60)
            order.append("ask")

    @bot.command("other")
    async def other(event):
        async with lock:
            order.append("other")

    for text in ("ask", "other"):
        await bot.accept(command(text))
    await turns()
    await bot.accept(click("x"))
    await turns()
    assert order == []
    await bot.wait_idle()
    assert order == ["ask", "other"]
    assert "a handler went on beside others: its turn did not come in time" in caplog.text


async def test_a_handler_whose_turn_came_goes_on_once(bot, monkeypatch, caplog):
    """It may start another wait meanwhile."""
    loop, too_late = asyncio.get_running_loop(), []
    call_later = loop.call_later

    def hold(seconds, call, *given):
        if seconds == _dispatcher._PATIENCE:
            return too_late.append((call, given))
        return call_later(seconds, call, *given)

    monkeypatch.setattr(loop, "call_later", hold)
    bot._dispatcher.queue.in_flight = 1
    door = asyncio.Event()
    seen = []

    @bot.command()
    async def ask(event):
        seen.append((await bot.wait_for(ButtonClick, timeout=60)).action_id)
        seen.append((await bot.wait_for(ButtonClick, timeout=60)).action_id)

    @bot.message()
    async def slow(event):
        await door.wait()

    await bot.accept(command())
    await turns()
    await bot.accept(message())
    await turns()
    await bot.accept(click("1"))
    await turns()
    assert seen == []
    door.set()
    await bot.wait_idle()
    [(call, given)] = too_late
    call(*given)
    await turns()
    assert seen == ["1"]
    await bot.accept(click("2"))
    await bot.wait_idle()
    assert seen == ["1", "2"]
    assert caplog.text == ""


async def test_a_task_goes_on_though_its_handler_ended_before_its_turn_came(bot):
    """Its event was already taken from the others."""
    bot._dispatcher.queue.in_flight = 1
    doors = {"handler": asyncio.Event(), "other": asyncio.Event()}
    tasks = []

    @bot.command("ask")
    async def ask(event):
        tasks.append(asyncio.ensure_future(bot.wait_for(ButtonClick, timeout=60)))
        await doors["handler"].wait()

    @bot.command("other")
    async def other(event):
        await doors["other"].wait()

    for text in ("ask", "other"):
        await bot.accept(command(text))
        await turns()
    await bot.accept(click("x"))
    await turns()
    assert not tasks[0].done()
    doors["handler"].set()
    assert (await asyncio.wait_for(tasks[0], 5)).action_id == "x"
    doors["other"].set()


async def test_a_task_goes_on_though_another_of_its_handler_is_cancelled(bot):
    """The handler goes on at once, with all its tasks that wait for their turn."""
    bot._dispatcher.queue.in_flight = 1
    door = asyncio.Event()
    tasks = []

    @bot.command("ask")
    async def ask(event):
        tasks.append(asyncio.ensure_future(bot.wait_for(ButtonClick, timeout=60)))
        await door.wait()
        tasks.append(asyncio.ensure_future(bot.wait_for(ButtonClick, timeout=60)))
        await asyncio.wait(tasks)

    @bot.command("other")
    async def other(event):
        await asyncio.Event().wait()

    for text in ("ask", "other"):
        await bot.accept(command(text))
        await turns()
    await bot.accept(click("x"))
    door.set()
    await turns()
    assert [task.done() for task in tasks] == [False, False]
    tasks[1].cancel()
    assert (await asyncio.wait_for(tasks[0], 5)).action_id == "x"
    await bot.aclose(0)


async def test_the_log_has_one_line_for_what_a_user_typed(bot, caplog):
    """Otherwise a user could type a text that looks like a line of the log."""

    @bot.command()
    async def handle(event):
        raise UserError(f"no {event.command}")

    await bot.accept(command("a\nERROR \x1b[31m", user_id=None))
    await bot.wait_idle()
    [record] = caplog.records
    assert record.getMessage().endswith(": no a ERROR ?[31m")


async def test_a_session_that_fails_to_tell_stops_no_other_handler(bot, monkeypatch, caplog):
    """A session over the caller's own client may fail so."""
    seen = []

    async def send(*_, **__):
        raise OSError("broken")

    monkeypatch.setattr(TwakeSession, "send", send)

    @bot.command()
    async def first(event):
        raise UserError("only you")

    @bot.command()
    async def second(event):
        seen.append(event)

    await bot.accept(command())
    await bot.wait_idle()
    assert len(seen) == 1
    [record] = [one for one in caplog.records if one.name == "twake_async.bot"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None

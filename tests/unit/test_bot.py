"""`Bot`: which events its handlers get, in which order, and what its users are told."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import time
import traceback
import weakref

import attrs
import pytest
from bots import SECRET, click, command, message

from twake_async import ConfigurationError, InvalidDraftError, RetryPolicy, TwakeSession
from twake_async.bot import Bot, BotClosedError, UserError
from twake_async.bot._handling import WENT_WRONG
from twake_async.events import (
    ButtonClick,
    Command,
    ConfigurationClick,
    Configure,
    Event,
    MessageChanged,
    NewMessage,
)
from twake_async.sandbox import Sandbox

KEY = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"


def session(**options):
    return TwakeSession("App", KEY, **{"group_id": "g1", "proxy": None, **options})


@pytest.fixture
async def bot():
    """A bot whose handlers send nothing."""
    async with session(deadline=1.0) as twake, Bot(twake, secret=SECRET, drain=1) as made:
        yield made


@attrs.define
class Stage:
    """A sandbox, and a bot on it."""

    box: Sandbox
    bot: Bot
    alice: str

    def told(self):
        return [
            (one["ephemeral_message_recipients"], one["content"])
            for one in self.box.ephemerals(self.box.channel_id)
        ]

    def command(self, text="", **fields):
        given = {"channel_id": self.box.channel_id, "user_id": self.alice}
        return command(text, group_id=self.box.group_id, **given | fields)


@pytest.fixture
async def stage():
    box = Sandbox()
    alice = box.say("hello")["sender"]
    async with (
        TwakeSession(
            box.public_id,
            box.private_api_key,
            group_id=box.group_id,
            base_url="http://localhost",
            transport=box.transport,
            retry=RetryPolicy.never(),
        ) as twake,
        Bot(twake, secret=SECRET, drain=1) as made,
    ):
        yield Stage(box, made, alice)


class Doors:
    """Handlers wait at their door until a test opens it."""

    def __init__(self, bot, kind=Command):
        self.begun, self.ended = [], []
        self.doors = {}

        @bot.on(kind)
        async def handle(event):
            self.begun.append(event.command)
            await self.door(event.command).wait()
            self.ended.append(event.command)

    def door(self, name):
        return self.doors.setdefault(name, asyncio.Event())

    def open(self, *names):
        for name in names:
            self.door(name).set()


async def turns(count=20):
    """Let all that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


# --- how it is made ------------------------------------------------------------------------------


def test_a_bot_over_v1_needs_a_secret():
    """Without one, its author must say that it takes events from anybody."""
    with pytest.raises(ConfigurationError, match="secret=False") as caught:
        Bot(session())
    assert caught.value.field == "secret"
    Bot(session(), secret=False)
    Bot(session(api="node"))
    Bot(session(api="node"), secret=SECRET)


@pytest.mark.parametrize("secret", ["", " ", "a/b", "a b", "é", "a%20", "health", True, 7, b"x"])
@pytest.mark.parametrize("api", ["v1", "node"])
def test_a_secret_is_a_part_of_a_path_and_shows_in_no_error(secret, api):
    """It does not show in the tracebacks with the locals of each frame either."""
    with pytest.raises(ConfigurationError) as caught:
        Bot(session(api=api), secret=secret)
    assert caught.value.field == "secret"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("in_flight", 0),
        ("queue_size", 0),
        ("queue_size", "10"),
        ("queue_timeout", -1),
        ("queue_timeout", "2"),
        ("drain", float("nan")),
        ("drain", True),
        ("require_signature", "yes"),
    ],
)
def test_an_argument_that_cannot_work_is_named(name, value):
    """Neither the secret nor the key is shown."""
    with pytest.raises(ConfigurationError) as caught:
        Bot(session(), secret=SECRET, **{name: value})
    assert caught.value.field == name
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format())
    assert SECRET not in text.replace("secret=SECRET", "")
    assert KEY not in text


def test_a_bot_needs_a_session():
    """The class itself is refused."""
    with pytest.raises(ConfigurationError) as caught:
        Bot(TwakeSession, secret=SECRET)
    assert caught.value.field == "twake"


async def test_the_repr_of_a_bot_shows_neither_secret_nor_key(bot):
    """It shows what the bot does."""
    assert repr(bot) == "<Bot of 'App': 0 queued, 0 running, 0 dropped>"
    await bot.aclose()
    assert "closed" in repr(bot)
    assert repr(Bot.__new__(Bot)) == "<Bot>"
    assert isinstance(bot.twake, TwakeSession)


# --- which events reach handlers -----------------------------------------------------------------


async def test_own_messages_reach_no_handler_and_are_observed(bot, monkeypatch):
    """Answers to them would never end. They are taken also while the bot closes."""
    seen, observed = [], []
    monkeypatch.setattr(bot.twake, "observe", observed.append)

    @bot.on(Event, bots=True)
    async def handle(event):
        seen.append(event)

    mine = message(application_id="APP")
    changed = MessageChanged(message=mine.message)
    assert await bot.accept(mine)
    assert await bot.accept(changed)
    await bot.aclose()
    assert await bot.accept(mine)
    assert seen == []
    assert observed == [mine, changed, mine]
    assert bot.dropped == 0


async def test_an_own_message_is_taken_though_the_queue_is_full(bot):
    """A server of 2020 posts the message before it answers the request that made it."""
    bot._dispatcher.queue.size = 1
    bot._dispatcher.queue.in_flight = 1
    doors = Doors(bot)
    assert await bot.accept(command("1"))
    assert await bot.accept(command("2"))
    held = asyncio.ensure_future(bot.accept(command("3")))
    await turns()
    assert not held.done()
    assert await bot.accept(message(application_id="app"))
    doors.open("1", "2", "3")
    assert await held


async def test_a_click_on_an_own_message_reaches_its_handler(bot):
    """The click comes from a user."""
    seen = []

    @bot.action("vote")
    async def vote(event):
        seen.append((event.value, event.user_id))

    await bot.accept(click("vote:1"))
    await bot.wait_idle()
    assert seen == [("1", "alice")]


async def test_what_nobody_handles_is_taken(bot):
    """There is nothing to do."""
    assert await bot.accept(command())
    await bot.wait_idle()


# --- order and limits ----------------------------------------------------------------------------


async def test_events_of_one_channel_run_in_order_others_side_by_side(bot):
    """Events without a channel wait for no other event."""
    doors = Doors(bot)
    for text, channel in (("1", "a"), ("2", "a"), ("3", "b"), ("4", None), ("5", None)):
        await bot.accept(command(text, channel_id=channel))
    await turns()
    assert doors.begun == ["1", "3", "4", "5"]
    doors.open("1")
    await turns()
    assert doors.begun[-1] == "2"
    doors.open("2", "3", "4", "5")
    await bot.wait_idle()
    assert len(doors.ended) == 5


async def test_events_of_one_message_run_in_order():
    """It holds whatever their channel is."""
    running, most = set(), []

    async with session() as twake, Bot(twake, secret=SECRET) as bot:

        @bot.action()
        async def vote(event):
            running.add(event.message.id)
            most.append(len(running))
            await asyncio.sleep(0)
            running.remove(event.message.id)  # twice would be a KeyError

        for number in range(100):
            await bot.accept(click(f"vote:{number}", f"m{number % 5}"))
        await bot.wait_idle()
    assert len(most) == 100
    assert max(most) == 5


async def test_a_thousand_events_at_once_run_within_the_limit():
    """None is lost, and at most `in_flight` run."""
    running, most = 0, 0

    async with session() as twake, Bot(twake, secret=SECRET, in_flight=10) as bot:

        @bot.command()
        async def handle(event):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

        taken = await asyncio.gather(*(bot.accept(command(channel_id=str(n))) for n in range(1000)))
        await bot.wait_idle()
    assert taken == [True] * 1000
    assert (running, most, bot.dropped) == (0, 10, 0)


async def test_eager_tasks_change_nothing_but_when_a_handler_begins():
    """It holds however many tasks end at once."""
    if sys.version_info < (3, 12):
        pytest.skip("Python 3.12 has eager tasks")
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    seen = []
    async with session() as twake, Bot(twake, secret=SECRET, in_flight=1) as bot:

        @bot.command()
        async def handle(event):
            seen.append(event.command)
            if event.command == "0":
                await asyncio.sleep(0)

        for number in range(1000):
            await bot.accept(command(str(number)))
        await bot.wait_idle()
    assert seen == [str(number) for number in range(1000)]


async def test_tasks_that_end_as_they_are_made_run_one_after_another(bot):
    """Eager tasks may do so. No handler begins inside another."""
    loop = asyncio.get_running_loop()

    def at_once(loop, coroutine, **_):
        with pytest.raises(StopIteration):
            coroutine.send(None)
        done = loop.create_future()
        done.set_result(None)
        return done

    doors = Doors(bot)
    seen = []

    @bot.action()
    async def handle(event):
        seen.append(event.action_id)

    bot._dispatcher.queue.in_flight = 1
    await bot.accept(command("1"))
    for number in range(900):
        await bot.accept(click(str(number)))
    doors.open("1")
    loop.set_task_factory(at_once)
    await bot.wait_idle()
    loop.set_task_factory(None)
    assert seen == [str(number) for number in range(900)]


async def test_a_full_queue_holds_an_event_then_drops_it(bot, caplog):
    """Events are taken in order; those that are dropped are counted, with one log line each."""
    bot._dispatcher.queue.size = bot._dispatcher.queue.in_flight = 1
    bot._dispatcher.queue_timeout = 0.02
    doors = Doors(bot)
    assert await bot.accept(command("1"))
    assert await bot.accept(command("2"))
    assert await asyncio.gather(*(bot.accept(command(text)) for text in "345")) == [False] * 3
    assert bot.dropped == 3
    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(errors) == 3
    assert "the queue is full (1 wait, 1 are handled)" in errors[0].getMessage()
    bot._dispatcher.queue_timeout = 60
    held = [asyncio.ensure_future(bot.accept(command(text))) for text in "67"]
    await turns()
    doors.open("1", "2", "6", "7")
    assert await asyncio.gather(*held) == [True, False]  # it holds as many as may wait
    await bot.wait_idle()
    assert doors.ended == ["1", "2", "6"]
    assert bot.dropped == 4


async def test_a_place_goes_to_who_waits_longest(bot):
    """An event that comes just then waits behind it."""
    bot._dispatcher.queue.size, bot._dispatcher.queue.in_flight = 2, 1
    doors = Doors(bot)
    for text in "123":
        await bot.accept(command(text))
    held = [asyncio.ensure_future(bot.accept(command(text))) for text in "45"]
    await turns()
    doors.open("1")
    await turns(2)
    last = asyncio.ensure_future(bot.accept(command("6")))
    doors.open(*"23456")
    assert await asyncio.gather(*held, last) == [True] * 3
    await bot.wait_idle()
    assert doors.ended == list("123456")


async def test_a_request_that_is_cancelled_while_it_is_held_drops_its_event(bot, caplog):
    """Its place goes to the next."""
    bot._dispatcher.queue.size = 2
    bot._dispatcher.queue.in_flight = 1
    doors = Doors(bot)
    for text in "123":
        await bot.accept(command(text))
    gone = asyncio.ensure_future(bot.accept(command("gone")))
    stays = asyncio.ensure_future(bot.accept(command("stays")))
    await turns()
    gone.cancel()
    await turns()
    doors.open("1", "2", "3", "gone", "stays")
    assert await stays
    await bot.wait_idle()
    assert doors.ended == ["1", "2", "3", "stays"]
    assert bot.dropped == 1
    assert "cancelled" in caplog.text


@pytest.mark.parametrize("first", ["the place", "the cancellation"])
async def test_a_hold_that_ends_in_two_ways_at_once_ends_in_the_first(bot, first):
    """The loop was busy, and calls both timers in one turn."""
    bot._dispatcher.queue.size = bot._dispatcher.queue.in_flight = 1
    bot._dispatcher.queue_timeout = 0.01
    doors = Doors(bot)
    for text in "12":
        await bot.accept(command(text))
    await turns()
    held = asyncio.ensure_future(bot.accept(command("3")))
    loop = asyncio.get_running_loop()
    if first == "the place":
        loop.call_later(0.005, doors.open, "1")
        loop.call_later(0.006, bot._dispatcher._finish, next(iter(bot._dispatcher._active)))
    else:
        loop.call_later(0.005, held.cancel)
    await asyncio.sleep(0)
    time.sleep(0.03)  # noqa: ASYNC251 - the loop is busy
    await turns()
    doors.open("1", "2", "3")
    if first == "the place":
        assert await held
    else:
        assert held.cancelled()
    await bot.wait_idle()
    assert bot.dropped == (first != "the place")


async def test_a_request_that_is_cancelled_once_its_event_found_a_place_drops_nothing(bot):
    """The event is queued."""
    bot._dispatcher.queue.size = bot._dispatcher.queue.in_flight = 1
    doors = Doors(bot)
    for text in "12":
        await bot.accept(command(text))
    held = asyncio.ensure_future(bot.accept(command("3")))
    await turns()
    doors.open("1", "2", "3")
    while bot._dispatcher.queue.held:
        await asyncio.sleep(0)
    held.cancel()
    await bot.wait_idle()
    assert doors.ended == ["1", "2", "3"]
    assert bot.dropped == 0


async def test_an_event_is_gone_once_it_is_handled(bot):
    """It is gone before the garbage collector runs: it holds all that was posted."""

    @bot.command()
    async def handle(event):
        await asyncio.sleep(0)

    gc.collect()
    gc.disable()
    try:
        given = [command(str(number), channel_id=str(number)) for number in range(10)]
        gone = [weakref.ref(event) for event in given]
        while given:
            await bot.accept(given.pop())
        await bot.wait_idle()
        await turns()
        assert [ref() for ref in gone] == [None] * 10
    finally:
        gc.enable()


# --- answers -------------------------------------------------------------------------------------


async def test_a_command_is_answered_in_its_channel(stage):
    """The answer has the group of the event."""

    @stage.bot.command("hello")
    async def hello(event):
        sent = await event.reply(f"Hello {event.argument}!")
        await event.reply("psst", ephemeral=True)
        assert sent.parent_message_id == ""

    await stage.bot.accept(stage.command("hello world"))
    await stage.bot.wait_idle()
    assert stage.box.messages()[-1]["content"] == "Hello world!"
    [(recipients, text)] = stage.told()
    assert (recipients, text) == ([stage.alice], "psst")


async def test_a_message_is_answered_in_its_thread_and_a_click_may_update_its_message(stage):
    """The answer uses ids alone: the browser's copy of the message is not written back."""
    sent = await stage.bot.twake.send_message(stage.box.channel_id, "Vote", hidden_data={"kept": 1})

    @stage.bot.action("vote")
    async def vote(event):
        await event.update(f"{event.value} votes")
        await event.reply("Thank you")

    lie = attrs.evolve(sent, content="lie", hidden_data={"lie": 1}, pinned=True)
    await stage.bot.accept(
        ButtonClick(action_id="vote:7", message=lie, user_id=stage.alice, group_id=None)
    )
    await stage.bot.wait_idle()
    edited, answer = stage.box.messages()[-2:]
    assert (edited["content"], edited["hidden_data"]) == ("7 votes", {"kept": 1})
    assert not edited["pinned"]
    assert (answer["content"], answer["parent_message_id"]) == ("Thank you", sent.id)


async def test_an_event_that_cannot_be_answered_says_why(bot):
    """Nothing is sent."""
    said = []

    @bot.on(Event)
    async def handle(event):
        for call in (event.reply("x"), event.update("x"), event.reply("x", ephemeral=True)):
            with pytest.raises(InvalidDraftError) as caught:
                await call
            said.append(str(caught.value))

    await bot.accept(Configure(message=None, place="workspace"))
    await bot.wait_idle()
    assert said == [
        "the event has no channel to answer in",
        "the event has no message to update",
        "the event has no channel to answer in",
    ]


async def test_an_ephemeral_answer_needs_a_user(bot):
    """A hook of a server may have no user."""
    said = []

    @bot.on(Event, bots=True)
    async def handle(event):
        with pytest.raises(InvalidDraftError, match="no user") as caught:
            await event.reply("x", ephemeral=True)
        said.append(caught.value.field)

    await bot.accept(message(application_id="other"))
    await bot.wait_idle()
    assert said == ["ephemeral"]


# --- errors --------------------------------------------------------------------------------------


async def test_a_user_error_is_shown_to_its_user_and_to_nobody_else(stage, caplog):
    """It is no failure."""
    failed = []

    @stage.bot.on_error
    async def on_error(event, exc):
        failed.append(exc)

    @stage.bot.command()
    async def refuse(event):
        raise UserError("Type /poll question ; answer")

    await stage.bot.accept(stage.command())
    await stage.bot.wait_idle()
    assert stage.told() == [([stage.alice], "Type /poll question ; answer")]
    assert failed == []
    assert caplog.text == ""


@attrs.frozen
class Settings:
    rate: int


async def test_a_form_that_does_not_fit_is_told_to_its_user(stage):
    """The handler is not called."""
    got = []

    @stage.bot.action("save", form=Settings)
    async def save(event, form):
        got.append(form)

    @stage.bot.configuration_action("save", form=Settings)
    async def save_window(event, form):
        got.append(form)

    sent = await stage.bot.twake.send_message(stage.box.channel_id, "x")
    for form in ({"rate": "7"}, {"rate": "many"}):
        await stage.bot.accept(
            ButtonClick(action_id="save", message=sent, user_id=stage.alice, form=form)
        )
    await stage.bot.accept(ConfigurationClick(action_id="save", message=None, form={"rate": 8}))
    await stage.bot.wait_idle()
    assert got == [Settings(7), Settings(8)]
    assert stage.told() == [([stage.alice], "rate must be a whole number, not “many”.")]


async def test_an_error_stops_no_other_handler_and_is_logged_told_and_handed_on(stage, caplog):
    """Its user is told once, without the details of the error."""
    ran, failed = [], []

    for name in ("first", "second"):

        @stage.bot.command()
        async def broken(event, name=name):
            raise ZeroDivisionError(f"of {name}")

    @stage.bot.command()
    async def last(event):
        ran.append("last")

    @stage.bot.on_error
    async def broken_too(event, exc):
        raise LookupError("in on_error")

    @stage.bot.on_error
    async def on_error(event, exc):
        failed.append((event.command, str(exc)))

    await stage.bot.accept(stage.command("x"))
    await stage.bot.wait_idle()
    assert ran == ["last"]
    assert stage.told() == [([stage.alice], WENT_WRONG)]
    assert failed == [("x", "of first"), ("x", "of second")]
    texts = [one.getMessage() for one in caplog.records]
    assert sum("broken failed on a Command" in text for text in texts) == 2
    assert sum("an on_error handler failed" in text for text in texts) == 2
    assert {one.name for one in caplog.records} == {"twake_async.bot"}
    assert "ZeroDivisionError: of first" in caplog.text
    assert "LookupError: in on_error" in caplog.text


@pytest.mark.parametrize("where", ["handler", "on_error"])
async def test_an_error_that_is_no_exception_is_an_error_of_the_handler(bot, where, caplog):
    """Such an error is a cancelled task that the handler awaits, or the failure of a test."""
    ran = []

    async def cancelled():
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    async def failed():
        pytest.fail("a failure")

    for fail in (cancelled, failed):

        @bot.command()
        async def handle(event, fail=fail):
            if where == "handler":
                await fail()
            raise ValueError

        @bot.on_error
        async def on_error(event, exc, fail=fail):
            ran.append(type(exc).__name__)
            if where == "on_error":
                await fail()

    await bot.accept(command(user_id=None))
    await bot.wait_idle()
    names = ["CancelledError", "Failed"] if where == "handler" else ["ValueError"] * 2
    assert sorted(ran) == sorted(names * 2)
    assert "a failure" in caplog.text


@pytest.mark.parametrize("where", ["handler", "on_error"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_ends_it(kind, where, caplog):
    """No handler holds such an error back."""

    async def main():
        bot = Bot(session(), secret=SECRET)

        @bot.command()
        async def handle(event):
            raise kind if where == "handler" else ValueError

        @bot.on_error
        async def on_error(event, exc):
            raise kind

        await bot.accept(command(user_id=None))
        await asyncio.Event().wait()

    ended = False
    try:
        asyncio.run(main())
    except kind:
        ended = True
    caplog.clear()
    gc.collect()  # asyncio logs what became of the task, and shall not do so in another test
    assert ended


@pytest.mark.parametrize(
    "event",
    [
        command(user_id=None),
        command(channel_id=None),
        command(api="node", connection_id=None),
        Configure(message=None, user_id="alice"),
    ],
)
async def test_what_can_be_shown_to_nobody_is_a_warning(bot, caplog, event):
    """The warning has the text of the error."""

    @bot.on(Event)
    async def handle(event):
        raise UserError("only you see this")

    await bot.accept(event)
    await bot.wait_idle()
    # The session warns of a server that cannot be reached, too.
    [record] = [one for one in caplog.records if one.name == "twake_async.bot"]
    assert record.levelno == logging.WARNING
    assert "only you see this" in record.getMessage()


async def test_the_person_of_a_message_is_its_sender(stage):
    """A hook of a v1 server names no other person."""

    @stage.bot.message()
    async def handle(event):
        raise UserError("no")

    found = message().message
    found = attrs.evolve(found, id=stage.box.messages()[0]["id"], channel_id=stage.box.channel_id)
    await stage.bot.accept(NewMessage(message=found, user_id=stage.alice, origin="server"))
    await stage.bot.wait_idle()
    assert stage.told() == [([stage.alice], "no")]


async def test_a_text_that_could_not_be_shown_is_a_warning(stage, caplog):
    """The handlers go on."""

    @stage.bot.command()
    async def handle(event):
        raise UserError("only you see this")

    stage.box.fail_next(before_storing=500)
    await stage.bot.accept(stage.command())
    await stage.bot.wait_idle()
    [record] = [one for one in caplog.records if one.name == "twake_async.bot"]
    assert record.levelno == logging.WARNING
    assert "may not have been shown: only you see this" in record.getMessage()


# --- the end -------------------------------------------------------------------------------------


async def test_closing_waits_for_what_is_queued_and_takes_nothing_more(bot, caplog):
    """The events that are dropped are counted."""
    doors = Doors(bot)
    for text in "123":
        await bot.accept(command(text))
    closing = asyncio.ensure_future(bot.aclose(60))
    again = asyncio.ensure_future(bot.aclose(60))
    await turns()
    assert not await bot.accept(command("4"))
    assert not closing.done()
    doors.open(*"123")
    await asyncio.gather(closing, again)
    assert doors.ended == ["1", "2", "3"]
    assert bot.dropped == 1
    await bot.aclose()


async def test_closing_drops_what_takes_too_long_and_says_so(bot, caplog):
    """The log has two numbers: handlers that had not begun, and those that had."""
    doors = Doors(bot)
    ended = []

    @bot.on(NewMessage)
    async def stubborn(event):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(event)

    for text in "123":
        await bot.accept(command(text))
    await bot.accept(message())
    await turns()
    await bot.aclose(0)
    assert doors.begun == ["1"]
    assert len(ended) == 1
    assert bot.dropped == 4
    assert "closed: 2 events were not handled, 2 were cut off" in caplog.text
    await bot.wait_idle()


async def test_closing_before_a_handler_took_its_first_step_cuts_it_off(bot):
    """Its task never runs, and its event is still removed."""
    doors = Doors(bot)
    await bot.accept(command("1"))
    await bot.aclose(0)
    assert doors.begun == []
    assert bot.dropped == 1
    await bot.wait_idle()


async def test_a_handler_that_will_not_end_does_not_hold_up_closing(bot, monkeypatch):
    """The handler is counted."""
    monkeypatch.setattr("twake_async.bot._dispatcher._LAST_WORDS", 0.01)
    free = asyncio.Event()

    @bot.command()
    async def stubborn(event):
        while not free.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await free.wait()

    await bot.accept(command())
    await turns()
    await bot.aclose(0)
    assert bot.dropped == 1
    free.set()
    await turns()


async def test_closing_ends_what_is_held(bot):
    """Requests that are held get a 503 at once."""
    bot._dispatcher.queue.size = bot._dispatcher.queue.in_flight = 1
    doors = Doors(bot)
    await bot.accept(command("1"))
    await bot.accept(command("2"))
    held = asyncio.ensure_future(bot.accept(command("3")))
    await turns()
    closing = asyncio.ensure_future(bot.aclose(60))
    assert not await held
    doors.open("1", "2")
    await closing
    assert doors.ended == ["1", "2"]
    assert bot.dropped == 1


async def test_a_handler_may_close_its_bot(bot):
    """Closing does not wait for that handler."""
    ended = []

    @bot.command()
    async def stop(event):
        with pytest.raises(RuntimeError, match="wait for itself"):
            await bot.wait_idle()
        await bot.aclose()
        ended.append(event.command)

    await bot.accept(command("stop"))
    while not ended:
        await asyncio.sleep(0)
    assert bot.dropped == 0


async def test_closing_that_is_cancelled_cuts_off_at_once(bot):
    """A second signal asks for this."""
    doors = Doors(bot)
    await bot.accept(command("1"))
    await turns()
    closing = asyncio.ensure_future(bot.aclose(60))
    await turns()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert doors.ended == []
    assert bot.dropped == 1


async def test_closing_takes_a_number_of_seconds(bot):
    """Any other argument is refused."""
    with pytest.raises(ConfigurationError):
        await bot.aclose(-1)


# --- waiting for an event ------------------------------------------------------------------------


async def wait_and_note(bot, seen, **options):
    try:
        seen.append(await bot.wait_for(ButtonClick, **{"timeout": 60, **options}))
    except (TimeoutError, BotClosedError) as exc:
        seen.append(type(exc))


async def test_a_waiter_gets_the_event_and_the_handlers_do_not(bot):
    """The first waiter that fits takes it."""
    seen, handled = [], []

    @bot.action()
    async def handle(event):
        handled.append(event.action_id)

    waiting = [asyncio.ensure_future(wait_and_note(bot, seen)) for _ in range(2)]
    await turns()
    for name in "abc":
        await bot.accept(click(name))
    await asyncio.gather(*waiting)
    await bot.wait_idle()
    assert [event.action_id for event in seen] == ["a", "b"]
    assert handled == ["c"]
    assert seen[0]._responder is not None


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({}, True),
        ({"from_": "alice"}, True),
        ({"from_": "bob"}, False),
        ({"from_": command()}, True),
        ({"message": "m1"}, True),
        ({"message": "m2"}, False),
        ({"message": click("x").message}, True),
        ({"message": click("x").message.ref}, True),
        ({"channel_id": "c1"}, True),
        ({"channel_id": "c2"}, False),
        ({"where": lambda event: event.value == "1"}, True),
        ({"where": lambda event: event.value == "2"}, False),
    ],
)
async def test_a_waiter_says_which_events_fit(bot, options, fits):
    """All conditions must hold."""
    seen = []
    waiting = asyncio.ensure_future(wait_and_note(bot, seen, **options))
    await turns()
    await bot.accept(click("vote:1"))
    await turns()
    assert bool(seen) is fits
    await bot.aclose()
    await waiting


async def test_a_waiter_gets_messages_of_other_applications_only_with_bots(bot):
    """A handler does the same. An event without a message is about no application's message."""
    waiting = [
        asyncio.ensure_future(bot.wait_for(NewMessage, timeout=60, bots=bots))
        for bots in (False, True)
    ]
    about = asyncio.ensure_future(bot.wait_for(Event, timeout=60, message="m9"))
    await turns()
    await bot.accept(command())
    await bot.accept(message("bot", application_id="other"))
    await bot.accept(message("user"))
    found = [event.message.content for event in await asyncio.gather(*waiting)]
    assert found == ["user", "bot"]
    await bot.accept(click("x", "m9"))
    assert (await about).action_id == "x"


async def test_a_mistake_in_where_is_told_to_who_waits(bot):
    """The event goes to the next."""
    seen = []
    wrong = asyncio.ensure_future(bot.wait_for(ButtonClick, timeout=60, where=lambda _: 1 / 0))
    right = asyncio.ensure_future(wait_and_note(bot, seen))
    await turns()
    await bot.accept(click("x"))
    with pytest.raises(ZeroDivisionError):
        await wrong
    await right
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"kind": str}, "kind"),
        ({"kind": "ButtonClick"}, "kind"),
        ({"from_": ""}, "from_"),
        ({"from_": 7}, "from_"),
        ({"from_": command(user_id=None)}, "from_"),
        ({"message": ""}, "message"),
        ({"message": 7}, "message"),
        ({"channel_id": 7}, "channel_id"),
        ({"where": "x"}, "where"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": None}, "timeout"),
    ],
)
async def test_an_argument_of_wait_for_that_cannot_work_is_named(bot, options, field):
    """An event without a user must not stand for any user."""
    given = {"kind": ButtonClick, "timeout": 1} | options
    with pytest.raises(ConfigurationError) as caught:
        await bot.wait_for(given.pop("kind"), **given)
    assert caught.value.field == field


async def test_a_handler_that_waits_blocks_neither_its_channel_nor_the_bot(bot):
    """It holds however many wait. The handler goes on when it is its turn."""
    bot._dispatcher.queue.in_flight = 2
    order = []

    @bot.command("ask")
    async def ask(event):
        answer = await bot.wait_for(ButtonClick, from_=event, timeout=60)
        order.append(f"{event.user_id} said {answer.action_id}")

    @bot.command("other")
    async def other(event):
        order.append("other")

    people = [f"user{number}" for number in range(50)]
    for person in people:
        await bot.accept(command("ask", user_id=person))
    await bot.accept(command("other"))
    await bot.wait_idle()
    assert order == ["other"]
    for person in people:
        assert await bot.accept(click("yes", user_id=person))
    await bot.wait_idle()
    assert sorted(order[1:]) == sorted(f"{person} said yes" for person in people)


async def test_a_handler_that_goes_on_runs_beside_no_other_of_its_channel(bot):
    """It has its turn before those that have not begun."""
    order = []
    door = asyncio.Event()

    @bot.command("ask")
    async def ask(event):
        await bot.wait_for(ButtonClick, timeout=60)
        order.append("went on")

    @bot.command("slow")
    async def slow(event):
        order.append("slow begins")
        await door.wait()
        order.append("slow ends")

    @bot.command("last")
    async def last(event):
        order.append("last")

    for text in ("ask", "slow", "last"):
        await bot.accept(command(text))
    await turns()
    await bot.accept(click("x"))
    await turns()
    assert order == ["slow begins"]
    door.set()
    await bot.wait_idle()
    assert order == ["slow begins", "slow ends", "went on", "last"]


async def test_nothing_is_idle_between_an_event_and_the_handler_that_waited_for_it(bot):
    """So a test may click, and then wait."""
    order = []

    @bot.command()
    async def ask(event):
        await bot.wait_for(ButtonClick, timeout=60)
        await asyncio.sleep(0)
        order.append("went on")

    await bot.accept(command())
    await bot.wait_idle()
    await bot.accept(click("x"))
    await bot.wait_idle()
    assert order == ["went on"]


async def test_a_wait_ends_in_time(bot):
    """The handler goes on, and has its slot again."""
    seen = []

    @bot.command()
    async def ask(event):
        await wait_and_note(bot, seen, timeout=0.01)
        seen.append(bot._dispatcher.queue.running)

    await bot.accept(command())
    while len(seen) < 2:
        await asyncio.sleep(0.001)
    assert seen == [TimeoutError, 1]
    with pytest.raises(TimeoutError, match="within 0.01 s"):
        await bot.wait_for(ButtonClick, timeout=0.01)


@pytest.mark.parametrize("how", ["timeout", "wait_for"])
async def test_a_wait_may_stand_in_a_time_limit_of_asyncio(bot, how):
    """In Python 3.11, `asyncio.wait_for` makes a task of its own for it."""
    seen = []

    @bot.command("ask")
    async def ask(event):
        waiting = bot.wait_for(ButtonClick, timeout=60)
        try:
            if how == "timeout":
                async with asyncio.timeout(0.3):
                    await waiting
            else:
                await asyncio.wait_for(waiting, 0.3)
        except TimeoutError:
            seen.append("late")
        await asyncio.sleep(0)
        seen.append("ended")

    @bot.command("other")
    async def other(event):
        seen.append("other")

    await bot.accept(command("ask"))
    await bot.accept(command("other"))
    while len(seen) < 3:  # it has given up its place in both
        await asyncio.sleep(0.001)
    assert seen == ["other", "late", "ended"]
    await bot.wait_idle()
    assert bot._dispatcher.queue.is_idle


async def test_several_tasks_of_a_handler_may_wait(bot):
    """The handler has its slot again when all of them have ended."""
    seen = []

    @bot.command("both")
    async def both(event):
        waits = (bot.wait_for(ButtonClick, from_=user, timeout=60) for user in ("a", "b"))
        seen.extend(one.user_id for one in await asyncio.gather(*waits))

    @bot.command("first")
    async def first(event):
        waits = {
            asyncio.ensure_future(bot.wait_for(ButtonClick, from_=user, timeout=60))
            for user in ("a", "b")
        }
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in pending:
            one.cancel()
        seen.extend(one.result().user_id for one in done)

    await bot.accept(command("both"))
    await bot.wait_idle()
    await bot.accept(click("x", user_id="b"))
    await bot.wait_idle()
    assert seen == []
    await bot.accept(click("x", user_id="a"))
    await bot.wait_idle()
    assert seen == ["a", "b"]
    await bot.accept(command("first"))
    await bot.wait_idle()
    await bot.accept(click("x", user_id="b"))
    while len(seen) < 3:
        await asyncio.sleep(0)
    await turns()
    assert seen == ["a", "b", "b"]
    assert bot._dispatcher.queue.is_idle


async def test_a_task_that_outlives_its_handler_waits_like_any_other(bot):
    """Its handler does not need a slot any more."""
    seen, tasks = [], []

    @bot.command()
    async def begin(event):
        tasks.append(asyncio.ensure_future(wait_and_note(bot, seen)))

    @bot.command()
    async def begin_later(event):
        async def later():
            await asyncio.sleep(0.001)
            await wait_and_note(bot, seen)

        tasks.append(asyncio.ensure_future(later()))

    await bot.accept(command())
    await bot.wait_idle()
    await asyncio.sleep(0.01)
    for name in "ab":
        await bot.accept(click(name))
    await asyncio.gather(*tasks)
    assert sorted(event.action_id for event in seen) == ["a", "b"]
    assert bot._dispatcher.queue.is_idle


async def test_a_task_of_a_handler_may_wait_while_the_handler_ends(bot):
    """The wait then belongs to no handler."""
    seen, tasks = [], []

    @bot.command()
    async def begin(event):
        tasks.append(asyncio.ensure_future(wait_and_note(bot, seen)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    await bot.accept(command())
    await turns()
    await bot.wait_idle()
    tasks[0].cancel()
    await turns()
    assert len(bot._dispatcher.waiters) == 0
    assert bot._dispatcher.queue.is_idle


async def test_a_handler_that_was_given_its_event_may_be_cancelled_before_it_goes_on(bot):
    """It is in no queue any more."""
    bot._dispatcher.queue.in_flight = 1
    doors = Doors(bot, Command)
    seen = []

    @bot.on(NewMessage)
    async def ask(event):
        try:
            async with asyncio.timeout(0.01):
                await bot.wait_for(ButtonClick, timeout=60)
        except TimeoutError:
            seen.append("late")

    await bot.accept(message())
    await turns()
    await bot.accept(command("1"))
    await turns()
    await bot.accept(click("x"))
    while not seen:
        await asyncio.sleep(0.001)
    doors.open("1")
    await bot.wait_idle()
    assert seen == ["late"]


async def test_an_event_that_came_in_time_is_not_lost_while_its_handler_waits_for_its_turn(bot):
    """The timeout counts until the event, not until the handler goes on."""
    doors = Doors(bot, Command)
    seen = []

    @bot.message()
    async def ask(event):
        await wait_and_note(bot, seen)

    await bot.accept(message())
    await turns()
    [waiter] = bot._dispatcher.waiters._waiting
    bot._dispatcher.queue.in_flight = 1
    await bot.accept(command("1"))
    await turns()
    await bot.accept(click("x"))
    bot._dispatcher._end_wait(waiter, 60)  # as its timer does
    await turns()
    assert seen == []
    doors.open("1")
    await bot.wait_idle()
    assert [event.action_id for event in seen] == ["x"]


async def test_a_handler_may_be_cancelled_just_as_it_has_its_turn(bot):
    """It blocks no other handler."""
    tasks, seen = [], []
    door = asyncio.Event()
    bot._dispatcher.queue.in_flight = 1

    @bot.command("ask")
    async def ask(event):
        tasks.append(asyncio.current_task())
        await bot.wait_for(ButtonClick, timeout=60)

    @bot.command("cancel")
    async def cancel(event):
        await door.wait()
        tasks[0].cancel()

    @bot.command("last")
    async def last(event):
        seen.append("last")

    for text in ("ask", "cancel", "last"):
        await bot.accept(command(text))
    await turns()
    await bot.accept(click("x"))
    door.set()
    await bot.wait_idle()
    assert tasks[0].cancelled()
    assert seen == ["last"]


async def test_closing_ends_all_waits(bot, caplog):
    """Their handlers did not end by themselves: they are counted, and their users are not told."""
    failed, seen = [], []

    @bot.on_error
    async def on_error(event, exc):
        failed.append(exc)

    @bot.command("ask")
    async def ask(event):
        await bot.wait_for(ButtonClick, timeout=60)

    outside = asyncio.ensure_future(wait_and_note(bot, seen))
    await bot.accept(command("ask"))
    await bot.wait_idle()
    await bot.aclose()
    await outside
    assert seen == [BotClosedError]
    assert failed == []
    assert bot.dropped == 1
    with pytest.raises(BotClosedError):
        await bot.wait_for(ButtonClick, timeout=1)


async def test_a_handler_that_begins_to_wait_while_the_bot_closes_ends_at_once(bot):
    """No more events come."""
    door = asyncio.Event()

    @bot.command()
    async def ask(event):
        await door.wait()
        await bot.wait_for(ButtonClick, timeout=60)

    await bot.accept(command())
    await turns()
    closing = asyncio.ensure_future(bot.aclose(60))
    await turns()
    door.set()
    await closing
    assert bot.dropped == 1


async def test_a_handler_that_waits_is_cut_off_with_its_session_in_order(bot):
    """It holds even if it waits for something else after its wait was ended."""

    @bot.command()
    async def ask(event):
        try:
            await bot.wait_for(ButtonClick, timeout=60)
        except BotClosedError:
            await asyncio.Event().wait()

    await bot.accept(command())
    await bot.wait_idle()
    await bot.aclose(0.01)
    assert bot.dropped == 1
    assert bot._dispatcher.queue.is_idle

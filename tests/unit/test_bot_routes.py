"""Routers: which handlers an event has, and which functions are no handlers."""

from __future__ import annotations

import functools

import pytest
from bots import click, command, message

from twake_async import ConfigurationError, Message
from twake_async.bot import Router
from twake_async.events import (
    Command,
    ConfigurationClick,
    Configure,
    Event,
    MessageChanged,
    NewMessage,
    ResourceAdded,
)


def handler(name):
    async def handle(event):
        return name

    handle.__name__ = name
    return handle


def found(router, event):
    return [route.handler.__name__ for route in router._table.find(event)]


def test_all_handlers_that_fit_run_in_the_order_in_which_they_were_added():
    """The kind of decorator does not matter."""
    router = Router()
    router.on(Event)(handler("every"))
    router.message()(handler("message"))
    router.on(NewMessage)(handler("new"))
    router.command()(handler("command"))
    assert found(router, message()) == ["every", "message", "new"]
    assert found(router, command("x")) == ["every", "command"]
    assert found(router, ResourceAdded(message=None)) == ["every"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("close 7", ["close", "every"]),
        ("close", ["close", "every"]),
        ("closed", ["any", "every"]),
        ("Close", ["any", "every"]),
        ("", ["any", "every"]),
    ],
)
def test_a_command_goes_to_the_handler_of_its_first_word_else_to_the_general_one(text, names):
    """A handler of `on(Command)` gets all commands."""
    router = Router()
    router.command()(handler("any"))
    router.command("close")(handler("close"))
    router.on(Command)(handler("every"))
    assert found(router, command(text)) == names


@pytest.mark.parametrize(
    ("action_id", "names"),
    [
        ("vote", ["vote"]),
        ("vote:1", ["vote"]),
        ("vote:7", ["vote", "seven"]),
        ("voter", ["any"]),
        ("", ["any"]),
    ],
)
def test_a_click_goes_to_the_handlers_of_its_action_else_to_the_general_one(action_id, names):
    """A handler whose name has a colon is for that button alone."""
    router = Router()
    router.action()(handler("any"))
    router.action("vote")(handler("vote"))
    router.action("vote:7")(handler("seven"))
    assert found(router, click(action_id)) == names


def test_a_click_in_a_window_is_another_event():
    """A handler of one of them does not get the other."""
    router = Router()
    router.action("save")(handler("message"))
    router.configuration_action("save")(handler("window"))
    router.configuration_action()(handler("any window"))
    router.configure()(handler("configure"))
    window = functools.partial(ConfigurationClick, message=None)
    assert found(router, window(action_id="save:1")) == ["window"]
    assert found(router, window(action_id="other")) == ["any window"]
    assert found(router, click("save")) == ["message"]
    assert found(router, Configure(message=None, place="channel")) == ["configure"]


def test_messages_of_other_applications_need_bots():
    """A click on such a message comes from a user."""
    router = Router()
    router.message()(handler("users"))
    router.message(bots=True)(handler("all"))
    router.on(MessageChanged)(handler("changed"))
    router.on(MessageChanged, bots=True)(handler("all changed"))
    router.action()(handler("click"))
    assert found(router, message()) == ["users", "all"]
    assert found(router, message(application_id="other")) == ["all"]
    changed = MessageChanged(message=Message(id="1", application_id="other"))
    assert found(router, changed) == ["all changed"]
    assert found(router, click("x")) == ["click"]


def test_a_router_that_is_included_stands_where_it_was_included():
    """It brings the handlers that it gets later, and those of its own routers."""
    router, inner, innermost = Router(), Router(), Router()
    router.command()(handler("first"))
    router.include(inner)
    router.command()(handler("last"))
    assert found(router, command()) == ["first", "last"]
    inner.include(innermost)
    innermost.command()(handler("innermost"))
    inner.command("close")(handler("close"))
    assert found(router, command()) == ["first", "innermost", "last"]
    assert found(router, command("close")) == ["close"]


def test_error_handlers_of_included_routers_are_found():
    """They are found in order."""
    router, inner = Router(), Router()
    router.include(inner)
    one, two = handler("one"), handler("two")
    assert inner.on_error(two) is two
    router.on_error(one)
    assert router._table.all_error_handlers() == [one, two]


def test_a_router_is_included_once_and_not_in_itself():
    """Otherwise its handlers would run twice, or for ever."""
    router, inner = Router(), Router()
    router.include(inner)
    for one, other in ((router, inner), (inner, router), (router, router)):
        with pytest.raises(ConfigurationError, match="router"):
            one.include(other)
    with pytest.raises(ConfigurationError, match="takes a Router"):
        router.include(object())


class Callable:
    async def __call__(self, event):
        pass


class Plain:
    def __call__(self, event):
        pass


def test_a_handler_stays_what_it_is():
    """So a function may have several decorators."""
    router = Router()
    one = handler("one")
    assert router.command("a")(router.command("b")(one)) is one
    assert found(router, command("b")) == ["one"]


@pytest.mark.parametrize("good", [Callable(), functools.partial(handler("x"))])
def test_what_is_async_is_a_handler(good):
    """Async objects and partial functions are handlers, too."""
    router = Router()
    router.on(Event)(good)
    [route] = router._table.find(message())
    assert route.handler_name in ("Callable", "partial")


def plain(event):
    """Answer nothing."""


@pytest.mark.parametrize("bad", [plain, Plain(), lambda _: None, None, functools.partial(plain)])
@pytest.mark.parametrize("call", ["command", "message", "action", "configure"])
def test_what_is_not_async_is_no_handler(bad, call):
    """The error comes where it is added, not when an event comes."""
    with pytest.raises(ConfigurationError, match="async def"):
        getattr(Router(), call)()(bad)
    with pytest.raises(ConfigurationError, match="async def"):
        Router().on_error(bad)


@pytest.mark.parametrize("call", ["command", "action", "configuration_action"])
@pytest.mark.parametrize("name", ["", " ", "two words", "x ", 7])
def test_a_name_is_one_word(call, name):
    """No event could have another name."""
    with pytest.raises(ConfigurationError, match="one word"):
        getattr(Router(), call)(name)


def test_a_decorator_without_parentheses_is_said():
    """Such a decorator would handle no event."""
    with pytest.raises(ConfigurationError, match="parentheses"):
        Router().command(handler("x"))


@pytest.mark.parametrize("kind", [str, "Command", None])
def test_on_takes_a_class_of_events(kind):
    """Any other argument is refused."""
    with pytest.raises(ConfigurationError, match="class of an event"):
        Router().on(kind)

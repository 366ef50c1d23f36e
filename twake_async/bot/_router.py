"""`Router`: the decorators that say which function handles which events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from twake_async.errors import ConfigurationError
from twake_async.events import (
    ButtonClick,
    Command,
    ConfigurationClick,
    Configure,
    Event,
    NewMessage,
)

from ._forms import Form
from ._routes import Route, check_handler, check_name
from ._table import Table

__all__ = ["Router"]

E = TypeVar("E", bound=Event)
T = TypeVar("T")
R = TypeVar("R", bound=Awaitable[object])
OnCommand = TypeVar("OnCommand", bound=Callable[[Command], Awaitable[object]])
OnClick = TypeVar("OnClick", bound=Callable[[ButtonClick], Awaitable[object]])
OnWindow = TypeVar("OnWindow", bound=Callable[[ConfigurationClick], Awaitable[object]])
OnMessage = TypeVar("OnMessage", bound=Callable[[NewMessage], Awaitable[object]])
OnConfigure = TypeVar("OnConfigure", bound=Callable[[Configure], Awaitable[object]])
OnError = TypeVar("OnError", bound=Callable[[Event, BaseException], Awaitable[object]])


class Router:
    """Handlers for events, to include in a `Bot` or in another router.

    All handlers that fit an event run, one after another, in the order in which they were added.
    An error in one does not stop the next. A handler is an async function. It stays as it is, so
    it may have several decorators, and a test can call it.
    """

    def __init__(self) -> None:
        self._table = Table()

    def command(self, word: str | None = None) -> Callable[[OnCommand], OnCommand]:
        """Handle a command that a user types.

        Args:
            word: The first word after the command's name, exactly: `command("close")` takes
                `/ticket close 7`. None for every command that no handler with a word takes.

        Raises:
            ConfigurationError: The word is not one word, or the handler is not an async function.

        """
        check_name("command", word)
        return self._adder(Command, name=word, yields=word is None)

    @overload
    def action(self, name: str | None = None) -> Callable[[OnClick], OnClick]: ...
    @overload
    def action(
        self, name: str | None = None, *, form: type[T]
    ) -> Callable[[Callable[[ButtonClick, T], R]], Callable[[ButtonClick, T], R]]: ...
    def action(self, name: str | None = None, *, form: type[Any] | None = None) -> Any:
        """Handle a click on a button of a message, or a choice in it.

        Args:
            name: The `action_id` of the button, or its part before the first colon:
                `action("vote")` takes `vote` and `vote:1`. None for every click that no handler
                with a name takes.
            form: An attrs class, a dataclass or another class that cattrs makes from a mapping.
                The handler gets it as a second argument, made from the inputs of the message.
                If they do not fit, the user reads what is wrong, and the handler is not called.

        Raises:
            ConfigurationError: The name is not valid, the class does not fit a form, or the handler
                is not an async function.

        """
        check_name("action", name)
        return self._adder(ButtonClick, name=name, yields=name is None, form=form)

    @overload
    def configuration_action(self, name: str | None = None) -> Callable[[OnWindow], OnWindow]: ...
    @overload
    def configuration_action(
        self, name: str | None = None, *, form: type[T]
    ) -> Callable[[Callable[[ConfigurationClick, T], R]], Callable[[ConfigurationClick, T], R]]: ...
    def configuration_action(
        self, name: str | None = None, *, form: type[Any] | None = None
    ) -> Any:
        """Handle a click on a button of a configuration window.

        Args:
            name: As for `action`.
            form: As for `action`.

        Raises:
            ConfigurationError: As for `action`.

        """
        check_name("configuration_action", name)
        return self._adder(ConfigurationClick, name=name, yields=name is None, form=form)

    def message(self, *, bots: bool = False) -> Callable[[OnMessage], OnMessage]:
        """Handle a new message in a channel of the application.

        Args:
            bots: Whether to take the messages of other applications, too. Two bots that answer
                each other never end. The application's own messages reach no handler.

        Raises:
            ConfigurationError: The handler is not an async function.

        """
        return self._adder(NewMessage, bots=bots)

    def configure(self) -> Callable[[OnConfigure], OnConfigure]:
        """Handle the request of a user to configure the application.

        Raises:
            ConfigurationError: The handler is not an async function.

        """
        return self._adder(Configure)

    def on(
        self, kind: type[E], *, bots: bool = False
    ) -> Callable[[Callable[[E], R]], Callable[[E], R]]:
        """Handle all events of a class; `Event` is for all events.

        Args:
            kind: The class.
            bots: Whether to take the messages of other applications, too.

        Raises:
            ConfigurationError: The argument is not a class of events, or the handler is not an
                async function.

        """
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            raise ConfigurationError("on takes the class of an event", field="on")
        return self._adder(kind, bots=bots)

    def on_error(self, handler: OnError) -> OnError:
        """Handle an error that a handler raised; the function gets the event and the error.

        The error is already logged, and the user already has a message.

        Raises:
            ConfigurationError: The handler is not an async function.

        """
        check_handler(handler)
        self._table.error_handlers.append(handler)
        return handler

    def include(self, router: Router) -> None:
        """Add the handlers of a router, including those that it gets later.

        Raises:
            ConfigurationError: The argument is not a router, includes this one, or is included
                already.

        """
        if not isinstance(router, Router):
            raise ConfigurationError("include takes a Router", field="router")
        self._table.include(router._table)

    def _adder(
        self, kind: type[Event], *, form: type[Any] | None = None, **options: Any
    ) -> Callable[[Any], Any]:
        made = None if form is None else Form(form)

        def add(handler: Any) -> Any:
            check_handler(handler)
            self._table.add(Route(kind, handler, form=made, **options))
            return handler

        return add

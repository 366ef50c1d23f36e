"""Which handlers an event has. No I/O."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import ConfigurationError
from twake_async.events import Command, Event, MessageChanged, MessageRemoved, NewMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ._forms import Form

#: The events that the server makes about messages. A union type would be built for each event.
_ABOUT_MESSAGES = (NewMessage, MessageChanged, MessageRemoved)

__all__ = ["Route", "application_of", "check_handler", "check_name", "matching"]


@attrs.frozen(eq=False)
class Route:
    """A handler, and the events that it is for."""

    kind: type[Event]
    handler: Callable[..., Awaitable[object]]
    name: str | None = None
    """The first word of the command, or the action; None for any."""
    yields: bool = False
    """Whether it runs only where no route with a name fits."""
    bots: bool = False
    """Whether it takes the messages of other applications."""
    form: Form | None = None
    """The class that the form of the event is converted into for the handler."""

    @property
    def handler_name(self) -> str:
        """The name of the handler, for the log."""
        return getattr(self.handler, "__qualname__", None) or type(self.handler).__qualname__

    def call(self, event: Event) -> Awaitable[object]:
        """Call the handler.

        Raises:
            FormError: The form of the event does not fit the class of the handler.

        """
        if self.form is None:
            return self.handler(event)
        return self.handler(event, self.form.read(getattr(event, "form", {})))


def _has_name(event: Any, name: str) -> bool:
    if isinstance(event, Command):
        return event.word == name
    return name in (event.action, event.action_id)


def application_of(event: Event) -> str | None:
    """Return the application that wrote the message of an event about a message; None for a user.

    A click or a command comes from a user, even if an application wrote its message.
    """
    if isinstance(event, _ABOUT_MESSAGES):
        return event.message.application_id
    return None


def matching(routes: Iterable[Route], event: Event) -> list[Route]:
    """Return the routes that an event takes, in their order.

    Args:
        routes: Routes for the kind of the event.
        event: The event.

    """
    of_user = application_of(event) is None
    found = [
        route
        for route in routes
        if (of_user or route.bots) and (route.name is None or _has_name(event, route.name))
    ]
    if len(found) > 1 and any(route.name is not None for route in found):
        return [route for route in found if not route.yields]
    return found


def check_handler(handler: object) -> None:
    """Raise `ConfigurationError` if a handler is not an async function."""
    inner = handler
    while isinstance(inner, functools.partial):
        inner = inner.func
    call = getattr(inner, "__call__", None)  # noqa: B004 - of an object's class
    if callable(inner) and any(map(inspect.iscoroutinefunction, (inner, call))):
        return
    name = getattr(inner, "__qualname__", None) or repr(inner)
    raise ConfigurationError(
        f"a handler must be an async function, and {name} is none: define it with `async def`",
        field="handler",
    )


def check_name(call: str, name: object) -> None:
    """Raise `ConfigurationError` for a name that no event could have."""
    if name is None:
        return
    if callable(name):
        raise ConfigurationError(f"write @bot.{call}() with parentheses", field=call)
    if not isinstance(name, str) or name.split() != [name]:
        raise ConfigurationError(
            f"{call} takes one word, or nothing for any: it is compared with one word", field=call
        )

"""Runs the handlers of one event, and reports their failures."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import attrs

from ._errors import BotClosedError, UserError
from ._forms import FormError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from twake_async.events import Event

    from ._queue import Turn
    from ._responses import Responses
    from ._routes import Route

__all__ = ["WENT_WRONG", "Handling"]

log: logging.Logger = logging.getLogger("twake_async.bot")

#: What the user of an event is told when a handler fails.
WENT_WRONG = "Something went wrong"

#: Exceptions that end the program, or close a coroutine.
_ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit)


@attrs.frozen(eq=False)
class Handling:
    """Runs handlers.

    Args:
        responses: Sends messages to users.
        error_handlers: Returns the handlers that are called with each error.

    """

    responses: Responses
    error_handlers: Callable[[], Iterable[Callable[[Event, BaseException], Awaitable[object]]]]

    async def run(self, turn: Turn) -> bool:
        """Run the handlers of an event, one after another.

        Return whether all ended by themselves: False if the bot was closed meanwhile.

        Raises:
            BaseException: An exception that ends the program, or the cancellation of this task.

        """
        closed = told = False
        event = turn.event
        for route in turn.routes:
            try:
                await route.call(event)
            except (UserError, FormError) as exc:
                await self.responses.tell(event, str(exc))
            except BotClosedError:
                closed = True
            except BaseException as exc:
                if _ends_here(exc):
                    raise
                await self._failed(event, route, exc, tell=not told)
                told = True
        return not closed

    async def _failed(self, event: Event, route: Route, exc: BaseException, *, tell: bool) -> None:
        kind = type(event).__name__
        log.error("the handler %s failed on a %s", route.handler_name, kind, exc_info=exc)
        if tell:
            await self.responses.tell(event, WENT_WRONG)
        for handler in self.error_handlers():
            try:
                await handler(event, exc)
            except BaseException as other:
                if _ends_here(other):
                    raise
                log.exception("an on_error handler failed on a %s", kind)


def _ends_here(exc: BaseException) -> bool:
    """Say whether an exception ends more than one handler.

    A handler may raise CancelledError by itself, such as by awaiting a task that was cancelled.
    """
    if isinstance(exc, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(exc, _ENDS)

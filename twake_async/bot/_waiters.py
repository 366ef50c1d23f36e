"""The calls of `wait_for` that wait, and which of them gets an event. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from twake_async._arguments import check_callback
from twake_async.errors import ConfigurationError
from twake_async.events import Event
from twake_async.messages import Message, MessageRef

from ._routes import application_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._queue import Turn

__all__ = ["Waiter", "Waiters", "Wanted", "wanted"]


@attrs.frozen(eq=False)
class Wanted:
    """Which events fit a call of `wait_for`."""

    kind: type[Event]
    user_id: str | None
    message_id: str | None
    channel_id: str | None
    where: Callable[[Any], object] | None
    bots: bool

    def fits(self, event: Event) -> bool:
        """Say whether an event fits; it raises what `where` raises."""
        if not isinstance(event, self.kind):
            return False
        if self.user_id is not None and event.user_id != self.user_id:
            return False
        if self.message_id is not None:
            message = event.message
            if message is None or message.id != self.message_id:
                return False
        if self.channel_id is not None and event.channel_id != self.channel_id:
            return False
        if not self.bots and application_of(event) is not None:
            return False
        return self.where is None or bool(self.where(event))


def wanted(
    kind: object,
    from_: object,
    message: object,
    channel_id: object,
    where: Any,
    *,
    bots: bool,
) -> Wanted:
    """Return the checked arguments of `wait_for`.

    Raises:
        ConfigurationError: An argument cannot work.

    """
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        raise ConfigurationError("wait_for takes the class of an event", field="kind")
    check_callback("where", where)
    if channel_id is not None and not isinstance(channel_id, str):
        raise ConfigurationError("channel_id must be a string", field="channel_id")
    return Wanted(kind, _user(from_), _message(message), channel_id, where, bots)


def _user(from_: object) -> str | None:
    """Return the id of a user. An event without a user must not mean any user."""
    if isinstance(from_, Event):
        if from_.user_id is None:
            raise ConfigurationError("from_ is an event that has no user", field="from_")
        return from_.user_id
    if from_ is None or (isinstance(from_, str) and from_):
        return from_
    raise ConfigurationError("from_ must be the id of a user, or an event", field="from_")


def _message(message: object) -> str | None:
    if isinstance(message, Message | MessageRef):
        return message.id
    if message is None or (isinstance(message, str) and message):
        return message
    raise ConfigurationError("message must be a Message, a MessageRef or an id", field="message")


def _of_where(exc: BaseException) -> Exception:
    """Return the error that ends a wait if its `where` raised.

    A future cannot hold a `StopIteration`, and a `CancelledError` would look like the cancellation
    of the task that waits.
    """
    if isinstance(exc, Exception) and not isinstance(exc, StopIteration):
        return exc
    error = RuntimeError(f"where raised {type(exc).__name__}")
    error.__cause__ = exc
    return error


@attrs.define(eq=False)
class Waiter:
    """One call of `wait_for`."""

    wanted: Wanted
    future: asyncio.Future[Any]
    turn: Turn | None
    """The turn of the handler that waits; None outside of a handler."""


@attrs.define(eq=False)
class Waiters:
    """All calls that wait, in the order in which they began.

    Args:
        settle: Called with a waiter, and its event or its error, when it has ended.

    """

    settle: Callable[[Waiter, Event | BaseException], None]
    _waiting: dict[Waiter, None] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiter: Waiter) -> None:
        """Add a waiter."""
        self._waiting[waiter] = None

    def remove(self, waiter: Waiter) -> bool:
        """Remove a waiter; say whether it still waited."""
        if waiter not in self._waiting:
            return False
        del self._waiting[waiter]
        return True

    def offer(self, event: Event) -> bool:
        """Give an event to the first waiter that it fits; say whether one took it."""
        for waiter in list(self._waiting) if self._waiting else ():
            if waiter.future.done():  # cancelled, and its task had no step since then
                continue
            try:
                fits = waiter.wanted.fits(event)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as exc:  # noqa: BLE001 - of `where`: it is told to who wrote it
                self.end(waiter, _of_where(exc))
                continue
            if fits:
                self.end(waiter, event)
                return True
        return False

    def end(self, waiter: Waiter, result: Event | BaseException) -> None:
        """End a wait with its event or its error, if it still waits."""
        if self.remove(waiter):
            self.settle(waiter, result)

    def close(self, make: Callable[[], BaseException]) -> None:
        """End all waits, each with an error of its own."""
        for waiter in list(self._waiting):
            self.end(waiter, make())

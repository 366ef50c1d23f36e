"""Sends one draft of a batch: through the circuit breaker, with the journal written before."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

import attrs

from twake_async.deliveries import error_for, stopped
from twake_async.errors import (
    ConfigurationError,
    JournalError,
    NotSentError,
    Outcome,
    SessionClosedError,
    TwakeError,
    WrongEventLoopError,
)

from .event_loop import is_torn_down
from .outcomes import delivered, failed, unfinished, was_cooling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._attempts.send import Listener
    from twake_async._protocol.generation import SaveRequest
    from twake_async.deliveries import Delivery
    from twake_async.messages import Message

    from .breaker import Breaker
    from .item import Item, Look
    from .records import Records
    from .worker import Worker

    Send = Callable[[SaveRequest, Listener], Awaitable[Message]]
    Halt = Callable[[TwakeError, BaseException | None], None]

__all__ = ["Sending"]

#: Errors that every further draft would meet as well: nothing more is read.
_GENERAL = (ConfigurationError, SessionClosedError, WrongEventLoopError)

_HELD = "an earlier message to the channel was not delivered for certain, so the channel is held"


@attrs.define(eq=False)
class Sending:
    """Gives each draft of a batch its `Delivery`.

    Args:
        send: Sends one request or raises a `TwakeError`, and tells the listener of each attempt.
        look: Returns the message of a request that an earlier run sent, if a read finds it.
        breaker: Says when a draft may be sent.
        records: What the journal keeps of each draft.
        settle: Asks a shared journal about a draft that is pending.
        halt: Ends the batch: takes the error of each draft that is not sent any more, and the
            error that the batch raises.
        finish: Takes each draft that has its outcome, and its delivery.

    """

    send: Send
    look: Look
    breaker: Breaker
    records: Records
    settle: Callable[[Item], Awaitable[None]]
    halt: Halt
    finish: Callable[[Item, Delivery], object]
    held: set[str | None] = attrs.field(factory=set, init=False)
    """Channels to which nothing more is sent."""
    error_of_rest: TwakeError | None = attrs.field(default=None, init=False)
    """The error of each draft that is not sent any more; None while drafts are sent."""
    is_closing: bool = attrs.field(default=False, init=False)

    async def deliver(self, item: Item, worker: Worker) -> Delivery:
        """Return the delivery of a draft: what is known of it, or the result of its send."""
        if item.pending is not None and not await self._settle(item, worker):
            return self.give_up(item)
        if (delivery := self._without_sending(item)) is not None:
            return delivery
        worker.begin(item)
        sharing = self.records.sharing
        try:
            if sharing is not None:
                await sharing.wait_for_earlier_intents(item.channel)
            while (permit := await self.breaker.acquire()) is not None:
                delivery = await self._try(item, worker, permit)
                if delivery.error is None or self.is_closing or not was_cooling(delivery):
                    return delivery
                self.records.finish(item, delivery)
        except asyncio.CancelledError:
            if not worker.was_woken():
                self.finish(item, unfinished(item))
                raise
        except BaseException as exc:
            if is_torn_down():
                raise
            self.halt(stopped(), exc)
        return self.give_up(item)

    def _without_sending(self, item: Item) -> Delivery | None:
        """Return the delivery of a draft that needs neither a send nor a look."""
        if item.known is not None and not item.may_be_there:
            return item.known
        if item.known is None and item.channel in self.held:
            return failed(item, NotSentError(_HELD, reason="held"))
        return None

    def give_up(self, item: Item) -> Delivery:
        """Return the delivery of a draft that is not sent any more."""
        if item.known is not None:
            return item.known
        if item.attempts.outcomes or self.error_of_rest is None:
            return unfinished(item)
        error = copy.copy(self.error_of_rest)
        error.front_id = item.front_id
        return failed(item, error)

    async def _settle(self, item: Item, worker: Worker) -> bool:
        """Ask a shared journal about a draft; say whether it answered."""
        worker.is_busy = True
        try:
            await self.settle(item)
        except JournalError as exc:
            self.halt(exc, exc)
            return False
        finally:
            worker.is_busy = False
        return True

    async def _try(self, item: Item, worker: Worker, permit: int) -> Delivery:
        """Put the intent on the disk, if there is a journal, and send the draft."""
        worker.is_busy = True
        try:
            if item.may_be_there and (found := await self._look(item, permit)) is not None:
                return found
            worker.begin_intent()
            error = None if item.entry is None else await self.records.begin(item, item.entry)
            if error is None and self.error_of_rest is None:
                return await self._send(item, worker, permit)
            self.breaker.release(permit)
            return self.give_up(item) if error is None else failed(item, error)
        finally:
            worker.is_busy = False

    async def _look(self, item: Item, permit: int) -> Delivery | None:
        """Return the delivery of a draft that an earlier run left unknown; None to send it again.

        The look comes before anything is sent or reported. If it finds the message, it decides.
        """
        assert item.request is not None  # noqa: S101 - it may be there
        message = await self.look(item.request, item.in_doubt)
        if message is not None:
            item.begun = True
            self.breaker.release(permit)
            return delivered(item, message)
        if item.known is not None:
            self.breaker.release(permit)
        return item.known

    async def _send(self, item: Item, worker: Worker, permit: int) -> Delivery:
        assert item.request is not None  # noqa: S101 - only a known item has none
        worker.is_sending = True
        item.attempts.begin()
        try:
            message = await self.send(item.request, worker)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            if is_torn_down():
                raise
            error = self._error_of(exc)
        else:
            self.breaker.record(permit, None)
            return delivered(item, message)
        finally:
            worker.is_sending = False
        try:
            self.breaker.record(permit, error)
            return failed(item, error)
        finally:
            # Its traceback holds this frame. If this frame held it, too, only the garbage collector
            # would free both.
            del error

    def _error_of(self, exc: BaseException) -> TwakeError:
        """Return the error for what a send raised; end the batch if all sends would raise it."""
        if isinstance(exc, TwakeError):
            if isinstance(exc, _GENERAL):
                self.halt(copy.copy(exc), exc)
            return exc
        error = error_for(Outcome.UNKNOWN, "unexpected", repr(exc))
        error.__cause__ = exc
        if not isinstance(exc, Exception):
            self.halt(stopped(), exc)
        return error

"""Lets the messages of a batch leave: at its rate, and only to a server that takes them."""

from __future__ import annotations

import asyncio
import copy
import math
from typing import TYPE_CHECKING, Protocol

import attrs

from .check import refusal
from .deliveries import error_for
from .errors import Outcome, TwakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .check import Check
    from .messages import MessageDraft

__all__ = ["Breaker", "Pace", "Server", "stopped"]


class Pace(Protocol):
    """What a batch asks of the session's loop of attempts."""

    def now(self) -> float:
        """Return the time in seconds, of a clock that only goes on."""
        ...

    def cooling(self) -> float:
        """Return for how many seconds the server wants to be left alone; 0 for not at all."""
        ...

    async def wait(self, seconds: float, /) -> None:
        """Wait so long, or until the session closes."""


class Server(Protocol):
    """What a batch asks about the server and the group that it sends to."""

    def proven(self) -> bool:
        """Say whether the session knows already that they take its messages."""
        ...

    def would_send(self, draft: MessageDraft) -> bool:
        """Say whether a send of the draft would make a request at all."""
        ...

    async def probe(self) -> Check:
        """Make the requests of a check."""
        ...


def stopped(cause: BaseException | None = None) -> TwakeError:
    """Return the error of a message that its batch does not send, since it has ended."""
    error = error_for(Outcome.NOT_SENT, "stopped", "the batch was ended before it")
    error.__cause__ = cause
    return error


@attrs.define(eq=False)
class Breaker:
    """Holds each message back until it may leave, or ends the batch.

    Args:
        server: Whom to ask whether messages would be taken.
        pace: The clock, and the pauses that the server asks for.
        rate: Messages a second at the most; None for no limit.
        halt: Ends the batch: takes the error of each message that is not sent any more, and the
            error that the batch raises.

    """

    server: Server
    pace: Pace
    rate: float | None
    halt: Callable[[TwakeError, TwakeError], None]
    _asked: bool = attrs.field(default=False, init=False)
    _asking: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _next_slot: float = attrs.field(default=-math.inf, init=False)

    async def enter(self, draft: MessageDraft) -> None:
        """Wait until the draft may leave, or until the batch has to end."""
        if self.rate is not None or self.pace.cooling() > 0:
            await self._wait_for_slot()
        if not self._asked:
            async with self._asking:
                await self._ask_once(draft)

    async def _ask_once(self, draft: MessageDraft) -> None:
        # What cannot leave anyway is no reason to ask a server.
        if self._asked or not self.server.would_send(draft):
            return
        try:
            wrong = None if self.server.proven() else refusal(await self.server.probe())
        except TwakeError as error:
            self.halt(copy.copy(error), error)
        else:
            if wrong is not None:
                self.halt(stopped(wrong), wrong)
        self._asked = True

    async def _wait_for_slot(self) -> None:
        """Wait until the server wants to be spoken to, and until the rate allows it."""
        while (pause := self.pace.cooling()) > 0:
            await self.pace.wait(pause)
        if self.rate is None:
            return
        now = self.pace.now()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.rate
        if slot > now:
            await self.pace.wait(slot - now)

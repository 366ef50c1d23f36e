"""Lets the messages of a batch leave: at its rate, and only to a server that takes them.

It asks the server before the first message, and whenever `Outage` says that it may be down.
"""

from __future__ import annotations

import asyncio
import copy
import math
from typing import TYPE_CHECKING, Protocol

import attrs

from twake_async.check import refusal
from twake_async.deliveries import Pause, stopped
from twake_async.errors import NotSentError, TwakeError

from .outage import PAUSES, Outage

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.check import Check
    from twake_async.messages import MessageDraft

__all__ = ["Breaker", "Pace", "Server"]

#: Seconds between the first two probes of a pause, doubled each time, and at the most.
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0


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

    async def probe(self, most: float) -> Check:
        """Make the requests of a check, in as many seconds at the most."""
        ...


@attrs.define(eq=False)
class Breaker:
    """Holds each message back until it may leave, or ends the batch.

    Args:
        server: Whom to ask whether messages would be taken.
        pace: The clock, and the pauses that the server asks for.
        outage: When to pause, and how to go on.
        rate: Messages a second at the most; None for no limit.
        timeout: Seconds of one pause after which the batch ends.
        halt: Ends the batch: takes the error of each message that is not sent any more, and the
            error that the batch raises.
        tell: Is told of each pause.

    """

    server: Server
    pace: Pace
    outage: Outage
    rate: float | None
    timeout: float
    halt: Callable[[TwakeError, TwakeError], None]
    tell: Callable[[Pause], None]
    _is_over: bool = attrs.field(default=False, init=False)
    _asked: bool = attrs.field(default=False, init=False)
    _asking: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _next_slot: float = attrs.field(default=-math.inf, init=False)

    async def enter(self, draft: MessageDraft) -> int | None:
        """Return a permit once the draft may leave, or None once the batch has to end."""
        if not self._asked:
            await self._ask_first(draft)
        while not self._is_over:
            step = self.outage.step()
            if step == "send":
                permit = self.outage.begin()
                if await self._has_its_turn(permit):
                    return permit
            elif step == "probe":
                await self._recover()
            elif step == "end":
                self._end_with_too_many_pauses()
            else:
                self._news.clear()
                await self._news.wait()
        return None

    def drop(self, permit: int) -> None:
        """Take back the permit of a message that was not sent."""
        self.outage.drop(permit)
        self._news.set()

    def ended(self, permit: int, error: TwakeError | None) -> None:
        """Note what became of a message; None is a delivery."""
        self.outage.ended(permit, error)
        self._news.set()

    def stop(self) -> None:
        """Let nothing more leave."""
        self._is_over = True
        self._news.set()

    async def _ask_first(self, draft: MessageDraft) -> None:
        """Before the first message, ask whether the settings are right, if nothing shows it yet."""
        async with self._asking:
            # What cannot leave anyway is no reason to ask a server.
            if self._asked or not self.server.would_send(draft):
                return
            if not self.server.proven():
                await self._ask(math.inf)
            self._asked = True

    async def _ask(self, most: float) -> bool:
        """Say whether the server itself answers and takes messages; end the batch if never."""
        try:
            found = await self.server.probe(most)
        except TwakeError as error:
            self.halt(copy.copy(error), error)
            return False
        if _may_be_down(found) and self.server.proven():
            return False
        if (wrong := refusal(found)) is not None:
            self.halt(stopped(wrong), wrong)
        return found.ok

    async def _has_its_turn(self, permit: int) -> bool:
        """Wait for the server's pause and for the rate, and say whether the permit still holds."""
        if self.rate is None and self.pace.cooling() <= 0:
            return True
        try:
            await self._wait_for_slot()
        except BaseException:
            self.drop(permit)
            raise
        if self.outage.holds(permit) and not self._is_over:
            return True
        self.drop(permit)
        return False

    async def _wait_for_slot(self) -> None:
        await self._let_cool()
        if self.rate is None:
            return
        now = self.pace.now()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.rate
        if slot > now:
            await self.pace.wait(slot - now)

    async def _let_cool(self) -> None:
        """Wait until the server wants to be spoken to."""
        while (pause := self.pace.cooling()) > 0:
            await self.pace.wait(pause)

    async def _recover(self) -> None:
        """Ask the server until it answers, or until the batch has to end."""
        self.outage.probing = True
        try:
            await self._probe_until_answered(self.pace.now())
        finally:
            self.outage.probing = False
            self._news.set()

    async def _probe_until_answered(self, began: float) -> None:
        wait, passed = FIRST_WAIT, 0.0
        while not self._is_over:
            self._tell(passed, is_over=False)
            await self._let_cool()
            passed = self.pace.now() - began
            if passed >= self.timeout:
                self._end_with(f"it did not answer for {self.timeout:g} s")
                return
            answered = await self._ask(self.timeout - passed)
            passed = self.pace.now() - began
            if answered:
                self._tell(passed, is_over=True)
            self.outage.probed(answered=answered)
            if self.outage.step() != "wait" or self.outage.pauses >= PAUSES:
                return
            await self.pace.wait(max(0.0, min(wait, self.timeout - passed)))
            passed = self.pace.now() - began
            wait = min(2 * wait, LONGEST_WAIT)

    def _tell(self, seconds: float, *, is_over: bool) -> None:
        if self.outage.state == "pause":
            self.tell(Pause(self.outage.reason, seconds, is_over))

    def _end_with_too_many_pauses(self) -> None:
        self.tell(Pause(self.outage.reason, 0.0, is_over=False))
        self._end_with(f"{PAUSES} pauses brought no message through")

    def _end_with(self, why: str) -> None:
        wrong = NotSentError(
            f"the server takes no messages now: {why}, and the last one that got no answer of its "
            f"own ended with {self.outage.reason!r}",
            reason="outage",
        )
        self.halt(copy.copy(wrong), wrong)


def _may_be_down(found: Check) -> bool:
    """Say whether the answer is that of a 2023 server for an unknown group: an empty 500."""
    return found.problem == "group" and found.release == "2023"

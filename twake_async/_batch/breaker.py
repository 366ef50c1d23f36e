"""The circuit breaker of a batch: messages are sent at its rate, and only to a server that works.

It probes the server before the first message, and whenever `Outage` says that it may be down.
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
    from collections.abc import Awaitable, Callable

    from twake_async.check import Check

__all__ = ["Breaker", "Pace", "Server"]

#: Seconds between the first two probes of a pause. They double each time, up to the second number.
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0


class Pace(Protocol):
    """The clock of a session, and the pause that its server asks for."""

    def now(self) -> float:
        """Return the time in seconds, by a monotonic clock."""
        ...

    def cooling(self) -> float:
        """Return how many seconds of the server's pause are left; 0 for none."""
        ...

    def cool(self, seconds: float, /) -> None:
        """Note a pause that the server asked of another machine."""

    async def wait(self, seconds: float, /) -> None:
        """Wait for a number of seconds, or until the session closes."""


class Server(Protocol):
    """What a batch asks about the server and the group that it sends to."""

    def proven(self) -> bool:
        """Say whether the session knows already that the server takes messages of the group."""
        ...

    async def probe(self, seconds: float) -> Check:
        """Make the requests of a check.

        Args:
            seconds: The most that it may take.

        """
        ...


@attrs.define(eq=False)
class Breaker:
    """Makes each message wait until it may be sent, or ends the batch.

    Args:
        server: The server to probe.
        pace: The clock, and the pauses that the server asks for.
        outage: The states of the circuit breaker.
        rate: The most messages a second; None for no limit.
        timeout: Seconds of one pause after which the batch ends.
        halt: Ends the batch. It takes the error of each draft that is not sent any more, and the
            error that the batch raises.
        on_pause: Called with each pause.
        next_slot: Returns the time of the next message, if other machines share the rate.

    """

    server: Server
    pace: Pace
    outage: Outage
    rate: float | None
    timeout: float
    halt: Callable[[TwakeError, TwakeError], None]
    on_pause: Callable[[Pause], None]
    next_slot: Callable[[], Awaitable[float]] | None = None
    _is_stopped: bool = attrs.field(default=False, init=False)
    _is_checked: bool = attrs.field(default=False, init=False)
    _checking: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _next_slot: float = attrs.field(default=-math.inf, init=False)

    async def acquire(self) -> int | None:
        """Wait until a message may be sent.

        Returns:
            A permit, for `record` or `release`; None if the batch has to end.

        """
        if not self._is_checked:
            await self._check_first()
        while not self._is_stopped:
            step = self.outage.step()
            if step == "send":
                permit = self.outage.acquire()
                if await self._wait_for_turn(permit):
                    return permit
            elif step == "probe":
                await self._recover()
            elif step == "end":
                self._end_after_pauses()
            else:
                self._news.clear()
                await self._news.wait()
        return None

    def release(self, permit: int) -> None:
        """Take back the permit of a message that was not sent."""
        self.outage.release(permit)
        self._news.set()

    def record(self, permit: int, error: TwakeError | None) -> None:
        """Take back a permit, and note the outcome of its message.

        Args:
            permit: The permit.
            error: The error of the message; None for a delivery.

        """
        self.outage.record(permit, error)
        self._news.set()

    def stop(self) -> None:
        """Give no more permits."""
        self._is_stopped = True
        self._news.set()

    async def _check_first(self) -> None:
        """Check the settings before the first message, if nothing has proven them yet."""
        async with self._checking:
            if self._is_checked:
                return
            if not self.server.proven():
                await self._probe(math.inf)
            self._is_checked = True

    async def _probe(self, seconds: float) -> bool:
        """Say whether the server itself answers and takes messages; end the batch if it never will.

        Args:
            seconds: The most that the probe may take.

        """
        try:
            found = await self.server.probe(seconds)
        except TwakeError as exc:
            self.halt(copy.copy(exc), exc)
            return False
        if _may_be_down(found) and self.server.proven():
            return False
        if (error := refusal(found)) is not None:
            self.halt(stopped(error), error)
        return found.ok

    async def _wait_for_turn(self, permit: int) -> bool:
        """Wait for the server's pause and for the rate; say whether the permit is still valid."""
        if self.rate is None and self.pace.cooling() <= 0:
            return True
        try:
            await self._wait_for_slot()
        except BaseException:
            self.release(permit)
            raise
        if self.outage.is_valid(permit) and not self._is_stopped:
            return True
        self.release(permit)
        return False

    async def _wait_for_slot(self) -> None:
        await self._cool()
        if self.rate is None:
            return
        if self.next_slot is not None:
            slot, now = await self.next_slot(), self.pace.now()
        else:
            now = self.pace.now()
            slot = max(now, self._next_slot)
            self._next_slot = slot + 1 / self.rate
        if slot > now:
            await self.pace.wait(slot - now)

    async def _cool(self) -> None:
        """Wait for the end of the pause that the server asked for."""
        while (seconds := self.pace.cooling()) > 0:
            await self.pace.wait(seconds)

    async def _recover(self) -> None:
        """Probe the server until it answers, or until the batch has to end."""
        self.outage.is_probing = True
        try:
            await self._probe_until_answered(self.pace.now())
        finally:
            self.outage.is_probing = False
            self._news.set()

    async def _probe_until_answered(self, began: float) -> None:
        wait, passed = FIRST_WAIT, 0.0
        while not self._is_stopped:
            self._report(passed, is_over=False)
            await self._cool()
            passed = self.pace.now() - began
            if passed >= self.timeout:
                self._end(f"it did not answer for {self.timeout:g} s")
                return
            answered = await self._probe(self.timeout - passed)
            passed = self.pace.now() - began
            if answered:
                self._report(passed, is_over=True)
            self.outage.record_probe(answered=answered)
            if self.outage.step() != "wait" or self.outage.pauses >= PAUSES:
                return
            await self.pace.wait(max(0.0, min(wait, self.timeout - passed)))
            passed = self.pace.now() - began
            wait = min(2 * wait, LONGEST_WAIT)

    def _report(self, seconds: float, *, is_over: bool) -> None:
        if self.outage.state == "paused":
            self.on_pause(Pause(self.outage.reason, seconds, is_over))

    def _end_after_pauses(self) -> None:
        self.on_pause(Pause(self.outage.reason, 0.0, is_over=False))
        self._end(f"no message was delivered between {PAUSES} pauses")

    def _end(self, why: str) -> None:
        error = NotSentError(
            f"the server accepts no messages now: {why}; the last message without an answer from "
            f"the server itself ended with {self.outage.reason!r}",
            reason="outage",
        )
        self.halt(copy.copy(error), error)


def _may_be_down(found: Check) -> bool:
    """Say whether the answer is that of a server of 2021 for an unknown group: an empty 500."""
    return found.problem == "group" and found.release == "2021"

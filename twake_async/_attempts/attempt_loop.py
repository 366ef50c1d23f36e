"""The one loop of attempts of a request: attempt, judge, combine, wait."""

from __future__ import annotations

import asyncio
import math
from logging import DEBUG
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from twake_async._log import log, tell, warn_of_unknown
from twake_async._protocol.exchange import CLOSED, Failure
from twake_async._transport.interface import Transport  # noqa: TC001
from twake_async._waiting import Pauses
from twake_async.errors import NotSentError, Outcome, RateLimitedError, TwakeError
from twake_async.retry import Attempt, RetryPolicy, next_wait
from twake_async.stats import Counters

from .send import Clock, Found, Send, end_of, late
from .shared_tasks import SharedTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from twake_async._protocol.exchange import Request
    from twake_async._waiting import Turn
    from twake_async.retry import Tokens

    from .send import Listener

__all__ = ["Attempts"]

T = TypeVar("T")
C = TypeVar("C")
R = TypeVar("R")

#: Seconds. A longer `Retry-After` counts as this, so that no answer stops a session forever.
LONGEST_COOLDOWN = 3600.0

_ONCE = RetryPolicy.never()


@attrs.define(eq=False)
class Attempts(Generic[C]):
    """Makes the attempts of every send of a session, which share a budget and a cooldown."""

    transport: Transport[C]
    tokens: Tokens
    on_attempt: Callable[[Attempt], object] | None = None
    clock: Clock = attrs.field(factory=Clock)
    counters: Counters = attrs.field(factory=Counters)
    tasks: SharedTasks = attrs.field(factory=SharedTasks, init=False)
    _cool_until: float = attrs.field(default=float("-inf"), init=False)
    _pauses: Pauses = attrs.field(factory=Pauses, init=False)

    async def run(
        self,
        request: Request[T],
        policy: RetryPolicy,
        seconds: float,
        listener: Listener | None = None,
        *,
        longest_pause: float = math.inf,
    ) -> T:
        """Return what was delivered, or raise the error that says why nothing was.

        Thousands of sends may wait here for a connection. So nothing that may wait long is a
        coroutine of its own: each costs memory.

        Args:
            request: The request.
            policy: When to try again.
            seconds: The deadline, with all waits and attempts.
            listener: Is told of each attempt of this send, before the observer.
            longest_pause: Seconds: a longer pause that the server asks for ends the send.

        """
        send = Send(request, policy, self.clock, self.clock.now(), seconds, listener)
        send.longest_pause = longest_pause
        if (steps := request.steps) is not None:
            send.use_steps(steps)
        pool, once = self.transport.pool, policy.unsent_attempts is not None
        acquired: C | Failure | TwakeError | None = None
        result: T | TwakeError | None = None
        try:
            while (error := await self._get_ready(send)) is None:
                send.number += 1
                ready = steps is None or steps.is_ready
                acquired = None if ready else await self._prepare(send)
                acquired = acquired or pool.acquire_nowait(request.target)
                if acquired is None:
                    acquired = await pool.acquire(request.target, send.left(), once=once)
                if send.number > 1 and (found := self._drop_retry(send, acquired)) is not None:
                    return found.result
                result = await self._attempt(send, acquired)
                if not isinstance(result, TwakeError):
                    return self._delivered(send, result)
                wait = self._wait_after(send, result)
                if steps is not None:
                    step = await self._take_step(send, result, wait)
                    if isinstance(step, Found):
                        return step.result
                    wait = step
                if wait is None:
                    error = send.end_with(result)
                    break
                await self.clock.pause(wait, self._pauses)
        except asyncio.CancelledError:
            self._cancelled(send)
            raise
        try:
            return self._end(send, error)
        finally:  # or the error and this frame would hold each other until the collector runs
            del acquired, error, result, send

    def _end(self, send: Send[T], error: TwakeError) -> T:
        """Return what an event has shown so far, or raise the error that a send ends with."""
        try:
            if (found := send.observed()) is not None:
                return self._found(send, found).result
            self.note_failure(send.request, error)
            raise error
        finally:  # as in `run`
            del error, send

    def _cancelled(self, send: Send[T]) -> None:
        """Note the attempt that is running, if one is, and how the send ends."""
        outcome = send.end_if_cancelled()
        if send.number != send.noted:
            self._observe(send, *send.if_cancelled(), None, None)
        if outcome is Outcome.DELIVERED:
            self.count_delivered()
            return
        self.counters.count_ended(outcome, "cancelled")
        if outcome is Outcome.UNKNOWN:
            attempt = send.attempt(outcome, "cancelled", None, None)
            warn_of_unknown(attempt, "it was cancelled, and may or may not have arrived")

    def note_failure(self, request: Request[Any], error: TwakeError) -> None:
        """Count a send that ends with an error; log it where its outcome is unknown."""
        self.counters.count_failed(error)
        if error.outcome is Outcome.UNKNOWN:
            warn_of_unknown(end_of(request, error), str(error))

    def count_delivered(self) -> None:
        """Count a send that was delivered."""
        counters = self.counters
        counters.delivered += 1
        counters.last_success = self.clock.wall()

    async def ask(self, request: Request[T], seconds: float) -> T | TwakeError:
        """Make one attempt without preparation, tell no observer, and return what it proves.

        Args:
            request: The request.
            seconds: How long it may take.

        """
        send = Send(request, _ONCE, self.clock, self.clock.now(), seconds)
        pool = self.transport.pool
        acquired: C | Failure | None = pool.acquire_nowait(request.target)
        if acquired is None:
            acquired = await pool.acquire(request.target, seconds, once=True)
        return await self._attempt(send, acquired)

    async def converse(self, steps: Generator[Request[T], T | TwakeError, R], seconds: float) -> R:
        """Make the requests that a generator yields, send it each result, and return its result.

        Args:
            steps: Yields the requests.
            seconds: How long all of them may take.

        """
        ends = self.clock.now() + seconds
        request = next(steps)
        while True:
            result = await self.ask(request, ends - self.clock.now())
            try:
                request = steps.send(result)
            except StopIteration as end:
                found: R = end.value
                return found

    async def aclose(self) -> None:
        """Close the connections; sends that wait between attempts end at once."""
        self._pauses.end()
        await self.transport.aclose()
        await self.tasks.aclose()

    def cooling(self) -> float:
        """Return the seconds that are left of the pause that the server asked of all sends."""
        left = self._cool_until - self.clock.now()
        return left if left > 0 and not self._pauses.over else 0.0

    def now(self) -> float:
        """Return the time in seconds, of a clock that is never set back."""
        return self.clock.now()

    def begin_wait(self, seconds: float, /) -> Turn[None] | None:
        """Return a wait that may be ended, to be awaited; None where the session is closed."""
        return self._pauses.begin(seconds)

    def cool(self, seconds: float, /) -> None:
        """Note that the server asked all sends for a pause, as another process reported."""
        self._cool_until = max(self._cool_until, self.clock.now() + seconds)

    async def wait(self, seconds: float, /) -> None:
        """Wait, but no longer than until the session closes."""
        await self.clock.pause(seconds, self._pauses)

    async def _get_ready(self, send: Send[T]) -> TwakeError | None:
        """Wait until an attempt may be made, or return the error that the send ends with."""
        error = None if send.left() > 0 else send.overdue()
        while error is None and (pause := self._cool_until - self.clock.now()) > 0:
            if self._pauses.over:
                break
            too_long = pause > send.longest_pause
            # All sends wait for the same moment: the jitter keeps them from leaving at once.
            pause += self.clock.draw() * send.policy.initial_wait
            if too_long or pause >= send.left():
                why = "is longer than the idle time" if too_long else "ends after the deadline"
                error = NotSentError(f"the server asked for a pause that {why}", reason="cooldown")
            else:
                await self.clock.pause(pause, self._pauses)
        if error is None and (send.number or send.expired):
            error = await send.before_another()
        return None if error is None else send.end_with(error)

    async def _attempt(self, send: Send[T], acquired: C | Failure | TwakeError) -> T | TwakeError:
        """Make an attempt over a connection, or return what the lack of one proves."""
        if isinstance(acquired, TwakeError):
            return acquired
        if isinstance(acquired, Failure):
            return send.judge(acquired, None).result
        if (left := send.left()) <= 0:
            # With no time left, a library proves nothing, or it writes the request before it looks.
            self.transport.pool.release(acquired, reusable=False)
            return late()
        trace = send.follow(self.transport.start_trace())
        result = await self.transport.attempt(acquired, send.request, trace, left, send.judge)
        send.unfollow(trace)
        return result

    async def _prepare(self, send: Send[T]) -> Failure | TwakeError | None:
        """Do what must happen before an attempt, or return why it does not begin."""
        return CLOSED if self._pauses.over else await send.prepare()

    async def _take_step(
        self, send: Send[T], result: TwakeError, wait: float | None
    ) -> Found[T] | float | None:
        """Take the step that follows an attempt, which is noted already.

        Returns:
            What was found; else the seconds to the next attempt, None for no other.

        """
        if send.can_recover(result):
            wait = wait if await send.recover(result) else None
        elif (found := await send.find(result)) is not None:
            return self._found(send, found, goes_on=wait is not None)
        # A step takes time, too.
        return wait if wait is not None and (wait < send.left() or send.expired) else None

    def _drop_retry(self, send: Send[T], acquired: C | Failure | TwakeError) -> Found[T] | None:
        """Return what an event showed just before another attempt leaves, and drop that attempt."""
        if send.steps is None or isinstance(acquired, Failure | TwakeError):
            return None
        send.number -= 1
        found = send.observed()
        if found is None:
            send.number += 1
            return None
        self.transport.pool.release(acquired, reusable=False)
        if send.listener is not None:
            send.listener.retry_dropped()
        return self._found(send, found)

    def _found(self, send: Send[T], found: Found[T], *, goes_on: bool = True) -> Found[T]:
        """Note what was found to be delivered.

        Args:
            send: The send.
            found: What was found.
            goes_on: Whether another attempt was to follow.

        """
        self.tokens.give_back()
        if goes_on and send.last is not None and send.last.outcome is not Outcome.NOT_SENT:
            self.tokens.put_back()  # for the attempt that does not follow
        if self.on_attempt is not None or log.isEnabledFor(DEBUG):
            attempt = send.attempt(Outcome.DELIVERED, "found", None, found.result)
            tell(attempt, self.on_attempt)
        return found

    def _delivered(self, send: Send[T], result: T) -> T:
        self.tokens.give_back()
        self._observe(send, Outcome.DELIVERED, "", None, result)
        return result

    def _wait_after(self, send: Send[T], result: TwakeError) -> float | None:
        """Return the seconds until the next attempt, or None where this one was the last."""
        if send.expired:  # no attempt was made, and another one takes its place at once
            send.number -= 1
            return 0.0
        wait = self._next_wait(send, result)
        self._observe(send, result.outcome, result.reason, wait, result)
        send.note(result)
        return wait

    def _next_wait(self, send: Send[T], result: TwakeError) -> float | None:
        if send.can_recover(result):
            return 0.0
        now = self.clock.now()
        if isinstance(result, RateLimitedError) and result.retry_after is not None:
            until = now + min(result.retry_after, LONGEST_COOLDOWN)
            self._cool_until = max(self._cool_until, until)
        unsent = result.outcome is Outcome.NOT_SENT
        send.unsent += unsent
        if (asked := max(0.0, self._cool_until - now)) > send.longest_pause:
            return None
        wait = next_wait(
            send.policy,
            result.outcome,
            result.reason,
            number=send.number - len(send.recovered),
            unsent=send.unsent,
            repeatable=send.request.repeatable,
            time_left=send.left(),
            retry_after=asked,
            draw=self.clock.draw(),
        )
        # An attempt that never left costs the server nothing, so it takes no token.
        return wait if wait is not None and (unsent or self.tokens.take()) else None

    def _observe(
        self,
        send: Send[T],
        outcome: Outcome,
        reason: str,
        wait: float | None,
        result: T | TwakeError | None,
    ) -> None:
        """Tell the listener, the observer and the log what is certain after an attempt."""
        send.noted = send.number
        self.counters.attempts += 1
        if send.listener is not None:
            send.listener.attempt_ended(outcome, reason, last=wait is None)
        if self.on_attempt is not None or log.isEnabledFor(DEBUG):
            tell(send.attempt(outcome, reason, wait, result), self.on_attempt)

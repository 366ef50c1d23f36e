"""The one loop of attempts of a request: attempt, judge, combine, wait."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from ._protocol.exchange import C, Context, Failure, S, Verdict
from ._waiting import Pauses
from .errors import NotSentError, Outcome, OutcomeUnknownError, RateLimitedError, TwakeError
from .retry import Attempt, RetryPolicy, combine, next_wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from ._protocol.exchange import Answer, Request, Transport
    from .retry import Tokens

__all__ = ["Attempts", "Clock", "Listener"]

T = TypeVar("T")
R = TypeVar("R")

#: Seconds: a `Retry-After` beyond it counts as it, so that no answer stops a session for good.
LONGEST_COOLDOWN = 3600.0
_ONCE = RetryPolicy.never()


class Listener(Protocol):
    """Hears of each attempt of one send: a batch listens for its journal."""

    def attempt_ended(self, outcome: Outcome, reason: str, *, last: bool) -> None:
        """Note the outcome of an attempt, and whether it was the last one."""

    async def before_retry(self) -> TwakeError | None:
        """Prepare for another attempt; return an error to forbid it."""
        ...


log = logging.getLogger("twake_async")
log.addHandler(logging.NullHandler())


def _pause(seconds: float, pauses: Pauses) -> Awaitable[None]:
    return pauses.wait(seconds)


@attrs.frozen
class Clock:
    """Time, chance and waiting; tests put fake ones in their place."""

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float, Pauses], Awaitable[None]] = _pause
    draw: Callable[[], float] = random.random
    wall: Callable[[], float] = time.time


@attrs.define(eq=False)
class _Send(Generic[T]):
    """One send under way."""

    request: Request[T]
    policy: RetryPolicy
    clock: Clock
    began: float
    seconds: float
    listener: Listener | None = None
    number: int = 0
    unsent: int = 0
    last: TwakeError | None = None
    doubt: OutcomeUnknownError | None = None

    def left(self) -> float:
        """Return the seconds until its deadline."""
        return self.seconds - (self.clock.now() - self.began)

    def judge(self, answer: Answer | Failure, seen: str | None, /) -> Verdict[T]:
        """Return what an answer to it proves; `seen` is what the connection's last answer named."""
        context = Context(
            self.clock.wall(), self.policy.retry_later_statuses, seen, self.doubt is not None
        )
        result = self.request.judge(answer, context)
        if isinstance(result, TwakeError):
            return Verdict(result)
        return Verdict(result, self.request.named_by(result))


@attrs.define(eq=False)
class Attempts(Generic[C, S]):
    """Makes the attempts of every send of a session, which share a budget and a cooldown."""

    transport: Transport[C, S]
    tokens: Tokens
    on_attempt: Callable[[Attempt], object] | None = None
    clock: Clock = attrs.field(factory=Clock)
    _cool_until: float = attrs.field(default=float("-inf"), init=False)
    _pauses: Pauses = attrs.field(factory=Pauses, init=False)

    async def run(
        self,
        request: Request[T],
        policy: RetryPolicy,
        seconds: float,
        listener: Listener | None = None,
    ) -> T:
        """Return what was delivered, or raise the error that says why nothing was.

        Args:
            request: The request.
            policy: When to try again.
            seconds: The deadline, waits and all attempts included.
            listener: Hears of each attempt of this send, before the observer does.

        """
        send = _Send(request, policy, self.clock, self.clock.now(), seconds, listener)
        pool, once = self.transport.pool, policy.unsent_attempts is not None
        result: T | TwakeError | None = None
        while (error := await self._get_ready(send)) is None:
            send.number += 1
            try:
                # Thousands may wait here, and each further coroutine costs memory.
                connection = pool.acquire_nowait(request.target) or await pool.acquire(
                    request.target, send.left(), once=once
                )
            except asyncio.CancelledError:
                self._observe(send, Outcome.NOT_SENT, "cancelled", None)
                raise
            result = await self._attempt(send, connection)
            if not isinstance(result, TwakeError):
                return self._delivered(send, result)
            wait = self._wait_after(send, result)
            if wait is None:
                error = self._final(send, result)
                break
            await self.clock.pause(wait, self._pauses)
        try:
            raise error
        finally:
            # The error holds this frame. Were it held here, too, only the garbage collector would
            # free both, which takes seconds where thousands of sends fail.
            del error, result, send

    async def ask(self, request: Request[T], seconds: float) -> T | TwakeError:
        """Make one attempt that no observer hears of, and return what it proves.

        Args:
            request: The request.
            seconds: How long it may take.

        """
        send = _Send(request, _ONCE, self.clock, self.clock.now(), seconds)
        pool = self.transport.pool
        connection = pool.acquire_nowait(request.target)
        acquired = connection or await pool.acquire(request.target, seconds, once=True)
        if isinstance(acquired, Failure):
            return send.judge(acquired, None).result
        trace = self.transport.start_trace()
        left = max(0.0, send.left())
        return await self.transport.attempt(acquired, request, trace, left, send.judge)

    async def converse(self, steps: Generator[Request[T], T | TwakeError, R], seconds: float) -> R:
        """Make the requests that a generator yields, send it what each proved, return what it does.

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

    def cooling(self) -> float:
        """Return the seconds for which the server still wants to be left alone by all sends."""
        left = self._cool_until - self.clock.now()
        return left if left > 0 and not self._pauses.over else 0.0

    def now(self) -> float:
        """Return the time in seconds, of a clock that is never set back."""
        return self.clock.now()

    async def wait(self, seconds: float, /) -> None:
        """Wait, but no longer than until the session closes."""
        await self.clock.pause(seconds, self._pauses)

    async def _get_ready(self, send: _Send[T]) -> TwakeError | None:
        """Wait until an attempt may be made, or return why none may."""
        error = None if send.left() > 0 else self._overdue(send)
        while error is None and (pause := self._cool_until - self.clock.now()) > 0:
            if self._pauses.over:
                break
            # Everyone waits for the same moment: the jitter keeps them from leaving as one.
            pause += self.clock.draw() * send.policy.initial_wait
            if pause >= send.left():
                error = NotSentError(
                    "the server asked for a pause that ends after the deadline", reason="cooldown"
                )
            else:
                await self.clock.pause(pause, self._pauses)
        if error is None and send.request.prepare is not None:
            error = await send.request.prepare(send.left()) or self._overdue(send)
        if error is None and send.number and send.listener is not None:
            error = await send.listener.before_retry()
        return None if error is None else self._final(send, error)

    def _overdue(self, send: _Send[T]) -> TwakeError | None:
        """Return the error of a send whose deadline is over, or None."""
        if send.left() > 0:
            return None
        # The outcome of an attempt that was made tells more than that time is over.
        return send.last or NotSentError("the deadline was already over", reason="deadline")

    async def _attempt(self, send: _Send[T], connection: C | Failure) -> T | TwakeError:
        if isinstance(connection, Failure):
            return send.judge(connection, None).result
        trace = self.transport.start_trace()
        try:
            return await self.transport.attempt(
                connection, send.request, trace, send.left(), send.judge
            )
        except asyncio.CancelledError:
            outcome = Outcome.NOT_SENT if trace.proof() else Outcome.UNKNOWN
            self._observe(send, outcome, "cancelled", None)
            raise

    def _delivered(self, send: _Send[T], result: T) -> T:
        self.tokens.give_back()
        self._observe(send, Outcome.DELIVERED, "", None)
        return result

    def _wait_after(self, send: _Send[T], result: TwakeError) -> float | None:
        """Return the seconds until the next attempt, or None where this one was the last."""
        send.last = result
        wait = self._next_wait(send, result)
        self._observe(send, result.outcome, result.reason, wait)
        if isinstance(result, OutcomeUnknownError):
            send.doubt = result
        return wait

    def _next_wait(self, send: _Send[T], result: TwakeError) -> float | None:
        now = self.clock.now()
        if isinstance(result, RateLimitedError) and result.retry_after is not None:
            until = now + min(result.retry_after, LONGEST_COOLDOWN)
            self._cool_until = max(self._cool_until, until)
        unsent = result.outcome is Outcome.NOT_SENT
        send.unsent += unsent
        wait = next_wait(
            send.policy,
            result.outcome,
            result.reason,
            number=send.number,
            unsent=send.unsent,
            repeatable=send.request.repeatable,
            time_left=send.left(),
            retry_after=max(0.0, self._cool_until - now),
            draw=self.clock.draw(),
        )
        # What never left costs the server nothing: it may be tried as long as there is time.
        return wait if wait is not None and (unsent or self.tokens.take()) else None

    def _final(self, send: _Send[T], last: TwakeError) -> TwakeError:
        self._tell(send, last)
        doubt = send.doubt
        if doubt is None or combine((doubt.outcome, last.outcome)) is last.outcome:
            return last
        # A later attempt proves nothing about one whose outcome is unknown.
        self._tell(send, doubt)
        doubt.__cause__ = last
        return doubt

    def _tell(self, send: _Send[T], error: TwakeError) -> None:
        error.front_id = send.request.front_id
        error.attempts = send.number
        error.elapsed = self.clock.now() - send.began

    def _observe(self, send: _Send[T], outcome: Outcome, reason: str, wait: float | None) -> None:
        if send.listener is not None:
            send.listener.attempt_ended(outcome, reason, last=wait is None)
        if self.on_attempt is None and not log.isEnabledFor(logging.DEBUG):
            return
        elapsed = self.clock.now() - send.began
        attempt = Attempt(send.number, outcome, reason, wait, elapsed, send.request.front_id)
        log.debug("%s: %s", send.request.operation, attempt)
        if self.on_attempt is None:
            return
        try:
            self.on_attempt(attempt)
        except Exception:
            # An observer that fails must not change what became of the message.
            log.exception("on_attempt raised")

"""The one loop of attempts around the walk of a request: attempt, judge, fold, wait."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from ._protocol.exchange import Answer, Failure, Verdict
from ._protocol.v1.judge import Rules, judge, judge_failure, named_by
from ._waiting import Pauses
from .errors import NotSentError, Outcome, OutcomeUnknownError, RateLimitedError, TwakeError
from .retry import Attempt, fold, next_wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._protocol.exchange import Transport
    from ._protocol.v1.requests import Prepared
    from .messages import Message
    from .retry import RetryPolicy, Tokens

__all__ = ["Attempts", "Clock", "Listener"]

#: Seconds: a `Retry-After` beyond it counts as it, so that one absurd answer stops nobody for good.
LONGEST_COOLDOWN = 3600.0


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
class _Send:
    """One send under way."""

    prepared: Prepared
    policy: RetryPolicy
    began: float
    seconds: float
    listener: Listener | None = None
    number: int = 0
    unsent: int = 0
    last: TwakeError | None = None
    doubt: OutcomeUnknownError | None = None


@attrs.define(eq=False)
class Attempts:
    """Makes the attempts of every send of a session, which share a budget and a cooldown."""

    transport: Transport
    tokens: Tokens
    on_attempt: Callable[[Attempt], object] | None = None
    clock: Clock = attrs.field(factory=Clock)
    rules: Rules = attrs.field(factory=Rules)
    _cool_until: float = attrs.field(default=float("-inf"), init=False)
    _pauses: Pauses = attrs.field(factory=Pauses, init=False)

    async def run(
        self,
        prepared: Prepared,
        policy: RetryPolicy,
        seconds: float,
        listener: Listener | None = None,
    ) -> Message | None:
        """Return what was delivered (None for a remove), or raise the error that tells the rest.

        Args:
            prepared: The request.
            policy: When to try again.
            seconds: The deadline, waits and all attempts included.
            listener: Hears of each attempt of this send, before the observer does.

        """
        send = _Send(prepared, policy, self.clock.now(), seconds, listener)
        pool, once = self.transport.pool, policy.unsent_attempts is not None
        result: Any = None
        while (error := await self._get_ready(send)) is None:
            send.number += 1
            try:
                # Thousands may wait here, and each further coroutine costs memory.
                connection = pool.acquire_nowait(prepared.target) or await pool.acquire(
                    prepared.target, self._left(send), once=once
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

    async def aclose(self) -> None:
        """Close the connections; sends that wait between attempts end at once."""
        self._pauses.end()
        await self.transport.aclose()

    def cooling(self) -> float:
        """Return the seconds for which the server still wants to be left alone by all sends."""
        left = self._cool_until - self.clock.now()
        return left if left > 0 and not self._pauses.over else 0.0

    def now(self) -> float:
        """Return the time in seconds, of a clock that only goes on."""
        return self.clock.now()

    async def wait(self, seconds: float, /) -> None:
        """Wait, but no longer than until the session closes."""
        await self.clock.pause(seconds, self._pauses)

    def _left(self, send: _Send) -> float:
        return send.seconds - (self.clock.now() - send.began)

    async def _get_ready(self, send: _Send) -> TwakeError | None:
        """Wait until an attempt may be made, or return why none may."""
        if self._left(send) <= 0:
            # Where an attempt was made, what became of it tells more than that time is over.
            over = NotSentError("the deadline was already over", reason="deadline")
            return self._final(send, send.last or over)
        while not self._pauses.over and (pause := self._cool_until - self.clock.now()) > 0:
            # Everyone waits for the same moment: the jitter keeps them from leaving as one.
            pause += self.clock.draw() * send.policy.initial_wait
            if pause >= self._left(send):
                wrong = NotSentError(
                    "the server asked for a pause that ends after the deadline", reason="cooldown"
                )
                return self._final(send, wrong)
            await self.clock.pause(pause, self._pauses)
        if send.listener is None or not send.number:
            return None
        forbids = await send.listener.before_retry()
        return None if forbids is None else self._final(send, forbids)

    async def _attempt(self, send: _Send, connection: Any) -> Message | TwakeError | None:
        if isinstance(connection, Failure):
            return judge_failure(connection, self.rules)
        trace = self.transport.start_trace()
        judged = functools.partial(self._judge, send)
        try:
            result: Message | TwakeError | None = await self.transport.attempt(
                connection, send.prepared, trace, self._left(send), judged
            )
        except asyncio.CancelledError:
            outcome = Outcome.NOT_SENT if trace.proof() else Outcome.UNKNOWN
            self._observe(send, outcome, "cancelled", None)
            raise
        return result

    def _judge(self, send: _Send, fact: Answer | Failure, seen: str | None, /) -> Verdict:
        if not isinstance(fact, Answer):
            return Verdict(judge_failure(fact, self.rules))
        result = judge(
            send.prepared,
            fact,
            rules=self.rules,
            retry_later=send.policy.retry_later_statuses,
            now=self.clock.wall(),
            seen=seen,
        )
        return Verdict(result, named_by(send.prepared, result))

    def _delivered(self, send: _Send, message: Message | None) -> Message | None:
        self.tokens.give_back()
        self._observe(send, Outcome.DELIVERED, "", None)
        if message is not None and send.doubt is not None and not send.prepared.repeatable:
            return attrs.evolve(message, maybe_duplicated=True)
        return message

    def _wait_after(self, send: _Send, result: TwakeError) -> float | None:
        """Return the seconds until the next attempt, or None where this one was the last."""
        send.last = result
        wait = self._next_wait(send, result)
        self._observe(send, result.outcome, result.reason, wait)
        if isinstance(result, OutcomeUnknownError):
            send.doubt = result
        return wait

    def _next_wait(self, send: _Send, result: TwakeError) -> float | None:
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
            repeatable=send.prepared.repeatable,
            time_left=self._left(send),
            retry_after=max(0.0, self._cool_until - now),
            draw=self.clock.draw(),
        )
        # What never left costs the server nothing: it may be tried as long as there is time.
        return wait if wait is not None and (unsent or self.tokens.take()) else None

    def _final(self, send: _Send, last: TwakeError) -> TwakeError:
        self._tell(send, last)
        doubt = send.doubt
        if doubt is None or fold((doubt.outcome, last.outcome)) is last.outcome:
            return last
        # What came after an attempt of unknown fate proves nothing about that attempt.
        self._tell(send, doubt)
        doubt.__cause__ = last
        return doubt

    def _tell(self, send: _Send, error: TwakeError) -> None:
        error.front_id = send.prepared.front_id
        error.attempts = send.number
        error.elapsed = self.clock.now() - send.began

    def _observe(self, send: _Send, outcome: Outcome, reason: str, wait: float | None) -> None:
        if send.listener is not None:
            send.listener.attempt_ended(outcome, reason, last=wait is None)
        if self.on_attempt is None and not log.isEnabledFor(logging.DEBUG):
            return
        elapsed = self.clock.now() - send.began
        attempt = Attempt(send.number, outcome, reason, wait, elapsed, send.prepared.front_id)
        log.debug("%s: %s", send.prepared.operation, attempt)
        if self.on_attempt is None:
            return
        try:
            self.on_attempt(attempt)
        except Exception:
            # An observer that fails must not change what became of the message.
            log.exception("on_attempt raised")

"""One send under way: its request, its deadline, and what its attempts proved so far."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from twake_async._protocol.exchange import Context, Verdict
from twake_async.errors import NotSentError, Outcome, OutcomeUnknownError, TwakeError
from twake_async.messages import Message
from twake_async.retry import Attempt, combine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._protocol.exchange import Answer, Failure, Request, Steps
    from twake_async._transport.trace import Trace
    from twake_async._waiting import Pauses
    from twake_async.retry import RetryPolicy

__all__ = ["LONGEST_LOOK", "Clock", "Found", "Listener", "Send", "end_of", "late"]

T = TypeVar("T")

#: Seconds: the most that a send keeps of its deadline for a look.
LONGEST_LOOK = 2.0


class Listener(Protocol):
    """Is told of each attempt of one send: a batch listens for its journal."""

    @property
    def guard(self) -> Callable[[], bool] | None:
        """A function that says, just before the first byte leaves, whether it may; None: it may.

        If it may not, the attempt does not count. Another one follows `before_retry`.
        """
        ...

    def attempt_ended(self, outcome: Outcome, reason: str, *, last: bool) -> None:
        """Note the outcome of an attempt, and whether it was the last one."""

    async def before_retry(self) -> TwakeError | None:
        """Prepare for another attempt; return an error to forbid it."""
        ...

    def retry_dropped(self) -> None:
        """Note that the prepared attempt does not take place."""


@attrs.frozen
class Found(Generic[T]):
    """What a look found to be delivered."""

    result: T


def _pause(seconds: float, pauses: Pauses) -> Awaitable[None]:
    return pauses.wait(seconds)


@attrs.frozen
class Clock:
    """Time, random numbers and waiting; tests replace them with fake ones."""

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float, Pauses], Awaitable[None]] = _pause
    draw: Callable[[], float] = random.random
    wall: Callable[[], float] = time.time


@attrs.define(eq=False)
class Send(Generic[T]):
    """One send under way."""

    request: Request[T]
    policy: RetryPolicy
    clock: Clock
    began: float
    seconds: float
    """The deadline, with all waits and attempts."""
    listener: Listener | None = None
    number: int = 0
    """How many attempts began."""
    noted: int = 0
    """How many attempts ended, and were noted."""
    status: int | None = None
    """The status of the answer that delivered it; None before."""
    unsent: int = 0
    """How many attempts never left."""
    trace: Trace | None = None
    """The trace of the attempt that is running."""
    expired: bool = False
    """Whether the last attempt did not leave because its listener's guard forbade it."""
    last: TwakeError | None = None
    """What the last attempt proved."""
    doubt: OutcomeUnknownError | None = None
    """What the last attempt with an unknown outcome proved."""
    doubts: int = 0
    """How many attempts' outcomes are unknown."""
    steps: Steps[T] | None = None
    """What the session does for it around its attempts."""
    kept: float = 0.0
    """Seconds of its deadline that its attempts leave for a look."""
    recovered: tuple[str, ...] = ()
    """The reasons of refused attempts after which it was sent once more, at no cost."""
    longest_pause: float = math.inf
    """Seconds: if the server asks for a longer pause, the send ends."""

    def left(self) -> float:
        """Return the seconds until its deadline."""
        return self.seconds - (self.clock.now() - self.began)

    def overdue(self) -> TwakeError:
        """Return the error to end with after the deadline."""
        # The outcome of an attempt that was made says more than an error about the deadline.
        return self.last or NotSentError("the deadline was already over", reason="deadline")

    async def prepare(self) -> TwakeError | None:
        """Do what must happen before an attempt, or return the error that the attempt ends with."""
        assert self.steps is not None  # noqa: S101 - only steps prepare
        error = await self.steps.prepare(self.left())
        if error is None and self.left() <= 0:
            return late()
        return error

    def use_steps(self, steps: Steps[T]) -> None:
        """Take the steps around its attempts; leave time for a look where there is one."""
        self.steps = steps
        if self.policy.reconcile and steps.can_look and steps.can_read:
            self.kept = min(LONGEST_LOOK, self.seconds / 10)
            self.seconds -= self.kept

    def can_recover(self, result: TwakeError) -> bool:
        """Say whether a step may help after the last attempt was refused: once for each reason."""
        return (
            self.steps is not None
            and result.outcome is Outcome.REFUSED
            and result.reason not in self.recovered
            and self.steps.can_recover(result)
        )

    async def recover(self, result: TwakeError) -> bool:
        """Take the step that may help; say whether the request may be sent once more."""
        assert self.steps is not None  # noqa: S101 - only a step can recover
        self.recovered += (result.reason,)
        return await self.steps.recover(result, self.left())

    def observed(self) -> Found[T] | None:
        """Return what is delivered, if an event showed it already, even if an answer denied it."""
        found = None if self.steps is None else self.steps.observed(self._makers())
        return None if found is None else Found(found)

    def _makers(self) -> int:
        """Return how many attempts may have made what an event shows.

        After an `UNKNOWN` these are the unknown attempts. After a refusal, some answer was wrong,
        so these are all attempts that left.
        """
        if self.last is None or self.last is self.doubt:
            return self.doubts
        return self.number - self.unsent

    async def find(self, result: TwakeError) -> Found[T] | None:
        """Return what is delivered, if an event or a look shows it after an attempt that failed."""
        found = self.observed()
        if found is None and result.outcome is Outcome.UNKNOWN:
            return await self.look()
        return found

    async def look(self) -> Found[T] | None:
        """Return what is delivered, if a look finds it after an attempt of unknown outcome."""
        steps = self.steps
        if steps is None or not (self.policy.reconcile and steps.can_look):
            return None
        found = await steps.look(max(0.0, self.left()) + self.kept, self.doubts)
        return None if found is None else Found(found)

    async def before_another(self) -> TwakeError | None:
        """Prepare for another attempt, or return the error that the send ends with."""
        if self.number and self.observed() is not None:
            return self.last  # what was observed is returned in its place
        error = None if self.listener is None else await self.listener.before_retry()
        self.expired = False
        return error

    def follow(self, trace: Trace) -> Trace:
        """Follow an attempt that begins, by its trace, which gets the listener's guard."""
        self.trace = trace
        if self.listener is not None:
            trace.guard = self.listener.guard
        return trace

    def unfollow(self, trace: Trace) -> None:
        """Note that an attempt has ended, and whether its guard kept it from leaving."""
        self.trace = None
        if trace.expired and self.listener is not None:
            self.expired = True
            self.listener.retry_dropped()

    def judge(self, answer: Answer | Failure, seen: str | None, /) -> Verdict[T]:
        """Return what an answer proves; `seen` is what the connection's last answer named."""
        context = Context(
            self.clock.wall(), self.policy.retry_later_statuses, seen, self.doubt is not None
        )
        result = self.request.judge(answer, context)
        if isinstance(result, TwakeError):
            return Verdict(result)
        self.status = getattr(answer, "status", None)
        return Verdict(result, self.request.named_by(result))

    def note(self, result: TwakeError) -> None:
        """Note what a failed attempt proved."""
        self.last = result
        if isinstance(result, OutcomeUnknownError):
            self.doubt = result
            self.doubts += 1

    def if_cancelled(self) -> tuple[Outcome, str]:
        """Return what is certain of the running attempt if it is cancelled now, and the reason."""
        if self.observed() is not None:
            return Outcome.DELIVERED, "found"
        left = self.trace is not None and self.trace.proof() is None
        return Outcome.UNKNOWN if left else Outcome.NOT_SENT, "cancelled"

    def end_if_cancelled(self) -> Outcome:
        """Return what is certain of the whole send if it is cancelled now."""
        outcome, _ = self.if_cancelled()
        if outcome is Outcome.DELIVERED:
            return outcome
        if self.doubt is not None:
            return Outcome.UNKNOWN
        # Between two attempts, no running attempt could change it.
        between = self.number == self.noted and self.last is not None
        return self.last.outcome if between and self.last is not None else outcome

    def attempt(
        self, outcome: Outcome, reason: str, wait: float | None, result: T | TwakeError | None
    ) -> Attempt:
        """Return what an observer is told of an attempt.

        Args:
            outcome: What is certain after it.
            reason: The reason.
            wait: Seconds until the next attempt; None for no other.
            result: What it proved; None where it was cancelled.

        """
        request = self.request
        error = result if isinstance(result, TwakeError) else None
        message_id = None
        if request.channel_id is not None:  # it is about a message
            message_id = request.target
            if outcome is Outcome.DELIVERED and isinstance(result, Message):
                message_id = result.id
        return Attempt(
            self.number,
            outcome,
            reason,
            wait,
            self.clock.now() - self.began,
            request.front_id,
            operation=request.operation,
            channel_id=request.channel_id,
            message_id=message_id,
            status=self.status if error is None else error.status,
        )

    def end_with(self, last: TwakeError) -> TwakeError:
        """Return the error that the whole send ends with.

        Args:
            last: What came last: an attempt's error, or why no other attempt may be made.

        """
        self._tell(last)
        doubt = self.doubt
        if doubt is None or combine((doubt.outcome, last.outcome)) is last.outcome:
            return last
        # A later attempt proves nothing about one whose outcome is unknown.
        self._tell(doubt)
        doubt.__cause__ = last
        return doubt

    def _tell(self, error: TwakeError) -> None:
        error.front_id = self.request.front_id
        error.attempts = self.number
        error.elapsed = self.clock.now() - self.began


def late() -> NotSentError:
    """Return the error of an attempt that did not begin, because its deadline was over."""
    return NotSentError("the deadline passed before the request left", reason="deadline")


def end_of(request: Request[Any], error: TwakeError) -> Attempt:
    """Return the facts of a send that ended with an error, in the form of an attempt.

    Args:
        request: The request.
        error: The error that its caller gets.

    """
    return Attempt(
        error.attempts,
        error.outcome,
        error.reason,
        None,
        error.elapsed,
        request.front_id,
        operation=request.operation,
        channel_id=request.channel_id,
        message_id=None if request.channel_id is None else request.target,
        status=error.status,
    )

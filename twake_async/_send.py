"""One send under way: its request, its deadline, and what its attempts proved so far."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from ._protocol.exchange import Context, Verdict
from .errors import NotSentError, Outcome, OutcomeUnknownError, TwakeError
from .retry import combine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._protocol.exchange import Answer, Failure, Prepare, Request
    from ._transport.trace import Trace
    from ._waiting import Pauses
    from .retry import RetryPolicy

__all__ = ["Clock", "Listener", "Send"]

T = TypeVar("T")


class Listener(Protocol):
    """Hears of each attempt of one send: a batch listens for its journal."""

    def attempt_ended(self, outcome: Outcome, reason: str, *, last: bool) -> None:
        """Note the outcome of an attempt, and whether it was the last one."""

    async def before_retry(self) -> TwakeError | None:
        """Prepare for another attempt; return an error to forbid it."""
        ...


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
class Send(Generic[T]):
    """One send under way."""

    request: Request[T]
    policy: RetryPolicy
    clock: Clock
    began: float
    seconds: float
    """The deadline, waits and all attempts included."""
    listener: Listener | None = None
    number: int = 0
    """How many attempts began."""
    unsent: int = 0
    """How many of them never left."""
    trace: Trace | None = None
    """The trace of the attempt that is running."""
    last: TwakeError | None = None
    """What the last attempt proved."""
    doubt: OutcomeUnknownError | None = None
    """What the last attempt proved whose outcome is unknown."""

    def left(self) -> float:
        """Return the seconds until its deadline."""
        return self.seconds - (self.clock.now() - self.began)

    def overdue(self) -> TwakeError:
        """Return the error to end with where the deadline is over."""
        # The outcome of an attempt that was made tells more than that time is over.
        return self.last or NotSentError("the deadline was already over", reason="deadline")

    async def prepare(self, prepare: Prepare) -> TwakeError | None:
        """Do what must happen before an attempt, or return the error that the attempt ends with."""
        error = await prepare(self.left())
        if error is None and self.left() <= 0:
            return NotSentError("the deadline passed before the request left", reason="deadline")
        return error

    def judge(self, answer: Answer | Failure, seen: str | None, /) -> Verdict[T]:
        """Return what an answer proves; `seen` is what the connection's last answer named."""
        context = Context(
            self.clock.wall(), self.policy.retry_later_statuses, seen, self.doubt is not None
        )
        result = self.request.judge(answer, context)
        if isinstance(result, TwakeError):
            return Verdict(result)
        return Verdict(result, self.request.named_by(result))

    def note(self, result: TwakeError) -> None:
        """Note what an attempt proved that did not deliver."""
        self.last = result
        if isinstance(result, OutcomeUnknownError):
            self.doubt = result

    def if_cancelled(self) -> Outcome:
        """Return what is certain of the running attempt if it is cancelled now."""
        left = self.trace is not None and self.trace.proof() is None
        return Outcome.UNKNOWN if left else Outcome.NOT_SENT

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

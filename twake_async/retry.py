"""When an attempt is followed by another: a policy, a budget and pure decisions.

Nothing here waits, sends or reads a clock.
"""

from __future__ import annotations

import datetime
import math
import re
import sys
from collections.abc import Iterable
from typing import Literal

import attrs

from .errors import ConfigurationError, Outcome

__all__ = [
    "HOPELESS",
    "Attempt",
    "RetryBudget",
    "RetryPolicy",
    "Tokens",
    "combine",
    "next_wait",
    "parse_retry_after",
]

#: Reasons of requests that never left, after which the next attempt would fail the same way.
HOPELESS = frozenset({"certificate", "proxy_refused", "deadline", "closed"})

#: Reasons of lost answers. An error in the words of the server is not one of them.
_LOST = frozenset({"lost", "timeout", "gateway", "unproven"})


def _number(name: str, value: object, low: float) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    # An integer beyond all floats would break the arithmetic after an attempt.
    if not good or not (low <= value <= sys.float_info.max):  # type: ignore[operator]
        raise ConfigurationError(f"{name} must be a number of at least {low:g}", field=name)


def _statuses(statuses: Iterable[int]) -> frozenset[int]:
    try:
        return frozenset(statuses)
    except TypeError:
        raise ConfigurationError(
            "retry_later_statuses must be a set of HTTP statuses", field="retry_later_statuses"
        ) from None


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and when a send is tried again. The default never risks a second copy."""

    # Source: the repeatable operations and the server's "later" are those of the failure table.

    attempts: int = 4
    """The limit of attempts whose request may have left, with the first one; 1 for no retry."""

    unsent_attempts: int | None = None
    """The limit of attempts whose request certainly never left; None for no limit but the deadline.

    They take nothing from the `RetryBudget`. While the server cannot be reached, the session
    connects for all its sends, one attempt at a time. With 1, a send fails at once if it cannot
    connect.
    """

    initial_wait: float = 0.2
    """The longest wait before the second attempt, in seconds. It doubles each time."""

    max_wait: float = 10.0
    """The longest wait before any attempt, in seconds. A `Retry-After` may ask for a longer one."""

    on_unknown: Literal["raise", "resend"] = "raise"
    """What to do after an `UNKNOWN` attempt of a new message: raise the error, or send it again.

    With `"resend"`, each `UNKNOWN` attempt may leave one more copy in the channel.
    """

    reconcile: bool = True
    """Whether to look for a new message whose attempt ended `UNKNOWN`.

    Over `api="node"`, the look is a read of the channel or the thread, before any other attempt. If
    it finds the message, the send is `DELIVERED`; otherwise it proves nothing. A send keeps a tenth
    of its deadline for it, at most 2 seconds. Over `api="v1"`, if events are observed
    (`TwakeSession.observe`), it is a short wait for the event about the message.
    """

    retry_later_statuses: frozenset[int] = attrs.field(
        default=frozenset({429}), converter=_statuses
    )
    """Statuses that mean "refused, try again later". Add 503 only if your proxy sends it only for
    requests that it did not forward."""

    def __attrs_post_init__(self) -> None:
        for name in ("attempts", "unsent_attempts"):
            value = getattr(self, name)
            if value is None and name == "unsent_attempts":
                continue
            _number(name, value, 1)
            if not isinstance(value, int):
                raise ConfigurationError(f"{name} must be a whole number", field=name)
        _number("initial_wait", self.initial_wait, 0)
        _number("max_wait", self.max_wait, 0)
        if self.on_unknown not in ("raise", "resend"):
            raise ConfigurationError('on_unknown must be "raise" or "resend"', field="on_unknown")
        if not isinstance(self.reconcile, bool):
            raise ConfigurationError("reconcile must be True or False", field="reconcile")
        if not all(isinstance(s, int) and 400 <= s <= 599 for s in self.retry_later_statuses):
            raise ConfigurationError(
                "retry_later_statuses must hold HTTP statuses from 400 to 599",
                field="retry_later_statuses",
            )

    @classmethod
    def never(cls) -> RetryPolicy:
        """Return the policy of exactly one attempt."""
        return cls(attempts=1, unsent_attempts=1)


@attrs.frozen
class RetryBudget:
    """The limit of retries of a session while the server fails.

    It is a bucket of `capacity` tokens. A retry takes one, and a delivered send gives `refund`
    back. So while the server is down, 10,000 sends make at most 10,000 + `capacity` attempts, not
    40,000.
    """

    capacity: float = 500.0
    """The number of tokens at the start, and the limit."""

    refund: float = 0.1
    """Tokens that come back with each delivered send."""

    def __attrs_post_init__(self) -> None:
        _number("capacity", self.capacity, 0)
        _number("refund", self.refund, 0)


@attrs.define
class Tokens:
    """The tokens of one session's budget; None stands for no limit."""

    budget: RetryBudget | None
    left: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.left = self.budget.capacity if self.budget else math.inf

    def take(self) -> bool:
        """Spend one token on a retry; False where none is left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def put_back(self) -> None:
        """Put back the token of a retry that was not made."""
        if self.budget is not None:
            self.left = min(self.budget.capacity, self.left + 1)

    def give_back(self) -> None:
        """Note a delivered send."""
        if self.budget is not None and self.left < self.budget.capacity:
            self.left = min(self.budget.capacity, self.left + self.budget.refund)


@attrs.frozen
class Attempt:
    """The facts of one attempt, for `on_attempt`; without content and without secrets."""

    number: int
    """1 for the first attempt of the send."""

    outcome: Outcome
    """What is certain after this attempt alone."""

    reason: str
    """Empty if delivered; `found` if a look or an observed event showed the message; otherwise a
    reason of the exceptions, or `cancelled`."""

    wait: float | None
    """Seconds until the next attempt; None if there is none.

    Over `api="node"`, a look that finds the message, or a thread that cannot be joined, may end the
    send before the next attempt.
    """

    elapsed: float
    """Seconds since the send began."""

    front_id: str | None
    """The id that the send gave to the message; None for an edit or a remove."""

    operation: str = ""
    """`create`, `edit`, `ephemeral` or `remove`; for any other call its route or its name."""

    channel_id: str | None = None
    """The channel of the message; None for a call that is not about a message."""

    message_id: str | None = None
    """The id of the message; for a new one, only after it was delivered. None for a call that is
    not about a message."""

    status: int | None = None
    """The HTTP status of the answer; None if no complete answer came."""


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome of a send from those of its attempts, in order.

    Any `DELIVERED` decides; else any `UNKNOWN` does; else the last. Without attempts it is
    `NOT_SENT`.
    """
    seen = list(outcomes)
    for deciding in (Outcome.DELIVERED, Outcome.UNKNOWN):
        if deciding in seen:
            return deciding
    return seen[-1] if seen else Outcome.NOT_SENT


def may_repeat(policy: RetryPolicy, outcome: Outcome, reason: str, *, repeatable: bool) -> bool:
    """Say whether another attempt may follow one that ended with this outcome."""
    if outcome is Outcome.NOT_SENT:
        return reason not in HOPELESS
    if outcome is Outcome.REFUSED:
        return reason == "later"
    if repeatable:
        return reason in _LOST
    return policy.on_unknown == "resend"


def next_wait(
    policy: RetryPolicy,
    outcome: Outcome,
    reason: str,
    *,
    number: int,
    unsent: int = 0,
    repeatable: bool,
    time_left: float,
    retry_after: float | None = None,
    draw: float = 1.0,
) -> float | None:
    """Return the seconds to wait before the next attempt, or None to stop.

    Args:
        policy: The caller's policy.
        outcome: What is certain after attempt `number`.
        reason: Its reason.
        number: How many attempts were made.
        unsent: How many of them never left.
        repeatable: Whether the operation is idempotent: an edit or a remove.
        time_left: Seconds to the deadline; no wait reaches it.
        retry_after: Seconds that the server asked for.
        draw: A random number from 0 to 1, for full jitter, which also applies at `max_wait`.

    """
    if outcome is Outcome.NOT_SENT:
        if policy.unsent_attempts is not None and unsent >= policy.unsent_attempts:
            return None
    elif number - unsent >= policy.attempts:
        return None
    if not may_repeat(policy, outcome, reason, repeatable=repeatable):
        return None
    # 2.0**60 is far beyond any `max_wait`; without this bound many attempts would overflow.
    most = min(policy.max_wait, policy.initial_wait * 2.0 ** min(number - 1, 60))
    wait = (retry_after or 0.0) + most * draw
    return wait if wait < time_left else None


def parse_retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, or None.

    Args:
        value: The header: seconds, or an HTTP date; anything else counts as absent.
        now: The time of day in Unix seconds.

    """
    if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        return float(value)
    import email.utils  # noqa: PLC0415 - 7 ms that hardly any program needs

    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo is None:
        # An HTTP date without a zone (the asctime form) is in UTC, not in this machine's time.
        date = date.replace(tzinfo=datetime.UTC)
    return max(0.0, date.timestamp() - now)

"""`Stats`: counters of a session and the state of its connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from .errors import Outcome

if TYPE_CHECKING:
    from .errors import TwakeError

__all__ = ["Connections", "Counters", "Stats"]


@attrs.frozen
class Connections:
    """The connections of a session at one moment."""

    busy: int
    """Connections that carry a request, or that are being opened."""

    idle: int
    """Open connections that no request uses."""

    waiting: int
    """Sends that wait for a connection."""

    unreachable: str = ""
    """Why the last attempt to connect failed: a `reason` of `NotSentError`. Empty while the server
    can be reached."""


@attrs.frozen
class Stats:
    """The counters of a session, and the state of its connections, at one moment.

    The counters begin at 0 when the session is made, and only grow. They count sends that have
    ended: new messages, edits, removes, and the calls about channels, users, files and dialogs.
    They do not count a send with an invalid argument, nor drafts of a batch that never began.
    """

    delivered: int
    """Counter: sends that ended `DELIVERED`."""

    refused: int
    """Counter: sends that ended `REFUSED`."""

    not_sent: int
    """Counter: sends that ended `NOT_SENT`, also cancelled ones."""

    unknown: int
    """Counter: sends that ended `UNKNOWN`, also cancelled ones."""

    failures: Mapping[Outcome, Mapping[str, int]] = attrs.field(hash=False)
    """Counters: the sends that were not delivered, by outcome and by `reason`."""

    attempts: int
    """Counter: attempts that have ended. All after the first attempt of a send are retries."""

    in_flight: int
    """Sends that have begun and not ended, with those that wait for a connection or a retry."""

    connections: Connections | None
    """The connections; None with a client or a transport of your own."""

    cooldown: float
    """Seconds that are left of the pause that the server asked for; 0 without one."""

    retries_left: float | None
    """Tokens that are left in the `RetryBudget`; None without a limit."""

    last_success: float | None
    """When a send was last delivered, in Unix seconds; None before the first."""

    @property
    def unreachable(self) -> bool:
        """Whether the last attempt to connect to the server failed."""
        return self.connections is not None and bool(self.connections.unreachable)


def _no_failures() -> dict[Outcome, dict[str, int]]:
    return {outcome: {} for outcome in Outcome if outcome is not Outcome.DELIVERED}


@attrs.define(eq=False)
class Counters:
    """Counts how the sends of one session end."""

    attempts: int = 0
    delivered: int = 0
    last_success: float | None = None
    """When a send was last delivered, in Unix seconds."""
    failures: dict[Outcome, dict[str, int]] = attrs.field(factory=_no_failures)

    def count_failed(self, error: TwakeError) -> None:
        """Count a send that ended with an error."""
        self.count_ended(error.outcome, error.reason)

    def count_ended(self, outcome: Outcome, reason: str) -> None:
        """Count a send that was not delivered."""
        reasons = self.failures[outcome]
        reasons[reason] = reasons.get(reason, 0) + 1

    def read(
        self,
        *,
        in_flight: int,
        connections: Connections | None,
        cooldown: float,
        retries_left: float | None,
    ) -> Stats:
        """Return the counters, with what is true of the session at this moment.

        Args:
            in_flight: Sends that have begun and not ended.
            connections: The connections; None where they are the caller's.
            cooldown: Seconds that are left of a pause.
            retries_left: Tokens that are left in the budget; None without a limit.

        """
        failures = {outcome: dict(reasons) for outcome, reasons in self.failures.items()}
        return Stats(
            delivered=self.delivered,
            refused=sum(failures[Outcome.REFUSED].values()),
            not_sent=sum(failures[Outcome.NOT_SENT].values()),
            unknown=sum(failures[Outcome.UNKNOWN].values()),
            failures=failures,
            attempts=self.attempts,
            in_flight=in_flight,
            connections=connections,
            cooldown=cooldown,
            retries_left=retries_left,
            last_success=self.last_success,
        )

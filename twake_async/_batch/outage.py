"""When a batch pauses, and how it goes on: the states of a circuit breaker. No I/O and no clock.

While the state is "sending", messages are sent, `limit` at once. A message that ends UNKNOWN may
change the state:

- The reasons `gateway`, `gateway_answer` and `timeout` begin a pause. So does a second lost answer,
  or a third UNKNOWN of any reason, if the server itself delivered or refused no message in between.
- A single lost answer begins a check: nothing is sent until one probe has its result.

A probe is a request for which the server stores nothing. Once the server itself answers one, the
batch goes on: after a check with the same limit as before; after a pause with one message, then
with 2, with 4 and so on. A check whose probe is not answered becomes a pause. Three pauses in a row
end the batch, if the server delivered or refused no message in between.

A message that was sent before a pause begins no other pause: one outage is one pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from twake_async.errors import Outcome

if TYPE_CHECKING:
    from twake_async.errors import TwakeError

__all__ = ["PAUSES", "Outage", "Step"]

#: Pauses in a row, without a message that the server answered, after which a batch gives up.
PAUSES = 3
#: UNKNOWN messages in a row that begin a pause, whatever their reasons.
UNKNOWNS = 3
#: Lost answers in a row that begin a pause.
LOST_ANSWERS = 2

#: Reasons of an UNKNOWN that begin a pause at once: the server is away, or does not answer.
_AWAY = frozenset({"gateway", "gateway_answer", "timeout"})
#: Reasons of a REFUSED that the server itself gives, in words; others may come from a gateway.
_OWN_WORDS = frozenset({"api", "authentication", "group", "capability"})

Step = Literal["send", "wait", "probe", "end"]


@attrs.define(eq=False)
class Outage:
    """The state of one batch's circuit breaker.

    A message asks for the next `step`, acquires a permit, and gives it back: with `record` after
    it was sent, with `release` if it was not.
    """

    in_flight: int
    limit: int = attrs.field(init=False)
    """How many messages may be sent at once."""
    state: Literal["sending", "checking", "paused"] = attrs.field(default="sending", init=False)
    reason: str = attrs.field(default="", init=False)
    """The reason of the UNKNOWN that changed the state last."""
    is_probing: bool = attrs.field(default=False, init=False)
    """Whether a task probes the server; that task sets it."""
    pauses: int = attrs.field(default=0, init=False)
    """Pauses in a row without a message in between that the server answered."""
    _round: int = attrs.field(default=0, init=False)
    _permits: int = attrs.field(default=0, init=False)
    _permits_of_round: int = attrs.field(default=0, init=False)
    _unknowns: int = attrs.field(default=0, init=False)
    _lost_answers: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.limit = self.in_flight

    def step(self) -> Step:
        """Return what a task that wants to send a message has to do now."""
        if self.state == "sending":
            return "send" if self._permits_of_round < self.limit else "wait"
        if self.pauses >= PAUSES:
            # A message that is still on its way may be delivered: then the server works.
            return "wait" if self._permits else "end"
        return "wait" if self.is_probing else "probe"

    def acquire(self) -> int:
        """Return a permit to send one message."""
        self._permits += 1
        self._permits_of_round += 1
        return self._round

    def is_valid(self, permit: int) -> bool:
        """Say whether the message of a permit may still be sent."""
        return self.state == "sending" and permit == self._round

    def release(self, permit: int) -> None:
        """Take back the permit of a message that was not sent."""
        self._permits -= 1
        self._permits_of_round -= permit == self._round

    def record(self, permit: int, error: TwakeError | None) -> None:
        """Take back a permit, and note the outcome of its message.

        Args:
            permit: The permit.
            error: The error of the message; None for a delivery.

        """
        self.release(permit)
        if error is None and self._is_healthy:
            return
        if error is None or _is_servers_own(error):
            self._unknowns = self._lost_answers = 0
            # A message sent before this pause counts as between this pause and the earlier ones.
            self.pauses = int(self.state == "paused")
        elif error.outcome is Outcome.UNKNOWN:
            self._record_unknown(error.reason, is_news=permit == self._round)
        if self.is_valid(permit) and not _is_unsent(error):
            self.limit = min(self.limit + 1, self.in_flight)

    def record_probe(self, *, answered: bool) -> None:
        """Note whether the server itself answered a probe."""
        if answered:
            self.state = "sending"
        elif self.state == "checking":
            self._pause()

    @property
    def _is_healthy(self) -> bool:
        """Whether a delivery changes nothing, which is nearly always so."""
        return not (self._unknowns or self.pauses) and self.limit == self.in_flight

    def _record_unknown(self, reason: str, *, is_news: bool) -> None:
        self._unknowns += 1
        self._lost_answers += reason == "lost"
        if not is_news:
            return
        in_a_row = self._lost_answers >= LOST_ANSWERS or self._unknowns >= UNKNOWNS
        if reason in _AWAY or in_a_row:
            self.reason = reason
            self._pause()
        elif reason == "lost" and self.state == "sending":
            self.reason = reason
            self.state = "checking"

    def _pause(self) -> None:
        self.state = "paused"
        self.limit = 1
        self.pauses += 1
        self._round += 1
        self._permits_of_round = 0


def _is_unsent(error: TwakeError | None) -> bool:
    """Say whether no request was made, as for a draft that cannot be sent."""
    return error is not None and error.outcome is Outcome.NOT_SENT and not error.attempts


def _is_servers_own(error: TwakeError) -> bool:
    return error.outcome is Outcome.REFUSED and error.reason in _OWN_WORDS

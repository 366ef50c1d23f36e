"""When a batch pauses, and how it goes on: a circuit breaker without I/O and without a clock.

Messages leave while it is open, as many at once as `width` says. An UNKNOWN message may close it:

- `gateway`, `gateway_answer` and `timeout`, a second lost answer, or a third UNKNOWN of any kind
  with no message in between that the server itself delivered or refused, begin a pause;
- a single lost answer begins a look: nothing leaves for one probe.

A probe is a request that stores nothing. Once the server itself answers one, the breaker opens
again: after a look as wide as before; after a pause for one message, then for 2, for 4 and so on.
A look whose probe is not answered becomes a pause. Three pauses in a row, with no message in
between that the server delivered or refused, end the batch.

What ends after a pause had begun, and was sent before it, begins no other: one outage is one pause.
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
LOSTS = 2

#: Reasons of an UNKNOWN that begin a pause at once: the server behind is away or does not answer.
_AWAY = frozenset({"gateway", "gateway_answer", "timeout"})
#: Reasons of a REFUSED that the server itself said, in words; others may be a gateway's.
_OWN_WORDS = frozenset({"api", "authentication", "group", "capability"})

Step = Literal["send", "wait", "probe", "end"]


@attrs.define(eq=False)
class Outage:
    """The state of one batch's circuit breaker.

    A message asks for its `step`, takes a permit with `begin`, and gives it back with `ended` or,
    where it was not sent, with `drop`.
    """

    in_flight: int
    width: int = attrs.field(init=False)
    """How many messages may be on their way at once."""
    state: Literal["open", "look", "pause"] = attrs.field(default="open", init=False)
    reason: str = attrs.field(default="", init=False)
    """The reason of the UNKNOWN that closed it last."""
    probing: bool = attrs.field(default=False, init=False)
    """Whether somebody asks the server; set by who does."""
    pauses: int = attrs.field(default=0, init=False)
    """Pauses in a row without a message in between that the server answered."""
    _round: int = attrs.field(default=0, init=False)
    _on_their_way: int = attrs.field(default=0, init=False)
    _of_this_round: int = attrs.field(default=0, init=False)
    _unknowns: int = attrs.field(default=0, init=False)
    _losts: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.width = self.in_flight

    def step(self) -> Step:
        """Return what whoever wants to send a message has to do now."""
        if self.state == "open":
            return "send" if self._of_this_round < self.width else "wait"
        if self.pauses >= PAUSES:
            # One that is still on its way may be delivered, and show that the server works.
            return "wait" if self._on_their_way else "end"
        return "wait" if self.probing else "probe"

    def begin(self) -> int:
        """Let one message leave, and return its permit."""
        self._on_their_way += 1
        self._of_this_round += 1
        return self._round

    def holds(self, permit: int) -> bool:
        """Say whether the message may still leave."""
        return self.state == "open" and permit == self._round

    def drop(self, permit: int) -> None:
        """Take back the permit of a message that was not sent."""
        self._on_their_way -= 1
        self._of_this_round -= permit == self._round

    def ended(self, permit: int, error: TwakeError | None) -> None:
        """Note what became of a message; None is a delivery."""
        self.drop(permit)
        if error is None and self._is_healthy:
            return
        if error is None or _is_servers_own(error):
            self._unknowns = self._losts = 0
            # Sent before the present pause, it stands between that one and those before it.
            self.pauses = int(self.state == "pause")
        elif error.outcome is Outcome.UNKNOWN:
            self._note_unknown(error.reason, is_news=permit == self._round)
        if self.holds(permit) and not _is_unsent(error):
            self.width = min(self.width + 1, self.in_flight)

    def probed(self, *, answered: bool) -> None:
        """Note whether the server itself answered a probe."""
        if answered:
            self.state = "open"
        elif self.state == "look":
            self._pause()

    @property
    def _is_healthy(self) -> bool:
        """Whether a delivery changes nothing, as nearly always."""
        return not (self._unknowns or self.pauses) and self.width == self.in_flight

    def _note_unknown(self, reason: str, *, is_news: bool) -> None:
        self._unknowns += 1
        self._losts += reason == "lost"
        if not is_news:
            return
        if reason in _AWAY or self._losts >= LOSTS or self._unknowns >= UNKNOWNS:
            self.reason = reason
            self._pause()
        elif reason == "lost" and self.state == "open":
            self.reason = reason
            self.state = "look"

    def _pause(self) -> None:
        self.state = "pause"
        self.width = 1
        self.pauses += 1
        self._round += 1
        self._of_this_round = 0


def _is_unsent(error: TwakeError | None) -> bool:
    """Say whether no request was made, as for a draft that cannot be sent."""
    return error is not None and error.outcome is Outcome.NOT_SENT and not error.attempts


def _is_servers_own(error: TwakeError) -> bool:
    return error.outcome is Outcome.REFUSED and error.reason in _OWN_WORDS

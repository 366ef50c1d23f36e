"""What a send claims about its message, and whether the server's own memory contradicts it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import attrs
from clock import past_deadline
from faults import FAULTS, Fault, FaultServer

from twake_async import Outcome, TwakeError, TwakeSession

__all__ = ["SLOW", "Claim", "claim", "contradictions", "ended", "may_be_unknown"]

#: Faults that end only with the deadline.
SLOW = {name for name in FAULTS if any(word in name for word in ("silent", "drip"))}


@attrs.frozen
class Claim:
    """The claim of a send about its message."""

    outcome: Outcome
    maybe_duplicated: bool
    attempts: int


async def claim(sending: Awaitable[Any]) -> Outcome:
    """Await a send, and return the outcome that it claims."""
    try:
        await sending
    except TwakeError as exc:
        return exc.outcome
    return Outcome.DELIVERED


def ended(
    twake: TwakeSession, sending: Awaitable[Any], server: FaultServer, fault: Fault
) -> Awaitable[Any]:
    """Return a send that ends; the 5 s deadline of a slow fault passes once it acts."""
    if fault.name not in SLOW:
        return sending
    return past_deadline(twake, sending, server.next_silence(fault), 5.0)


def contradictions(server: FaultServer, claims: Mapping[str, Claim]) -> list[str]:
    """Name each claim that the server's own memory contradicts."""
    found = []
    for front_id, claimed in claims.items():
        copies, outcome = server.stored[front_id], claimed.outcome
        if (outcome is Outcome.DELIVERED and not copies) or (
            outcome in (Outcome.REFUSED, Outcome.NOT_SENT) and copies
        ):
            found.append(f"{front_id}: {outcome}, {copies} copies, {server.history[front_id]}")
    return found


def may_be_unknown(history: list[str], attempts: int) -> bool:
    """Say whether a fault proved nothing, or an attempt was cut before it was read."""
    unproven = any(name in FAULTS and "unknown" in FAULTS[name].allowed for name in history)
    return unproven or len(history) < attempts

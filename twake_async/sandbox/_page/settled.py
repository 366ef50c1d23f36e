"""Settles sends whose answer was lost: by a second look, or by the echo of 2020."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twake_async.sandbox._page.exchanges import Exchanges
    from twake_async.sandbox._traffic import Exchange, Traffic

__all__ = ["Settled"]

_FRONT_ID = re.compile(rb'"_?front_id"\s*:\s*"([^"\\]{8,200})"')
_LOOK = "settled by the second look: DELIVERED"
_ECHO = "settled by its echo, if the session observes events: DELIVERED"


@define(frozen=True, slots=True)
class Settled:
    """The traffic; one exchange may settle another."""

    traffic: Traffic
    exchanges: Exchanges

    def all(self) -> list[dict[str, Any]]:
        """Return all exchanges that are kept, oldest first, as JSON."""
        held = self.traffic.all()
        return [self.exchanges.told(one, self._of(one, held)) for one in held]

    def told(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Return the exchanges with these numbers, and those that they settle."""
        wanted = set(numbers)
        if not wanted:
            return []
        held = self.traffic.all()
        new = [one for one in held if one.number in wanted]
        also = [
            one
            for one in held
            if one.number not in wanted
            and self.exchanges.outcome(one) == "UNKNOWN"
            and any(_names(other, _front_id(one)) for other in new)
        ]
        return [self.exchanges.told(one, self._of(one, held)) for one in (*also, *new)]

    def _of(self, exchange: Exchange, held: list[Exchange]) -> str:
        """Return what settles an exchange whose outcome was unknown; "" for nothing."""
        if self.exchanges.outcome(exchange) != "UNKNOWN":
            return ""
        front_id = _front_id(exchange)
        for other in held:
            if other is not exchange and _names(other, front_id):
                if other.event is not None:
                    return _ECHO
                if other.number > exchange.number:
                    return _LOOK
        return ""


def _front_id(exchange: Exchange) -> bytes:
    """Return the front_id of a write; empty if it has none."""
    found = _FRONT_ID.search(exchange.request.body) if exchange.request is not None else None
    return found[1] if found else b""


def _names(exchange: Exchange, front_id: bytes) -> bool:
    """Return whether an answer to a read, or an event, shows the message with a front_id."""
    if not front_id:
        return False
    if exchange.event is not None:
        return front_id in json.dumps(dict(exchange.event.event)).encode()
    request, response = exchange.request, exchange.response
    if request is None or response is None or request.method != "GET":
        return False
    return front_id in response.body

"""The requests, their answers and the events, for people to read."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, evolve, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.sandbox._faults.fault import Fault
    from twake_async.sandbox._http import Request, Response

    Kept = TypeVar("Kept", Request, Response)

__all__ = ["Exchange", "Traffic"]

_MOST = 500
"""How many exchanges are kept."""
_LARGEST = 65_536
"""The largest body that is kept, in bytes; of a larger body nothing is kept."""


@define(slots=True, eq=False)
class Exchange:
    """One request with its answer, or one event with its answer."""

    number: int
    """The number, from 1 on, in the order in which the exchanges began."""
    at: float
    """When it began, in Unix seconds."""
    request: Request | None = field(repr=False)
    """The request, with a body that is not too long; None for an event."""
    response: Response | None = field(default=None, repr=False)
    fault: Fault | None = None
    event: Any = field(default=None, repr=False)
    """The `PostedEvent`; None for a request."""
    seconds: float | None = None
    """Seconds until the answer was sent; None before that."""


@define(slots=True, eq=False)
class Traffic:
    """The last exchanges. Any thread may add one."""

    changed: Callable[[int], None] = lambda _: None
    """Called with the number of an exchange that began or ended; with 0 when all are forgotten."""
    _held: deque[Exchange] = field(factory=lambda: deque(maxlen=_MOST), init=False, repr=False)
    _last: int = field(default=0, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def begin(self, request: Request, response: Response, fault: Fault | None) -> Exchange:
        """Keep a request that was carried out, and the answer that will be sent."""
        asked, answered = _short(request), _short(response)
        return self._keep(lambda number: Exchange(number, time.time(), asked, answered, fault))

    def end(self, exchange: Exchange, seconds: float) -> None:
        """Note that an answer was sent, or will not be sent.

        Args:
            exchange: What `begin` returned.
            seconds: Seconds from the request to its answer.

        """
        exchange.seconds = seconds
        self.changed(exchange.number)

    def post(self, posted: Any) -> None:
        """Keep an event that was posted."""
        begun = time.time() - posted.seconds
        self._keep(
            lambda number: Exchange(number, begun, None, event=posted, seconds=posted.seconds)
        )

    def _keep(self, make: Callable[[int], Exchange]) -> Exchange:
        with self._lock:
            self._last += 1
            exchange = make(self._last)
            self._held.append(exchange)
        self.changed(exchange.number)
        return exchange

    def all(self) -> list[Exchange]:
        """Return the kept exchanges, oldest first."""
        with self._lock:
            return list(self._held)

    def clear(self) -> None:
        """Forget all exchanges; the numbers continue."""
        with self._lock:
            self._held.clear()
        self.changed(0)


def _short(message: Kept) -> Kept:
    """Return a request or a response without its headers, and without a long body."""
    return evolve(message, headers={}, body=message.body if len(message.body) <= _LARGEST else b"")

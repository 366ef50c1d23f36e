"""What one attempt hands back; no I/O, no httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ASIDE_BYTES",
    "ASIDE_SECONDS",
    "CLOSED",
    "CONNECTIONS_BUSY",
    "LATE",
    "LOST",
    "NOT_YET",
    "NO_TLS_THERE",
    "TLS_ALERT",
    "TLS_SPOKEN",
    "TLS_THERE",
    "TOO_LARGE",
    "Answer",
    "Failure",
    "Judge",
    "Transport",
    "Verdict",
]

#: Bytes and seconds that the body of an answer may take whose status alone decides.
ASIDE_BYTES, ASIDE_SECONDS = 65_536, 1.0


@attrs.frozen
class Answer:
    """A whole answer: status, headers as they came, and the raw body."""

    status: int
    headers: Iterable[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        """Return the first header of that name (in lower case), or an empty string."""
        for key, value in self.headers:
            if key.lower() == name:
                return value.decode("latin-1").strip()
        return ""


@attrs.frozen
class Failure:
    """An attempt that brought no whole answer."""

    sent: bool
    """False only where it is proven that no server can have acted on the request."""

    reason: str
    """A word of `NotSentError`'s list where not sent, else of `OutcomeUnknownError`'s."""

    detail: str
    """One clause for a person."""


CONNECTIONS_BUSY = Failure(
    sent=False,
    reason="connections_busy",
    detail="the deadline passed while all connections were busy",
)
NOT_YET = Failure(sent=False, reason="connect", detail="no connection was opened in time")
CLOSED = Failure(sent=False, reason="closed", detail="the session was closed")
LATE = Failure(sent=True, reason="timeout", detail="no whole answer in time")
LOST = Failure(sent=True, reason="lost", detail="the connection ended without an answer")
NO_TLS_THERE = (
    "the server does not speak TLS on this port; if it speaks plain http, base_url should begin "
    "with http://"
)
TLS_THERE = "the server speaks TLS on this port: base_url should begin with https://"
TLS_SPOKEN = Failure(sent=True, reason="lost", detail=TLS_THERE)
#: How an alert of TLS begins: the answer of a server that expects TLS.
TLS_ALERT = b"\x15\x03"
TOO_LARGE = Failure(sent=True, reason="unreadable", detail="the answer is too large")


@attrs.frozen
class Verdict:
    """What an attempt proves."""

    result: Any
    """What the caller of the attempt is given."""

    names: str | None = None
    """The id of the message that the answer named and proved delivered. Only after such an answer
    may another request use the connection."""


class Judge(Protocol):
    """What judges an attempt while its connection is still held."""

    def __call__(self, fact: Answer | Failure, seen: str | None, /) -> Verdict:
        """Return what the fact proves; `seen` is what the connection's last answer named."""
        ...


class Transport(Protocol):
    """What carries attempts to a server, over whichever network."""

    @property
    def proxy(self) -> str:
        """The proxy that it goes through, without its user and password; empty for none."""
        ...

    pool: Any
    """Where an attempt gets its connection."""

    def start_trace(self) -> Any:
        """Return an observer for one attempt."""

    async def attempt(
        self, connection: Any, prepared: Any, trace: Any, seconds: float, judge: Judge
    ) -> Any:
        """Make one attempt within a number of seconds and return the result of its verdict.

        It gives the connection back, whatever happens.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""

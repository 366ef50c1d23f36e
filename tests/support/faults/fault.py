"""One fault: the act of the server on one connection or request, and what is stored then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection
    from .request import Request

Stage = Literal["accept", "request", "read", "answer"]
Claim = Literal["delivered", "refused", "not_sent", "unknown"]


@attrs.frozen
class Fault:
    """A fault of the catalogue; `attrs.evolve(fault, at=…)` changes a parameter."""

    name: str
    stage: Stage
    """accept: acts on the connection. request: acts while a request is being read.
    read: the request was read, and no answer begins. answer: an answer begins, good or bad."""
    stores: bool
    """Whether the request ends up in the channel."""
    allowed: frozenset[Claim]
    """The claim that a right client may make about an attempt with this fault."""
    act: Callable[[Connection, Request | None, Fault], None] = attrs.field(repr=False)
    at: int = 0
    """Stage request: how many bytes are read before it acts, of the head or of the body."""
    where: Literal["head", "body"] = "head"
    interval: float = 0.005
    """Seconds between two dripped bytes, or before a late answer."""
    retry_after: str | Callable[[], str] | None = None
    """The value of Retry-After, where the answer has one."""
    then: Fault | None = attrs.field(default=None, repr=False)
    """The act on the next request on the same connection."""

    @property
    def good(self) -> bool:
        """Whether the answer proves delivery."""
        return self.allowed == {"delivered"}

    @property
    def retry_after_text(self) -> str | None:
        """Return the value of the header (a date is made at this moment)."""
        return self.retry_after() if callable(self.retry_after) else self.retry_after

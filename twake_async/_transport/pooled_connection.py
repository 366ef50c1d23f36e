"""One connection of the pool, used by one send at a time."""

from __future__ import annotations

import contextlib
from typing import Generic, Protocol, TypeVar

import attrs

__all__ = ["Closable", "PooledConnection"]


class Closable(Protocol):
    """Anything that can be closed."""

    async def aclose(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


@attrs.define(eq=False)
class PooledConnection(Generic[T]):
    """At most one connection, and what must be known before it is used again."""

    raw: T
    """The object that sends over it. It may not be connected yet."""
    idle_since: float = 0.0
    """When it was released, by the clock of the event loop."""
    named: str | None = None
    """The id of the message that its last answer named. A second copy of that answer would fit
    another request about that message, so such a request takes another connection."""
    orphan: Closable | None = None
    """A socket that `raw` does not know: httpcore loses it in a cancelled handshake."""

    async def aclose(self) -> None:
        """Close all of it; ignore a failure to close."""
        for closable in (self.raw, self.orphan):
            if closable is not None:
                with contextlib.suppress(Exception):
                    await closable.aclose()

"""What every transport offers the attempt loop: connections, traces and attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from twake_async._protocol.exchange import Failure, Judge, Request
    from twake_async.errors import TwakeError
    from twake_async.stats import Connections

    from .trace import Trace

__all__ = ["Pool", "Transport"]

T = TypeVar("T")
C = TypeVar("C")


class Pool(Protocol[C]):
    """Where an attempt gets its connection."""

    def acquire_nowait(self, target: str | None, /) -> C | None:
        """Return an idle connection, or None.

        Args:
            target: The id of the message that the request changes; None for a new message.

        """
        ...

    async def acquire(self, target: str | None, seconds: float, /, *, once: bool) -> C | Failure:
        """Return a connection, or the failure to get one. Wait in a queue if necessary.

        Args:
            target: The id of the message that the request changes; None for a new message.
            seconds: How long to wait at most.
            once: Whether to stop waiting when one attempt to connect fails.

        """
        ...

    def release(self, connection: C, /, *, reusable: bool) -> None:
        """Take a connection back; close it if it is not reusable."""
        ...

    def connections(self) -> Connections | None:
        """Return the connections at this moment; None if they are not the session's."""
        ...


class Transport(Protocol[C]):
    """How requests travel to a server; `C` is a connection."""

    @property
    def proxy(self) -> str:
        """The proxy that it goes through, without its user and password; empty for none."""
        ...

    @property
    def pool(self) -> Pool[C]:
        """Where an attempt gets its connection."""
        ...

    def start_trace(self) -> Trace:
        """Return the trace of an attempt that is about to begin."""
        ...

    async def attempt(
        self, connection: C, request: Request[T], trace: Trace, seconds: float, judge: Judge[T], /
    ) -> T | TwakeError:
        """Make one attempt and return the result of its verdict.

        It releases the connection in any case.

        Args:
            connection: The connection to use.
            request: The request.
            trace: Notes what is seen of the attempt.
            seconds: How long it may take.
            judge: Judges the answer.

        Raises:
            asyncio.CancelledError: It was cancelled; the trace knows how far it came.

        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...

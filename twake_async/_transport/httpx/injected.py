"""Attempts over a client or a transport that the caller gave."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._protocol.exchange import EXPIRED
from twake_async._transport.http_library import check_injected
from twake_async._transport.trace import Trace
from twake_async.errors import ConfigurationError

from .events import RequestEvents
from .exchange import answer_by_status, exchange
from .request_builder import RequestBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async._protocol.exchange import Answer, Failure, Judge, Request
    from twake_async._transport.http_library import HttpLibrary
    from twake_async.errors import TwakeError

    from .exchange import Send

__all__ = ["Injected", "InjectedTransport", "NoPool", "inject"]

T = TypeVar("T")


@attrs.frozen
class Injected:
    """A caller's client or transport, used by its shape."""

    send: Send
    library: HttpLibrary
    """The library whose requests it takes."""
    build: Callable[..., Any] | None = None
    """How the caller's client builds a request; None for a transport."""


def inject(http_client: Any, transport: Any, *, given: Mapping[str, bool]) -> Injected | None:
    """Return the client or transport that the caller gave in place of a pool, or None.

    Args:
        http_client: A client, which keeps its own headers, pool and hooks; or None.
        transport: A transport, or None.
        given: For each argument that only the pool understands, whether it was given.

    Raises:
        ConfigurationError: One thing is configured in two ways, or has the wrong shape.

    """
    if http_client is None and transport is None:
        return None
    field = "transport" if http_client is None else "http_client"
    others = [name for name, was_given in given.items() if was_given]
    if http_client is not None and transport is not None:
        others.insert(0, "transport")
    if others:
        raise ConfigurationError(
            f"{field} and {others[0]} exclude each other: set {others[0]} where you make the "
            f"{field}, or leave one out",
            field=others[0],
        )
    chosen: Any = transport if http_client is None else http_client
    library = check_injected(field, chosen)
    if http_client is None:
        return Injected(chosen.handle_async_request, library)

    async def send(request: Any, /) -> Any:
        return await chosen.send(request, stream=True, auth=None, follow_redirects=False)

    return Injected(send, library, chosen.build_request)


class NoPool:
    """Replaces the pool: the caller's client or transport has its own."""

    def acquire_nowait(self, target: str | None, /) -> None:
        """Return None: it holds no connections."""

    async def acquire(self, target: str | None, seconds: float, /, *, once: bool) -> NoPool:  # noqa: ARG002 - a pool's
        """Return itself in place of a connection: a request may leave at once."""
        return self

    def release(self, connection: NoPool, /, *, reusable: bool) -> None:
        """Do nothing: it holds no connections."""

    def connections(self) -> None:
        """Return None: it holds no connections."""


@attrs.define(eq=False)
class InjectedTransport:
    """Sends through the caller's client or transport. Failures of any name prove nothing.

    Args:
        base_url: The server's address, checked.
        injected: The caller's client or transport.

    """

    base_url: str
    injected: Injected
    proxy: str = attrs.field(default="", init=False)
    """Empty, since it is unknown: the caller's client or transport may have one."""
    pool: NoPool = attrs.field(factory=NoPool, init=False)
    _builder: RequestBuilder = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._builder = RequestBuilder(self.base_url, self.injected.library)

    def start_trace(self) -> Trace:
        """Return the trace of an attempt, which proves nothing."""
        return Trace(proves=False)

    async def attempt(
        self,
        connection: NoPool,  # noqa: ARG002 - the pool is the caller's
        request: Request[T],
        trace: Trace,
        seconds: float,
        judge: Judge[T],
    ) -> T | TwakeError:
        """Make one attempt and return the result of its verdict.

        Args:
            connection: Unused.
            request: The request.
            trace: Notes how far the attempt came.
            seconds: How long it may take.
            judge: Judges the answer.

        Raises:
            asyncio.CancelledError: It was cancelled.

        """
        answer: Answer | Failure
        if not trace.may_leave():
            return judge(EXPIRED, None).result
        try:
            async with asyncio.timeout(seconds if seconds < math.inf else None):
                answer = await self._exchange(request, trace, seconds)
        except TimeoutError:
            answer = answer_by_status(trace) or trace.failure(None, timed_out=True)
        except asyncio.CancelledError as exc:
            # The frames below hold the request's headers, so the key. No traceback may show them.
            raise exc.with_traceback(None)  # noqa: B904 - itself
        return judge(answer, None).result

    async def _exchange(
        self, request: Request[Any], trace: Trace, seconds: float
    ) -> Answer | Failure:
        try:
            # A caller's client may wait long for a connection of its own pool.
            events = None if trace.guard is None else RequestEvents(trace)
            if self.injected.build is None:
                built = self._builder.build(request, seconds, events)
            else:
                built = self._builder.build_with(self.injected.build, request, seconds, events)
            return await exchange(self.injected.send, built, trace, request.answer_limit)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it becomes a failure
            return answer_by_status(trace) or trace.failure(exc)

    async def aclose(self) -> None:
        """Close nothing: the caller closes the client or transport."""

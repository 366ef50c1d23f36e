"""The events of a request over httpcore or httpcore2: they write its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from twake_async._transport.http_library import (
    CONNECT_COMPLETE,
    CONNECT_FAILED,
    CONNECT_STARTED,
    HEADERS_STARTED,
    REQUEST,
    RETURN_VALUE,
    TLS_STARTED,
    TUNNEL,
    unsent_reason,
)

if TYPE_CHECKING:
    from twake_async._protocol.exchange import Failure
    from twake_async._transport.pool import ConnectionPool
    from twake_async._transport.trace import Trace

__all__ = ["ExpiredError", "RequestEvents"]


class ExpiredError(Exception):
    """The request must not leave any more; the library closes its connection."""


@attrs.define(eq=False)
class RequestEvents:
    """The extension `trace` of one request: the library calls it with each event.

    Args:
        trace: How far the attempt came.
        pool: Limits how many requests connect at a time, and notes whether they succeeded. None for
            a request that is not limited.

    """

    trace: Trace
    pool: ConnectionPool[Any] | None = None
    _names: list[str] = attrs.field(factory=list, init=False)
    _connecting: bool = attrs.field(default=False, init=False)

    async def __call__(self, name: str, info: dict[str, Any], /) -> None:
        trace = self.trace
        trace.unbegun = None
        if name.endswith(HEADERS_STARTED):
            request = info.get(REQUEST)
            trace.tunnelling = getattr(request, "method", None) == b"CONNECT"
            if not trace.tunnelling:
                self._begin(request)
        elif name.endswith(TLS_STARTED):
            trace.tunnelling = False
        if not trace.wrote:
            self._names.append(TUNNEL + name if trace.tunnelling else name)
            trace.unsent = unsent_reason(self._names)
        if name.endswith(CONNECT_STARTED):
            await self._wait_for_turn()
        elif name.endswith(CONNECT_COMPLETE):
            trace.connected = True
            trace.stream = info.get(RETURN_VALUE)

    def _begin(self, request: Any) -> None:
        """Note that the request itself begins."""
        self.trace.stream = None
        # Later events prove nothing more, and each event costs time. The answer holds the
        # request: without this, the two would keep each other alive.
        getattr(request, "extensions", {}).pop("trace", None)
        if self.pool is not None and self._connecting:
            self.pool.report_connected()
            self._end_turn(self.pool)
        if not self.trace.may_leave():
            raise ExpiredError

    async def _wait_for_turn(self) -> None:
        if self.pool is None:
            return
        try:
            await self.pool.limiter.acquire()
        except BaseException:
            self._names.append(CONNECT_FAILED)
            self.trace.unsent = unsent_reason(self._names)
            raise
        self._connecting = True

    def _end_turn(self, pool: ConnectionPool[Any]) -> None:
        self._connecting = False
        pool.limiter.release()

    def failure(self, exc: BaseException | None, *, timed_out: bool = False) -> Failure:
        """Return what an attempt without a complete answer proves; report a failure to connect."""
        failure = self.trace.failure(exc, timed_out=timed_out)
        # Without events, no connection of the pool failed, but a mock, for example.
        if self.pool is not None and self._connecting and not failure.sent:
            self.pool.report_failed(failure, exc)
            self._end_turn(self.pool)
        return failure

    def end(self) -> None:
        """Note that the attempt is over, however far it came."""
        if self.pool is not None and self._connecting:
            self.pool.report_abandoned()
            self._end_turn(self.pool)

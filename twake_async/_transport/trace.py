"""What is seen of one attempt while it runs, and what that proves of a request."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.exchange import (
    LATE,
    LOST,
    NO_TLS_THERE,
    TLS_SPOKEN,
    TLS_THERE,
    Failure,
)

from .http_library import (
    CONNECT_COMPLETE,
    CONNECT_STARTED,
    HEADERS_STARTED,
    TLS_STARTED,
    TUNNEL,
    unsent_reason,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pool import ConnectionPool

__all__ = ["Trace", "detail_of", "refine"]


@attrs.define(eq=False)
class Trace:
    """What was seen of one attempt; httpcore's `trace` extension calls it with each event."""

    pool: ConnectionPool[Any] | None = None
    """Who is told whether a connection could be opened."""
    ours: bool = attrs.field(
        default=attrs.Factory(lambda self: self.pool is not None, takes_self=True)
    )
    """Whether it is a connection of ours: its events prove something."""
    events: list[str] = attrs.field(factory=list, init=False)
    wrote: bool = attrs.field(default=False, init=False)
    head: Any = attrs.field(default=None, init=False)
    """The response, from the moment its status is known."""
    whole: bool = attrs.field(default=False, init=False)
    """Whether the answer was read to its end, so that the connection may be used again."""
    socket: Any = attrs.field(default=None, init=False)
    """The connected socket, until the request begins: nobody else may know of it."""
    connected: bool = attrs.field(default=False, init=False)
    """Whether the connection was opened for this attempt: no answer came over it before."""
    _connecting: bool = attrs.field(default=False, init=False)
    _tunnelling: bool = attrs.field(default=False, init=False)

    async def __call__(self, name: str, info: dict[str, Any], /) -> None:
        if name.endswith(HEADERS_STARTED):
            request = info.get("request")
            self._tunnelling = getattr(request, "method", None) == b"CONNECT"
            if not self._tunnelling:
                self._begun(request)
        elif name.endswith(TLS_STARTED):
            self._tunnelling = False
        self.events.append(TUNNEL + name if self._tunnelling else name)
        if name.endswith(CONNECT_STARTED):  # of a connection, or of one through SOCKS
            await self._enter()
        elif name.endswith(CONNECT_COMPLETE):
            self.connected = True
            self.socket = info.get("return_value")

    def _begun(self, request: Any) -> None:
        self.wrote = True
        self.socket = None
        if self.ours:
            # What comes later proves nothing more, and each event costs. The answer holds the
            # request: without this, it and this object would keep each other alive.
            getattr(request, "extensions", {}).pop("trace", None)
        self._reached()

    async def _enter(self) -> None:
        if self.pool is None:
            return
        try:
            await self.pool.limiter.enter()
        except BaseException:
            self.events.append("connection.connect_tcp.failed")
            raise
        self._connecting = True

    def _reached(self) -> None:
        if self.pool is not None and self._connecting:
            self.pool.connected()
            self._leave(self.pool)

    def _failed(self, failure: Failure, exc: BaseException | None) -> None:
        # Without events it was no connection of ours that failed: a test's mock, for one.
        if self.pool is not None and self._connecting:
            self.pool.failed(failure, exc)
            self._leave(self.pool)

    def end(self) -> None:
        """Note that the attempt is over, however far it came."""
        if self.pool is not None and self._connecting:
            self.pool.unfinished()
            self._leave(self.pool)

    def _leave(self, pool: ConnectionPool[Any]) -> None:
        self._connecting = False
        pool.limiter.leave()

    def proof(self, wrong: BaseException | None = None) -> str | None:
        """Return the word for a request that provably never left, or None."""
        if self.wrote or not self.ours:
            return None
        reason = unsent_reason(self.events)
        if _is(wrong, "ProxyError") and self._tunnelling:
            return "proxy_refused" if str(wrong).startswith("4") else "proxy"
        if reason is None and _is(wrong, "ConnectError"):
            reason = "connect"
        if reason is None and getattr(self.socket, "untouched", False):
            # Whatever was raised: the connection is there, and no byte was given to it.
            reason = "tls"
        return refine(reason, wrong) if reason else None

    def failure(self, wrong: BaseException | None, *, timed_out: bool = False) -> Failure:
        """Return what an attempt without a whole answer proves."""
        reason = self.proof(wrong)
        if reason is not None:
            failure = Failure(sent=False, reason=reason, detail=detail_of(reason, wrong))
            self._failed(failure, wrong)
            return failure
        if timed_out:
            return LATE
        if not self.ours:
            name = type(wrong).__name__
            return Failure(sent=True, reason="unproven", detail=f"the transport raised {name}")
        return TLS_SPOKEN if TLS_THERE in str(wrong) else LOST


def _is(wrong: BaseException | None, name: str) -> bool:
    # By name: httpx has a kept successor of the same face, and this room stays clear of both.
    return any(kind.__name__ == name for kind in type(wrong).__mro__)


def _causes(wrong: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    # An object that is raised twice, as mocks do, may be its own cause.
    while wrong is not None and id(wrong) not in seen:
        seen.add(id(wrong))
        yield wrong
        wrong = wrong.__cause__ or wrong.__context__


def refine(reason: str, wrong: BaseException | None) -> str:
    """Return a more exact word for what went wrong while a connection came about, or the same."""
    for cause in _causes(wrong):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate"
        if isinstance(cause, socket.gaierror):
            return "dns"
    return reason


_DETAILS = {
    "connect": "no connection came about",
    "dns": "the name of the host does not resolve",
    "tls": "the TLS handshake failed",
    "certificate": "the server's certificate does not fit",
    "proxy": "the proxy failed before the request went through it",
    "proxy_refused": "the proxy refused the connection",
}


#: What OpenSSL calls an answer to its handshake that is no TLS, in its several releases.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
)


def detail_of(reason: str, wrong: BaseException | None) -> str:
    """Return one clause for a person."""
    said = str(wrong).strip() if wrong is not None else ""
    detail = _DETAILS[reason]
    if reason == "tls" and any(getattr(one, "reason", "") in _NO_TLS for one in _causes(wrong)):
        detail = NO_TLS_THERE
    return f"{detail} ({said})" if said else detail

"""How far one attempt came, and what that proves about its request."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.exchange import (
    EXPIRED,
    LATE,
    LOST,
    NO_TLS_THERE,
    TLS_SPOKEN,
    TLS_THERE,
    Failure,
)

from .http_library import reports_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Trace"]


@attrs.define(eq=False)
class Trace:
    """How far one attempt came. The transport writes it while the attempt runs."""

    proves: bool = True
    """Whether it can prove anything; False over a client or transport of the caller."""
    unbegun: Any = None
    """The library's transport, until it reports the first step of the request."""
    unsent: str | None = None
    """The reason why the request did not leave, if the attempt ended now; None without proof."""
    tunnelling: bool = False
    """Whether a proxy is being asked to open a tunnel."""
    wrote: bool = False
    """Whether the first byte of the request may have left."""
    guard: Callable[[], bool] | None = None
    """Says whether the request may still leave; None if it always may."""
    expired: bool = False
    """Whether the request did not leave because `guard` returned False."""
    connected: bool = False
    """Whether the connection was opened for this attempt: no other answer came over it."""
    stream: Any = None
    """The connected network stream, until the request begins; perhaps nothing else holds it yet."""
    response: Any = None
    """The library's response, from the moment its status is known."""
    complete: bool = False
    """Whether the answer was read to its end, so that the connection may be used again."""

    def may_leave(self) -> bool:
        """Note that the first byte leaves now; return False if it must not leave.

        It is called in the step of the event loop that writes the first byte.
        """
        if self.guard is not None and not self.guard():
            self.expired = True
            return False
        self.wrote = True
        return True

    def proof(self, exc: BaseException | None = None) -> str | None:
        """Return why the request did not leave, as a reason; None without proof.

        Args:
            exc: What the attempt raised.

        """
        if self.expired:
            return EXPIRED.reason
        if self.wrote or not self.proves:
            return None
        if self.unbegun is not None and reports_events(self.unbegun):
            return "deadline" if exc is None else "connect"
        if self.tunnelling and _is(exc, "ProxyError"):
            return "proxy_refused" if str(exc).startswith("4") else "proxy"
        reason = self.unsent
        if reason is None and _is(exc, "ConnectError"):
            reason = "connect"
        if reason is None and getattr(self.stream, "unused", False):
            # Whatever was raised, the connection is open, and no byte was written to it.
            reason = "tls"
        return _refine(reason, exc) if reason else None

    def failure(self, exc: BaseException | None, *, timed_out: bool = False) -> Failure:
        """Return what an attempt without a complete answer proves.

        Args:
            exc: What the attempt raised.
            timed_out: Whether its time was over.

        """
        if self.expired:
            return EXPIRED
        reason = self.proof(exc)
        if reason is not None:
            return Failure(sent=False, reason=reason, detail=_detail(reason, exc))
        if timed_out:
            return LATE
        if not self.proves:
            name = type(exc).__name__
            return Failure(sent=True, reason="unproven", detail=f"the transport raised {name}")
        return TLS_SPOKEN if TLS_THERE in str(exc) else LOST


def _is(exc: BaseException | None, name: str) -> bool:
    # By name, because httpx and httpx2 have the same names, and this module imports neither.
    return any(kind.__name__ == name for kind in type(exc).__mro__)


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    # An exception that is raised twice, as by a mock, may be its own cause.
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__


def _refine(reason: str, exc: BaseException | None) -> str:
    """Return a more exact reason for a failure to connect, or the same."""
    for cause in _causes(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate"
        if isinstance(cause, socket.gaierror):
            return "dns"
    return reason


_DETAILS = {
    "deadline": "the deadline passed before the request left",
    "connect": "no connection was opened",
    "dns": "the name of the host does not resolve",
    "tls": "the TLS handshake failed",
    "certificate": "the server's certificate is not valid for it",
    "proxy": "the proxy failed before the request went through it",
    "proxy_refused": "the proxy refused the connection",
}
#: The names that the releases of OpenSSL give to an answer that is not TLS, in a handshake.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
)


def _detail(reason: str, exc: BaseException | None) -> str:
    """Return one clause for a person."""
    said = str(exc).strip() if exc is not None else ""
    detail = _DETAILS[reason]
    if reason == "tls" and any(getattr(one, "reason", "") in _NO_TLS for one in _causes(exc)):
        detail = NO_TLS_THERE
    return f"{detail} ({said})" if said else detail

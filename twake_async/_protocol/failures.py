"""The error for an attempt that brought no whole answer. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twake_async.errors import NotSentError, OutcomeUnknownError, SessionClosedError

from .exchange import DOWN, LOST, NO_TLS_THERE, TLS_THERE
from .subjects import MESSAGE

if TYPE_CHECKING:
    from twake_async.errors import TwakeError

    from .exchange import Failure
    from .server import Server
    from .subjects import Subject

__all__ = ["judge_failure"]

#: With an https proxy, it may be the proxy that does not speak TLS.
_NO_TLS_THERE = NO_TLS_THERE.replace("base_url", "base_url, or the proxy's address,")
#: Failures that a proxy cannot cause.
_NOT_THE_PROXY = frozenset({"connections_busy", "closed", "unreadable", "unproven"})


def judge_failure(failure: Failure, server: Server, subject: Subject = MESSAGE) -> TwakeError:
    """Return the error for an attempt that brought no whole answer.

    Args:
        failure: What the attempt met.
        server: What is known of the server.
        subject: What the error is about.

    """
    if failure.sent:
        return OutcomeUnknownError(
            f"{subject.doubt}: {_detail(failure, server)}", reason=failure.reason
        )
    if failure.reason == "closed":
        return SessionClosedError(f"the session was closed before {subject.noun} was sent")
    return NotSentError(
        f"{subject.noun} was not sent: {_detail(failure, server)}", reason=failure.reason
    )


def _detail(failure: Failure, server: Server) -> str:
    detail = failure.detail
    if failure.reason == "connect" and not server.proxy:
        detail += f"; {DOWN}"
    if failure is LOST and _may_expect_tls(server.base_url):
        detail += f"; perhaps {TLS_THERE}"
    if server.proxy.startswith("https:"):
        detail = detail.replace(NO_TLS_THERE, _NO_TLS_THERE)
    if server.proxy and failure.reason not in _NOT_THE_PROXY:
        detail += f" (through the proxy {server.proxy})"
    return detail


def _may_expect_tls(base_url: str) -> bool:
    """Say whether plain http goes to a TLS port: most servers just close the connection there."""
    if not base_url.startswith("http:"):
        return False
    return str(urlsplit(base_url).port or "").endswith("443")

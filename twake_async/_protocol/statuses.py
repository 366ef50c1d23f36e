"""What a status other than 200 proves over either API. No I/O.

Gateways make most of these statuses, and a gateway can make nearly any of them after the server has
stored the message. So words are proof, but few statuses are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twake_async.errors import OutcomeUnknownError, RateLimitedError, RefusedError
from twake_async.retry import parse_retry_after

from .exchange import TLS_THERE
from .node_errors import refused_in_words
from .subjects import MESSAGE

if TYPE_CHECKING:
    from twake_async.errors import TwakeError

    from .exchange import Answer, Context
    from .server import Server
    from .subjects import Subject

__all__ = ["GATEWAY", "judge_status", "name_proxy", "speaks_tls"]

#: What gateways answer if the server behind them is down, or does not answer in time.
GATEWAY = (502, 503, 504)

#: Statuses that no gateway was seen to answer after it forwarded the request. For 401 this is an
#: assumption, which the documentation of the promise names.
_BEFORE_FORWARDING = frozenset({401, 407, 411, 413, 414, 431})


def judge_status(
    answer: Answer, path: str, server: Server, context: Context, subject: Subject = MESSAGE
) -> TwakeError:
    """Return the error for an answer whose status is not 200.

    Args:
        answer: The answer.
        path: The path that was asked.
        server: What is known of the server.
        context: What else is known.
        subject: What the error is about.

    """
    return name_proxy(_judge(answer, path, server, context, subject), server)


def _judge(
    answer: Answer, path: str, server: Server, context: Context, subject: Subject
) -> TwakeError:
    status = answer.status
    if status in context.retry_later:
        return _later(answer, context.now)
    if (refused := refused_in_words(answer)) is not None:
        return refused
    if status in _BEFORE_FORWARDING or status in server.trusted_statuses or status == 429:
        return RefusedError(
            f"the server answered {status} and stored nothing", reason="status", status=status
        )
    if 300 <= status < 400:
        return _judge_redirect(answer, path, server.base_url, subject)
    if 400 <= status < 500:
        hint = TLS_THERE if speaks_tls(answer) else "if every message meets it, check base_url"
        return OutcomeUnknownError(
            f"a gateway answered {status}, which may come after {subject.done}; {hint}",
            reason="gateway_answer",
            status=status,
        )
    return _judge_failure(status, subject)


def _judge_failure(status: int, subject: Subject) -> OutcomeUnknownError:
    """Return the error for a 5xx, or a 2xx other than 200."""
    if status in GATEWAY:
        return OutcomeUnknownError(
            f"a gateway answered {status}, as it does while the server behind it is down or slow; "
            f"it may come after {subject.done}",
            reason="gateway",
            status=status,
        )
    return OutcomeUnknownError(
        f"the server answered {status}, which may come after {subject.done}",
        reason="status",
        status=status,
    )


def name_proxy(error: TwakeError, server: Server) -> TwakeError:
    """Return the same error; it names the proxy if the proxy may have made the answer."""
    # A proxy cannot answer a request that goes through its tunnel, over TLS.
    if server.proxy and server.base_url.startswith("http:"):
        error.args = (f"{error.args[0]} (through the proxy {server.proxy})",)
    return error


#: What servers say in plain http where they expect TLS: nginx, Apache, those in Go, Tomcat.
_TLS_EXPECTED = (
    b"plain http request was sent to https port",
    b"speaking plain http to an ssl-enabled server port",
    b"client sent an http request to an https server",
    b"combination of host and port requires tls",
)


def speaks_tls(answer: Answer) -> bool:
    """Say whether a server that got plain http says that it speaks TLS on this port."""
    said = b" ".join(answer.body.lower().split())
    return answer.status == 400 and any(words in said for words in _TLS_EXPECTED)


def _later(answer: Answer, now: float) -> RateLimitedError:
    status = answer.status
    later = RateLimitedError(
        f"the server answered {status}: try again later", reason="later", status=status
    )
    later.retry_after = parse_retry_after(answer.header(b"retry-after"), now)
    return later


def _judge_redirect(answer: Answer, path: str, base_url: str, subject: Subject) -> TwakeError:
    target = answer.header(b"location")
    where = repr(target) if target else "nowhere"
    why = f"the server redirects to {where}, which is never followed: check base_url"
    if answer.status in (301, 308) and _is_same_over_tls(base_url + path, target):
        return RefusedError(why, reason="redirect", status=answer.status)
    return OutcomeUnknownError(
        f"{why}; a gateway may say so after {subject.done}",
        reason="gateway_answer",
        status=answer.status,
    )


def _is_same_over_tls(url: str, target: str) -> bool:
    """Say whether a redirect only leads from http to https."""
    try:
        here, there = urlsplit(url), urlsplit(target)
        same = here.hostname == there.hostname and here.path == there.path
    except ValueError:
        return False
    return same and here.scheme == "http" and there.scheme == "https" and not there.query

"""What a check says about a failure, and about an answer that is not Twake's. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async.check import Check
from twake_async.errors import NotSentError, Outcome, OutcomeUnknownError, TwakeError

from .exchange import DOWN, TLS_THERE
from .php_errors import has_no_route
from .statuses import GATEWAY, speaks_tls

if TYPE_CHECKING:
    from .exchange import Answer, Failure

__all__ = ["LATER", "finding", "unlike_twake", "without_answer", "wrong_address"]

#: What a check says if the server asks for a pause.
LATER = Check("later", "the server asks for a pause (429): check again later")


def finding(result: Check | TwakeError, proxy: str) -> Check:
    """Return what a request proved as a `Check`, which names a proxy that may be the cause.

    Args:
        result: What the request proved.
        proxy: The proxy on the way to the server; empty for none.

    """
    if isinstance(result, TwakeError):
        unsent = result.outcome is Outcome.NOT_SENT
        result = Check("unreachable" if unsent else "unclear", str(result))
    if proxy and result.problem in ("unreachable", "address", "unclear", "later"):
        return attrs.evolve(result, advice=f"{result.advice} (through the proxy {proxy})")
    return result


def without_answer(failure: Failure) -> TwakeError:
    """Return the error of a request that got no whole answer."""
    if failure.sent:
        return OutcomeUnknownError(
            f"the server got the request, but {failure.detail}", reason=failure.reason
        )
    advice = DOWN if failure.reason == "connect" else "check base_url"
    return NotSentError(
        f"the server is out of reach: {failure.detail}; {advice}", reason=failure.reason
    )


def wrong_address(answer: Answer) -> Check:
    """Return what a redirect says, or a 4xx that is not a refusal in Twake's words."""
    return Check("address", _wrong_address(answer))


def _wrong_address(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        where = repr(answer.header(b"location")) if answer.header(b"location") else "nowhere"
        return f"the server redirects to {where}, which is never followed: check base_url"
    if speaks_tls(answer):
        return TLS_THERE
    return f"the server answered {answer.status}, which no Twake does at this path: check base_url"


def unlike_twake(answer: Answer) -> Check:
    """Return what any other answer says that Twake does not give to the request."""
    if has_no_route(answer):
        return Check("address", "Twake answers, but not on this path: check base_url's path")
    if answer.status == 200 and b"<html" in answer.body.lower():
        return Check("address", "a web page answers there, not Twake's API: check base_url")
    if answer.status in GATEWAY:
        return Check(
            "unclear",
            f"a gateway answered {answer.status}, as it does while the server behind it is down or "
            "slow: check again later",
        )
    return Check(
        "unclear",
        f"the server answered {answer.status} with an answer that no recorded release of Twake "
        f"gives; check base_url, and the server itself",
    )

"""What an answer, or the lack of one, proves of a message. No I/O.

Statuses other than 200 and 500 are made by gateways (979 recorded answers of v1 have none), and a
gateway can make nearly any of them after the server has stored the message. So words prove, and few
statuses do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from twake_async._protocol.exchange import LOST, NO_TLS_THERE, TLS_THERE
from twake_async._protocol.json_codec import load
from twake_async.errors import (
    AuthenticationError,
    InvalidGroupError,
    MissingCapabilityError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    SessionClosedError,
    TwakeError,
)
from twake_async.retry import parse_retry_after

from .body import read_document
from .decode import decode_message, shown_content
from .requests import REMOVE, SAVE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from twake_async._protocol.exchange import Answer, Failure
    from twake_async.messages import Message

    from .requests import Prepared

__all__ = ["Rules", "judge", "judge_failure", "named_by", "speaks_tls", "text_was_cut"]

#: Statuses that nobody found a way to get after the request was forwarded; 401 is an assumption
#: that the documentation of the promise names.
_BEFORE_FORWARDING = frozenset({401, 407, 411, 413, 414, 431})


@attrs.frozen
class Rules:
    """What a session knows of the server and of what stands in front of it."""

    base_url: str = ""
    trusted_statuses: Collection[int] = frozenset()
    """Statuses that the gateway says only before it forwards, by the caller's word."""
    proxy: str = ""
    """The proxy that requests go through, without its user and password; empty for none."""


def judge(
    prepared: Prepared,
    answer: Answer,
    *,
    rules: Rules = Rules(),
    retry_later: Collection[int] = (429,),
    now: float,
    seen: str | None = None,
) -> Message | TwakeError | None:
    """Return what an answer proves: a message (None for a remove), or the error to raise.

    Args:
        prepared: The request.
        answer: Its answer, as it came.
        rules: What is known of the server and its gateway.
        retry_later: The statuses by which the caller's server says "later".
        now: The time of day in Unix seconds, for a `Retry-After` that is a date.
        seen: The id of the message that the connection's last answer named.

    """
    if answer.status != 200:
        error = _judge_status(answer, prepared.path, rules, retry_later, now)
        return _or_proxy(error, rules)
    try:
        document = read_document(answer, prepared.answer_limit, prepared.codec)
    except ValueError as exc:
        unreadable = OutcomeUnknownError(
            f"the server answered 200 with what is no answer of Twake's: {exc}",
            reason="unreadable",
            status=200,
        )
        return _or_proxy(unreadable, rules)
    if "error" in document:
        return _judge_words(document)
    if prepared.operation == "remove":
        return _judge_result(prepared, document.get("result"))
    return _judge_object(prepared, document.get("object"), seen)


def _or_proxy(error: TwakeError, rules: Rules) -> TwakeError:
    """Return the same error, which names the proxy where that may have made the answer itself."""
    # What goes through its tunnel, over TLS, a proxy cannot answer.
    if rules.proxy and rules.base_url.startswith("http:") and error.reason != "api":
        error.args = (f"{error.args[0]} (through the proxy {rules.proxy})",)
    return error


# --- another status than 200 -------------------------------------------------------------------


def _judge_status(
    answer: Answer, path: str, rules: Rules, retry_later: Collection[int], now: float
) -> TwakeError:
    status = answer.status
    if status in retry_later:
        return _later(answer, now)
    if (refused := _refused_in_words(answer, path)) is not None:
        return refused
    if status in _BEFORE_FORWARDING or status in rules.trusted_statuses or status == 429:
        return RefusedError(
            f"the server answered {status} and stored nothing", reason="status", status=status
        )
    if 300 <= status < 400:
        return _judge_redirect(answer, path, rules.base_url)
    if 400 <= status < 500:
        hint = TLS_THERE if speaks_tls(answer) else "if every message meets it, check base_url"
        return OutcomeUnknownError(
            f"a gateway answered {status}, which may come after the message was stored; {hint}",
            reason="gateway_answer",
            status=status,
        )
    return OutcomeUnknownError(
        f"the server answered {status}, which may come after the message was stored",
        reason="gateway" if status in (502, 503, 504) else "status",
        status=status,
    )


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
        f"the server answered {status}: come later", reason="later", status=status
    )
    later.retry_after = parse_retry_after(answer.header(b"retry-after"), now)
    return later


def _refused_in_words(answer: Answer, path: str) -> RefusedError | None:
    """Return the refusal that a Node server of Twake's says in JSON, or None."""
    kind = answer.header(b"content-type").lower()
    if not (400 <= answer.status < 500 and kind.startswith("application/json")):
        return None
    try:
        document = load(answer.body)
    except ValueError:
        return None
    if answer.status == 404 and document == {"error": "Not found"} and path in (SAVE, REMOVE):
        return RefusedError(
            'this server has no v1 API, as the last release of Twake has none: it needs api="node"',
            reason="api",
            status=404,
        )
    if isinstance(document, dict) and document.get("statusCode") == answer.status:
        return _refused_by_node(document)
    return None


def _refused_by_node(document: Mapping[str, Any]) -> RefusedError | None:
    # Nothing was stored in all 128 recorded cases of a 4xx, the outer status or the inner one.
    status, words = document.get("statusCode"), document.get("message")
    if document.keys() != {"statusCode", "error", "message"} or not isinstance(words, str):
        return None
    if type(status) is not int or not 400 <= status < 500:
        return None
    return RefusedError(
        f"the server refused it and stored nothing: {words!r}", reason="status", status=status
    )


def _judge_redirect(answer: Answer, path: str, base_url: str) -> TwakeError:
    target = answer.header(b"location")
    where = repr(target) if target else "nowhere"
    why = f"the server redirects to {where}, which is never followed: check base_url"
    if answer.status in (301, 308) and _is_same_over_tls(base_url + path, target):
        return RefusedError(why, reason="redirect", status=answer.status)
    return OutcomeUnknownError(
        f"{why}; a gateway may say so after the message was stored",
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


# --- a 200 -------------------------------------------------------------------------------------

_REFUSALS: dict[str, tuple[type[RefusedError], str, str]] = {
    "unknown_application_or_bad_private_key": (
        AuthenticationError,
        "authentication",
        "the server does not know this public id with this private key",
    ),
    "you_need_to_provide_a_valid_group_id_field_in_any_api_request": (
        InvalidGroupError,
        "group",
        "the server does not know this group: check group_id",
    ),
    "you_do_not_have_this_set_of_required_capabilities": (
        MissingCapabilityError,
        "capability",
        "the application lacks a capability in this group, or is not installed in it",
    ),
    "you_do_not_have_this_set_of_required_privileges": (
        MissingCapabilityError,
        "capability",
        "the application lacks a privilege in this group",
    ),
}


def _judge_words(document: Mapping[str, Any]) -> TwakeError:
    if "statusCode" in document and (refused := _refused_by_node(document)) is not None:
        return refused
    words = document["error"]
    known = _REFUSALS.get(words) if isinstance(words, str) else None
    if known is None or "object" in document:
        return OutcomeUnknownError(
            "the server answered with an error that covers everything it did not expect",
            reason="server_error",
            status=200,
        )
    kind, reason, sentence = known
    missing = document.get("capabilities") or document.get("privileges") or ()
    names = tuple(str(name) for name in missing) if isinstance(missing, list) else ()
    error = kind(sentence + (f": {', '.join(names)}" if names else ""), reason=reason, status=200)
    if isinstance(error, MissingCapabilityError):
        error.missing = names
    return error


def _mismatch(why: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"the server's answer {why}", reason="mismatch", status=200)


def _judge_result(prepared: Prepared, result: Any) -> OutcomeUnknownError | None:
    if isinstance(result, dict) and result.get("id") == prepared.target:
        return None
    return _mismatch("is not about this message")


def _judge_object(prepared: Prepared, found: Any, seen: str | None) -> Message | TwakeError:
    if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not found["id"]:
        return _mismatch("holds no message with an id")
    if not _is_ours(prepared, found):
        return _mismatch("is not about this message")
    if prepared.operation == "create" and found["id"] == seen:
        # It came before, over the same connection: the same front_id was given twice.
        return _mismatch("names a message that was there before")
    return decode_message(found)


def _is_ours(prepared: Prepared, found: Mapping[str, Any]) -> bool:
    if prepared.operation == "edit":
        return bool(found["id"] == prepared.target)
    if found.get("front_id") == prepared.front_id:
        return True
    # An ephemeral message that replaces another is answered under that one's id (wire case 11).
    return (
        prepared.operation == "ephemeral"
        and prepared.target is not None
        and prepared.target in (found["id"], found.get("front_id"), found.get("ephemeral_id"))
    )


def named_by(prepared: Prepared, result: Message | TwakeError | None) -> str | None:
    """Return the id of the message that an answer named and proved delivered, or None.

    A refusal names none, and neither does the answer to a remove, which echoes the request. An
    edit that is answered with other content than was sent may be another edit's answer: the
    server changes some content itself, so that this proves nothing of the outcome.
    """
    if result is None or isinstance(result, TwakeError):
        return None
    if prepared.operation == "edit" and shown_content(prepared.content) != result.content:
        return None
    return result.ephemeral_id or result.id


# --- no answer ---------------------------------------------------------------------------------


#: With a proxy that is to speak TLS itself, nobody knows which of the two does not.
_NO_TLS_THERE = NO_TLS_THERE.replace("base_url", "base_url, or the proxy's address,")


def judge_failure(failure: Failure, rules: Rules = Rules()) -> TwakeError:
    """Return the error for an attempt that brought no whole answer."""
    detail = failure.detail
    if failure is LOST and _may_expect_tls(rules):
        detail += f"; perhaps {TLS_THERE}"
    if rules.proxy.startswith("https:"):
        detail = detail.replace(NO_TLS_THERE, _NO_TLS_THERE)
    if rules.proxy and failure.reason not in (
        "connections_busy",
        "closed",
        "unreadable",
        "unproven",
    ):
        detail += f" (through the proxy {rules.proxy})"
    if failure.sent:
        return OutcomeUnknownError(
            f"it is not known whether the message arrived: {detail}", reason=failure.reason
        )
    if failure.reason == "closed":
        return SessionClosedError("the session was closed before the message was sent")
    return NotSentError(f"the message was not sent: {detail}", reason=failure.reason)


def _may_expect_tls(rules: Rules) -> bool:
    """Say whether plain http goes to a port of TLS: most such servers close without a word."""
    if not rules.base_url.startswith("http:"):
        return False
    return str(urlsplit(rules.base_url).port or "").endswith("443")


def text_was_cut(prepared: Prepared, message: Message) -> bool:
    """Say whether the answer shows that the server kept only the start of a plain text.

    Source: v2023.Q1.1223 on PHP 7.1 takes the first character of a string for the whole.
    """
    text, content = prepared.text, message.content
    if text is None or content == text or not isinstance(content, dict):
        return False
    kept = (content.get("original_str"), content.get("fallback_string"), content.get("prepared"))
    return len(text) > 1 and text not in kept and kept[2] != [text]

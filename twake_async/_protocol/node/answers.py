"""What any answer of this API proves, before its message is read. No I/O.

The proxy in front of the message service drops its statuses: an error is a 200 with `statusCode`.
A 4xx stored nothing in all 128 recorded cases, whether HTTP's status or the one in the body; a 500
may come after the message was stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async._protocol.documents import document_of
from twake_async._protocol.exchange import Answer
from twake_async._protocol.failures import judge_failure
from twake_async._protocol.node_errors import (
    NOT_FOUND,
    json_of,
    refused_by_node,
    refused_in_words,
)
from twake_async._protocol.statuses import judge_status
from twake_async._protocol.subjects import MESSAGE
from twake_async.errors import OutcomeUnknownError, RefusedError, TwakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async._protocol.exchange import Context, Failure
    from twake_async._protocol.subjects import Subject

    from .api import Api

__all__ = ["no_api", "read_answer"]

#: What 2023 answers to a reply in a thread that the application has not joined.
_OUTSIDE: dict[str, Any] = {
    "statusCode": 404,
    "error": "Not Found",
    "message": "You can't post in this thread",
}


def read_answer(
    answer: Answer | Failure,
    path: str,
    limit: int,
    api: Api,
    context: Context,
    *,
    is_reply: bool = False,
    subject: Subject = MESSAGE,
) -> Mapping[str, Any] | TwakeError:
    """Return the document of a 200 that is no error, or the error that the answer means.

    Args:
        answer: The whole answer, or why there is none.
        path: The path that was asked.
        limit: The most bytes that the body may have without its content coding.
        api: The API that was asked.
        context: What else is known.
        is_reply: Whether the request adds a message to a thread.
        subject: What an error is about.

    """
    if not isinstance(answer, Answer):
        return judge_failure(answer, api.server, subject)
    if answer.status != 200:
        return _judge_status(answer, path, api, context, subject, is_reply=is_reply)
    document = document_of(answer, limit, api.codec, api.server)
    if isinstance(document, TwakeError):
        return document
    # No message has either of these fields.
    is_error = "error" in document or "statusCode" in document
    return _judge_error(document, subject, is_reply=is_reply) if is_error else document


def _judge_status(
    answer: Answer, path: str, api: Api, context: Context, subject: Subject, *, is_reply: bool
) -> TwakeError:
    if answer.status == 401 and refused_in_words(answer) is not None:
        # An expired, foreign, invalid or missing token gets the same words. Nothing was stored.
        return RefusedError("the server refuses the access token", reason="token", status=401)
    document = json_of(answer)
    if answer.status == 404 and is_reply and document == _OUTSIDE:
        return _outside()
    if answer.status == 404 and document == NOT_FOUND:
        return no_api(404)
    return judge_status(answer, path, api.server, context, subject)


def no_api(status: int) -> RefusedError:
    """Return the refusal of a server that does not serve this API."""
    return RefusedError(
        'this server does not serve the Node API, like servers of 2020 to 2022: set api="v1" '
        "(TWAKE_API=v1)",
        reason="api",
        status=status,
    )


def _judge_error(document: Mapping[str, Any], subject: Subject, *, is_reply: bool) -> TwakeError:
    """Return what an error inside a 200 proves."""
    if document == NOT_FOUND:
        return RefusedError("the server has no such route", reason="status", status=200)
    if is_reply and document == _OUTSIDE:
        return _outside()
    refused = refused_by_node(document)
    if refused is not None and refused.status == 401:
        # A server of 2021 drops the access token on its way to the service (`send-text` of 2021).
        return no_api(200)
    return refused or OutcomeUnknownError(
        f"the server answered with an error that may come after {subject.done}",
        reason="server_error",
        status=200,
    )


def _outside() -> RefusedError:
    return RefusedError(
        "the application has not joined this thread, and may not reply in it",
        reason="thread",
        status=404,
    )

"""What any answer of this API proves, before its message is read. No I/O.

Statuses other than 200 and 500 are made by gateways (979 recorded answers have none), and a gateway
can make nearly any of them after the server has stored the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async._protocol.documents import add_words, document_of
from twake_async._protocol.exchange import Answer
from twake_async._protocol.failures import judge_failure
from twake_async._protocol.node_errors import NOT_FOUND, json_of
from twake_async._protocol.php_errors import has_no_route
from twake_async._protocol.statuses import judge_status
from twake_async._protocol.subjects import MESSAGE
from twake_async.errors import RefusedError, TwakeError

from .refusals import judge_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async._protocol.exchange import Context, Failure
    from twake_async._protocol.subjects import Subject

    from .api import Api

__all__ = ["read_answer"]

_NO_ROUTE = "Twake answers, but does not serve this path: check the path of base_url"


def read_answer(  # noqa: PLR0917 - on the path of each send
    answer: Answer | Failure,
    path: str,
    limit: int,
    api: Api,
    context: Context,
    judge: Callable[[Mapping[str, Any]], TwakeError] = judge_words,
    subject: Subject = MESSAGE,
) -> Mapping[str, Any] | TwakeError:
    """Return the document of a 200 that is no refusal, or the error that the answer means.

    Args:
        answer: The whole answer, or why there is none.
        path: The path that was asked.
        limit: The most bytes that the body may have without its content coding.
        api: The API that was asked.
        context: What else is known.
        judge: Returns what a 200 with an `error` in its JSON proves.
        subject: What an error is about.

    """
    if not isinstance(answer, Answer):
        return judge_failure(answer, api.server, subject)
    if answer.status != 200:
        error = _no_api(answer) or judge_status(answer, path, api.server, context, subject)
        return add_words(error, _NO_ROUTE) if has_no_route(answer) else error
    document = document_of(answer, limit, api.codec, api.server)
    if isinstance(document, TwakeError):
        return document
    return judge(document) if "error" in document else document


def _no_api(answer: Answer) -> RefusedError | None:
    """Return the refusal of a server that serves no v1 API at all, or None."""
    if answer.status != 404 or json_of(answer) != NOT_FOUND:
        return None
    return RefusedError(
        'this server does not serve the v1 API, like the last release of Twake: set api="node" '
        "and a workspace_id (TWAKE_API=node, TWAKE_WORKSPACE_ID)",
        reason="api",
        status=404,
    )

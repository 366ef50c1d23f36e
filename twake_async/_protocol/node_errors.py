"""The refusals that Node servers of Twake say in JSON, over either API. No I/O.

Nothing was stored in all 128 recorded cases of a 4xx, whether HTTP's status or the one in the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.errors import RefusedError

from .json_codec import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .exchange import Answer

__all__ = ["NOT_FOUND", "json_of", "refused_by_node", "refused_in_words"]

#: What a Node server answers where it has no such route, as HTTP 404 or inside a 200.
NOT_FOUND: dict[str, Any] = {"error": "Not found"}


def refused_in_words(answer: Answer) -> RefusedError | None:
    """Return the refusal in the JSON of an answer whose status is not 200, or None."""
    document = json_of(answer)
    if isinstance(document, dict) and document.get("statusCode") == answer.status:
        return refused_by_node(document)
    return None


def json_of(answer: Answer) -> Any:
    """Return the JSON of a 4xx whose content type is JSON; None for any other answer."""
    kind = answer.header(b"content-type").lower()
    if not (400 <= answer.status < 500 and kind.startswith("application/json")):
        return None
    try:
        return load(answer.body)
    except ValueError:
        return None


def refused_by_node(document: Mapping[str, Any]) -> RefusedError | None:
    """Return the refusal that a document says in the form of a Node server, or None."""
    status, words = document.get("statusCode"), document.get("message")
    if document.keys() != {"statusCode", "error", "message"} or not isinstance(words, str):
        return None
    if type(status) is not int or not 400 <= status < 500:
        return None
    return RefusedError(
        f"the server refused it and stored nothing: {words!r}", reason="status", status=status
    )

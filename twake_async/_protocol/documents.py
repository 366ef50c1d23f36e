"""The document of a 200 over either API, and the error if it proves nothing. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.errors import OutcomeUnknownError

from .body import read_document
from .statuses import name_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.errors import TwakeError

    from .exchange import Answer
    from .json_codec import Codec
    from .server import Server

__all__ = ["add_words", "document_of", "mismatch"]


def document_of(
    answer: Answer, limit: int, codec: Codec, server: Server
) -> Mapping[str, Any] | TwakeError:
    """Return the JSON object of a 200, or an error if it is not an answer of Twake.

    Args:
        answer: The whole answer.
        limit: The most bytes that the body may have without its content coding.
        codec: Reads the JSON.
        server: What is known of the server.

    """
    try:
        return read_document(answer, limit, codec)
    except ValueError as exc:
        unreadable = OutcomeUnknownError(
            f"the server answered 200 with a body that is not an answer of Twake: {exc}",
            reason="unreadable",
            status=200,
        )
    return name_proxy(unreadable, server)


def add_words(error: TwakeError, words: str) -> TwakeError:
    """Return the same error with more words in its message."""
    error.args = (f"{error.args[0]}; {words}",)
    return error


def mismatch(why: str) -> OutcomeUnknownError:
    """Return the error for an answer that does not prove anything about our message."""
    return OutcomeUnknownError(f"the server's answer {why}", reason="mismatch", status=200)

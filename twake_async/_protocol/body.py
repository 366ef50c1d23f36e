"""Reads the body of a 200: content coding, lines that PHP writes before JSON, JSON. No I/O."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any

from twake_async._protocol.json_codec import Codec, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async._protocol.exchange import Answer

__all__ = ["read_document"]


def read_document(answer: Answer, limit: int, codec: Codec) -> Mapping[str, Any]:
    """Return the JSON object of an answer.

    Args:
        answer: A whole answer.
        limit: The most bytes that the body may have, decoded.
        codec: Reads the JSON.

    Raises:
        ValueError: It is not an answer of Twake; the message is for a person.

    """
    body = _without_coding(answer, limit)
    if not body.startswith(b"{"):
        body = _behind_php(body)
    try:
        document = load(body, codec)
    except ValueError:
        raise ValueError("its body is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("its body is not a JSON object")  # noqa: TRY004
    return document


def _without_coding(answer: Answer, limit: int) -> bytes:
    coding = answer.header(b"content-encoding").lower()
    if coding in ("", "identity"):
        return answer.body
    if coding not in ("gzip", "x-gzip"):
        raise ValueError(f"its content coding is {coding!r}")
    inflate = zlib.decompressobj(wbits=31)
    try:
        body = inflate.decompress(answer.body, limit)
    except zlib.error as exc:
        raise ValueError("its gzip body is broken") from exc
    if inflate.unconsumed_tail or not inflate.eof:
        raise ValueError("its gzip body is cut short or too large")
    return body


#: A line that PHP itself writes before an answer (wire cases 16k, 17f, 19t, 21i): a message, in
#: HTML or plain text, or a line of a trace that `var_dump` prints.
_PHP_LINE = re.compile(
    rb"""
    (?: <br[ ]/>
      | <b>(?:Warning|Notice|Deprecated|Fatal[ ]error)</b>: .* [ ]on[ ]line[ ]<b>\d+</b><br[ ]/>
      | (?:PHP[ ])?(?:Warning|Notice|Deprecated|Fatal[ ]error): .* [ ]on[ ]line[ ]\d+
      | string\(\d+\)[ ]"\#0[ ].*
      | \#\d+[ ].*
    )?
    """,
    re.VERBOSE,
)


def _behind_php(body: bytes) -> bytes:
    # PHP writes JSON without line breaks, so the last line is the whole JSON. The lines before it
    # must be lines that PHP is known to write: others may come from somebody else.
    lines = body.strip().split(b"\n")
    if not lines[-1]:
        raise ValueError("its body is empty")
    if not all(_PHP_LINE.fullmatch(line.strip()) for line in lines[:-1]):
        raise ValueError("there is text before its last line that PHP does not write")
    return lines[-1]

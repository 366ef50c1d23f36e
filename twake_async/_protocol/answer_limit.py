"""How long an answer may be. No I/O."""

from __future__ import annotations

__all__ = ["answer_limit"]


def answer_limit(body: bytes) -> int:
    """Return the most bytes that an answer to a body can need.

    PHP may write a character as twelve bytes, and Node repeats a message in its answer.
    """
    return 4_194_304 + 12 * len(body)

"""The result of an attempt."""

from __future__ import annotations

from twake_async._protocol.exchange import Answer


def test_headers_are_found_whatever_their_case():
    """The first header of the name counts, stripped; an absent one is empty."""
    answer = Answer(200, [(b"Retry-AFTER", b" 7 "), (b"retry-after", b"8"), (b"X", b"\xff")], b"")
    assert answer.header(b"retry-after") == "7"
    assert answer.header(b"x") == "\xff"
    assert answer.header(b"location") == ""

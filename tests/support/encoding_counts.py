"""How often each draft is encoded, how often its request is made, and its portable form."""

from __future__ import annotations

import functools
from collections import Counter

from twake_async import twacode
from twake_async._protocol.v1 import encode, generation

__all__ = ["Encodings"]


class Encodings:
    """Counts the encodings and requests of each draft, by the draft's content."""

    def __init__(self, monkeypatch) -> None:
        self.drafts: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.portable: Counter[str] = Counter()
        _count(monkeypatch, generation, "encode_draft", self.drafts)
        _count(monkeypatch, encode.EncodedDraft, "request", self.requests)
        _count(monkeypatch, twacode, "portable", self.portable)


def _count(monkeypatch, owner, name: str, counter: Counter[str]) -> None:
    function = getattr(owner, name)

    @functools.wraps(function)
    def counted(first, *args, **named):
        draft = getattr(first, "draft", first)
        counter[str(getattr(draft, "content", draft))] += 1
        return function(first, *args, **named)

    monkeypatch.setattr(owner, name, counted)

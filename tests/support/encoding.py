"""The request that saves a draft, for tests that need no session."""

from __future__ import annotations

from typing import Any

from twake_async import MessageDraft
from twake_async._protocol.v1.encode import encode_draft
from twake_async._protocol.v1.requests import Save

__all__ = ["encode_save"]


def encode_save(draft: MessageDraft, **options: Any) -> Save:
    """Return the request that saves a draft; the options are those of `encode_draft`."""
    return encode_draft(draft, **options).request()

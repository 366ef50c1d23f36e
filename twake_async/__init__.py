"""Send messages to Twake from asyncio, and know what became of each one.

Every send ends in exactly one of four outcomes, `DELIVERED`, `REFUSED`, `NOT_SENT` or `UNKNOWN`,
and the first three are never wrong::

    async with TwakeSession("public-id", "private-key", group_id="…") as twake:
        message = await twake.send_message("channel-id", "Hello, this is my first message !")
"""

from .errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidDraftError,
    InvalidGroupError,
    MissingCapabilityError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    SessionClosedError,
    TextCutWarning,
    TwakeError,
    WrongEventLoopError,
)
from .messages import Message, MessageDraft, MessageRef, Reaction
from .retry import Attempt, RetryBudget, RetryPolicy
from .session import TwakeSession

__all__ = [
    "Attempt",
    "AuthenticationError",
    "ConfigurationError",
    "InvalidDraftError",
    "InvalidGroupError",
    "Message",
    "MessageDraft",
    "MessageRef",
    "MissingCapabilityError",
    "NotSentError",
    "Outcome",
    "OutcomeUnknownError",
    "RateLimitedError",
    "Reaction",
    "RefusedError",
    "RetryBudget",
    "RetryPolicy",
    "SessionClosedError",
    "TextCutWarning",
    "TwakeError",
    "TwakeSession",
    "WrongEventLoopError",
]

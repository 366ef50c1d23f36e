"""Send messages to Twake from asyncio, and know the outcome of each one.

Every send ends in exactly one of four outcomes, `DELIVERED`, `REFUSED`, `NOT_SENT` or `UNKNOWN`,
and the first three are never wrong::

    async with TwakeSession("public-id", "private-key", group_id="…") as twake:
        message = await twake.send_message("channel-id", "Hello, this is my first message !")
"""

from ._field_texts import show_field_texts as _show_field_texts
from .check import Check
from .deliveries import Delivery, JournalEntry, Pause, Progress
from .errors import (
    AuthenticationError,
    ConfigurationError,
    EmptyFileWarning,
    InvalidDraftError,
    InvalidGroupError,
    JournalError,
    MissingCapabilityError,
    NotFoundError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    ReplyAtRootWarning,
    SessionClosedError,
    TextCutWarning,
    TwakeError,
    WrongEventLoopError,
)
from .journal import Journal
from .messages import Message, MessageDraft, MessageRef, Reaction, ReplyTarget
from .retry import Attempt, RetryBudget, RetryPolicy
from .session import TwakeSession
from .stats import Connections, Stats

__all__ = [
    "Attempt",
    "AuthenticationError",
    "Check",
    "ConfigurationError",
    "Connections",
    "Delivery",
    "EmptyFileWarning",
    "InvalidDraftError",
    "InvalidGroupError",
    "Journal",
    "JournalEntry",
    "JournalError",
    "Message",
    "MessageDraft",
    "MessageRef",
    "MissingCapabilityError",
    "NotFoundError",
    "NotSentError",
    "Outcome",
    "OutcomeUnknownError",
    "Pause",
    "Progress",
    "RateLimitedError",
    "Reaction",
    "RefusedError",
    "ReplyAtRootWarning",
    "ReplyTarget",
    "RetryBudget",
    "RetryPolicy",
    "SessionClosedError",
    "Stats",
    "TextCutWarning",
    "TwakeError",
    "TwakeSession",
    "WrongEventLoopError",
]

_show_field_texts(__name__)

"""The errors of a bot: one that a handler raises for its user, and one of a closed bot."""

from __future__ import annotations

__all__ = ["BotClosedError", "UserError"]


class UserError(Exception):
    """Raised in a handler: the user of the event sees the text, and nobody else does.

    The text is an ephemeral message. It is not a failure of the handler: nothing is logged, and no
    `on_error` handler is called.

    Args:
        message: What the user reads.

    """


class BotClosedError(Exception):
    """The bot is closed, or was closed while `wait_for` waited: no event comes any more."""

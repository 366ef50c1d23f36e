"""Reads a message back that a server said it stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from twake_async.errors import ConfigurationError, Outcome, OutcomeUnknownError

if TYPE_CHECKING:
    from twake_async._attempts.attempt_loop import Attempts
    from twake_async._protocol.generation import SaveRequest
    from twake_async.messages import Message

__all__ = ["ReadBack"]


class ReadBack:
    """Confirms what one send delivered; is told of its attempts, for the error.

    Args:
        request: The request.
        attempts: What makes its attempts.
        seconds: The deadline of the send, from now on.

    Raises:
        ConfigurationError: No read can confirm what the request stores.

    """

    guard = None

    def __init__(self, request: SaveRequest, attempts: Attempts[Any], seconds: float) -> None:
        steps = request.steps
        if steps is None or not steps.can_read or request.operation == "ephemeral":
            raise ConfigurationError(
                'read_back needs api="node" and a message that is stored: over api="v1" no message '
                "can be read, and an ephemeral message is not stored",
                field="read_back",
            )
        self._request, self._steps = request, steps
        self._attempts, self._seconds = attempts, seconds
        self._began, self._number = attempts.now(), 0

    def attempt_ended(self, outcome: Outcome, reason: str, *, last: bool) -> None:  # noqa: ARG002
        """Count an attempt."""
        self._number += 1

    async def before_retry(self) -> None:
        """Forbid no other attempt."""

    def retry_dropped(self) -> None:
        """Count no attempt that did not leave."""

    async def confirm(self, message: Message) -> None:
        """Read a message back, or raise an error if no read shows it."""
        left = self._seconds - (self._attempts.now() - self._began)
        try:
            is_there = await self._steps.confirm(message, max(0.0, left))
        except asyncio.CancelledError:
            self._attempts.counters.count_ended(Outcome.UNKNOWN, "cancelled")
            raise
        if is_there:
            return
        why = "a read does not show it" if is_there is False else "no read was answered"
        error = OutcomeUnknownError(
            f"the server said that it stored the message, but {why}", reason="unconfirmed"
        )
        error.front_id, error.attempts = self._request.front_id, self._number
        error.elapsed = self._attempts.now() - self._began
        self._attempts.note_failure(self._request, error)
        raise error

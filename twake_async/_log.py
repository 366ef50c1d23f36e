"""What a session writes to the logger `twake_async`: its attempts, and what may be in doubt.

Nothing is computed where the level of a record is off.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ._printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .retry import Attempt

__all__ = ["log", "tell", "warn_of_unknown"]

log: logging.Logger = logging.getLogger("twake_async")
log.addHandler(logging.NullHandler())


def tell(attempt: Attempt, on_attempt: Callable[[Attempt], object] | None) -> None:
    """Log an attempt at the level DEBUG, and tell the observer.

    Args:
        attempt: What is told.
        on_attempt: The observer; None for none.

    """
    if log.isEnabledFor(logging.DEBUG):
        log.debug("%s", _sentence(attempt), extra=_fields(attempt))
    if on_attempt is None:
        return
    try:
        on_attempt(attempt)
    except Exception:
        # An observer that fails must not change the outcome of the message.
        log.exception("on_attempt raised")


def warn_of_unknown(attempt: Attempt, why: str) -> None:
    """Log at the level WARNING that the outcome of a send is unknown.

    Args:
        attempt: The facts of the send; `number` and `elapsed` are those of all its attempts.
        why: A sentence for a person.

    """
    if log.isEnabledFor(logging.WARNING):
        log.warning("%s: %s", _subject(attempt), why, extra=_fields(attempt))


def _subject(attempt: Attempt) -> str:
    channel = f" in {printable(attempt.channel_id)}" if attempt.channel_id else ""
    return f"{printable(attempt.operation)}{channel}"


def _sentence(attempt: Attempt) -> str:
    reason = f" ({attempt.reason})" if attempt.reason else ""
    parts = [f"{_subject(attempt)}: {attempt.outcome.value}{reason}"]
    if attempt.message_id:
        parts.append(f"message {printable(attempt.message_id)}")
    if attempt.front_id:
        parts.append(f"front_id {printable(attempt.front_id)}")
    parts += [
        f"attempt {attempt.number}",
        "no answer" if attempt.status is None else f"status {attempt.status}",
        f"{attempt.elapsed:.3f} s",
    ]
    if attempt.wait is not None:
        parts.append(f"again in {attempt.wait:.2f} s")
    return ", ".join(parts)


def _fields(attempt: Attempt) -> dict[str, Any]:
    """Return the attributes of a record, for logs that are read by a program."""
    return {
        "twake_operation": attempt.operation,
        "twake_channel_id": attempt.channel_id,
        "twake_message_id": attempt.message_id,
        "twake_front_id": attempt.front_id,
        "twake_outcome": attempt.outcome.value,
        "twake_reason": attempt.reason,
        "twake_status": attempt.status,
        "twake_attempt": attempt.number,
        "twake_wait": attempt.wait,
        "twake_elapsed": attempt.elapsed,
    }

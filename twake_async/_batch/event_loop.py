"""Checks whether an asyncio event loop is running."""

from __future__ import annotations

import asyncio

from twake_async.errors import WrongEventLoopError

__all__ = ["check_running", "is_torn_down"]


def check_running(what: str) -> None:
    """Check that an asyncio event loop is running.

    Args:
        what: What needs one, for the error.

    Raises:
        WrongEventLoopError: No asyncio event loop is running.

    """
    if not _is_running():
        raise WrongEventLoopError(
            f"{what} needs a running asyncio event loop: under trio, for example, there is none"
        )


def is_torn_down() -> bool:
    """Say whether the event loop was closed, and the calling coroutine is closed after it.

    Then nobody waits for a result, and nothing of asyncio works.
    """
    return not _is_running()


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

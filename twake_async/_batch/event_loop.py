"""Whether an asyncio event loop is running, and what it means where none is."""

from __future__ import annotations

import asyncio

from twake_async.errors import WrongEventLoopError

__all__ = ["check_running", "is_torn_down"]


def check_running(what: str) -> None:
    """Raise `WrongEventLoopError` where no asyncio event loop is running.

    Args:
        what: Who needs one, for the error.

    """
    if not _is_running():
        raise WrongEventLoopError(
            f"{what} needs a running asyncio event loop: under trio, for example, there is none"
        )


def is_torn_down() -> bool:
    """Say whether the coroutine that asks is only being closed, its loop being gone.

    Then nobody is left to tell, and nothing of asyncio works.
    """
    return not _is_running()


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

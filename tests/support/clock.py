"""A clock of the event loop that a test moves forward: a deadline passes at a moment, not by luck.

A short deadline in real time may pass on a busy machine before the request has left, and then the
test sees another failure than the one that it is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

__all__ = ["past_deadline", "skip"]


def skip(seconds: float) -> None:
    """Move the clock of the running event loop forward; timers that are due then run next."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]


async def past_deadline(
    twake: Any, sending: Awaitable[Any], reached: Callable[[], object], seconds: float
) -> Any:
    """Await a send whose deadline passes once a point is reached.

    Args:
        twake: The session. Its clock follows that of the event loop from now on.
        sending: The send.
        reached: Returns whether the request has come to the point where no more answer comes.
        seconds: The deadline of the send.

    """
    loop = asyncio.get_running_loop()
    twake._attempts.clock = attrs.evolve(twake._attempts.clock, now=lambda: loop.time())  # noqa: PLW0108 - `skip` replaces it
    task = asyncio.ensure_future(sending)
    while not (reached() or task.done()):
        await asyncio.sleep(0)
    skip(seconds)
    return await task

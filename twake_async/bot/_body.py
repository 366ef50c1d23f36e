"""Reads the bodies of requests: each within its size, and in its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import attrs

if TYPE_CHECKING:
    from ._request import Message, Receive, Scope

__all__ = ["BODY_TIMEOUT", "MAX_BODY", "Bodies", "BodyError", "DisconnectedError"]

#: The most bytes of a body; the largest event is a fraction of it.
MAX_BODY = 1_048_576
#: Seconds that a whole body may take. A server of 2020 waits three seconds for all.
BODY_TIMEOUT = 5.0

_TOO_LARGE = 413, "the body is over 1 MiB"
_TOO_SLOW = 408, "the body came too slowly"


class BodyError(Exception):
    """A body cannot be read; `args` are the status to answer, and why."""


class DisconnectedError(Exception):
    """The client went away before its body was complete: nobody is there to answer."""


@attrs.define(eq=False)
class _Reading:
    """One body on its way."""

    task: asyncio.Task[Any]
    ends: float
    """When its time is over, by the clock of the event loop."""
    is_late: bool = False


@attrs.define(eq=False)
class Bodies:
    """All bodies on their way. One timer serves all: one for each would cost as much as its JSON.

    Args:
        timeout: Seconds for each.

    """

    timeout: float = BODY_TIMEOUT
    # In the order in which they began, so also in that in which their time is over.
    _reading: dict[_Reading, None] = attrs.field(factory=dict, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body of a request.

        Raises:
            BodyError: It is too large, or comes too slowly.
            DisconnectedError: The client went away.

        """
        for name, value in scope["headers"]:
            if name == b"content-length" and not _is_small(value):
                raise BodyError(*_TOO_LARGE)
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        reading = _Reading(task, loop.time() + self.timeout)
        self._reading[reading] = None
        if self._timer is None:
            self._timer = loop.call_at(reading.ends, self._end_late, loop)
        try:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                return _bounded(message.get("body", b""))  # in one piece, as nearly all
            return _bounded(await _join(message, receive))
        except asyncio.CancelledError:
            if not reading.is_late or task.uncancel():
                raise
        finally:
            del self._reading[reading]
        raise BodyError(*_TOO_SLOW)

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel those whose time is over, and set the timer for the next."""
        self._timer, now = None, loop.time()
        for reading in self._reading:
            if reading.ends > now:
                self._timer = loop.call_at(reading.ends, self._end_late, loop)
                return
            if not reading.is_late:
                reading.is_late = True
                reading.task.cancel()


def _is_small(length: bytes) -> bool:
    return length.isdigit() and len(length) <= 7 and int(length) <= MAX_BODY


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise BodyError(*_TOO_LARGE)
    return body


async def _join(message: Message, receive: Receive) -> bytes:
    """Return the parts of a body as one; no more of them than show that it is too large."""
    parts, size = [], 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY or not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise DisconnectedError

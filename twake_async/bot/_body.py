"""Reads the bodies of requests: each within its size, and in its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from ._request import Message, Receive

__all__ = ["BODY_TIMEOUT", "MAX_BODY", "Bodies", "BodyError", "DisconnectedError"]

#: The most bytes of a body; the largest event is a fraction of it.
MAX_BODY = 1_048_576
#: Seconds that a whole body may take. A server of 2020 waits three seconds in total.
BODY_TIMEOUT = 5.0

_TOO_LARGE = 413, "the body is over 1 MiB"
_TOO_SLOW = 408, "the body came too slowly"


class BodyError(Exception):
    """A body cannot be read; `args` are the status to answer, and why."""


class DisconnectedError(Exception):
    """The client went away before its body was complete: there is nobody to answer."""


@attrs.define(eq=False)
class Bodies:
    """Reads bodies. All share one timer: a timer for each would cost as much as parsing its JSON.

    Args:
        timeout: Seconds for each body.

    """

    timeout: float = BODY_TIMEOUT
    # The deadline of each task, by the clock of the event loop, in order.
    _ends: dict[asyncio.Task[Any], float] = attrs.field(factory=dict, init=False)
    _late: set[asyncio.Task[Any]] = attrs.field(factory=set, init=False)
    """Tasks that were cancelled because their time is over."""
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)

    async def read(self, length: str | None, receive: Receive) -> bytes:
        """Return the body of a request.

        Args:
            length: The length in its headers.
            receive: Returns its parts.

        Raises:
            BodyError: It is too large, or comes too slowly.
            DisconnectedError: The client went away.

        """
        if length is not None and not _is_small(length):
            raise BodyError(*_TOO_LARGE)
        loop = asyncio.get_running_loop()
        task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        ends = self._ends[task] = loop.time() + self.timeout
        if self._timer is None:
            self._timer = loop.call_at(ends, self._end_late, loop)
        try:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                return _bounded(message.get("body", b""))  # in one piece, as nearly all
            return _bounded(await _join(message, receive))
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel():
                raise
        finally:
            del self._ends[task]
            self._late.discard(task)
        raise BodyError(*_TOO_SLOW)

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the tasks whose time is over, and set the timer for the next one."""
        self._timer, now = None, loop.time()
        for task, ends in self._ends.items():
            if ends > now:
                self._timer = loop.call_at(ends, self._end_late, loop)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()


def _is_small(length: str) -> bool:
    return length.isdecimal() and len(length) <= 7 and int(length) <= MAX_BODY


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise BodyError(*_TOO_LARGE)
    return body


async def _join(message: Message, receive: Receive) -> bytes:
    """Return the parts of a body as one; stop reading when it is too large."""
    parts, size = [], 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY or not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise DisconnectedError

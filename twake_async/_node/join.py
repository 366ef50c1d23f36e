"""Takes part in threads of users, where a server answers a reply with "You can't post"."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.node.reads import join

from .shared_call import SharedCall

if TYPE_CHECKING:
    from twake_async._attempts.attempt_loop import Attempts
    from twake_async._protocol.node.api import Api
    from twake_async._protocol.node.requests import Place

    from .login import Logins

__all__ = ["Joins"]

#: Seconds that joining may take.
LIMIT = 10.0
#: The most threads that are remembered, and for how many seconds.
MOST, LONG = 1000, 2.0

log = logging.getLogger("twake_async")


def _never() -> bool:
    return False


@attrs.define(eq=False)
class Joins:
    """Adds the application to the participants of threads, once for all replies that wait."""

    attempts: Attempts[Any]
    api: Api
    logins: Logins
    _calls: dict[str, SharedCall[bool]] = attrs.field(factory=dict, init=False)
    _joined: dict[str, float] = attrs.field(factory=dict, init=False)
    """When each thread was joined, in that order: one that was just joined is not joined again."""

    async def join(self, place: Place, seconds: float) -> bool:
        """Take part in a thread; say whether the server did it.

        Args:
            place: Where the thread is.
            seconds: How long to wait at most.

        """
        joined = self._joined.get(place.thread)
        if joined is not None and self.attempts.now() - joined < LONG:
            return True
        call = self._calls.get(place.thread)
        if call is None:
            call = self._calls[place.thread] = SharedCall(
                self._run(place), self.attempts.tasks.start, _never
            )
        return await call.wait(seconds)

    async def _run(self, place: Place) -> bool:
        try:
            ask = functools.partial(join, place, self.api)
            is_in = await self.logins.ask(ask, LIMIT) is True
        finally:
            del self._calls[place.thread]
        if is_in:
            log.info("took part in the thread %s, to reply in it", place.thread)
            self._remember(place.thread)
        return is_in

    def _remember(self, thread: str) -> None:
        self._joined.pop(thread, None)
        self._joined[thread] = self.attempts.now()
        if len(self._joined) > MOST:
            del self._joined[next(iter(self._joined))]

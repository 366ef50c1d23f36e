"""The second look: reads that find messages whose answers were lost, one for many sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.node.reads import Page, pages
from twake_async._protocol.node.requests import Place, is_proof
from twake_async.errors import RateLimitedError

from .shared_call import SharedCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async._attempts.attempt_loop import Attempts
    from twake_async._protocol.node.api import Api
    from twake_async._protocol.node.reads import Rows
    from twake_async.errors import TwakeError

    from .login import Logins

__all__ = ["Looks"]

#: The tries of one look: the seconds before each try, and the seconds that it may take.
TRIES = ((0.0, 2.0), (0.2, 4.0), (0.8, 4.0))
#: Seconds for which a look waits for the previous look at the same place.
BEFORE = 1.0
#: Seconds: a look ends if the server asks it to wait longer than this.
LONGEST_PAUSE = 10.0


@attrs.define(eq=False)
class Looks:
    """Looks for messages. One read of a place serves all sends whose attempts ended before it."""

    attempts: Attempts[Any]
    api: Api
    logins: Logins
    _next: dict[Place, SharedCall[Rows]] = attrs.field(factory=dict, init=False)
    """The look that has not begun, by place."""
    _running: dict[Place, SharedCall[Rows]] = attrs.field(factory=dict, init=False)

    async def find(
        self, place: Place, evidence: Mapping[str, str], seconds: float
    ) -> Mapping[str, Any] | None:
        """Return the message of this application that has an id which was minted for it.

        Args:
            place: Where the message was sent to.
            evidence: The id, under its key.
            seconds: How long to look at most.

        """
        if place.thread:
            place = Place(place.company, "", "", place.thread)
        for row in await self._join(place).wait(seconds):
            if "application_id" in row and self.api.is_ours(row) and is_proof(evidence, row):
                return row
        return None

    def _join(self, place: Place) -> SharedCall[Rows]:
        call = self._next.get(place)
        if call is None:
            call = SharedCall(
                self._run(place, self._running.get(place)), self.attempts.tasks.start, tuple
            )
            self._next[place] = call
        return call

    async def _run(self, place: Place, before: SharedCall[Rows] | None) -> Rows:
        if before is not None:
            await before.wait(BEFORE)
        call = self._running[place] = self._next.pop(place)
        try:
            return await self._read(place)
        finally:
            if self._running.get(place) is call:
                del self._running[place]

    async def _read(self, place: Place) -> Rows:
        page = Page(())
        for wait, limit in TRIES:
            pause = _asked(page.error)
            if pause > LONGEST_PAUSE:
                break
            if wait:
                await self.attempts.wait(max(wait, pause))
            if not self.logins.is_ready and await self.logins.log_in(limit) is not None:
                continue
            page = await self.attempts.converse(pages(place, self.api), limit)
            if page.error is None:
                break
            if page.error.reason == "token":
                self.api.forget(page.token)
        return page.rows


def _asked(error: TwakeError | None) -> float:
    """Return the seconds that the server asked for with an error."""
    return (isinstance(error, RateLimitedError) and error.retry_after) or 0.0

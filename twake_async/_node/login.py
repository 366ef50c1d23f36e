"""The login of a session: at the first send, before the token ends, and after a refused token."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._protocol.node.api import Token
from twake_async._protocol.node.login import Grant, log_in
from twake_async._protocol.subjects import REQUEST
from twake_async.errors import NotSentError, Outcome, RefusedError, TwakeError

from .shared_call import SharedCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async._attempts.attempt_loop import Attempts
    from twake_async._protocol.node.api import Api
    from twake_async._protocol.node.reads import Ask

__all__ = ["Logins"]

T = TypeVar("T")

#: Seconds that a login may take, and the most between two that fail.
LIMIT, LONGEST_WAIT = 4.0, 10.0
#: Seconds between the first two logins that fail; they double.
FIRST_WAIT = 0.2
#: A token is renewed, and no longer used, at most so many seconds before it ends.
RENEW, UNUSED = 300.0, 30.0


@attrs.define(eq=False)
class Logins:
    """Gets the access token. One login is under way at a time, for all sends that wait."""

    attempts: Attempts[Any]
    api: Api
    _call: SharedCall[TwakeError | None] | None = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _not_before: float = attrs.field(default=float("-inf"), init=False)
    _last: TwakeError | None = attrs.field(default=None, init=False)
    """The error of the last login; None if it did not fail."""

    @property
    def is_ready(self) -> bool:
        """Whether there is a token. If it ends soon, another login begins in the background."""
        token = self.api.token
        if token is None:
            return False
        now = self.attempts.clock.now()
        if now >= token.renew_at:
            if now >= token.ends:
                return False
            self._begin()
        return True

    async def log_in(self, seconds: float) -> TwakeError | None:
        """Wait for a token; return the error if no token came.

        Args:
            seconds: How long to wait at most.

        """
        while not self.is_ready:
            began = self.attempts.now()
            error = await self._begin().wait(seconds)
            if error is not None:
                return copy.copy(error)  # each send tells its own facts in its error
            seconds -= self.attempts.now() - began
        return None

    async def ask(self, make: Callable[[], Ask[T]], seconds: float) -> T | TwakeError:
        """Make a request that is not a send, with an access token.

        Args:
            make: Makes the request; it is made once more if the token is refused.
            seconds: How long all of it may take.

        """
        ends = self.attempts.now() + seconds
        request = make()
        result = await self._ask(request, ends)
        if isinstance(result, RefusedError) and result.reason == "token":
            self.api.forget(request.used)
            return await self._ask(make(), ends)
        return result

    async def _ask(self, request: Ask[T], ends: float) -> T | TwakeError:
        error = await self.log_in(ends - self.attempts.now())
        if error is not None:
            return error
        return await self.attempts.ask(request, max(0.0, ends - self.attempts.now()))

    def _begin(self) -> SharedCall[TwakeError | None]:
        if self._call is None or self._call.task.done():
            self._call = SharedCall(self._run(), self.attempts.tasks.start, self._late)
        return self._call

    def _late(self) -> TwakeError:
        error = NotSentError(
            f"{REQUEST.noun} was not sent: the deadline passed during the login", reason="login"
        )
        error.__cause__ = self._last
        return error

    async def _run(self) -> TwakeError | None:
        pause = self._not_before - self.attempts.now()
        if pause > 0:
            await self.attempts.wait(pause)
        asked = self.attempts.now()
        credentials = self.api.credentials
        assert credentials is not None  # noqa: S101 - a session has some
        result = await self.attempts.converse(log_in(credentials, self.api.server), LIMIT)
        if isinstance(result, Grant):
            self._keep(result, asked)
            return None
        self._note_failure(result)
        return result

    def _keep(self, grant: Grant, asked: float) -> None:
        self._failures, self._last = 0, None
        ends = asked + grant.seconds
        tenth = grant.seconds / 10
        self.api.token = Token(
            grant.header(), ends - min(RENEW, tenth), ends - min(UNUSED, tenth / 2)
        )

    def _note_failure(self, error: TwakeError) -> None:
        self._last = error
        # The server itself refused: waiting longer each time would not help.
        self._failures = 0 if error.outcome is Outcome.REFUSED else self._failures + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(max(0, self._failures - 1), 60))
        self._not_before = self.attempts.now() + wait * (0.5 + self.attempts.clock.draw() / 2)

"""The steps around the attempts of a request to a Node server."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.node.decode import decode_message
from twake_async._protocol.node.reads import read_message

from .join import Joins
from .login import Logins
from .look import Looks

if TYPE_CHECKING:
    from twake_async._attempts.attempt_loop import Attempts
    from twake_async._protocol.node.api import Api
    from twake_async._protocol.node.requests import Bearer, Remove, Save
    from twake_async.errors import TwakeError
    from twake_async.messages import Message

__all__ = ["NodeSession"]


@attrs.define(eq=False)
class NodeSession:
    """What one session does around all its sends to a Node server.

    Args:
        attempts: Makes the requests.
        api: The API to ask, and the access token.
        join_threads: Whether to take part in a thread that refuses a reply.

    """

    attempts: Attempts[Any]
    api: Api
    join_threads: bool = True
    logins: Logins = attrs.field(init=False)
    looks: Looks = attrs.field(init=False)
    joins: Joins = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.logins = Logins(self.attempts, self.api)
        self.looks = Looks(self.attempts, self.api, self.logins)
        self.joins = Joins(self.attempts, self.api, self.logins)

    def steps_of_save(self, save: Save) -> SaveSteps:
        """Return the steps around the attempts of a save."""
        return SaveSteps(self, save)

    def steps_of_remove(self, remove: Remove) -> CallSteps:
        """Return the steps around the attempts of a remove."""
        return CallSteps(self, remove)

    def steps_of_call(self, call: Bearer) -> CallSteps:
        """Return the steps around the attempts of a call that sends no message."""
        return CallSteps(self, call)


@attrs.define(eq=False)  # made for each send, and so not frozen
class CallSteps:
    """The steps around the attempts of a request that may be sent twice: a remove, or a read."""

    session: NodeSession
    request: Bearer

    can_look = False
    can_read = True

    @property
    def is_ready(self) -> bool:
        """Whether there is an access token."""
        return self.session.logins.is_ready

    async def prepare(self, seconds: float) -> TwakeError | None:
        """Log in, or return the error that the attempt ends with."""
        return await self.session.logins.log_in(seconds)

    def can_recover(self, error: TwakeError) -> bool:
        """Say whether the request may succeed after another login."""
        return error.reason == "token"

    async def recover(self, error: TwakeError, seconds: float) -> bool:  # noqa: ARG002
        """Forget the token that was refused; the next attempt logs in."""
        self.session.api.forget(self.request.used)
        return True

    async def look(self, seconds: float, doubts: int) -> None:
        """Return None: it is sent again instead."""

    def observed(self, requests: int) -> None:
        """Return None: no event shows it."""

    async def confirm(self, result: object, seconds: float) -> bool | None:
        """Return None: nothing is read back."""


@attrs.define(eq=False)  # made for each send, and so not frozen
class SaveSteps:
    """The steps around the attempts of a save."""

    session: NodeSession
    request: Save

    can_read = True

    @property
    def is_ready(self) -> bool:
        """Whether there is an access token."""
        return self.session.logins.is_ready

    @property
    def can_look(self) -> bool:
        """Whether a look may find it: an edit is sent again, an ephemeral message is not stored."""
        return self.request.operation == "create"

    async def prepare(self, seconds: float) -> TwakeError | None:
        """Log in, or return the error that the attempt ends with."""
        return await self.session.logins.log_in(seconds)

    def can_recover(self, error: TwakeError) -> bool:
        """Say whether the request may succeed after another login, or after joining the thread."""
        if error.reason == "thread":
            return self.session.join_threads and self.request.is_reply
        return error.reason == "token"

    async def recover(self, error: TwakeError, seconds: float) -> bool:
        """Join the thread, or forget the token; say whether it may be sent once more."""
        if error.reason == "thread":
            return await self.session.joins.join(self.request.place, seconds)
        self.session.api.forget(self.request.used)
        return True

    async def look(self, seconds: float, doubts: int) -> Message | None:
        """Return the message if a read finds it.

        Args:
            seconds: How long to look at most.
            doubts: How many requests may have made it.

        """
        place, evidence = self.request.place, self.request.evidence
        found = await self.session.looks.find(place, evidence, seconds)
        if found is None:
            return None
        message = decode_message(found)
        return attrs.evolve(message, maybe_duplicated=True) if doubts > 1 else message

    def observed(self, requests: int) -> None:
        """Return None: a Node server posts no event about an application's own message."""

    async def confirm(self, result: Message, seconds: float) -> bool | None:
        """Say whether a read shows the message; None if no read was answered.

        Args:
            result: The message that the server said it stored.
            seconds: How long to read at most.

        """
        session, place = self.session, self.request.place
        ask = functools.partial(read_message, place, result.id, session.api)
        found = await session.logins.ask(ask, seconds)
        return found if isinstance(found, bool) else None

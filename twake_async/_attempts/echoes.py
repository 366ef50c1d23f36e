"""Settles new messages by the events that a server of 2020 posts about them."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.v1.stored import created_fields, is_stored
from twake_async.events import NewMessage

from .send import LONGEST_LOOK

if TYPE_CHECKING:
    from twake_async._waiting import Turn
    from twake_async.errors import TwakeError
    from twake_async.events import Event
    from twake_async.messages import Message

    from .attempt_loop import Attempts

__all__ = ["CHANNELS", "EchoSteps", "Echoes"]

#: How many channels with an observed message of the session are remembered.
CHANNELS = 10_000

log: logging.Logger = logging.getLogger("twake_async")


@attrs.define(eq=False)
class Echoes:
    """The new messages of one session that are in flight, and the events about them.

    Args:
        attempts: Waits for a session.
        application_id: The application that sends.

    """

    attempts: Attempts[Any]
    application_id: str
    #: By `front_id`. The entry of a request vanishes when the request ends.
    _expected: weakref.WeakValueDictionary[str, EchoSteps] = attrs.field(
        factory=weakref.WeakValueDictionary, init=False
    )
    #: The channels in which an event proved a message delivered, the latest last.
    _channels: dict[str, None] = attrs.field(factory=dict, init=False)

    def steps_of_create(self, front_id: str, body: bytes) -> EchoSteps:
        """Return the steps of a create whose event is expected from now on.

        Args:
            front_id: The id that was minted for it.
            body: The body of the request.

        """
        steps = EchoSteps(self, body)
        self._expected[front_id] = steps
        return steps

    def distrust(self, front_id: str) -> None:
        """Stop expecting an event with an id: the caller gave it to another message."""
        self._expected.pop(front_id, None)

    def observe(self, event: Event) -> None:
        """Take an event that proves a create; ignore any other one."""
        if not isinstance(event, NewMessage) or (event.api, event.origin) != ("v1", "server"):
            return
        message = event.message
        steps = self._expected.get(message.front_id)
        if steps is None:
            return
        if not (self._is_own(event) and is_stored(steps.body, message)):
            log.debug("an event with the front_id %r proves nothing", message.front_id)
            return
        self._remember(message.channel_id.lower())
        steps.take(message)

    def was_observed(self, channel_id: str) -> bool:
        """Say whether an event has already proved a message in a channel delivered."""
        return channel_id.lower() in self._channels

    def _is_own(self, event: NewMessage) -> bool:
        message = event.message
        application = message.application_id or ""
        return (
            bool(message.id)
            and application.lower() == self.application_id.lower()
            and (event.channel_id or "").lower() == message.channel_id.lower()
        )

    def _remember(self, channel_id: str) -> None:
        self._channels.pop(channel_id, None)
        self._channels[channel_id] = None
        if len(self._channels) > CHANNELS:
            del self._channels[next(iter(self._channels))]


@attrs.define(eq=False)
class EchoSteps:
    """The steps around the attempts of a create: they wait for the event about its message."""

    echoes: Echoes
    body: bytes = attrs.field(repr=False)
    _found: Message | None = attrs.field(default=None, init=False)
    _has_copy: bool = attrs.field(default=False, init=False)
    """Whether events showed two messages."""
    _turn: Turn[None] | None = attrs.field(default=None, init=False)

    is_ready = True
    can_look = True
    can_read = False

    def take(self, message: Message) -> None:
        """Take the message of an event that proves the create."""
        if self._found is not None:
            self._has_copy = self._has_copy or message.id != self._found.id
            return
        self._found = message
        if self._turn is not None:
            self._turn.end(None)

    def observed(self, requests: int) -> Message | None:
        """Return the message, if an event showed it already.

        Args:
            requests: How many requests may have made it.

        """
        if self._found is not None and (requests > 1 or self._has_copy):
            return attrs.evolve(self._found, maybe_duplicated=True)
        return self._found

    async def look(self, seconds: float, doubts: int) -> Message | None:
        """Return the message, if an event shows it; wait for it if the channel had one before.

        Args:
            seconds: The time to the deadline. The wait is a tenth of it, at most 2 seconds.
            doubts: How many requests may have made it.

        """
        if self._found is None and self.echoes.was_observed(
            created_fields(self.body)["channel_id"]
        ):
            self._turn = self.echoes.attempts.begin_wait(min(LONGEST_LOOK, seconds / 10))
            if self._turn is not None:
                await self._turn
        return self.observed(doubts)

    async def prepare(self, seconds: float) -> None:
        """Do nothing: an attempt needs no preparation."""

    def can_recover(self, error: TwakeError) -> bool:  # noqa: ARG002
        """Return False: no step can help after a refusal."""
        return False

    async def recover(self, error: TwakeError, seconds: float) -> bool:  # noqa: ARG002
        """Return False: no step can help after a refusal."""
        return False

    async def confirm(self, result: Message, seconds: float) -> None:
        """Return None: this API has no request that reads."""

"""The events as values: one class for each kind of event, and `Event` for any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import attrs

from twake_async.errors import ConfigurationError
from twake_async.messages import Message, ReaderUpdate  # noqa: TC001
from twake_async.retry import RetryPolicy  # noqa: TC001

from ._described import described
from ._values import mapping

__all__ = [
    "ButtonClick",
    "Command",
    "ConfigurationClick",
    "Configure",
    "Event",
    "MenuAction",
    "MessageChanged",
    "MessageRemoved",
    "NewMessage",
    "Opened",
    "ResourceAdded",
    "ResourceRemoved",
    "Responder",
]


@attrs.frozen(kw_only=True, repr=False)
class Event:
    """Something that happened in Twake; it has this class itself if no other class fits.

    `TwakeSession.reply` takes each event that has a `message`. An event that a `Bot` gives to a
    handler has `reply` and `update` of its own.
    """

    type: str = ""
    """The type, as the server wrote it."""

    name: str = ""
    """The name of the event within its type; `""` if there is none."""

    api: Literal["v1", "node"] = "v1"
    """The generation of the server that posted it."""

    signed: bool = False
    """Whether its signature was checked, and fits. That proves the server, not the person."""

    origin: Literal["server", "browser"] = "browser"
    """Who made it. Any logged-in user can make the server post any event, on Node with a valid
    signature. All of an event from a browser is only a claim, except `user_id`. Anyone who knows
    the event address can post an event that is not `signed`."""

    group_id: str | None = None
    """The group (company) to answer into; None if the event does not name it."""

    workspace_id: str | None = None
    """The workspace to answer into, `"direct"` for a direct channel; None if the event does not
    name it."""

    channel_id: str | None = None
    """The channel to answer into; None if the event does not name it."""

    user_id: str | None = None
    """The user who caused it; None if the event does not name it."""

    connection_id: str | None = None
    """The connection of the user's browser, for an ephemeral answer; None for events that the
    server made."""

    message: Message | None
    """The message that it is about; for a command or an icon in a thread, the message that began
    the thread. None if there is none."""

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    """All that was posted, as JSON. Private keys of applications are removed."""

    _responder: Responder | None = attrs.field(default=None, init=False, repr=False, eq=False)

    @property
    def content(self) -> Mapping[str, Any]:
        """The part of `raw` that is about the event: `data` over v1, `content` over Node."""
        return mapping(self.raw.get("data" if self.api == "v1" else "content"))

    def __repr__(self) -> str:
        return described(self, is_known=type(self) is not Event)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy or a pickled event belongs to no bot.
        fields = {one.name: getattr(self, one.name) for one in attrs.fields(type(self)) if one.init}
        return _rebuild, (type(self), fields)

    async def reply(
        self,
        content: Any,
        *,
        ephemeral: bool = False,
        hidden_data: Mapping[str, Any] | None = None,
        front_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Answer the event, and return the answer that the server stored.

        An event that has a message is answered in the thread of that message, any other in its
        channel. An ephemeral message has no thread: the answer goes to the place of the message.
        `TwakeSession.send_message(event.channel_id, ...)` always answers in the channel.

        Args:
            content: A string, a Twacode node, or a list of both.
            ephemeral: Show it only to the user of the event, without storing it.
            hidden_data: Data that comes back with each interaction.
            front_id: Your own id for the message; None for one that the session makes.
            deadline: Seconds for this send, if not the session's.
            retry: The policy for this send, if not the session's.

        Raises:
            ConfigurationError: The event did not come through a `Bot` (`NOT_SENT`).
            InvalidDraftError: The event has no channel, or no user to show it to (`NOT_SENT`).
            TwakeError: As for `TwakeSession.send_message`.

        """
        return await self._bound("reply").reply(
            self,
            content,
            ephemeral=ephemeral,
            hidden_data=hidden_data,
            front_id=front_id,
            deadline=deadline,
            retry=retry,
        )

    async def update(
        self,
        content: Any,
        *,
        hidden_data: Mapping[str, Any] | None = None,
        pinned: bool | None = None,
        user_specific: Sequence[ReaderUpdate] = (),
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Edit the message of the event, and return it as it is stored now.

        Only the ids of the event's message are used. The rest of it comes from a browser, which
        may claim anything, so it is not written back. An ephemeral message (a form often is one) is
        replaced for the user of the event, without `pinned` and `user_specific`. On servers of
        mid-2021 and later, over `api="v1"`, hidden data that is not given is lost, and a pinned
        message is unpinned.

        Args:
            content: The new content.
            hidden_data: The new hidden data.
            pinned: Whether to pin it.
            user_specific: What single readers see in keyed nodes: a `UserSpecific` for each.
            deadline: Seconds for this edit, if not the session's.
            retry: The policy for this edit, if not the session's.

        Raises:
            ConfigurationError: The event did not come through a `Bot` (`NOT_SENT`).
            InvalidDraftError: The event has no message (`NOT_SENT`).
            TwakeError: As for `TwakeSession.edit_message`.

        """
        return await self._bound("update").update(
            self,
            content,
            hidden_data=hidden_data,
            pinned=pinned,
            user_specific=user_specific,
            deadline=deadline,
            retry=retry,
        )

    async def open(
        self,
        form: Any,
        *,
        hidden_data: Mapping[str, Any] | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Open a dialog in the browser of the user of the event.

        Clicks in it come as `ConfigurationClick`.

        Args:
            form: What to show: a string, a Twacode node, or a list of both.
            hidden_data: Data that comes back with each click.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            ConfigurationError: The event did not come through a `Bot` (`NOT_SENT`).
            InvalidDraftError: The event has no user or no connection (`NOT_SENT`).
            TwakeError: As for `Dialogs.open`.

        """
        await self._bound("open").open(
            self, form, hidden_data=hidden_data, deadline=deadline, retry=retry
        )

    def _bound(self, call: str) -> Responder:
        if self._responder is None:
            instead = _INSTEAD[call]
            raise ConfigurationError(
                f"this event did not come through a Bot, so {call} has no session to send with: "
                f"use {instead}",
                field="event",
            )
        return self._responder


#: The calls of a session that replace the calls of an event.
_INSTEAD = {
    "reply": "TwakeSession.reply(event, ...)",
    "update": "edit_message",
    "open": "TwakeSession.dialogs.open(event, ...)",
}


def _rebuild(kind: type[Event], fields: dict[str, Any]) -> Event:
    return kind(**fields)


class Responder(Protocol):
    """Sends the answers of the handler of an event."""

    async def reply(
        self,
        event: Event,
        content: Any,
        *,
        ephemeral: bool,
        hidden_data: Mapping[str, Any] | None,
        front_id: str | None,
        deadline: float | None,
        retry: RetryPolicy | None,
    ) -> Message:
        """Send an answer to an event."""
        ...

    async def update(
        self,
        event: Event,
        content: Any,
        *,
        hidden_data: Mapping[str, Any] | None,
        pinned: bool | None,
        user_specific: Sequence[ReaderUpdate],
        deadline: float | None,
        retry: RetryPolicy | None,
    ) -> Message:
        """Edit the message of an event."""
        ...

    async def open(
        self,
        event: Event,
        form: Any,
        *,
        hidden_data: Mapping[str, Any] | None,
        deadline: float | None,
        retry: RetryPolicy | None,
    ) -> None:
        """Open a dialog in the browser of the user of an event."""
        ...


@attrs.frozen(kw_only=True, repr=False)
class NewMessage(Event):
    """A message was posted in a channel of the application.

    A server of 2020 posts the application's own messages, too. Other servers post only those of
    users and of other applications. Only a hook that the server made has this class.

    Node servers do not say what happened to a message. It is new if nothing shows an edit, a
    reaction, a pin or a removal, if it was last changed at most 0.5 seconds after it was made, and
    if the `Parser` has not reported it as new before. `parse` has no memory: for it, each such hook
    is a new message.
    """

    message: Message
    """The message."""


@attrs.frozen(kw_only=True, repr=False)
class MessageChanged(Event):
    """A message was edited, pinned or reacted to, or was reported as new before.

    Its `user_id` is None, because the server does not say who changed it.
    """

    message: Message
    """The message as it is now."""


@attrs.frozen(kw_only=True, repr=False)
class MessageRemoved(Event):
    """A message was removed; only Node servers say so."""

    message: Message
    """The rest of the message."""


@attrs.frozen(kw_only=True, repr=False)
class Command(Event):
    """A user typed a command of the application."""

    command: str = ""
    """The text after the name of the command."""

    @property
    def word(self) -> str:
        """The first word of the command; `""` if there is none."""
        return (self.command.split(maxsplit=1) or [""])[0]

    @property
    def argument(self) -> str:
        """The text after the first word."""
        _, *rest = self.command.split(maxsplit=1) or [""]
        return rest[0].rstrip() if rest else ""


@attrs.frozen(kw_only=True, repr=False)
class Opened(Event):
    """A user clicked on the icon of the application, where messages are written."""

    from_icon: bool = False
    """Whether it was the icon, not the menu."""


@attrs.frozen(kw_only=True, repr=False)
class MenuAction(Event):
    """A user chose the application in the menu of a message."""


@attrs.frozen(kw_only=True, repr=False)
class ButtonClick(Event):
    """A user clicked on a button of a message, or chose something in it."""

    action_id: str = ""
    """The action of the button."""

    form: Mapping[str, Any] = attrs.field(factory=dict)
    """The text of the inputs of the message, by their names."""

    context: Mapping[str, Any] = attrs.field(factory=dict)
    """What the button carries beside its action."""

    @property
    def action(self) -> str:
        """The part of `action_id` before its first colon: `"vote"` of `"vote:1"`."""
        return self.action_id.partition(":")[0]

    @property
    def value(self) -> str:
        """The part of `action_id` after its first colon: `"1"` of `"vote:1"`; `""` without one."""
        return self.action_id.partition(":")[2]


@attrs.frozen(kw_only=True, repr=False)
class Configure(Event):
    """A user asks to configure the application."""

    place: str = ""
    """Where: `"channel"`, `"workspace"`, `"drive"` or `"calendar"`; a known word of another
    language is translated."""


@attrs.frozen(kw_only=True, repr=False)
class ConfigurationClick(Event):
    """A user clicked on a button of a configuration window."""

    action_id: str = ""
    """The action of the button."""

    form: Mapping[str, Any] = attrs.field(factory=dict)
    """The text of the inputs of the window, by their names."""

    context: Mapping[str, Any] = attrs.field(factory=dict)
    """What the button carries beside its action."""

    hidden_data: Mapping[str, Any] = attrs.field(factory=dict)
    """The hidden data of the window."""

    configurator_id: str | None = None
    """The id of the window; None over v1."""

    @property
    def action(self) -> str:
        """The part of `action_id` before its first colon: `"vote"` of `"vote:1"`."""
        return self.action_id.partition(":")[0]

    @property
    def value(self) -> str:
        """The part of `action_id` after its first colon: `"1"` of `"vote:1"`; `""` without one."""
        return self.action_id.partition(":")[2]


@attrs.frozen(kw_only=True, repr=False)
class ResourceAdded(Event):
    """The application was given a resource; only servers over v1 say so."""

    resource_id: str = ""
    """The id of the resource."""

    resource_type: str = ""
    """What it is: such as `"channel"`, `"workspace"` or `"workspace_drive"`."""


@attrs.frozen(kw_only=True, repr=False)
class ResourceRemoved(Event):
    """A resource was taken from the application, or should be taken; only v1 says so.

    Do not rely on `resource_id`: a server of 2020 gives the one last added, by its source code.
    """

    resource_id: str = ""
    """The id of a resource."""

    resource_type: str = ""
    """What it is: such as `"channel"`, `"workspace"` or `"workspace_drive"`."""

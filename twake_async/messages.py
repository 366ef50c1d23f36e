"""The request's `message` (`MessageDraft`), the answer's `object` (`Message`), a `MessageRef`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs

from ._draft_checks import (
    as_dict,
    as_list,
    as_override,
    check_flag,
    check_front_id,
    check_id,
)
from ._summary import excerpt, summary
from .errors import InvalidDraftError

if TYPE_CHECKING:
    from .twacode import UserSpecific

    ReaderUpdate: TypeAlias = UserSpecific | Mapping[str, Any]
else:
    # Plain text does not wait for the import of twacode. Tools that resolve the types of the
    # fields, such as cattrs, take the value as it is.
    ReaderUpdate = Any

__all__ = ["Message", "MessageDraft", "MessageRef", "Reaction", "ReplyTarget"]


#: The default of a list. It is not the same object as an empty list that was given.
_NOBODY: tuple[Any, ...] = ()


@attrs.frozen
class MessageRef:
    """The ids of a message. An edit, a remove and a reply need no more."""

    channel_id: str
    """The channel of the message."""

    id: str
    """The id of the message, which the server gave it."""

    parent_message_id: str = ""
    """The root of its thread, for a reply; `""` for a root. The server needs it to find a reply."""

    workspace_id: str = ""
    """The workspace of the channel, `"direct"` for a direct channel; `""` for the session's."""

    def __attrs_post_init__(self) -> None:
        check_id("channel_id", self.channel_id)
        check_id("id", self.id)
        check_id("parent_message_id", self.parent_message_id, empty=True)
        check_id("workspace_id", self.workspace_id, empty=True)


@attrs.frozen(repr=False)
class MessageDraft:
    """A message to send: a new one, or with an `id` an edit. Only given fields are sent.

    Over `api="v1"`, servers of mid-2021 and later replace the whole message in an edit: they
    delete what the draft does not have.

    Raises:
        InvalidDraftError: A field has an invalid value. The content is checked when it is sent.

    """

    channel_id: str
    """The id of the channel."""

    content: Any = None
    """A string, a node of `twake_async.twacode`, a list of both, or Twacode as JSON.

    In an edit, `""` deletes the text. Over `api="v1"`, an edit needs content.
    """

    parent_message_id: str | None = attrs.field(default=None, kw_only=True)
    """For a reply: the id of the root message of the thread. With another id, over `api="v1"` the
    server puts the reply at the root of the channel; over `api="node"` the outcome is `UNKNOWN`."""

    id: str | None = attrs.field(default=None, kw_only=True)
    """The id of the message to edit; None for a new one."""

    front_id: str | None = attrs.field(default=None, kw_only=True)
    """Your own id for the message, which the server returns; None for one that each send makes.

    Over `api="node"`, an edit does not send it: `edit_message` with the `Message` keeps its ids.
    """

    sender: str | None = attrs.field(default=None, kw_only=True)
    """The id of a user in whose name it is shown; over `api="v1"`, a member of the channel."""

    hidden_data: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    """Data that comes back with each interaction. Over `api="v1"`, the server turns `{}` into
    `[]`."""

    pinned: bool | None = attrs.field(default=None, kw_only=True)
    """Whether to pin it; only over `api="v1"`."""

    ephemeral: bool = attrs.field(default=False, kw_only=True)
    """Whether to show it without storing it."""

    ephemeral_to: Sequence[str] = attrs.field(default=_NOBODY, kw_only=True)
    """The ids of the only users who see an ephemeral message; if empty, all of the channel see it.

    Over `api="node"`, give exactly one.
    """

    ephemeral_id: str | None = attrs.field(default=None, kw_only=True)
    """The `ephemeral_id` of an earlier ephemeral message, which this one replaces."""

    user_specific: Sequence[ReaderUpdate] = attrs.field(default=_NOBODY, kw_only=True)
    """What single readers see in nodes with a key: a `UserSpecific` for each; v1 only."""

    workspace_id: str | None = attrs.field(default=None, kw_only=True)
    """The workspace of the channel, `"direct"` for a direct channel; None for the session's.

    Only `api="node"` needs it.
    """

    connection_id: str | None = attrs.field(default=None, kw_only=True)
    """The connection of the user who sees an ephemeral message, from an event of that user.

    Only `api="node"` needs it.
    """

    override: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    """The `title` and the `picture` (an address) to show in place of the application's.

    Only over `api="node"`.
    """

    extra: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    """More fields of the request's `message`; they are sent unchanged."""

    def __attrs_post_init__(self) -> None:
        check_id("channel_id", self.channel_id)
        if self.parent_message_id is not None:
            check_id("parent_message_id", self.parent_message_id, empty=True)
        if self.id is not None:
            check_id("id", self.id)
        if self.sender is not None:
            check_id("sender", self.sender)
        if self.ephemeral_id is not None:
            check_id("ephemeral_id", self.ephemeral_id)
        if self.workspace_id is not None:
            check_id("workspace_id", self.workspace_id)
        if self.connection_id is not None:
            check_id("connection_id", self.connection_id)
        if self.front_id is not None:
            check_front_id(self.front_id)
        check_flag("pinned", self.pinned, optional=True)
        check_flag("ephemeral", self.ephemeral, optional=False)
        if not self._is_bare():
            self._check_groups()

    def _is_bare(self) -> bool:
        """Say whether `_check_groups` has nothing to check, as for most messages."""
        return (
            self.ephemeral_to is _NOBODY
            and self.user_specific is _NOBODY
            and self.hidden_data is None
            and self.override is None
            and type(self.extra) is dict
            and not (self.extra or self.is_ephemeral)
        )

    def _check_groups(self) -> None:
        plain: dict[str, object] = {
            "ephemeral_to": as_list("ephemeral_to", self.ephemeral_to, "user ids"),
            "user_specific": as_list("user_specific", self.user_specific, "maps"),
            "extra": as_dict("extra", self.extra),
        }
        if self.hidden_data is not None:
            plain["hidden_data"] = as_dict("hidden_data", self.hidden_data)
        if self.override is not None:
            plain["override"] = as_override(self.override)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        if not all(isinstance(name, str) and name.isprintable() for name in self.extra):
            raise InvalidDraftError(
                "a name in extra is not a string, or has a control character or a lone surrogate: "
                "rename it",
                field="extra",
            )
        for user_id in self.ephemeral_to:
            check_id("ephemeral_to", user_id)
        if self.ephemeral_to and not self.is_ephemeral:
            raise InvalidDraftError(
                "ephemeral_to without ephemeral=True would show the message to everyone",
                field="ephemeral_to",
            )
        if self.is_ephemeral and self.id is not None:
            raise InvalidDraftError(
                "an ephemeral message has no id to edit: give ephemeral_id to replace one",
                field="id",
            )

    @property
    def is_ephemeral(self) -> bool:
        """Whether the server shows it without storing it."""
        return self.ephemeral or self.ephemeral_id is not None

    def __repr__(self) -> str:
        return summary(
            self,
            "" if self.content is None else excerpt(self.content),
            channel=self.channel_id,
            id=self.id,
            parent=self.parent_message_id,
            front_id=self.front_id,
            sender=self.sender,
            ephemeral=self.is_ephemeral,
            hidden_data=self.hidden_data,
            pinned=self.pinned,
        )


class ReplyTarget(Protocol):
    """The attributes of an event that a reply needs."""

    @property
    def message(self) -> Message | MessageRef | None:
        """The message that the event is about."""
        ...

    @property
    def user_id(self) -> str | None:
        """The user who caused the event. Only this user sees an ephemeral reply."""
        ...

    @property
    def connection_id(self) -> str | None:
        """The connection of that user, over which an ephemeral reply is shown."""
        ...


@attrs.frozen
class Reaction:
    """Who reacted to a message with one emoji."""

    users: tuple[str, ...] = ()
    """The ids of the users."""

    count: int = 0
    """The number of users."""


@attrs.frozen(kw_only=True, repr=False)
class Message:
    """A message as the server returned it. Each field has one type, also where PHP mixes types."""

    # Source: the answers recorded from the releases v2020.Q3.107 and v2023.Q1.1223 over v1, and
    # from v2022.Q2.975 and v2023.Q1.1223 over the API of Node.

    id: str
    """The server's id, a time-ordered UUID."""

    front_id: str = ""
    """The id that its sender gave it."""

    channel_id: str = ""
    """The channel of the message."""

    parent_message_id: str = ""
    """For a reply: the root of its thread. `""` at the root, also if the server lost the parent."""

    sender: str | None = None
    """The user in whose name it is shown."""

    application_id: str | None = None
    """The application that sent it."""

    content: Any = None
    """The content: a `str` for a plain text, in any form of the server; otherwise JSON."""

    edited: bool = False
    """Whether its content was changed after it was sent."""

    pinned: bool = False
    """Whether it is pinned."""

    hidden_data: Mapping[str, Any] = attrs.field(factory=dict)
    """The sender's hidden data. A list becomes a map from "0", "1", …: PHP mixes the two."""

    reactions: Mapping[str, Reaction] = attrs.field(factory=dict)
    """The reactions, by emoji."""

    creation_date: datetime.datetime | None = None
    """When it was sent, in UTC."""

    modification_date: datetime.datetime | None = None
    """When it was last changed, in UTC."""

    responses_count: int = 0
    """How many replies it has; 0 in the answer to an edit, which does not count them."""

    message_type: int = 0
    """0 for a user's, 1 for an application's, 2 for the system's."""

    user_specific_content: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    """What single users see in place of a keyed node, by user id."""

    increment_at_time: int = 0
    """The server's own counter of the channel at that time."""

    ephemeral_id: str | None = None
    """The id that replaces it, for an ephemeral message."""

    workspace_id: str = ""
    """The workspace of its channel; `""` if the server does not name it, as over `api="v1"`."""

    override: Mapping[str, str] = attrs.field(factory=dict)
    """The title and the picture that it is shown with in place of the application's."""

    maybe_duplicated: bool = False
    """Whether an earlier attempt of the same send may have put a second copy into the channel."""

    extra: Mapping[str, Any] = attrs.field(factory=dict)
    """What the answer held beyond these fields, or what did not fit a field's type."""

    @property
    def text(self) -> str:
        """The content as a reader would read it: rich content without its styles and forms."""
        if isinstance(self.content, str):
            return self.content
        from .twacode import decode  # noqa: PLC0415 - plain text need not wait for its import

        return str(decode(self.content))

    @property
    def ref(self) -> MessageRef:
        """What an edit or a remove of this message needs."""
        return MessageRef(self.channel_id, self.id, self.parent_message_id, self.workspace_id)

    def __repr__(self) -> str:
        return summary(
            self,
            "" if self.content is None else excerpt(self.text),
            id=self.id,
            channel=self.channel_id,
            parent=self.parent_message_id,
            sender=self.sender,
            edited=self.edited,
            pinned=self.pinned,
            ephemeral=self.ephemeral_id is not None,
            maybe_duplicated=self.maybe_duplicated,
        )

    def _repr_html_(self) -> str:
        """Return the message as the client shows it, for a notebook."""
        from .twacode._rendering.content import shown  # noqa: PLC0415 - as in `text`
        from .twacode._rendering.page import Frame, in_frame, notebook  # noqa: PLC0415

        title = self.override.get("title") or self.hidden_data.get("custom_title")
        author = self.sender or self.application_id or ""
        notes = [f"{self.creation_date:%Y-%m-%d %H:%M} UTC"] if self.creation_date else []
        notes += [name for name in ("edited", "pinned") if getattr(self, name)]
        reactions = {emoji: reaction.count for emoji, reaction in self.reactions.items()}
        frame = Frame(str(title or author), tuple(notes), reactions)
        return notebook(in_frame(shown(self.content), frame))

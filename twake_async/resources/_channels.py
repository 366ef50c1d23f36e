"""Channels: where messages go, and how to find their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._protocol.documents import mismatch
from twake_async._protocol.node.api import service_path
from twake_async.errors import NotFoundError, NotSentError, OutcomeUnknownError, TwakeError

from ._caller import Caller, Limits, check_node_id
from ._users import User, read_user
from ._values import flag, text, texts

if TYPE_CHECKING:
    from twake_async.retry import RetryPolicy

__all__ = ["Channel", "Channels", "find_direct", "read_channel"]

T = TypeVar("T")


@attrs.frozen
class Channel:
    """A channel, as the server describes it."""

    id: str
    """The id: what `send_message` takes."""

    name: str = ""
    """The name that people see; `""` for a direct channel."""

    description: str = ""
    """What it is for, in its owner's words."""

    workspace_id: str | None = None
    """The workspace that it belongs to; `"direct"` for a direct channel."""

    group_id: str | None = None
    """The group (company) that it belongs to; None where the server does not say it."""

    is_direct: bool = False
    """Whether it belongs to its members alone, and to no workspace."""

    is_private: bool = False
    """Whether only its members see it."""

    members: tuple[str, ...] = ()
    """The ids of its members, as far as the server names them."""

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)
    """All that the server said, as JSON gives it."""


@attrs.frozen(eq=False)
class Channels:
    """Calls about channels; a session has it as `channels`."""

    _caller: Caller

    async def direct(
        self,
        user_id: str,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Channel:
        """Return the channel of the application and one person; the server makes it if needed.

        The server makes it for users of other companies, too.

        Args:
            user_id: The user's id.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            NotFoundError: The server knows no such user.
            TwakeError: As for `send_message`.

        """
        return await self._caller.ask_v1(
            "channels.direct",
            "channels/get_direct_channel",
            {"user_id": user_id},
            _direct_reader(user_id),
            Limits(group_id, deadline, retry),
        )

    async def of_workspace(
        self,
        workspace_id: str,
        user_id: str,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> tuple[Channel, ...]:
        """Return the channels of a workspace that a member sees, without direct channels.

        The application needs the privilege `channels`.

        Args:
            workspace_id: The workspace.
            user_id: The id of a member of the workspace.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            RefusedError: The server knows no such workspace, or the user is no member of it
                (reason `arguments`).
            TwakeError: As for `send_message`.

        """
        return await self._caller.ask_v1(
            "channels.of_workspace",
            "channels/get_by_workspace",
            {"workspace_id": workspace_id, "user_id": user_id},
            _rows_of("data", read_channel),
            Limits(group_id, deadline, retry),
        )

    async def list(
        self,
        workspace_id: str | None = None,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> tuple[Channel, ...]:
        """Return the channels of a workspace, over `api="node"`; private ones too.

        Args:
            workspace_id: The workspace, if not the session's.
            group_id: The group (company), if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            ConfigurationError: The session has another API, or there is no workspace.
            TwakeError: As for `send_message`.

        """
        node, caller = self._caller.node("channels.list"), self._caller
        path = _path(caller.group(group_id), caller.workspace(workspace_id))
        request = node.ask(path, "channels.list", _rows_of("resources", read_channel))
        return await caller.ask_node(request, Limits(group_id, deadline, retry))

    async def get(
        self,
        channel_id: str,
        *,
        workspace_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Channel:
        """Return the channel with that id, over `api="node"`.

        Args:
            channel_id: The channel.
            workspace_id: Its workspace, if not the session's.
            group_id: The group (company), if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            NotFoundError: The workspace has no such channel.
            ConfigurationError: The session has another API, or there is no workspace.
            TwakeError: As for `send_message`.

        """
        node, caller = self._caller.node("channels.get"), self._caller
        check_node_id("channel_id", channel_id)
        path = _path(caller.group(group_id), caller.workspace(workspace_id), channel_id)
        request = node.ask(path, "channels.get", _channel_reader(channel_id), target=channel_id)
        return await caller.ask_node(request, Limits(group_id, deadline, retry))

    async def members(
        self,
        channel_id: str,
        *,
        workspace_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> tuple[User, ...]:
        """Return the members of a channel, over `api="node"`.

        Args:
            channel_id: The channel.
            workspace_id: Its workspace, if not the session's.
            group_id: The group (company), if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            NotFoundError: The workspace has no such channel.
            ConfigurationError: The session has another API, or there is no workspace.
            TwakeError: As for `send_message`.

        """
        node, caller = self._caller.node("channels.members"), self._caller
        check_node_id("channel_id", channel_id)
        place = (caller.group(group_id), caller.workspace(workspace_id))
        path = _path(*place, channel_id, "members")
        request = node.ask(path, "channels.members", _rows_of("resources", _read_member))
        return await caller.ask_node(request, Limits(group_id, deadline, retry))


async def find_direct(channels: Channels, user_id: str, limits: Limits) -> tuple[Channel, float]:
    """Return the channel of the application and one person, for a message that waits for it.

    Args:
        channels: The session's.
        user_id: The person.
        limits: Those of the message.

    Returns:
        The channel, and the seconds that are left for the message.

    Raises:
        NotSentError: The channel is not known, as the answer was lost: no message has left.
        TwakeError: As for `Channels.direct`.

    """
    sender = channels._caller.sender  # noqa: SLF001 - the room's own
    ends = sender.attempts.now() + sender.seconds(limits.deadline)
    try:
        channel = await channels.direct(
            user_id, group_id=limits.group_id, deadline=limits.deadline, retry=limits.retry
        )
    except OutcomeUnknownError as exc:
        error = NotSentError(
            f"the message was not sent, since its channel is not known: {exc.args[0]}",
            reason="channel",
            status=exc.status,
        )
        error.attempts, error.elapsed = exc.attempts, exc.elapsed
        raise error from exc
    return channel, max(0.0, ends - sender.attempts.now())


def _path(group_id: str, workspace_id: str, *parts: str) -> str:
    return service_path("channels", group_id, "workspaces", workspace_id, "channels", *parts)


def _read_member(row: object) -> User | None:
    member = row if isinstance(row, dict) else {}
    # v2022.Q2.975 gives the id of the member alone.
    return read_user(member.get("user")) or read_user({"id": member.get("user_id")})


def _rows_of(name: str, read_row: Callable[[object], T | None]) -> Any:
    def read(document: Mapping[str, Any]) -> tuple[T, ...] | TwakeError:
        rows = document.get(name)
        if not isinstance(rows, list):
            return mismatch("holds no list")
        return tuple(found for row in rows if (found := read_row(row)) is not None)

    return read


def _channel_reader(channel_id: str) -> Any:
    def read(document: Mapping[str, Any]) -> Channel | TwakeError:
        channel = read_channel(document.get("resource"))
        if channel is None or channel.id != channel_id:
            return mismatch("is not about this channel")
        return channel

    return read


def _direct_reader(user_id: str) -> Any:
    def read(document: Mapping[str, Any]) -> Channel | TwakeError:
        found = document.get("object", False)
        if found is None:
            return NotFoundError(f"the server knows no user {user_id!r}", status=200)
        channel = read_channel(found)
        if channel is None or user_id not in channel.members:
            return mismatch("holds no channel with this user")
        return channel

    return read


def read_channel(found: object) -> Channel | None:
    """Return the channel that the server describes; None for no channel."""
    if not isinstance(found, dict) or not text(found.get("id")):
        return None
    is_direct = flag(found.get("direct")) or found.get("visibility") == "direct"
    workspace = text(found.get("original_workspace")) or text(found.get("workspace_id"))
    group = text(found.get("original_group")) or text(found.get("company_id"))
    return Channel(
        id=text(found["id"]),
        name=text(found.get("name")),
        description=text(found.get("description")),
        workspace_id="direct" if is_direct else workspace or None,
        group_id=group or text(found.get("app_group_id")) or None,
        is_direct=is_direct,
        is_private=flag(found.get("private")) or found.get("visibility") == "private",
        members=texts(found.get("members")),
        raw=found,
    )

"""Channels: where messages go, and how to find their ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import attrs

from twake_async._protocol.node.api import service_path
from twake_async.errors import NotSentError, OutcomeUnknownError

from ._caller import Caller, Limits, check_node_id
from ._channel import (
    Channel,
    channel_reader,
    direct_reader,
    page_of,
    read_channel,
    read_member,
    rows_of,
)

if TYPE_CHECKING:
    from twake_async._protocol.node.generation import Node
    from twake_async.retry import RetryPolicy

    from ._users import User

__all__ = ["Channels", "find_direct"]

T = TypeVar("T")


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
            NotFoundError: The user does not exist.
            TwakeError: As for `send_message`.

        """
        return await self._caller.ask_v1(
            "channels.direct",
            "channels/get_direct_channel",
            {"user_id": user_id},
            direct_reader(user_id),
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
            RefusedError: The workspace does not exist, or the user is not a member of it
                (reason `arguments`).
            TwakeError: As for `send_message`.

        """
        return await self._caller.ask_v1(
            "channels.of_workspace",
            "channels/get_by_workspace",
            {"workspace_id": workspace_id, "user_id": user_id},
            rows_of("data", read_channel),
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
        limits = Limits(group_id, deadline, retry)
        return await self._pages(node, path, "channels.list", read_channel, limits)

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
        request = node.ask(path, "channels.get", channel_reader(channel_id), target=channel_id)
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
        limits = Limits(group_id, deadline, retry)
        return await self._pages(node, path, "channels.members", read_member, limits)

    async def _pages(
        self,
        node: Node,
        path: str,
        what: str,
        read_row: Callable[[object], T | None],
        limits: Limits,
    ) -> tuple[T, ...]:
        """Return all rows of a list; the server gives a hundred at once."""
        # Source: `Pagination`.
        sender = self._caller.sender
        ends = sender.attempts.now() + sender.seconds(limits.deadline)
        found: dict[T, None] = {}
        tokens, token = {""}, ""
        while True:
            asked = f"{path}?page_token={quote(token, safe='')}" if token else path
            request = node.ask(asked, what, page_of(read_row))
            rows, token = await self._caller.ask_node(request, limits)
            before = len(found)
            found.update(dict.fromkeys(rows))
            if token in tokens or len(found) == before:
                return tuple(found)
            tokens.add(token)
            left = max(0.0, ends - sender.attempts.now())
            limits = attrs.evolve(limits, deadline=left)


async def find_direct(channels: Channels, user_id: str, limits: Limits) -> tuple[Channel, float]:
    """Return the channel of the application and one person, for a message that waits for it.

    Args:
        channels: The session's.
        user_id: The person.
        limits: Those of the message.

    Returns:
        The channel, and the seconds that are left for the message.

    Raises:
        NotSentError: The answer was lost, so the channel is not known. No message was sent.
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
            f"the message was not sent, because its channel is not known: {exc.args[0]}",
            reason="channel",
            status=exc.status,
        )
        error.attempts, error.elapsed = exc.attempts, exc.elapsed
        raise error from exc
    return channel, max(0.0, ends - sender.attempts.now())


def _path(group_id: str, workspace_id: str, *parts: str) -> str:
    return service_path("channels", group_id, "workspaces", workspace_id, "channels", *parts)

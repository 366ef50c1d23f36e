"""Stored messages: read them, react to them and pin them, over Node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs

from twake_async._draft_checks import check_flag
from twake_async._protocol.documents import mismatch
from twake_async._protocol.node.api import check_path_ids, company_path
from twake_async._protocol.node.decode import decode_message
from twake_async.errors import InvalidDraftError, NotFoundError, TwakeError
from twake_async.messages import Message, MessageRef

from ._caller import Caller, Limits, check_node_id
from ._values import same_id

if TYPE_CHECKING:
    from twake_async.retry import RetryPolicy

__all__ = ["Messages"]

#: How many messages one request reads.
PAGE = 100


@attrs.frozen(eq=False)
class Messages:
    """Calls about stored messages, over `api="node"`; a session has it as `messages`."""

    _caller: Caller

    async def get(
        self,
        message: Message | MessageRef,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Return a message as it is now.

        Args:
            message: The message or its `MessageRef`. A reply is found only with its parent.
            group_id: The group (company), if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            NotFoundError: The thread has no such message.
            ConfigurationError: The session has another API.
            TwakeError: As for `send_message`.

        """
        return await self._ask("get", message, Limits(group_id, deadline, retry))

    async def react(
        self,
        message: Message | MessageRef,
        reactions: Sequence[str],
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """React to a message as the application, and return it.

        Args:
            message: The message or its `MessageRef`.
            reactions: All reactions of the application, such as `[":heart:"]`; `[]` takes its
                reactions back.
            group_id: The group (company), if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            ConfigurationError: The session has another API.
            TwakeError: As for `send_message`.

        """
        if isinstance(reactions, str) or not all(isinstance(one, str) for one in reactions):
            raise InvalidDraftError(
                'reactions must be a list of names, such as [":heart:"]', field="reactions"
            )
        limits = Limits(group_id, deadline, retry)
        change = {"reactions": list(reactions)}
        return await self._ask("react", message, limits, "reaction", change)

    async def pin(
        self,
        message: Message | MessageRef,
        *,
        pinned: bool = True,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Pin a message, or unpin it, and return it.

        Args:
            message: The message or its `MessageRef`.
            pinned: False to unpin it.
            group_id: The group (company), if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            ConfigurationError: The session has another API.
            TwakeError: As for `send_message`.

        """
        check_flag("pinned", pinned, optional=False)
        limits = Limits(group_id, deadline, retry)
        return await self._ask("pin", message, limits, "pin", {"pin": pinned})

    def thread(
        self,
        message: Message | MessageRef,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncIterator[Message]:
        """Read the thread of a message while it is iterated, the newest message first.

        Args:
            message: The message that began the thread, a reply in it, or the `MessageRef` of one.
            group_id: The group (company), if not the session's.
            deadline: Seconds for each request of 100 messages, if not the session's.
            retry: The policy for each of them, if not the session's.

        Raises:
            ConfigurationError: The session has another API.
            TwakeError: As for `send_message`, while it is iterated.

        """
        ref = _ref(message)
        self._caller.node("messages.thread")
        thread = ref.parent_message_id or ref.id
        path = company_path(self._caller.group(group_id), "threads", thread, "messages")
        return self._pages(path, Limits(group_id, deadline, retry), newest_first=True)

    def channel(
        self,
        channel_id: str,
        *,
        workspace_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncIterator[Message]:
        """Read a channel while it is iterated, the thread with the latest activity first.

        It yields the first message of each thread. A channel that the server does not know looks
        empty.

        Args:
            channel_id: The channel.
            workspace_id: Its workspace, if not the session's; `"direct"` for a direct channel.
            group_id: The group (company), if not the session's.
            deadline: Seconds for each request of 100 messages, if not the session's.
            retry: The policy for each of them, if not the session's.

        Raises:
            ConfigurationError: The session has another API, or there is no workspace.
            TwakeError: As for `send_message`, while it is iterated.

        """
        self._caller.node("messages.channel")
        check_node_id("channel_id", channel_id)
        place = ("workspaces", self._caller.workspace(workspace_id), "channels", channel_id, "feed")
        path = company_path(self._caller.group(group_id), *place)
        # A feed runs from old to new, a thread from new to old.
        return self._pages(path, Limits(group_id, deadline, retry), newest_first=False)

    async def _ask(
        self,
        name: str,
        message: Message | MessageRef,
        limits: Limits,
        part: str = "",
        change: Mapping[str, Any] | None = None,
    ) -> Message:
        node, ref = self._caller.node(f"messages.{name}"), _ref(message)
        place = ("threads", ref.parent_message_id or ref.id, "messages", ref.id)
        path = company_path(self._caller.group(limits.group_id), *place, *([part] if part else []))
        request = node.ask(
            path,
            f"messages.{name}",
            _message_reader(ref),
            method="GET" if change is None else "POST",
            document=change,
            target=ref.id,
        )
        return await self._caller.ask_node(request, limits)

    async def _pages(
        self, path: str, limits: Limits, *, newest_first: bool
    ) -> AsyncIterator[Message]:
        after, before, asked_after = "", frozenset[str](), set[str]()
        while True:
            # Without this direction the server gives the oldest messages.
            asked = f"{path}?limit={PAGE}&direction=history"
            asked += f"&page_token={quote(after, safe='')}" if after else ""
            request = self._caller.node("messages").ask(asked, "messages.read", _read_page)
            rows = await self._caller.ask_node(request, limits)
            if not newest_first:
                rows = rows[::-1]
            # Each page begins with the last message of the page before it.
            fresh = [row for row in rows if row.id not in before]
            for message in fresh:
                yield message
            if len(rows) < PAGE or not fresh:
                return
            after, before = rows[-1].id, frozenset(row.id for row in rows)
            if after in asked_after:  # the server goes round in a circle
                return
            asked_after.add(after)


def _ref(message: object) -> MessageRef:
    if isinstance(message, Message):
        message = message.ref
    if not isinstance(message, MessageRef):
        raise InvalidDraftError("message must be a Message or a MessageRef", field="message")
    check_path_ids(parent_message_id=message.parent_message_id, id=message.id)
    return message


def _message_reader(ref: MessageRef) -> Any:
    def read(document: Mapping[str, Any]) -> Message | TwakeError:
        found = document.get("resource", False)
        if found is None:
            return NotFoundError("the server has no such message in this thread", status=200)
        if not isinstance(found, dict) or not same_id(found.get("id"), ref.id):
            return mismatch("is not about this message")
        return decode_message(found)

    return read


def _read_page(document: Mapping[str, Any]) -> list[Message] | TwakeError:
    rows = document.get("resources")
    if not isinstance(rows, list):
        return mismatch("holds no messages")
    return [
        decode_message(row)
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("id"), str)
    ]

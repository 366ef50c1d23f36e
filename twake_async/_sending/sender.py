"""How the calls of a session become requests, and how these are sent."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._arguments import check_deadline, check_kind
from twake_async._attempts.send import LONGEST_LOOK
from twake_async._batch.proven_groups import GroupServer, ProvenGroups
from twake_async._protocol.apis import can_tell, find_apis
from twake_async._protocol.generation import Generation  # noqa: TC001
from twake_async._protocol.node.api import MARKER, Ids
from twake_async._warnings import warn_of_delivery
from twake_async.errors import InvalidDraftError
from twake_async.messages import Message, MessageDraft, MessageRef
from twake_async.retry import RetryPolicy

from .generations import expect_echoes
from .read_back import ReadBack
from .transfers import Transfers

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from twake_async._attempts.attempt_loop import Attempts
    from twake_async._attempts.echoes import Echoes
    from twake_async._attempts.lifetime import Life
    from twake_async._attempts.send import Listener
    from twake_async._batch.sending import Send
    from twake_async._protocol.exchange import Request
    from twake_async._protocol.generation import EncodedDraft, SaveRequest
    from twake_async._protocol.transfers import Transfer
    from twake_async.check import Check
    from twake_async.events import Event
    from twake_async.messages import ReaderUpdate, ReplyTarget
    from twake_async.stats import Stats

__all__ = ["Sender", "draft_of_edit", "draft_of_reply", "thread_of"]

T = TypeVar("T")

#: The most seconds for the requests that find out which APIs a server serves: a gateway may drop
#: requests that it does not know.
FOR_APIS = 5.0


@attrs.define(eq=False)
class Sender:
    """Sends for a session: to one generation of servers, within its limits.

    Each method takes the group, the deadline in seconds and the policy of one call; None for the
    session's.
    """

    api: Generation
    attempts: Attempts[Any]
    life: Life
    group_id: str | None
    deadline: float
    retry: RetryPolicy
    proven: ProvenGroups = attrs.field(factory=ProvenGroups, init=False)
    transfers: Transfers = attrs.field(init=False)
    _echoes: Echoes | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.transfers = Transfers(self.attempts, self.life)

    def expect_echoes(self) -> None:
        """Let events prove the delivery of new messages that are encoded from now on, over v1."""
        if self._echoes is None:
            self.api, self._echoes = expect_echoes(self.api, self.attempts)

    def observe(self, event: Event) -> None:
        """Take an event, in the event loop of the session."""
        from twake_async import events  # noqa: PLC0415 - who only sends need not wait for its import

        check_kind("event", event, events.Event)
        self.expect_echoes()
        if self._echoes is not None:
            self.life.call(self._echoes.observe, event)

    def encode(self, draft: MessageDraft, group_id: str | None) -> EncodedDraft:
        """Return the encoded draft.

        Raises:
            ConfigurationError: There is no group.
            InvalidDraftError: It is no draft, or a field cannot be sent as it is.

        """
        if not isinstance(draft, MessageDraft):
            raise InvalidDraftError("send takes a MessageDraft", field="draft")
        return self.api.encode(draft, group_id or self.group_id)

    def send(
        self,
        draft: MessageDraft,
        *,
        group_id: str | None,
        deadline: float | None,
        retry: RetryPolicy | None,
        read_back: bool = False,
    ) -> Coroutine[Any, Any, Message]:
        """Return the function that sends a draft: `save` with its request."""
        request = self.encode(draft, group_id).request()
        return self.save(
            request, group_id=group_id, deadline=deadline, retry=retry, read_back=read_back
        )

    async def save(
        self,
        request: SaveRequest,
        listener: Listener | None = None,
        *,
        group_id: str | None,
        deadline: float | None,
        retry: RetryPolicy | None,
        read_back: bool = False,
    ) -> Message:
        """Send a message and return what the server stored, or raise the error of the send."""
        seconds, policy = self._limits(deadline, retry)
        reader = ReadBack(request, self.attempts, seconds) if read_back else None
        with self.life:  # no coroutine of its own: thousands may wait here
            message = await self.attempts.run(request, policy, seconds, listener or reader)
            if reader is not None:
                await reader.confirm(message)
        self.attempts.count_delivered()
        self.proven.add(group_id or self.group_id)
        warn_of_delivery(request, message)
        return message

    async def look(
        self,
        request: SaveRequest,
        doubts: int,
        *,
        deadline: float | None,
        retry: RetryPolicy | None,
    ) -> Message | None:
        """Return the message of a request that an earlier run sent, if a read finds it.

        Args:
            request: The request.
            doubts: How many requests may have made the message.
            deadline: The deadline of a send in seconds; a look has a tenth of it.
            retry: Says whether to look.

        """
        seconds, policy = self._limits(deadline, retry)
        steps = request.steps
        if steps is None or not (policy.reconcile and steps.can_look and steps.can_read):
            return None
        with self.life:
            return await steps.look(min(LONGEST_LOOK, seconds / 10), doubts)

    async def remove(
        self,
        message: Message | MessageRef,
        *,
        group_id: str | None,
        deadline: float | None,
        retry: RetryPolicy | None,
    ) -> None:
        """Send the request that removes a message, or raise the error of the send."""
        request = self.api.remove(_ref(message), group_id or self.group_id)
        await self.make(request, deadline=deadline, retry=retry)

    async def make(
        self, request: Request[T], *, deadline: float | None, retry: RetryPolicy | None
    ) -> T:
        """Send a request, and return what it delivered or raise the error of the send."""
        seconds, policy = self._limits(deadline, retry)
        with self.life:
            result: T = await self.attempts.run(request, policy, seconds)
        self.attempts.count_delivered()
        return result

    async def transfer(
        self, request: Transfer[T], *, deadline: float | None, retry: RetryPolicy | None
    ) -> T:
        """Send or fetch a file, and return what that delivered; None for no deadline."""
        _, policy = self._limits(deadline, retry)
        seconds = None if deadline is None else self.seconds(deadline)
        result: T = await self.transfers.run(request, policy, seconds)
        return result

    def stats(self) -> Stats:
        """Return the session in numbers, at this moment."""
        attempts = self.attempts
        return attempts.counters.read(
            in_flight=self.life.under_way,
            connections=attempts.transport.pool.connections(),
            cooldown=attempts.cooling(),
            retries_left=attempts.tokens.left if attempts.tokens.budget else None,
        )

    async def aclose(self) -> None:
        """Close the connections of the transfers and of the sends."""
        try:
            await self.transfers.aclose()
        finally:
            await self.attempts.aclose()

    async def check(self, group_id: str | None, seconds: float) -> Check:
        """Make the requests of a check of the group, within a number of seconds."""
        with self.life:
            found = await self.attempts.converse(self.api.check(group_id), seconds)
        if found.ok:
            self.proven.add(group_id)
        return found

    async def check_all(self, group_id: str | None, deadline: float | None) -> Check:
        """Make the requests of a check, and those that find out which APIs the server serves."""
        seconds = self.seconds(deadline)
        ends = self.attempts.now() + seconds
        with self.life:
            found = await self.check(group_id or self.group_id, seconds)
            left = min(FOR_APIS, ends - self.attempts.now())
            if left <= 0 or not can_tell(found):
                return found
            return await self.attempts.converse(find_apis(self.api.name, found), left)

    def batch(
        self, base_url: str, group_id: str | None, deadline: float | None, retry: RetryPolicy | None
    ) -> tuple[Send, dict[str, Any]]:
        """Return what sends each draft of a batch, and what its `Plan` needs of the session.

        Args:
            base_url: The address of the server.
            group_id: As for `send`.
            deadline: As for `send`.
            retry: As for `send`.

        """
        group = group_id or self.group_id
        send = functools.partial(self.save, group_id=group, deadline=deadline, retry=retry)
        return send, {
            "retry": retry,
            "encode": functools.partial(self.encode, group_id=group),
            "look": functools.partial(self.look, deadline=deadline, retry=retry),
            "server": GroupServer(group, self.seconds(deadline), self.proven, self.check),
            "target": self.target(base_url, group),
        }

    def target(self, base_url: str, group_id: str | None) -> str:
        """Return what a journal belongs to: a server, a group, and the API if it is not v1."""
        api = "" if self.api.name == "v1" else f" {self.api.name}"
        return f"{base_url} {group_id}{api}"

    def seconds(self, deadline: float | None) -> float:
        """Return the deadline of a call in seconds."""
        return self.deadline if deadline is None else check_deadline(deadline)

    def _limits(
        self, deadline: float | None, retry: RetryPolicy | None
    ) -> tuple[float, RetryPolicy]:
        policy = self.retry if retry is None else check_kind("retry", retry, RetryPolicy)
        return self.seconds(deadline), policy


def draft_of_edit(
    message: Message | MessageRef,
    content: Any,
    *,
    hidden_data: Mapping[str, Any] | None,
    pinned: bool | None,
    user_specific: Sequence[ReaderUpdate],
    replaces: bool,
) -> MessageDraft:
    """Return the draft of an edit.

    Where an edit replaces the whole message, the draft repeats what a `Message` holds and the
    caller did not give. Where it does not, the draft repeats only the ids that are sent with new
    hidden data.

    Args:
        message: The message to edit.
        content: The new content; None for that of the `Message`.
        hidden_data: The new hidden data; None for that of the `Message`.
        pinned: Whether to pin it; None leaves a pinned `Message` pinned.
        user_specific: What single readers see in keyed nodes.
        replaces: Whether an edit deletes the fields that it does not name.

    Raises:
        InvalidDraftError: It is no message.

    """
    ref = _ref(message)
    extra: dict[str, Any] = {}
    if isinstance(message, Message) and not replaces:
        if hidden_data is not None:
            extra = {MARKER: Ids.of(message)}
    elif isinstance(message, Message):
        content = message.content if content is None else content
        hidden_data = (message.hidden_data or None) if hidden_data is None else hidden_data
        # If the edit does not name `pinned`, an unpinned message stays unpinned on every release.
        pinned = (message.pinned or None) if pinned is None else pinned
    return MessageDraft(
        ref.channel_id,
        content,
        id=ref.id,
        parent_message_id=ref.parent_message_id,
        hidden_data=hidden_data,
        pinned=pinned,
        user_specific=user_specific,
        workspace_id=ref.workspace_id or None,
        extra=extra,
    )


def draft_of_reply(
    to: Message | MessageRef | ReplyTarget, content: Any, *, ephemeral: bool, **fields: Any
) -> MessageDraft:
    """Return the draft of a reply in the thread that a message stands in.

    Args:
        to: The message, its `MessageRef`, or an event about it.
        content: The content.
        ephemeral: Whether only the user of the event sees it, without storing it.
        **fields: Other fields of the draft.

    Raises:
        InvalidDraftError: It is no message, or nobody would see the ephemeral reply.

    """
    given = {name: value for name, value in fields.items() if value is not None}
    if ephemeral:
        given |= _reader(to)
    message = to if isinstance(to, Message | MessageRef) else getattr(to, "message", None)
    ref = _ref(message)
    given.setdefault("workspace_id", ref.workspace_id or None)
    thread = thread_of(message if isinstance(message, Message) else ref)
    return MessageDraft(
        ref.channel_id, content, parent_message_id=thread, ephemeral=ephemeral, **given
    )


def thread_of(message: Message | MessageRef) -> str | None:
    """Return the thread that an answer to a message belongs to.

    An ephemeral message is not stored, so it begins no thread.
    """
    is_stored = not (isinstance(message, Message) and message.ephemeral_id)
    return message.parent_message_id or (message.id if is_stored else None)


def _reader(to: Message | MessageRef | ReplyTarget) -> dict[str, Any]:
    """Return who sees an ephemeral reply: the user of an event, over that user's connection."""
    user_id = getattr(to, "user_id", None)
    if isinstance(to, Message | MessageRef) or not user_id:
        raise InvalidDraftError(
            "an ephemeral reply is for the user of an event: give the event, or send_message with "
            "ephemeral=True and ephemeral_to",
            field="ephemeral",
        )
    return {"ephemeral_to": (user_id,), "connection_id": getattr(to, "connection_id", None)}


def _ref(message: object) -> MessageRef:
    if isinstance(message, MessageRef):
        return message
    if isinstance(message, Message):
        return message.ref
    raise InvalidDraftError(
        "message must be a Message that a send returned, or a MessageRef", field="message"
    )

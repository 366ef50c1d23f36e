"""How the calls of a session become requests, and how these are sent."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import attrs

from ._arguments import check_deadline, check_kind
from ._batch.proven_groups import ProvenGroups
from ._protocol.generation import Generation  # noqa: TC001
from .errors import InvalidDraftError, TextCutWarning
from .messages import Message, MessageDraft, MessageRef
from .retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._attempt_loop import Attempts
    from ._lifetime import Life
    from ._protocol.generation import EncodedDraft, SaveRequest
    from ._send import Listener
    from .check import Check
    from .messages import ReaderUpdate

__all__ = ["Sender", "draft_of_edit"]

_CUT = (
    "the server kept only the start of the text: give the session "
    'text_form="portable", which every release shows whole'
)

log: logging.Logger = logging.getLogger("twake_async")


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

    def encode(self, draft: MessageDraft, group_id: str | None) -> EncodedDraft:
        """Return the encoded draft.

        Raises:
            ConfigurationError: There is no group.
            InvalidDraftError: It is no draft, or a field cannot be sent as it is.

        """
        if not isinstance(draft, MessageDraft):
            raise InvalidDraftError("send takes a MessageDraft", field="draft")
        return self.api.encode(draft, group_id or self.group_id)

    async def save(
        self,
        request: SaveRequest,
        listener: Listener | None = None,
        *,
        group_id: str | None,
        deadline: float | None,
        retry: RetryPolicy | None,
    ) -> Message:
        """Send a message and return it as the server has it, or raise the error of the send."""
        seconds, policy = self._limits(deadline, retry)
        with self.life:  # no coroutine of its own: thousands may wait here
            message = await self.attempts.run(request, policy, seconds, listener)
        self.proven.add(group_id or self.group_id)
        if request.text_was_cut(message):
            try:
                warnings.warn(_CUT, TextCutWarning, stacklevel=3)  # the caller of the session
            except Exception:  # noqa: BLE001
                # A filter made an error of the warning, or showing it failed. The message is
                # delivered all the same.
                log.warning(_CUT)
        return message

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
        seconds, policy = self._limits(deadline, retry)
        with self.life:
            await self.attempts.run(request, policy, seconds)

    async def check(self, group_id: str | None, seconds: float) -> Check:
        """Make the requests of a check of the group, within a number of seconds."""
        with self.life:
            found = await self.attempts.converse(self.api.check(group_id), seconds)
        if found.ok:
            self.proven.add(group_id)
        return found

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
) -> MessageDraft:
    """Return the draft of an edit; it repeats what a `Message` holds and the caller did not give.

    Args:
        message: The message to edit.
        content: The new content; None for that of the `Message`.
        hidden_data: The new hidden data; None for that of the `Message`.
        pinned: Whether to pin it; None leaves a pinned `Message` pinned.
        user_specific: What single readers see in keyed nodes.

    Raises:
        InvalidDraftError: It is no message.

    """
    ref = _ref(message)
    if isinstance(message, Message):
        content = message.content if content is None else content
        hidden_data = (message.hidden_data or None) if hidden_data is None else hidden_data
        # An unpinned message stays so on every release where the edit does not name `pinned`.
        pinned = (message.pinned or None) if pinned is None else pinned
    return MessageDraft(
        ref.channel_id,
        content,
        id=ref.id,
        parent_message_id=ref.parent_message_id,
        hidden_data=hidden_data,
        pinned=pinned,
        user_specific=user_specific,
    )


def _ref(message: Message | MessageRef) -> MessageRef:
    if isinstance(message, MessageRef):
        return message
    if isinstance(message, Message):
        return message.ref
    raise InvalidDraftError(
        "message must be the Message that was answered, or a MessageRef", field="message"
    )

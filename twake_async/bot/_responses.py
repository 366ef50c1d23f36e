"""Sends the answers to events through the session of the bot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._printable import printable
from twake_async.errors import TwakeError

from ._answers import answer_to, has_reader, message_of, notice_for, replacement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twake_async.events import Event
    from twake_async.messages import Message, ReaderUpdate
    from twake_async.retry import RetryPolicy
    from twake_async.session import TwakeSession

__all__ = ["Responses"]

log: logging.Logger = logging.getLogger("twake_async.bot")


@attrs.frozen(eq=False)
class Responses:
    """Answers events; `Event.reply` and `Event.update` call it."""

    twake: TwakeSession

    def bind(self, event: Event) -> None:
        """Let this object send the answers to an event."""
        object.__setattr__(event, "_responder", self)

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
        """Send an answer; in the group of the event, if the event names one."""
        draft = answer_to(
            event, content, ephemeral=ephemeral, hidden_data=hidden_data, front_id=front_id
        )
        return await self.twake.send(draft, group_id=event.group_id, deadline=deadline, retry=retry)

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
        """Edit the message of an event; replace an ephemeral message, which is stored nowhere."""
        draft = replacement_of(event, content, hidden_data)
        if draft is not None:
            return await self.twake.send(
                draft, group_id=event.group_id, deadline=deadline, retry=retry
            )
        return await self.twake.edit_message(
            message_of(event),
            content,
            hidden_data=hidden_data,
            pinned=pinned,
            user_specific=user_specific,
            group_id=event.group_id,
            deadline=deadline,
            retry=retry,
        )

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
        await self.twake.dialogs.open(
            event,
            form,
            hidden_data=hidden_data,
            group_id=event.group_id,
            deadline=deadline,
            retry=retry,
        )

    async def tell(self, event: Event, text: str) -> None:
        """Show a text to the user of an event, and to nobody else; a failure is logged.

        It is an ephemeral message; in a dialog, which has no channel, it takes the dialog's place.
        """
        kind, shown = type(event).__name__, printable(text)  # it may quote what a user typed
        try:
            if has_reader(event):
                await self.twake.send(notice_for(event, text), group_id=event.group_id)
            elif event.user_id and event.connection_id:
                await self.twake.dialogs.open(event, text, group_id=event.group_id)
            else:
                log.warning("a %s has no user to whom this could be shown: %s", kind, shown)
        except TwakeError as exc:
            log.warning("the user of a %s may not have been shown: %s (%s)", kind, shown, exc)
        except Exception:  # such as of the caller's own client: the next handler shall run
            log.exception("the user of a %s may not have been shown: %s", kind, shown)

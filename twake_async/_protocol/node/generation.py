"""The generation of Node servers, as a session uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._protocol.json_codec import dump
from twake_async._protocol.subjects import CALL

from .encode import encode_draft, encode_remove
from .probes import examine
from .reads import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from twake_async._protocol.exchange import Request
    from twake_async._protocol.subjects import Subject
    from twake_async.check import Check
    from twake_async.errors import TwakeError
    from twake_async.messages import MessageDraft, MessageRef

    from .api import Api
    from .encode import EncodedDraft
    from .requests import Remove, Session

__all__ = ["Node"]

T = TypeVar("T")


@attrs.frozen
class Node:
    """The API of Twake's Node servers, 2022 on, with the credentials of one session."""

    api: Api
    session: Session
    workspace_id: str | None = None

    name = "node"
    edit_replaces = False

    def encode(self, draft: MessageDraft, group_id: str | None) -> EncodedDraft:
        """Return the encoded draft, for the request that sends it."""
        return encode_draft(
            draft,
            group_id=group_id,
            workspace_id=self.workspace_id,
            api=self.api,
            session=self.session,
        )

    def remove(self, ref: MessageRef, group_id: str | None) -> Remove:
        """Return the request that removes a message."""
        return encode_remove(ref, group_id=group_id, api=self.api, session=self.session)

    def ask(
        self,
        path: str,
        operation: str,
        read: Callable[[Mapping[str, Any]], T | TwakeError],
        *,
        method: str = "GET",
        document: Mapping[str, Any] | None = None,
        target: str | None = None,
        subject: Subject = CALL,
    ) -> Ask[T]:
        """Return a call that stores no message, and that may be made twice; see `Ask`.

        Args:
            path: The path to ask.
            operation: What it does, for the log.
            read: Returns what the document of a good answer says.
            method: The HTTP method.
            document: What to send; its nested values were checked. None for nothing.
            target: The id of what it is about, if a good answer names it.
            subject: What its errors are about.

        Raises:
            InvalidDraftError: A field of the document cannot be sent as JSON (outcome `NOT_SENT`).

        """
        body = b"" if document is None else dump(document)
        call = Ask(path, operation, self.api, read, method, body, target, subject=subject)
        call.steps = self.session.steps_of_call(call)
        return call

    def check(self, group_id: str | None) -> Generator[Request[Check], Check | TwakeError, Check]:
        """Yield the requests of a check, receive what each proved, and return the final result."""
        return examine(group_id, self.workspace_id, self.api)

"""The generation of servers that this API is: what a session asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .encode import encode_draft, encode_remove
from .probes import examine

if TYPE_CHECKING:
    from collections.abc import Generator

    from twake_async._protocol.exchange import Request
    from twake_async.check import Check
    from twake_async.errors import TwakeError
    from twake_async.messages import MessageDraft, MessageRef

    from .api import Api
    from .encode import EncodedDraft
    from .requests import Remove, Session

__all__ = ["Node"]


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

    def check(self, group_id: str | None) -> Generator[Request[Check], Check | TwakeError, Check]:
        """Yield the requests of a check, be sent what each proved, and return what all prove."""
        return examine(group_id, self.workspace_id, self.api)

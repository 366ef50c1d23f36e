"""Checks drafts and hashes them, as a session with the same settings would. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async._arguments import check_choice, check_workspace
from twake_async._protocol.node.api import Api
from twake_async._protocol.node.encode import encode_draft as encode_for_node
from twake_async._protocol.v1.encode import check_draft, encode_draft
from twake_async._sending.generations import APIS

if TYPE_CHECKING:
    from typing import Self

    from twake_async._protocol.node.encode import EncodedDraft
    from twake_async.messages import MessageDraft

    from ._credentials import Settings

__all__ = ["Offline"]


@attrs.frozen
class Offline:
    """What a session does with drafts before it sends them."""

    api: str = "v1"
    group_id: str = "-"
    workspace_id: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what a session with these settings does.

        Raises:
            ConfigurationError: There is no such API, or the workspace is no id.

        """
        api = check_choice("api", settings.api, APIS)
        workspace = settings.get("workspace_id")
        if api == "node" and workspace is not None:
            check_workspace(workspace)
        return cls(api, settings.get("group_id") or "-", workspace)

    def check(self, draft: MessageDraft) -> None:
        """Check whether a draft can be sent.

        Raises:
            InvalidDraftError: A field cannot be sent as it is.
            ConfigurationError: It needs a workspace, and there is none.

        """
        if self.api == "v1":
            check_draft(draft)
        else:
            self._encode_for_node(draft).request()

    def fingerprint(self, draft: MessageDraft) -> str:
        """Return the hash that a journal keeps of a draft.

        Raises:
            TwakeError: As for `check`.

        """
        if self.api == "v1":
            return encode_draft(draft, group_id=self.group_id).fingerprint()
        return self._encode_for_node(draft).fingerprint()

    def _encode_for_node(self, draft: MessageDraft) -> EncodedDraft:
        return encode_for_node(
            draft, group_id=self.group_id, workspace_id=self.workspace_id, api=Api()
        )

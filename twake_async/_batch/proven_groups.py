"""Which groups a session has proven, and the questions of a batch about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async.errors import TwakeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async.check import Check
    from twake_async.messages import MessageDraft

__all__ = ["GroupServer", "ProvenGroups"]

#: Groups that are remembered at the most; a group too many costs a check, no message.
_MOST = 1000


@attrs.define(eq=False)
class ProvenGroups:
    """The groups for which the server has taken a message of the session, or passed its check."""

    _ids: set[str | None] = attrs.field(factory=set, init=False)

    def __contains__(self, group_id: str | None) -> bool:
        return group_id in self._ids

    def add(self, group_id: str | None) -> None:
        """Note that the session's address, credentials and this group are right."""
        if group_id not in self._ids:
            if len(self._ids) >= _MOST:
                self._ids.clear()
            self._ids.add(group_id)


@attrs.frozen(eq=False)
class GroupServer:
    """The server as a batch of one group sees it."""

    group_id: str | None
    seconds: float
    """How long one check may take."""
    groups: ProvenGroups
    encode: Callable[[MessageDraft], object]
    """Encodes a draft as a send does, or raises a `TwakeError`."""
    check: Callable[[str | None, float], Awaitable[Check]]

    def proven(self) -> bool:
        """Say whether the session knows already that the server takes messages of the group."""
        return self.group_id in self.groups

    def would_send(self, draft: MessageDraft) -> bool:
        """Say whether a send of the draft would make a request at all."""
        try:
            self.encode(draft)
        except TwakeError:
            return False
        return True

    async def probe(self, most: float) -> Check:
        """Make the requests of a check, in as many seconds at the most."""
        return await self.check(self.group_id, min(self.seconds, most))

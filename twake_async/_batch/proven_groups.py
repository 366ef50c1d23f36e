"""The groups that a session has proven, and what a batch asks the server about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async.check import Check

__all__ = ["GroupServer", "ProvenGroups"]

#: The most groups that are remembered; a forgotten group costs one check, and no message.
_MOST = 1000


@attrs.define(eq=False)
class ProvenGroups:
    """The groups whose messages the server has taken in this session, or that passed a check."""

    _ids: set[str | None] = attrs.field(factory=set, init=False)

    def __contains__(self, group_id: str | None) -> bool:
        return group_id in self._ids

    def add(self, group_id: str | None) -> None:
        """Note that the session's address, its credentials and this group are right."""
        if group_id not in self._ids:
            if len(self._ids) >= _MOST:
                self._ids.clear()
            self._ids.add(group_id)


@attrs.frozen(eq=False)
class GroupServer:
    """The server, as a batch of one group uses it."""

    group_id: str | None
    seconds: float
    """The deadline of one check."""
    groups: ProvenGroups
    check: Callable[[str | None, float], Awaitable[Check]]

    def proven(self) -> bool:
        """Say whether the session knows already that the server takes messages of the group."""
        return self.group_id in self.groups

    async def probe(self, seconds: float) -> Check:
        """Make the requests of a check.

        Args:
            seconds: The most that it may take.

        """
        return await self.check(self.group_id, min(self.seconds, seconds))

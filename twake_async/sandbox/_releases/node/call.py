"""One request to a route of the Node server, and how JavaScript reads its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, evolve

from twake_async.sandbox._releases.node.errors import CrashError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twake_async.sandbox._world.tokens import Bearer
    from twake_async.sandbox._world.world import World

__all__ = ["Call", "field"]


@define(frozen=True, slots=True)
class Call:
    """One request, with the values of its path, its query and its token."""

    world: World
    release: str
    bearer: Bearer
    path: Sequence[str]
    """The ids in the path, in order."""
    query: Mapping[str, str]
    body: Any

    @property
    def with_status(self) -> bool:
        """Whether messages have a status."""
        return self.release != "2022"

    def at(self, ids: Sequence[str]) -> Call:
        """Return the same request with the ids of its path."""
        return evolve(self, path=ids)

    def now(self) -> int:
        """Return the time in Unix milliseconds."""
        return int(self.world.clock() * 1000)


def field(value: Any, name: str) -> Any:
    """Return `value.name`; None for undefined.

    Raises:
        CrashError: The value is null or undefined.

    """
    if value is None:
        raise CrashError
    return value.get(name) if isinstance(value, dict) else None

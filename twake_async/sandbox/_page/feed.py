"""The changes, in order, for watchers: each has a number, to resume after a reconnect."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import contextmanager, suppress
from operator import attrgetter
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from attrs import define, field, fields

from twake_async.sandbox._world.node_rows import NodeMessage
from twake_async.sandbox._world.rows import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from twake_async.sandbox._twake import Twake

__all__ = ["Change", "Feed"]

_KEPT = 20_000
"""How many changes are kept; a watcher that missed more starts again."""

_row_of_v1 = attrgetter(*(one.name for one in fields(Message)))
_row_of_node = attrgetter(*(one.name for one in fields(NodeMessage)))

Change = tuple[str, Any]
"""What changed: a "message" or an "ephemeral" by id, "traffic" by number, or the "world"."""


@define(slots=True, eq=False)
class Feed:
    """The changes of one sandbox. Any thread may say that something changed."""

    twake: Twake
    epoch: str = field(factory=lambda: token_hex(4))
    """Differs from sandbox to sandbox, so that the numbers of another sandbox are ignored."""
    number: int = 0
    """The number of the last change."""
    _changes: deque[tuple[int, Change]] = field(factory=lambda: deque(maxlen=_KEPT), init=False)
    _is_stale: bool = field(default=True, init=False)
    """Whether the world may have changed since the last look."""
    _rows: dict[str, Any] = field(factory=dict, init=False)
    """The rows of the messages as they were at the last look."""
    _ephemerals: dict[str, Any] = field(factory=dict, init=False)
    _channels: set[str] = field(factory=set, init=False)
    _watchers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(factory=set, init=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False)

    def wake(self) -> None:
        """Tell the watchers that something in the world may have changed."""
        self._is_stale = True
        self._notify()

    def _notify(self) -> None:
        for loop, event in tuple(self._watchers):
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(event.set)

    def note(self, kind: str, key: Any = None) -> None:
        """Add a change, and tell the watchers."""
        with self._lock:
            self._add(kind, key)
        self._notify()

    def _add(self, kind: str, key: Any) -> None:
        self.number += 1
        self._changes.append((self.number, (kind, key)))

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """Yield the event that is set when something may have changed."""
        watcher = (asyncio.get_running_loop(), asyncio.Event())
        self._watchers.add(watcher)
        try:
            yield watcher[1]
        finally:
            self._watchers.discard(watcher)

    def look(self) -> int:
        """Add what changed in the world since the last look, and return the last number."""
        with self.twake.changing() as world, self._lock:
            if not self._is_stale:
                return self.number
            self._is_stale = False  # whoever changes something says so while it holds the lock
            if self.twake.is_node:
                rows = {key: _row_of_node(row) for key, row in world.node.messages.items()}
            else:
                rows = {key: _row_of_v1(row) for key, row in world.messages.items()}
            self._compare("message", self._rows, rows)
            ephemerals, channels = dict(world.ephemerals), set(world.channels)
            self._compare("ephemeral", self._ephemerals, ephemerals)
            if channels != self._channels:
                self._add("world", None)
            self._rows, self._ephemerals, self._channels = rows, ephemerals, channels
            return self.number

    def _compare(self, kind: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for key in before.keys() - now.keys():
            self._add(kind, key)
        for key, row in now.items():
            if before.get(key) != row:
                self._add(kind, key)

    def since(self, number: int) -> list[Change] | None:
        """Return the changes after a number, each once; None if some are no longer kept."""
        with self._lock:
            first = self._changes[0][0] if self._changes else self.number + 1
            if not first - 1 <= number <= self.number:
                return None
            new: list[tuple[int, Change]] = []
            for entry in reversed(self._changes):
                if entry[0] <= number:
                    break
                new.append(entry)
        return list(dict.fromkeys(change for _, change in reversed(new)))

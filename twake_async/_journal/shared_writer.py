"""The writer of a shared journal: it also looks keys up, reserves turns and pings."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, cast

import attrs

from twake_async.deliveries import JournalEntry
from twake_async.errors import JournalError

from .writer import JournalWriter

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .store import SharedStore, Store

    Call = Callable[[SharedStore], object]

__all__ = ["SharedWriter"]

#: Seconds without anything to do after which the store is pinged.
PING = 5.0


@attrs.define(eq=False)
class SharedWriter(JournalWriter):
    """Writes one partition of a shared journal, from `open` to `aclose`."""

    on_pause: Callable[[float], None] | None = attrs.field(default=None, init=False)
    """Called in the event loop with the seconds that are left of a pause of all machines."""

    @property
    def shared(self) -> SharedStore:
        """The open partition."""
        return cast("SharedStore", self.store)

    async def look_up(self, key: str) -> JournalEntry | None:
        """Return the entry under a key, or None.

        Raises:
            JournalError: The journal cannot be read, or another process has the partition.

        """
        if self.shared.is_empty:
            return None
        found: JournalEntry | None = await self._ask(key)
        return found

    async def reserve(self, count: int, rate: float) -> float:
        """Reserve turns to send, and return the seconds until the first.

        Args:
            count: How many.
            rate: Turns a second, of all machines together.

        Raises:
            JournalError: As for `look_up`.

        """
        seconds: float = await self._ask(lambda store: store.reserve(count, rate))
        return seconds

    def slow(self, seconds: float) -> None:
        """Note for all machines that the server asked for a pause of so many seconds."""
        self._order(lambda store: store.slow(seconds))

    def _order(self, what: str | Call) -> asyncio.Future[Any]:
        answered: asyncio.Future[Any] = self._loop.create_future()
        self._orders.put(cast("Any", (what, answered)))
        return answered

    async def _ask(self, what: str | Call) -> Any:
        answer = await self._order(what)
        if isinstance(answer, JournalError):
            raise answer
        return answer

    # --- in the thread -------------------------------------------------------------------------

    def _wait(self, store: Store) -> Any:
        while True:
            try:
                return self._orders.get(timeout=PING)
            except queue.Empty:
                self._try(cast("SharedStore", store), lambda shared: shared.ping())

    def _write(self, store: Store, group: list[Any]) -> None:
        shared = cast("SharedStore", store)
        entries = [order for order in group if isinstance(order[0], JournalEntry)]
        if len(entries) < len(group):
            self._answer(shared, [order for order in group if type(order[0]) is not JournalEntry])
        if entries:
            super()._write(store, entries)
            self._tell_pause(shared)

    def _answer(self, store: SharedStore, group: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        keys = [what for what, _ in group if isinstance(what, str)]
        found = self._try(store, lambda shared: shared.find_all(keys)) if keys else {}
        for what, answered in group:
            if not isinstance(what, str):
                answer = self._try(store, what)
            else:
                answer = found if isinstance(found, JournalError) else found.get(what)
            self._report([answered], answer)

    def _try(self, store: SharedStore, call: Call) -> Any:
        """Return what a call returns, or the error; nothing is done after a failure."""
        if self._failure is None:
            try:
                result = call(store)
            except Exception as exc:  # noqa: BLE001 - every failure of this thread is reported
                self._fail(exc)
            else:
                self._tell_pause(store)
                return result
        return self._failure

    def _tell_pause(self, store: SharedStore) -> None:
        if self.on_pause is not None and store.pause > 0:
            self._call(self.on_pause, store.pause)

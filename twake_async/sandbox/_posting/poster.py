"""Posts events: waits as the server does, never retries, and records the result."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from attrs import define, field

from twake_async.sandbox._posting.in_process import Application
from twake_async.sandbox._posting.record import PostedEvent, record

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from typing import Any

    from twake_async.sandbox._events.outgoing import Outgoing
    from twake_async.sandbox._posting.over_http import Url

__all__ = ["Poster"]

_MOST_AT_ONCE = 100
"""The most events that are being posted at once on one event loop; others wait."""

Slots = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]


@define(slots=True, eq=False)
class Poster:
    """The addresses of the applications, and the posted events. Any thread may use it."""

    log: Callable[[str], None]
    """Called with one line for each event."""
    most: int
    """How many events are kept."""
    waits: bool
    """Whether the server waits for answers before it answers a request; a Node server does not."""
    watch: Callable[[PostedEvent], None] = lambda _: None
    """Called with each event that was posted."""
    addresses: dict[str, Url | Application] = field(factory=dict)
    """The address of each application."""
    _posted: deque[PostedEvent] = field(init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _slots: Slots = field(factory=WeakKeyDictionary, init=False)
    _later: set[asyncio.Task[Any]] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._posted = deque(maxlen=self.most)

    def posted(self) -> list[PostedEvent]:
        """Return the posted events that are kept, oldest first."""
        with self._lock:
            return list(self._posted)

    def clear(self) -> None:
        """Forget the posted events."""
        with self._lock:
            self._posted.clear()

    def adopt(self) -> None:
        """Let applications without an event loop run on the current one."""
        for address in self.addresses.values():
            if isinstance(address, Application):
                address.adopt(asyncio.get_running_loop())

    def connect(self, application_id: str, address: Url | Application) -> None:
        """Post the events of an application to an address, which replaces the last one."""
        if isinstance(address, Application):
            with suppress(RuntimeError):  # no loop runs
                address.adopt(asyncio.get_running_loop())
        before = self.addresses.get(application_id)
        self.addresses[application_id] = address
        if isinstance(before, Application):
            before.cancel()

    async def announce(self, events: Sequence[Outgoing]) -> None:
        """Post the events of a request, and wait as the server does before its answer."""
        if self.waits:
            await self.post_all(events)
        else:
            self._spawn(self.post_all(events))

    async def announce_here(self, events: Sequence[Outgoing]) -> None:
        """Do the same for a request on the event loop of the caller."""
        self.adopt()
        await self.announce(events)

    async def post_all(self, events: Iterable[Outgoing]) -> list[PostedEvent]:
        """Post events one after another, and return each result."""
        return [await self.post(event) for event in events]

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def post(self, event: Outgoing) -> PostedEvent:
        """Post an event once, and return the result; a missing answer raises no error."""
        address, begun = self.addresses[event.application_id], time.monotonic()
        status, error = None, None
        try:
            async with asyncio.timeout(event.wait), self._slot():
                status = await address.post(event)
        except TimeoutError:
            error = f"no answer within {event.wait:g} s"
        except (OSError, EOFError, ValueError, RuntimeError) as exc:
            error = str(exc) or type(exc).__name__
        posted = record(
            event.application_id,
            event.body,
            event.headers(address.host),
            status=status,
            seconds=time.monotonic() - begun,
            error=error,
        )
        with self._lock:
            self._posted.append(posted)
        self.watch(posted)
        self.log(_line(posted))
        return posted

    def _slot(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        with self._lock:
            return self._slots.setdefault(loop, asyncio.Semaphore(_MOST_AT_ONCE))

    def close(self) -> list[asyncio.Task[Any]]:
        """Cancel the posts that still run, and return their tasks."""
        tasks: list[asyncio.Task[Any]] = []
        for task in list(self._later):
            loop = task.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
                tasks.append(task)
        for address in self.addresses.values():
            if isinstance(address, Application):
                tasks += address.cancel()
        return tasks

    async def aclose(self) -> None:
        """Cancel the posts that still run, and wait for those on this event loop."""
        here, loop = asyncio.current_task(), asyncio.get_running_loop()
        tasks = [one for one in self.close() if one is not here and one.get_loop() is loop]
        await asyncio.gather(*tasks, return_exceptions=True)


def _line(posted: PostedEvent) -> str:
    """Return the log line, with a cleaned name: any person may choose the name of an event."""
    name = "/".join(ascii(one)[1:-1][:40] for one in (posted.type, posted.name) if one)
    return f"event {name} -> {posted.error if posted.status is None else posted.status}"

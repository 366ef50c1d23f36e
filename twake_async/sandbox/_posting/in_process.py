"""Posts an event to an ASGI application in this process, on the application's event loop.

The sandbox may run in another thread. It waits on a future that no loop owns, so the two loops
never wait for each other for longer than the server waits.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from twake_async.sandbox._events.outgoing import Outgoing

    Message = MutableMapping[str, Any]
    ASGIApp = Callable[[Message, Callable[[], Awaitable[Message]], Any], Awaitable[None]]

__all__ = ["Application"]

_logger = logging.getLogger("twake_async.sandbox")
_HOST = "bot.localhost"
_MOST_LEFT = 100
"""The most calls that may run, including those that the server no longer waits for."""


@define(slots=True, eq=False)
class Application:
    """An ASGI application, and the calls of it that still run."""

    app: ASGIApp = field(repr=False)
    path: str = field(repr=False)
    query: str = field(repr=False)
    loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)
    """The event loop on which it runs."""
    _running: dict[asyncio.Task[None], None] = field(factory=dict, init=False, repr=False)

    @property
    def host(self) -> str:
        """The value of the Host header."""
        return _HOST

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the application run on a loop, if it has no open loop yet."""
        if self.loop is None or self.loop.is_closed():
            self.loop = loop

    async def post(self, event: Outgoing) -> int:
        """Post an event, and return the status of the answer once it is whole.

        If the server stops waiting, the application learns that the client left, and continues.

        Raises:
            RuntimeError: No event loop runs the application.

        """
        if self.loop is None or self.loop.is_closed():
            raise RuntimeError("no event loop runs the application: call connect in a coroutine")
        loop, call = self.loop, _Call(event, self.path, self.query)
        loop.call_soon_threadsafe(self._start, call)
        try:
            return await asyncio.wrap_future(call.answered)
        finally:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(call.leave)

    def _start(self, call: _Call) -> None:
        task = asyncio.get_running_loop().create_task(call.run(self.app))
        self._running[task] = None
        task.add_done_callback(lambda ended: self._running.pop(ended, None))
        if len(self._running) > _MOST_LEFT:
            next(iter(self._running)).cancel()

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel the calls that still run, and return them. Any thread may call this."""
        running, loop = list(self._running), self.loop
        if loop is not None and running:
            with suppress(RuntimeError):
                for task in running:
                    loop.call_soon_threadsafe(task.cancel)
        return running


@define(slots=True, eq=False)
class _Call:
    """One call of an application."""

    event: Outgoing
    path: str
    query: str
    answered: concurrent.futures.Future[int] = field(factory=concurrent.futures.Future[int])
    _left: asyncio.Event = field(factory=asyncio.Event)
    _sent: bool = False
    _status: int | None = None

    async def run(self, app: ASGIApp) -> None:
        """Call the application; an error in it becomes a 500, as with uvicorn."""
        try:
            await app(self._scope(), self._receive, self._send)
        except Exception:
            _logger.exception("the application failed on an event")
        finally:
            self._answer(500 if self._status is None else self._status)

    def leave(self) -> None:
        """Tell the application that the client left."""
        self._left.set()

    def _scope(self) -> Message:
        headers = [
            (name.lower().encode(), value.encode()) for name, value in self.event.headers(_HOST)
        ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": (_HOST, 80),
        }

    async def _receive(self) -> Message:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self.event.body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif not message.get("more_body", False) and self._status is not None:
            self._answer(self._status)

    def _answer(self, status: int) -> None:
        with suppress(concurrent.futures.InvalidStateError):  # answered, or nobody waits
            self.answered.set_result(status)
        self._left.set()

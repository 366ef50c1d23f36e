"""The ASGI application on a loopback socket, in a daemon thread with an event loop of its own.

So the caller may block, be synchronous, or run any event loop.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._serving.uvicorn_protocol import protocol_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twake_async.sandbox._serving.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["Listener"]

_HOST = "127.0.0.1"
_BACKLOG = 1024
_MOST = 1000
"""The most connections that are open at once; others wait in the backlog."""
_PAUSE = 0.1
"""Seconds until the next try to accept if the process can open no more files."""


@define(slots=True)
class Listener:
    """A listening socket, the thread that serves it, and its connections."""

    app: ASGIApp
    port: int
    """The port to listen on; 0 before `start` finds a free one."""
    patience: float
    """Seconds for the head of a request to arrive."""
    idle: int
    """Seconds after which an idle connection is closed."""
    connections: dict[Any, asyncio.Transport] = field(factory=dict)
    """The open connections by client address."""
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _end: asyncio.Event = field(factory=asyncio.Event)
    _ended: asyncio.Event = field(factory=asyncio.Event)
    _stopping: bool = False
    _arriving: set[asyncio.Task[Any]] = field(factory=set)
    _resume: Callable[[], None] | None = None
    """Accepts connections again; None if they are accepted now."""

    def start(self) -> None:
        """Listen and serve; return once connections are accepted.

        Raises:
            OSError: The port is taken.
            ImportError: uvicorn is not installed.

        """
        protocol, tasks = protocol_factory(
            self._run_app,
            opened=self._opened,
            lost=self._lost,
            patience=self.patience,
            idle=self.idle,
        )
        listening = socket.create_server((_HOST, self.port), backlog=_BACKLOG)
        listening.settimeout(0)
        self.port = listening.getsockname()[1]
        self._end, self._ended, self._stopping = asyncio.Event(), asyncio.Event(), False
        ready = threading.Event()

        def serve() -> None:
            with listening, asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve(listening, ready, protocol, tasks))

        self._thread = threading.Thread(target=serve, name="twake-async-sandbox", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Stop listening and end every connection; return once the thread has ended."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop for the length of a `with` block, and keep the port for the start after it."""
        self.stop()
        try:
            with closing(_bound(self.port)):  # bound, and not listening: connections are refused
                yield
        finally:
            self.start()

    async def _serve(
        self,
        listening: socket.socket,
        ready: threading.Event,
        protocol: Callable[[], asyncio.Protocol],
        tasks: set[asyncio.Task[None]],
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        loop.add_reader(listening, self._accept, listening, protocol)
        ready.set()
        await self._end.wait()
        self._stopping = True
        loop.remove_reader(listening)
        self._resume = None
        await asyncio.gather(*self._arriving)
        for transport in list(self.connections.values()):
            transport.abort()
        # uvicorn learns in the next iteration of the loop that the connections are lost. It would
        # log an application that ends before that.
        await asyncio.sleep(0)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.connections:
            await self._ended.wait()

    def _accept(self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Accept one connection.

        `loop.create_server` is not used: it loses a connection that arrives while it is closed.
        """
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listening.accept()
        except OSError as exc:  # the client has left already, unless there are too many files
            if exc.errno in (errno.EMFILE, errno.ENFILE):
                self._pause(listening, protocol)
                loop.call_later(_PAUSE, self._go_on)
            return
        connection.settimeout(0)
        # asyncio sets this option only on sockets that name their protocol. Without it the body of
        # an answer waits 40 ms until the client acknowledges the head.
        with suppress(OSError):  # the client has left already
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = loop.create_task(loop.connect_accepted_socket(protocol, connection))
        self._arriving.add(task)
        task.add_done_callback(self._arrived)
        if self._is_full():
            self._pause(listening, protocol)

    def _arrived(self, task: asyncio.Task[Any]) -> None:
        self._arriving.discard(task)
        if not self._is_full():
            self._go_on()

    def _is_full(self) -> bool:
        return len(self._arriving) + len(self.connections) >= _MOST

    def _pause(self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Stop accepting until `_go_on`; new connections wait in the backlog."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._resume = lambda: loop.add_reader(listening, self._accept, listening, protocol)

    def _go_on(self) -> None:
        if self._resume is not None:
            self._resume()
            self._resume = None

    def _opened(self, transport: asyncio.Transport) -> None:
        self._ended.clear()
        self.connections[transport.get_extra_info("peername")] = transport

    def _lost(self, client: Any) -> None:
        self.connections.pop(client, None)
        self._go_on()
        if not self.connections:
            self._ended.set()

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, so that uvicorn logs neither `stop` nor a client that left."""
        try:
            await self.app(scope, receive, send)
        except ConnectionResetError:  # the fault was to break a connection that had ended
            if scope.get("client") in self.connections:
                raise
        except asyncio.CancelledError:
            if not self._stopping:
                raise


def _bound(port: int) -> socket.socket:
    """Return a socket bound to a port; closing connections may still use that port."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # as socket.create_server does it
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((_HOST, port))
    except OSError:
        held.close()
        raise
    return held

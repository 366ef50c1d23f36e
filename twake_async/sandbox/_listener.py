"""The ASGI application on a loopback socket, through uvicorn's HTTP/1.1 protocol.

It runs in a daemon thread with an event loop of its own: whoever uses it may block, be synchronous,
or be a loop of any kind. uvicorn is imported here, and here only, when something is served.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twake_async.sandbox._app import ASGIApp

__all__ = ["Listener"]

_HOST = "127.0.0.1"
_BACKLOG = 1024
_MOST = 1000
"""How many connections are open at once; others wait in the backlog."""
_PAUSE = 0.1
"""Seconds until the next try where the process can open no more files."""


@define(slots=True)
class Listener:
    """A listening socket, the thread that serves it, and the connections by client address.

    `patience` is in seconds: how long the head of a request may take.
    """

    app: ASGIApp
    port: int
    patience: float
    connections: dict[Any, asyncio.Transport] = field(factory=dict)
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _end: asyncio.Event = field(factory=asyncio.Event)
    _ended: asyncio.Event = field(factory=asyncio.Event)
    _stopping: bool = False
    _arriving: set[asyncio.Task[Any]] = field(factory=set)
    _resume: Callable[[], None] | None = None
    """What goes on accepting; None while connections are accepted."""

    def start(self) -> None:
        """Listen; `port` is then the port that was given or found. OSError if it is taken."""
        protocol, tasks = _protocol(self)
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
        """Stop listening and end every connection; returns once the thread has ended."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop, and start again on the same port; nobody else gets it in between."""
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
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.connections:
            await self._ended.wait()

    def _accept(self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Not `create_server`: that loses a connection which arrives while it is being closed."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listening.accept()
        except OSError as error:  # the client has gone already, unless there are too many files
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._pause(listening, protocol)
                loop.call_later(_PAUSE, self._go_on)
            return
        connection.settimeout(0)
        # asyncio sets it only on sockets that name their protocol: without it the body of an answer
        # waits 40 ms for the client's word that the head has come.
        with suppress(OSError):  # the client has gone already
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
        """Accept no more until `_go_on`; whoever comes waits in the backlog."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._resume = lambda: loop.add_reader(listening, self._accept, listening, protocol)

    def _go_on(self) -> None:
        if self._resume is not None:
            self._resume()
            self._resume = None

    def opened(self, transport: asyncio.Transport) -> None:
        """Know a new connection by its client's address."""
        self._ended.clear()
        self.connections[transport.get_extra_info("peername")] = transport

    def lost(self, client: Any) -> None:
        """Forget a connection."""
        self.connections.pop(client, None)
        self._go_on()
        if not self.connections:
            self._ended.set()

    async def quiet_app(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application; to be cut short by `stop`, or left by the client, is no error."""
        try:
            await self.app(scope, receive, send)
        except ConnectionResetError:  # a fault that was to break a connection found it gone
            if scope.get("client") in self.connections:
                raise
        except asyncio.CancelledError:
            if not self._stopping:
                raise


def _bound(port: int) -> socket.socket:
    """A socket that holds a port; at a start the port may be shared with closing connections."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # as socket.create_server does it
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((_HOST, port))
    except OSError:
        held.close()
        raise
    return held


def _protocol(listener: Listener) -> tuple[Callable[[], asyncio.Protocol], set[asyncio.Task[None]]]:
    """What makes uvicorn's protocol for a connection, and the requests under way."""
    try:
        from h11 import IDLE  # noqa: PLC0415
        from uvicorn import Config  # noqa: PLC0415
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415
        from uvicorn.server import ServerState  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            "serving the sandbox needs uvicorn: pip install 'twake-async[sandbox]'"
        ) from error

    class Connection(H11Protocol):
        """uvicorn's protocol, whose transport a fault can find, and which ends half-open heads."""

        _limit: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            listener.opened(transport)
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            listener.lost(self.client)
            if self._limit is not None:
                self._limit.cancel()

        def _watch(self) -> None:
            """Limit the time from the first byte of a head, or the first moment, to its end.

            Between two requests uvicorn's own limit ends an idle connection.
            """
            idle = self.conn.their_state is IDLE
            waiting = idle and (self.cycle is None or bool(self.conn.trailing_data[0]))
            if waiting and self._limit is None:
                self._limit = self.loop.call_later(listener.patience, self.transport.close)
            elif not waiting and self._limit is not None:
                self._limit.cancel()
                self._limit = None

    config = Config(
        cast("Any", listener.quiet_app),
        http="h11",
        interface="asgi3",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    return lambda: Connection(config, state, {}), state.tasks

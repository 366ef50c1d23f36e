"""The ASGI application on a loopback socket, through uvicorn's HTTP/1.1 protocol.

uvicorn is imported here, and here only, when something is served.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field

if TYPE_CHECKING:
    from twake_async.sandbox._app import ASGIApp

__all__ = ["Listener", "ThreadedListener"]

_HOST = "127.0.0.1"


@define(slots=True)
class Listener:
    """A listening socket on the running event loop, and its connections by client address."""

    app: ASGIApp
    port: int
    connections: dict[Any, asyncio.Transport] = field(factory=dict)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(factory=set)
    _ended: asyncio.Event = field(factory=asyncio.Event)
    _stopping: bool = False

    async def start(self) -> None:
        """Listen; `port` is then the port that was given or found."""
        from uvicorn import Config  # noqa: PLC0415
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415
        from uvicorn.server import ServerState  # noqa: PLC0415

        listener = self

        class Connection(H11Protocol):
            """uvicorn's protocol, whose transport a fault can find."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                listener.opened(transport)
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                listener.lost(self.client)

        config = Config(
            cast("Any", self._quietly),
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
        self._tasks = state.tasks
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(config, state, {}), _HOST, self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def opened(self, transport: asyncio.Transport) -> None:
        """Know a new connection by its client's address."""
        self._ended.clear()
        self.connections[transport.get_extra_info("peername")] = transport
        if self._stopping:
            transport.abort()

    def lost(self, client: Any) -> None:
        """Forget a connection."""
        self.connections.pop(client, None)
        if not self.connections:
            self._ended.set()

    async def _quietly(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application; one that is cut short by `stop` is no error."""
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def stop(self) -> None:
        """Stop listening, end every connection, and wait until all are gone."""
        if self._server is None:
            return
        self._stopping = True
        self._server.close()
        for transport in list(self.connections.values()):
            transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.connections:
            await self._ended.wait()
        await self._server.wait_closed()
        self._server = None


@define(slots=True)
class ThreadedListener:
    """A listener in a daemon thread with an event loop of its own."""

    listener: Listener
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _end: asyncio.Event | None = None

    def start(self) -> None:
        """Listen; returns once connections are accepted."""
        ready = threading.Event()
        failures: list[BaseException] = []

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._end = asyncio.Event()
            try:
                await self.listener.start()
            except OSError as error:
                failures.append(error)
                return
            finally:
                ready.set()
            await self._end.wait()
            await self.listener.stop()

        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve()), name="twake-async-sandbox", daemon=True
        )
        self._thread.start()
        ready.wait()
        if failures:
            self._thread.join()
            raise failures[0]

    def stop(self) -> None:
        """Stop listening; returns once the thread has ended."""
        if self._loop is not None and self._end is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

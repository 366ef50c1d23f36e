"""The ASGI application on a loopback socket, through uvicorn's HTTP/1.1 protocol.

uvicorn is imported here, and here only, when something is served.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

from attrs import define, field

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

    async def start(self) -> None:
        """Listen; `port` is then the port that was given or found."""
        from uvicorn import Config  # noqa: PLC0415
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415
        from uvicorn.server import ServerState  # noqa: PLC0415

        connections = self.connections

        class Connection(H11Protocol):
            """uvicorn's protocol, whose transport a fault can find."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                connections[transport.get_extra_info("peername")] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.client, None)
                super().connection_lost(exc)

        config = Config(
            cast("Any", self.app), lifespan="off", log_config=None, access_log=False, ws="none"
        )
        config.load()
        state = ServerState()
        self._tasks = state.tasks
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(config, state, {}), _HOST, self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, end every connection, and wait until all are gone."""
        if self._server is None:
            return
        self._server.close()
        for transport in list(self.connections.values()):
            transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self.connections:
            await asyncio.sleep(0)
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

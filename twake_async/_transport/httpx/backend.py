"""A network backend for httpcore and httpcore2 over plain asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING, Any

from .stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twake_async._transport.connect import TcpConnector

    from .stream import Exceptions

__all__ = ["Backend"]


class Backend:
    """Connects over asyncio, in the shape of httpcore's `AsyncNetworkBackend`.

    Args:
        connector: Opens the connections.
        exceptions: The module of the library in use, whose exceptions are raised.

    """

    def __init__(self, connector: TcpConnector, exceptions: Exceptions) -> None:
        self._connector = connector
        self._exceptions = exceptions
        self.preconnected: Stream | None = None
        """The connection that the next call of `connect_tcp` returns."""
        self._keeps_next = False

    @contextlib.contextmanager
    def preconnecting(self) -> Iterator[None]:
        """Keep the connection that is opened in this context for the next `connect_tcp`."""
        self._keeps_next = True
        try:
            yield
        finally:
            self._keeps_next = False
            if self.preconnected is not None:
                self.preconnected.replay()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        """Return a connected stream.

        Raises:
            ConnectTimeout: The time is over.
            ConnectError: No address took the connection.

        """
        ready, self.preconnected = self.preconnected, None
        if ready is not None:
            if ready.is_fresh():
                return ready
            await ready.aclose()
        stream = await self._connect(host, port, timeout, local_address)
        for option in socket_options or ():
            stream.get_extra_info("socket").setsockopt(*option)
        if self._keeps_next:
            stream.record()
            self.preconnected = stream
        return stream

    async def _connect(
        self, host: str, port: int, seconds: float | None, local: str | None
    ) -> Stream:
        make = functools.partial(Stream, self._exceptions)
        try:
            async with asyncio.timeout(seconds):
                return await self._connector.connect(make, host, port, seconds=seconds, local=local)
        except TimeoutError as exc:
            raise self._exceptions.ConnectTimeout from exc
        except OSError as exc:
            raise self._exceptions.ConnectError(str(exc)) from exc

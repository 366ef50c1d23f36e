"""A network for httpcore or httpcore2 over plain asyncio: fewer turns of the event loop.

httpcore's own backend takes five turns of the loop for one request, and writes its head and its
body apart. Together that is a third of what a send costs. Both libraries take a network of this
shape.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from twake_async._protocol.exchange import TLS_ALERT, TLS_THERE
from twake_async._transport.connect import TcpConnector, has_news, last_words
from twake_async._transport.pool import IDLE_LIMIT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

__all__ = ["Backend", "Stream", "TcpConnector"]

#: Bytes that are held back until the answer is asked for: a head and its body in one write.
_TOGETHER = 65_536
#: Bytes that may wait to be read before the socket is left alone for a while.
_AHEAD = 262_144


class Raised(Protocol):
    """The exceptions of the library in use, by the names that its module has for them."""

    ConnectTimeout: type[Exception]
    ConnectError: type[Exception]
    ReadTimeout: type[Exception]
    ReadError: type[Exception]
    WriteTimeout: type[Exception]
    WriteError: type[Exception]
    RemoteProtocolError: type[Exception]


class Stream(asyncio.Protocol):
    """One connection, as httpcore's `AsyncNetworkStream` by its shape.

    It can be opened before the request that needs it: what a proxy says on the way is recorded,
    and is told again when the request comes.
    """

    def __init__(self, raised: Raised) -> None:
        self._raised = raised
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._tcp: Any = None
        self.untouched = True
        self._first = True
        self._recorded: list[bytes] | None = None
        self._replayed: deque[bytes] = deque()
        self._since = 0.0
        self._held = b""
        self._came = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._blocked = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._tcp = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        if len(self._came) > _AHEAD:
            self._transport.pause_reading()
        _wake(self._reader)
        _wake(self._writer)

    def eof_received(self) -> None:
        self._ended = True
        _wake(self._reader)
        _wake(self._writer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        if exc is not None:
            self._came += last_words(self._transport)
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        _wake(self._writer)

    # What opens it before its request.

    def record(self) -> None:
        """Remember all that is read, and that a handshake was made; ignore `aclose`."""
        self._recorded = []

    def rewind(self) -> None:
        """Let whoever connects next hear all that again, and say nothing to the server."""
        self._replayed.extend(self._recorded or ())
        self._recorded = None
        self._since = self._loop.time()

    def is_fresh(self) -> bool:
        """Say whether a connection that was opened before its request still stands."""
        return self._loop.time() - self._since < IDLE_LIMIT and not self.get_extra_info(
            "is_readable"
        )

    def _note(self, data: bytes) -> None:
        if self._recorded is not None:
            self._recorded.append(data)

    # What httpcore calls.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Return what came, at most so many bytes; none at the end of the stream."""
        if self._replayed:
            return self._replayed.popleft()
        if self._held:
            self._flush()
        if not self._came and not self._ended:
            self._reader = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._reader
            except TimeoutError as late:
                raise self._raised.ReadTimeout from late
        if self._error is not None and not self._came:
            raise self._raised.ReadError(str(self._error)) from self._error
        self._look_for_tls()
        data = bytes(self._came[:max_bytes])
        del self._came[:max_bytes]
        if not self._ended and len(self._came) <= _AHEAD:
            self._transport.resume_reading()
        self._note(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Take bytes to send; they leave with the next read, or when there are many.

        Raises:
            WriteError: The connection broke, or the server answers and reads no more. httpcore
                takes either for a reason to read the answer.

        """
        if self._replayed:
            return
        self.untouched = False
        self._held += buffer
        if len(self._held) < _TOGETHER:
            return
        self._flush()
        if self._blocked and not self._came and not self._ended:
            self._writer = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._writer
            except TimeoutError as late:
                raise self._raised.WriteTimeout from late
        if self._error is not None:
            raise self._raised.WriteError(str(self._error)) from self._error
        if self._blocked and self._came:
            raise self._raised.WriteError("the answer came before the request had left")

    def _look_for_tls(self) -> None:
        """Raise where the first word of a server in plain text is one of TLS."""
        first, self._first = self._first, False
        if first and self._transport is self._tcp and self._came.startswith(TLS_ALERT):
            raise self._raised.RemoteProtocolError(TLS_THERE)

    def _flush(self) -> None:
        held, self._held = self._held, b""
        self._transport.write(held)

    async def aclose(self) -> None:
        """Close at once: what HTTP has to say at the end it has said before."""
        if self._recorded is None:
            self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Stream:
        """Shake hands, and go on over TLS; nothing is left to do where that was done before."""
        if self._replayed:
            self._replayed.popleft()
            return self
        try:
            async with asyncio.timeout(timeout):
                self._transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as late:
            raise self._raised.ConnectTimeout from late
        except OSError as wrong:
            raise self._raised.ConnectError(str(wrong)) from wrong
        self._note(b"")
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for: whether an idle connection has news, sockets, TLS."""
        if info == "is_readable":
            return self._ended or bool(self._came) or self._is_full() or has_news(self._transport)
        names = {"server_addr": "peername", "client_addr": "sockname"}
        return self._transport.get_extra_info(names.get(info, info))

    def _is_full(self) -> bool:
        """Say whether a part of the last request waits to leave: another would stand behind it."""
        # What TLS has passed on it no longer counts.
        return bool(self._transport.get_write_buffer_size() or self._tcp.get_write_buffer_size())


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class Backend:
    """Connects over asyncio, first to the address that answered last.

    Args:
        dial: What connects, and remembers that address.
        raised: The module of the library in use, whose exceptions are raised.

    """

    def __init__(self, connector: TcpConnector, raised: Raised) -> None:
        self._connector = connector
        self._raised = raised
        self.ready: Stream | None = None
        """The connection that the next one who asks will get."""
        self._rehearses = False

    @contextlib.contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Keep the connection that is opened in this context for who asks for one after it."""
        self._rehearses = True
        try:
            yield
        finally:
            self._rehearses = False
            if self.ready is not None:
                self.ready.rewind()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        """Return a connected stream; raise the library's words for what fails."""
        ready, self.ready = self.ready, None
        if ready is not None:
            if ready.is_fresh():
                return ready
            await ready.aclose()
        try:
            async with asyncio.timeout(timeout):
                stream = await self._connector(
                    lambda: Stream(self._raised), host, port, seconds=timeout, local=local_address
                )
        except TimeoutError as late:
            raise self._raised.ConnectTimeout from late
        except OSError as wrong:
            raise self._raised.ConnectError(str(wrong)) from wrong
        for option in socket_options or ():
            stream.get_extra_info("socket").setsockopt(*option)
        if self._rehearses:
            stream.record()
            self.ready = stream
        return stream

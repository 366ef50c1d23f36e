"""A network stream for httpcore and httpcore2 over plain asyncio.

httpcore's own stream takes five turns of the event loop for one request, and writes head and body
separately. Together that is a third of the cost of a send. Both libraries accept a stream of this
shape.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from twake_async._protocol.exchange import TLS_ALERT, TLS_THERE
from twake_async._transport.connect import has_unread, read_leftover
from twake_async._transport.http_library import IS_READABLE
from twake_async._transport.pool import IDLE_LIMIT

if TYPE_CHECKING:
    import ssl

__all__ = ["Exceptions", "Stream"]

#: Bytes that are collected until the answer is read, so that head and body leave in one write.
_WRITE_LIMIT = 65_536
#: Bytes that may wait to be read before reading from the socket pauses.
_READ_LIMIT = 262_144


class Exceptions(Protocol):
    """The exceptions of the library in use: its module."""

    ConnectTimeout: type[Exception]
    ConnectError: type[Exception]
    ReadTimeout: type[Exception]
    ReadError: type[Exception]
    WriteTimeout: type[Exception]
    WriteError: type[Exception]
    RemoteProtocolError: type[Exception]


class Stream(asyncio.Protocol):
    """One connection, in the shape of httpcore's `AsyncNetworkStream`.

    It can be opened before the request that needs it. It records what a proxy answers meanwhile,
    and replays that when the request comes.
    """

    def __init__(self, exceptions: Exceptions) -> None:
        self._exceptions = exceptions
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._tcp: Any = None
        self.unused = True
        """Whether no byte was written to it."""
        self._is_first_read = True
        self._recorded: list[bytes] | None = None
        self._replayed: deque[bytes] = deque()
        self._opened_at = 0.0
        self._unwritten = b""
        self._unread = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._blocked = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._tcp = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > _READ_LIMIT:
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
            self._unread += read_leftover(self._transport)
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        _wake(self._writer)

    # --- called to open it before its request ---

    def record(self) -> None:
        """Record what is read, and that TLS was started; ignore `aclose`."""
        self._recorded = []

    def replay(self) -> None:
        """Let the next request read the record again, and drop what it writes meanwhile."""
        self._replayed.extend(self._recorded or ())
        self._recorded = None
        self._opened_at = self._loop.time()

    def is_fresh(self) -> bool:
        """Say whether a connection that was opened before its request still looks open."""
        return self._loop.time() - self._opened_at < IDLE_LIMIT and not self.get_extra_info(
            IS_READABLE
        )

    def _note(self, data: bytes) -> None:
        if self._recorded is not None:
            self._recorded.append(data)

    # --- called by httpcore ---

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Return at most `max_bytes` received bytes; none at the end of the stream."""
        if self._replayed:
            return self._replayed.popleft()
        if self._unwritten:
            self._flush()
        if not self._unread and not self._ended:
            self._reader = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._reader
            except TimeoutError as exc:
                raise self._exceptions.ReadTimeout from exc
        if self._error is not None and not self._unread:
            raise self._exceptions.ReadError(str(self._error)) from self._error
        self._check_tls()
        data = bytes(self._unread[:max_bytes])
        del self._unread[:max_bytes]
        if not self._ended and len(self._unread) <= _READ_LIMIT:
            self._transport.resume_reading()
        self._note(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Collect bytes; they are sent with the next read, or when there are many.

        Raises:
            WriteError: The connection broke, or the server answered and reads no more. httpcore
                then reads the answer.

        """
        if self._replayed:
            return
        self.unused = False
        self._unwritten += buffer
        if len(self._unwritten) < _WRITE_LIMIT:
            return
        self._flush()
        if self._blocked and not self._unread and not self._ended:
            self._writer = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._writer
            except TimeoutError as exc:
                raise self._exceptions.WriteTimeout from exc
        if self._error is not None:
            raise self._exceptions.WriteError(str(self._error)) from self._error
        if self._blocked and self._unread:
            raise self._exceptions.WriteError("the answer came before the request had left")

    def _check_tls(self) -> None:
        """Raise `RemoteProtocolError` if the first answer to plain http is a TLS alert."""
        first, self._is_first_read = self._is_first_read, False
        if first and self._transport is self._tcp and self._unread.startswith(TLS_ALERT):
            raise self._exceptions.RemoteProtocolError(TLS_THERE)

    def _flush(self) -> None:
        data, self._unwritten = self._unwritten, b""
        self._transport.write(data)

    async def aclose(self) -> None:
        """Close at once: HTTP has nothing to send at the end."""
        if self._recorded is None:
            self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Stream:
        """Start TLS, unless that was done before the request."""
        if self._replayed:
            self._replayed.popleft()
            return self
        try:
            async with asyncio.timeout(timeout):
                self._transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as exc:
            raise self._exceptions.ConnectTimeout from exc
        except OSError as exc:
            raise self._exceptions.ConnectError(str(exc)) from exc
        self._note(b"")
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for: the socket, the TLS object, or whether there is data."""
        if info == IS_READABLE:
            return (
                self._ended
                or bool(self._unread)
                or self._has_unsent()
                or has_unread(self._transport)
            )
        names = {"server_addr": "peername", "client_addr": "sockname"}
        return self._transport.get_extra_info(names.get(info, info))

    def _has_unsent(self) -> bool:
        """Say whether a part of the last request is still unsent: another would wait for it."""
        # The TLS transport does not count the bytes that it has passed on.
        return bool(self._transport.get_write_buffer_size() or self._tcp.get_write_buffer_size())


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)

"""An answer that comes before the server has read the whole request: it is read, however the server closes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from typing import Self

import httpcore
import pytest
from faults.tls import client_context, server_context

from twake_async import Outcome, RefusedError, RetryPolicy, TwakeSession
from twake_async._protocol.exchange import Answer
from twake_async._transport.connect import TcpConnector, read_leftover
from twake_async._transport.direct.connection import DirectConnection
from twake_async._transport.httpx.backend import Backend

all_transports = pytest.mark.parametrize("transport", [None, "httpx2", "fast"])

pytestmark = pytest.mark.measured

NOW = struct.pack("ii", 1, 0)
"""SO_LINGER: close with a reset."""


def answer(status: int, body: bytes = b"", *, close: bool = True) -> bytes:
    """Return an answer of a raw server."""
    connection = b"Connection: close\r\n" if close else b""
    head = b"HTTP/1.1 %d As given\r\n%bContent-Length: %d\r\n\r\n"
    return head % (status, connection, len(body)) + body


class Early:
    """A server that reads so many bytes of each request, answers, and does not read on.

    Args:
        how: `"keeps"` the connection and reads nothing more, `"lingers"` (it says that it has
            ended, and reads on), `"closes"`, or `"resets"`.
        says: The answer.
        reads: How many bytes it reads first.
        tls: Its context.

    """

    def __init__(
        self, how: str, says: bytes, *, reads: int = 1, tls: ssl.SSLContext | None = None
    ) -> None:
        self.how, self.says, self.reads, self.tls = how, says, reads, tls
        self.begun: list[bytes] = []
        """The first bytes that came on each connection."""
        self._kept: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        # The threads still read. `SSLSocket.shutdown` and `close` would take the TLS state from
        # them in the middle of a read; the shutdown of the socket below ends their reads.
        for one in self._kept:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        for one in self._kept:
            one.close()

    def _start(self, run, *given) -> None:
        self._threads.append(threading.Thread(target=run, args=given, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(self._serve, self._listening.accept()[0])

    def _serve(self, one: socket.socket) -> None:
        self._kept.append(one)
        with contextlib.suppress(OSError):
            if self.tls:
                one = self.tls.wrap_socket(one, server_side=True)
                self._kept.append(one)
            self._answer(one)
            if self.how == "lingers":
                one.shutdown(socket.SHUT_WR)
                while one.recv(1 << 20):
                    pass
            if self.how == "resets":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
            if self.how != "keeps":
                one.close()

    def _answer(self, one: socket.socket) -> None:
        came = one.recv(1 << 16)
        self.begun.append(came)
        read = len(came)
        while came and read < self.reads:
            came = one.recv(1 << 20)
            read += len(came)
        one.sendall(self.says)


def session(server: Early, transport, **options) -> TwakeSession:
    options = {"retry": RetryPolicy.never(), "deadline": 5.0, "proxy": None} | options
    return TwakeSession(
        "app", "k", group_id="g1", base_url=server.url, transport=transport, **options
    )


@all_transports
@pytest.mark.parametrize("size", [1_000, 100_000, 1_000_000, 20_000_000])
@pytest.mark.parametrize("how", ["keeps", "lingers", "closes", "resets"])
async def test_an_early_413_is_a_refusal_however_large_the_message(transport, size, how):
    """The server has read the head, and does not read the rest."""
    with Early(how, answer(413, close=how != "keeps")) as server:
        async with session(server, transport) as twake:
            for _ in range(2):
                with pytest.raises(RefusedError) as caught:
                    await twake.send_message("c1", "x" * size)
                assert (caught.value.reason, caught.value.status) == ("status", 413)
    assert len(server.begun) == 2


@all_transports
async def test_an_early_413_is_read_over_tls(transport):
    """As without TLS."""
    with Early("keeps", answer(413), tls=server_context()) as server:
        async with session(server, transport, verify=client_context()) as twake:
            with pytest.raises(RefusedError):
                await twake.send_message("c1", "x" * 20_000_000)


@all_transports
@pytest.mark.parametrize("reads", [1, 30_000, 3_000_000])
async def test_an_answer_before_the_close_is_read_while_the_request_is_written(transport, reads):
    """The server refuses in the middle of the request, closes at once, and the network resets."""
    with Early("closes", answer(401), reads=reads) as server:
        async with session(server, transport) as twake:
            for _ in range(10):
                with pytest.raises(RefusedError) as caught:
                    await twake.send_message("c1", "x" * 4_000_000)
                assert caught.value.status == 401


@all_transports
async def test_a_good_answer_that_came_before_the_request_had_left_ends_its_connection(transport):
    """The next message would follow the rest of the first one."""

    class Hasty(Early):
        def _answer(self, one: socket.socket) -> None:
            came = one.recv(1 << 16)
            while b"\r\n\r\n" not in came and (part := one.recv(1 << 16)):
                came += part
            self.begun.append(came)
            said = {"object": {"id": f"m{len(self.begun)}", "front_id": f"f{len(self.begun)}"}}
            one.sendall(answer(200, json.dumps(said).encode(), close=False))

    with Hasty("keeps", b"") as server:
        async with session(server, transport) as twake:
            await twake.send_message("c1", "x" * 20_000_000, front_id="f1")
            await twake.send_message("c1", "Hello", front_id="f2")
    assert [bool(re.match(rb"POST /", came)) for came in server.begun] == [True, True]


# --- a write that fails before the answer was read ----------------------------------------------


async def test_the_default_transport_reads_the_answer_when_a_write_fails():
    """The loop drops the connection; the kernel still holds the answer."""
    with Early("closes", answer(401)) as server:
        stream = await Backend(TcpConnector(), httpcore).connect_tcp("127.0.0.1", server.port)
        await stream.write(b"x" * 100_000)
        time.sleep(0.1)  # noqa: ASYNC251 - the loop sees nothing of what comes meanwhile
        with contextlib.suppress(httpcore.WriteError):
            await stream.write(b"x" * 100_000)
        await asyncio.sleep(0)
        assert (await stream.read(100)).startswith(b"HTTP/1.1 401")
        with pytest.raises(httpcore.ReadError):
            await stream.read(100)


@all_transports
async def test_a_connection_that_broke_without_an_answer_is_lost(transport):
    """There is nothing to read."""
    with Early("resets", b"") as server:
        async with session(server, transport) as twake:
            with pytest.raises(Exception, match="ended without an answer") as caught:
                await twake.send_message("c1", "x" * 4_000_000)
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_the_fast_transport_reads_the_answer_when_a_write_fails():
    """The same, on a direct connection."""
    with Early("closes", answer(401)) as server:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(DirectConnection, "127.0.0.1", server.port)
        asked = asyncio.ensure_future(connection.exchange(b"x" * 100_000, 1_000, loop.time() + 5))
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251
        connection.transport.write(b"x" * 100_000)
        found = await asked
    assert isinstance(found, Answer)
    assert found.status == 401


async def test_over_tls_nothing_is_read_from_a_broken_connection():
    """The data there is encrypted; and a closed socket has none."""
    with Early("closes", b"", tls=server_context()) as server:
        stream = await Backend(TcpConnector(), httpcore).connect_tcp("127.0.0.1", server.port)
        stream = await stream.start_tls(client_context(), "localhost")
        assert read_leftover(stream._transport) == b""
        await stream.aclose()
        await asyncio.sleep(0.01)
        assert read_leftover(stream._tcp) == b""

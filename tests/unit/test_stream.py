"""The network stream: collected writes, ends and timeouts, with the exceptions of each library."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import httpcore
import httpcore2
import pytest
from faults import FaultServer
from faults.tls import client_context, server_context

from twake_async._transport.connect import TcpConnector
from twake_async._transport.httpx.backend import Backend
from twake_async._transport.httpx.stream import Stream

both = pytest.mark.parametrize("core", [httpcore, httpcore2], ids=["httpcore", "httpcore2"])


class Peer:
    """A server on loopback that keeps what it read, and runs a function for each connection."""

    def __init__(self, act=None) -> None:
        self.act = act
        self.chunks: list[bytes] = []
        self.tasks: list[asyncio.Task] = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc) -> None:
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()

    async def serve(self, reader, writer) -> None:
        self.tasks.append(asyncio.current_task())
        try:
            if self.act:
                await self.act(reader, writer)
            while chunk := await reader.read(1 << 20):
                self.chunks.append(chunk)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    async def connect(self, core=httpcore, **options) -> Stream:
        return await Backend(TcpConnector(), core).connect_tcp("127.0.0.1", self.port, **options)


async def write_for_ever(stream) -> None:
    while True:
        await stream.write(b"x" * 1_000_000)


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_head_and_its_body_leave_in_one_write():
    """Nothing is sent until the answer is read; then all of it at once."""
    async with Peer() as peer:
        stream = await peer.connect()
        await stream.write(b"head ")
        await stream.write(b"body")
        await asyncio.sleep(0.01)
        assert peer.chunks == []
        reading = asyncio.create_task(stream.read(100))
        await until(lambda: peer.chunks)
        assert peer.chunks == [b"head body"]
        reading.cancel()
        await stream.aclose()


async def test_a_large_body_is_sent_while_it_is_written():
    """It is not collected in memory, and it waits for a peer that reads slowly."""
    go = asyncio.Event()

    async def wait(reader, writer):
        await go.wait()

    async with Peer(wait) as peer:
        stream = await peer.connect()
        writing = asyncio.create_task(stream.write(b"x" * 20_000_000))
        await asyncio.sleep(0.05)
        assert not writing.done()
        go.set()
        await writing
        await until(lambda: sum(map(len, peer.chunks)) == 20_000_000)
        await stream.aclose()


@both
async def test_a_peer_that_does_not_read_ends_a_write_with_a_timeout(core):
    """It is the library's `WriteTimeout`."""

    async def wait(reader, writer):
        await asyncio.sleep(60)

    async with Peer(wait) as peer:
        stream = await peer.connect(core)
        with pytest.raises(core.WriteTimeout):
            await stream.write(b"x" * 20_000_000, timeout=0.05)
        await stream.aclose()


@both
async def test_a_peer_that_resets_ends_writes_and_reads(core):
    """With the library's exceptions; what came before the reset is still read."""

    async def reset(reader, writer):
        writer.write(b"last words")
        await writer.drain()
        await asyncio.sleep(0.02)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with Peer(reset) as peer:
        stream = await peer.connect(core)
        with pytest.raises(core.WriteError):
            await write_for_ever(stream)
        assert stream.get_extra_info("is_readable")
        assert await stream.read(4) == b"last"
        assert await stream.read(100) == b" words"
        with pytest.raises(core.ReadError):
            await stream.read(100)
        await stream.aclose()


@both
async def test_silence_ends_a_read_with_a_timeout(core):
    """It is the library's `ReadTimeout`."""
    async with Peer() as peer:
        stream = await peer.connect(core)
        with pytest.raises(core.ReadTimeout):
            await stream.read(100, timeout=0.02)
        await stream.aclose()


async def test_the_end_of_the_stream_reads_as_nothing_and_is_seen_before():
    """An idle connection that the server closed is recognized in time."""

    async def end(reader, writer):
        await reader.read(1)
        writer.close()

    async with Peer(end) as peer:
        stream = await peer.connect()
        assert not stream.get_extra_info("is_readable")
        await stream.write(b"x")
        assert await stream.read(100) == b""
        assert stream.get_extra_info("is_readable")
        await stream.aclose()
        await asyncio.sleep(0)
        assert stream.get_extra_info("is_readable")


async def test_much_data_stays_in_the_kernel_until_it_is_read():
    """An answer of 200 MB that is not read does not fill the memory."""
    size = 20_000_000

    async def flood(reader, writer):
        writer.write(b"x" * size)

    async with Peer(flood) as peer:
        stream = await peer.connect()
        await until(lambda: len(stream._unread) > 262_144)
        await asyncio.sleep(0.02)
        assert len(stream._unread) < 1_000_000
        read = 0
        while read < size:
            read += len(await stream.read(100_000))
        assert read == size
        await stream.aclose()


@both
async def test_an_address_without_a_server_is_a_connect_error(core):
    """A refused port, and a name without an address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    for host in ("127.0.0.1", "nobody.invalid"):
        with pytest.raises(core.ConnectError):
            await Backend(TcpConnector(), core).connect_tcp(host, port)


@both
async def test_a_connect_that_hangs_is_a_connect_timeout(monkeypatch, core):
    """The limit includes the lookup of the name."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20))
    with pytest.raises(core.ConnectTimeout):
        await Backend(TcpConnector(), core).connect_tcp("chat.test", 1, timeout=0.02)
    over.set()


async def test_local_addresses_and_socket_options_are_used():
    """The options that httpcore may pass on reach the socket."""
    async with Peer() as peer:
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        stream = await peer.connect(local_address="127.0.0.1", socket_options=options)
        sock = stream.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert stream.get_extra_info("client_addr")[0] == "127.0.0.1"
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", peer.port)
        await stream.aclose()


async def test_a_preconnected_stream_that_ended_is_replaced():
    """The first call after it gets an open one."""

    async def close(reader, writer):
        if len(peer.tasks) == 1:
            writer.close()

    async with Peer(close) as peer:
        backend = Backend(TcpConnector(), httpcore)
        with backend.preconnecting():
            ended = await backend.connect_tcp("127.0.0.1", peer.port)
        await until(lambda: not ended.is_fresh())
        stream = await backend.connect_tcp("127.0.0.1", peer.port)
        assert stream is not ended
        assert not stream.get_extra_info("is_readable")
        await stream.aclose()


async def test_a_stream_continues_over_tls():
    """After the handshake, reads and writes go through TLS."""
    async with FaultServer(ssl_context=server_context()) as server:
        stream = await Backend(TcpConnector(), httpcore).connect_tcp("127.0.0.1", server.port)
        secure = await stream.start_tls(client_context(), "localhost", timeout=5)
        assert secure.get_extra_info("ssl_object") is not None
        await secure.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await secure.read(1_000)).startswith(b"HTTP/1.1 ")
        await secure.aclose()


@both
async def test_a_handshake_that_hangs_or_fails_raises_the_librarys_exceptions(core):
    """ConnectTimeout for silence, ConnectError for the certificate of another host."""
    async with Peer() as peer:
        stream = await peer.connect(core)
        with pytest.raises(core.ConnectTimeout):
            await stream.start_tls(client_context(), "localhost", timeout=0.02)
        await stream.aclose()
    async with FaultServer(ssl_context=server_context("wrong_host")) as server:
        stream = await Backend(TcpConnector(), core).connect_tcp("127.0.0.1", server.port)
        with pytest.raises(core.ConnectError, match="certificate"):
            await stream.start_tls(client_context(), "127.0.0.1", timeout=5)
        await stream.aclose()


async def test_closing_is_quick_and_idempotent():
    """Also over TLS, where waiting for the peer could take long."""
    async with FaultServer(ssl_context=server_context()) as server:
        stream = await Backend(TcpConnector(), httpcore).connect_tcp("127.0.0.1", server.port)
        await stream.start_tls(client_context(), "127.0.0.1", timeout=5)
        before = time.monotonic()
        await stream.aclose()
        await stream.aclose()
        assert time.monotonic() - before < 5
        await server.quiet()

"""TLS on loopback: an authority, good and bad certificates, and broken handshakes."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import socket
import ssl
import struct
from typing import Literal, Self

import trustme

Kind = Literal["good", "wrong_host", "expired", "not_yet_valid", "unknown_authority"]
KINDS: tuple[Kind, ...] = ("good", "wrong_host", "expired", "not_yet_valid", "unknown_authority")

Handshake = Literal[
    "close", "close_after_hello", "reset", "garbage", "plain_http", "alert", "silent"
]
HANDSHAKES: tuple[Handshake, ...] = (
    "close",
    "close_after_hello",
    "reset",
    "garbage",
    "plain_http",
    "alert",
    "silent",
)

_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # fatal: handshake_failure
_PLAIN = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@functools.cache
def _authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


def client_context() -> ssl.SSLContext:
    """Return a context that trusts the tests' authority and checks host names."""
    context = ssl.create_default_context()
    _authority("known").configure_trust(context)
    return context


def loopback_pem() -> bytes:
    """Return a key and a certificate of the tests' authority for loopback, as PEM."""
    certificate = _authority("known").issue_cert("localhost", "127.0.0.1")
    return certificate.private_key_and_cert_chain_pem.bytes()


@functools.cache
def server_context(kind: Kind = "good") -> ssl.SSLContext:
    """Return a server's context with a certificate of this kind for 127.0.0.1 and localhost."""
    authority = _authority("unknown" if kind == "unknown_authority" else "known")
    names = ("elsewhere.example",) if kind == "wrong_host" else ("localhost", "127.0.0.1")
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    since, until = now - 9 * day, now + 9 * day
    if kind == "expired":
        until = now - day
    elif kind == "not_yet_valid":
        since = now + day
    certificate = authority.issue_cert(*names, not_before=since, not_after=until)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


class HandshakeServer:
    """Accepts TCP, and never finishes a TLS handshake; its name says how."""

    def __init__(self, how: Handshake) -> None:
        self.how = how
        self.accepted = self.hellos = 0
        self.connections: set[asyncio.Transport] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Handshake(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for transport in list(self.connections):
            transport.abort()
        async with asyncio.timeout(5):
            await self._empty.wait()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self.connections)

    def remember(self, transport: asyncio.Transport) -> None:
        self.connections.add(transport)
        self._empty.clear()

    def forget(self, transport: asyncio.Transport) -> None:
        self.connections.discard(transport)
        if not self.connections:
            self._empty.set()


class _Handshake(asyncio.Protocol):
    def __init__(self, server: HandshakeServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.accepted += 1
        self.server.remember(transport)
        if self.server.how == "close":
            transport.close()

    def data_received(self, data: bytes) -> None:
        self.server.hellos += data[:1] == b"\x16"
        how = self.server.how
        if how == "silent":
            return
        if how == "reset":
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
            return
        reply = {"garbage": b"\x00garbage\r\n" * 8, "alert": _ALERT, "plain_http": _PLAIN}.get(how)
        if reply:
            self.transport.write(reply)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.forget(self.transport)

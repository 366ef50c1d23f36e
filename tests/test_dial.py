"""Connecting: address by address, and what waits in the kernel."""

from __future__ import annotations

import asyncio
import socket

import pytest

from twake_async import _dial
from twake_async._dial import Dial, has_news


async def test_the_address_that_answered_last_goes_first(monkeypatch):
    """One that refuses and one that hangs are tried once; an address that is listed twice, once."""
    loop = asyncio.get_running_loop()
    real, tried = loop.create_connection, []

    async def create(factory, host, port, **options):
        tried.append(host)
        if host == "127.0.0.3":
            await asyncio.sleep(60)
        if host == "127.0.0.2":
            raise ConnectionRefusedError
        return await real(factory, host, port, **options)

    async def resolve(host, port, **options):
        names = ("127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in names]

    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        monkeypatch.setattr(loop, "create_connection", create)
        monkeypatch.setattr(_dial, "_NEXT_ADDRESS", 0.02)
        dial = Dial()
        for _ in range(2):
            made = await dial(Remembering, "chat.example", listening.getsockname()[1])
            made.transport.abort()
    assert tried == ["127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.1"]


async def test_where_no_address_takes_it_the_last_one_tells_why():
    """The error is the network's own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await Dial()(Remembering, "127.0.0.1", port)


@pytest.mark.parametrize("with_poll", [True, False])
async def test_news_shows_before_the_loop_has_seen_it(monkeypatch, with_poll):
    """The end may have come while the loop was busy elsewhere; where there is no poll, select tells."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = await Dial()(Remembering, *listening.getsockname())
        peer, _ = listening.accept()
        if not with_poll:
            monkeypatch.delattr(_dial.select, "poll")
        assert not has_news(made.transport)
        peer.close()
        assert has_news(made.transport)
        made.transport.abort()


class Remembering(asyncio.Protocol):
    """A protocol that knows its transport."""

    def connection_made(self, transport):
        self.transport = transport

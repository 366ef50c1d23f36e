"""TCP connections: all addresses in turn, and data that the event loop has not read."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import random
import socket
import time

import aiohappyeyeballs
import pytest
from faults import FaultServer

from twake_async import Outcome, RetryPolicy, TwakeError, TwakeSession
from twake_async._transport import connect as _connect
from twake_async._transport.connect import TcpConnector, has_unread

all_transports = pytest.mark.parametrize("transport", [None, "httpx2", "fast"])


class Remembering(asyncio.Protocol):
    """A protocol that keeps its transport."""

    def connection_made(self, transport):
        self.transport = transport


@contextlib.contextmanager
def black_hole(address: str, port: int):
    """Make an address on which connecting hangs: its backlog is full, and no connection is accepted."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as opened:
        hole = opened.enter_context(socket.socket(family))
        try:
            hole.bind((address, port))
        except OSError:  # pragma: no cover - not every system has all of 127.0.0.0/8, and IPv6
            pytest.skip(f"this machine has no {address}")
        hole.listen(0)
        for _ in range(8):
            one = opened.enter_context(socket.socket(family))
            one.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                one.connect((address, port))
        time.sleep(0.05)
        yield


def resolve_to(monkeypatch, *addresses: str) -> None:
    """Let `chat.test` resolve to these addresses."""
    real = socket.getaddrinfo

    def resolve(host, port, *args, **options):
        if host != "chat.test":
            return real(host, port, *args, **options)
        return [real(one, port, type=socket.SOCK_STREAM)[0] for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def session(server: FaultServer, transport, **options) -> TwakeSession:
    options = {"retry": RetryPolicy.never(), "proxy": None, "allow_plain_http": True} | options
    url = f"http://chat.test:{server.port}"
    return TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=url, transport=transport, **options
    )


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in pathlib.Path("/dev/fd").iterdir())


# --- a dead address -----------------------------------------------------------------------------


@all_transports
@pytest.mark.parametrize("deadline", [2.0, 6.0])
@pytest.mark.parametrize("dead", [["127.0.0.3"], ["::1"], ["127.0.0.3", "127.0.0.4", "::1"]])
async def test_after_a_dead_first_address_the_next_one_is_tried(
    server, monkeypatch, transport, deadline, dead
):
    """Each address gets a turn within a third of the deadline; the next time the good one is first."""
    resolve_to(monkeypatch, *dead, "127.0.0.1")
    with contextlib.ExitStack() as holes:
        for address in dead:
            holes.enter_context(black_hole(address, server.port))
        async with session(server, transport, deadline=deadline) as twake:
            assert (await twake.send_message("c1", "Hello")).id
            await asyncio.gather(*(twake.send_message("c1", "Hello") for _ in range(3)))
    assert server.accepted == 3
    assert sum(server.stored.values()) == 4


@all_transports
async def test_if_all_addresses_are_dead_nothing_is_sent_and_the_deadline_holds(
    server, monkeypatch, transport
):
    """No socket stays open."""
    resolve_to(monkeypatch, "127.0.0.3", "127.0.0.4")
    with black_hole("127.0.0.3", server.port), black_hole("127.0.0.4", server.port):
        before = descriptors()
        async with session(server, transport, deadline=0.6, retry=RetryPolicy()) as twake:
            started = time.monotonic()
            with pytest.raises(TwakeError) as caught:
                await twake.send_message("c1", "Hello")
            assert time.monotonic() - started < 20
        await asyncio.sleep(0.01)
        assert descriptors() == before
    assert (caught.value.outcome, caught.value.reason) == (Outcome.NOT_SENT, "connect")


async def test_the_last_good_address_is_only_the_first_to_be_tried(monkeypatch):
    """If it no longer answers, another one is used."""
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        connector = TcpConnector()
        with socket.create_server(("127.0.0.1", port)):
            for _ in range(2):
                made = await connector.connect(Remembering, "chat.test", port)
                assert made.transport.get_extra_info("peername")[0] == "127.0.0.1"
                made.transport.abort()
        for _ in range(2):
            made = await connector.connect(Remembering, "chat.test", port)
            assert made.transport.get_extra_info("peername")[0] == "127.0.0.2"
            made.transport.abort()


async def test_if_no_address_answers_the_error_is_the_networks():
    """The error is raised unchanged."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await TcpConnector().connect(Remembering, "127.0.0.1", port)


@pytest.mark.parametrize(
    ("seconds", "addresses", "delay"),
    [(None, 5, 0.25), (10.0, 2, 0.25), (0.3, 2, 0.1), (0.3, 5, 0.05), (0.0, 2, 0.01)],
)
def test_the_addresses_share_the_time(seconds, addresses, delay):
    """Each has a quarter of a second, or less, so that each gets a turn."""
    assert _connect._delay(seconds, addresses) == pytest.approx(delay)


# --- cancelled ----------------------------------------------------------------------------------


@all_transports
async def test_many_cancellations_while_connecting_leave_no_socket(server, monkeypatch, transport):
    """Cancelled between any two addresses, each socket is closed, and later sends work."""
    resolve_to(monkeypatch, "127.0.0.3", "127.0.0.4", "127.0.0.1", "127.0.0.1")
    chance = random.Random(11)
    with black_hole("127.0.0.3", server.port):  # and 127.0.0.4 refuses
        before = descriptors()
        async with session(server, transport, max_connections=5, deadline=3.0) as twake:

            async def work() -> None:
                for _ in range(40):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(chance.uniform(0, 0.03)):
                            await twake.send_message("c1", "Hello")

            await asyncio.gather(*(work() for _ in range(10)))
            assert (await twake.send_message("c1", "Hello")).id
            assert server.open_connections <= 5
        await server.quiet()
        await asyncio.sleep(0.01)
        assert descriptors() == before


async def test_cancelled_at_any_step_it_ends_and_closes_its_sockets(monkeypatch):
    """It holds also while it cancels the slower attempts."""
    resolve_to(monkeypatch, "127.0.0.3", "127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(_connect, "_SHORTEST_DELAY", 0.0001)
    heard = done = 0
    with (
        socket.create_server(("127.0.0.1", 0), backlog=500) as listening,
        socket.create_server(("127.0.0.2", listening.getsockname()[1]), backlog=500),
        black_hole("127.0.0.3", listening.getsockname()[1]),
    ):
        port = listening.getsockname()[1]
        before = descriptors()
        for steps in [*range(25)] * 6:
            connecting = asyncio.create_task(
                TcpConnector().connect(Remembering, "chat.test", port, seconds=0.0003)
            )
            for _ in range(steps):
                await asyncio.sleep(0.0001)
            if connecting.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await connecting
                heard += 1
            else:
                (await connecting).transport.abort()
                done += 1
        await asyncio.sleep(0.01)
        assert descriptors() == before
    assert heard
    assert done


async def test_a_cancellation_that_the_library_swallows_is_raised(monkeypatch):
    """While the library cancels its slower attempts, it cannot tell who cancelled."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made: list[socket.socket] = []

        async def swallow(*_, **__):
            made.append(socket.create_connection(listening.getsockname()))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(5)
            await asyncio.sleep(0)  # 3.11 traces no frame that an exception entered: coverage
            return made[0]

        monkeypatch.setattr(aiohappyeyeballs, "start_connection", swallow)
        connecting = asyncio.create_task(
            TcpConnector().connect(Remembering, *listening.getsockname())
        )
        while not made:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert made[0].fileno() == -1


async def test_a_connection_that_cannot_be_set_up_is_closed():
    """A failure after connecting leaves no socket."""
    before = descriptors()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with pytest.raises(ZeroDivisionError):
            await TcpConnector().connect(lambda: 1 / 0, *listening.getsockname())
        assert descriptors() == before + 1


# --- data that the loop has not read -------------------------------------------------------------------


@pytest.mark.parametrize("with_poll", [True, False])
async def test_unread_data_is_seen_before_the_loop_reads_it(monkeypatch, with_poll):
    """The connection may have ended while the loop was busy; without `poll`, `select` is used."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = await TcpConnector().connect(Remembering, *listening.getsockname())
        peer, _ = listening.accept()
        if not with_poll:
            monkeypatch.delattr(_connect.select, "poll")
        assert not has_unread(made.transport)
        peer.close()
        assert has_unread(made.transport)
        made.transport.abort()

"""While the server is unreachable: who connects, who waits; nothing is lost or left open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import pathlib
import random
from collections import Counter

import httpx
import pytest
import respx
from faults import FaultServer
from faults.proxy import Proxy
from faults.socks import Socks
from faults.tls import client_context, server_context

from twake_async import (
    MessageDraft,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RetryBudget,
    RetryPolicy,
    SessionClosedError,
    TwakeError,
    TwakeSession,
)
from twake_async._transport.connect import TcpConnector

both_transports = pytest.mark.parametrize("transport", [None, "fast"], ids=["httpx", "fast"])
#: The routes to a server, and the transports that can use them.
ROUTES = [
    pytest.param("plain", None, id="plain-httpx"),
    pytest.param("plain", "httpx2", id="plain-httpx2"),
    pytest.param("plain", "fast", id="plain-fast"),
    pytest.param("tls", None, id="tls-httpx"),
    pytest.param("tls", "httpx2", id="tls-httpx2"),
    pytest.param("tls", "fast", id="tls-fast"),
    pytest.param("tunnel", None, id="tunnel-httpx"),
    pytest.param("tunnel", "httpx2", id="tunnel-httpx2"),
    pytest.param("socks", None, id="socks-httpx"),
    pytest.param("socks", "httpx2", id="socks-httpx2"),
]


def session(server, transport=None, **options) -> TwakeSession:
    options = {"proxy": None, "deadline": 5.0} | options
    if server.url.startswith("https"):
        options |= {"verify": client_context()}
    return TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=server.url, transport=transport, **options
    )


@contextlib.asynccontextmanager
async def route_to(route):
    """Yield a server that listens, and the session's options for the route to it."""
    tls = server_context() if route != "plain" else None
    async with FaultServer(ssl_context=tls) as server, Proxy() as proxy, Socks() as socks:
        yield server, {"tunnel": {"proxy": proxy.url}, "socks": {"proxy": socks.url}}.get(route, {})


def descriptors() -> int:
    """Count the open files and sockets of this process."""
    gc.collect()
    place = pathlib.Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.exists() else 0


@pytest.fixture
def quick(monkeypatch):
    """Make the pauses between attempts to connect short."""
    monkeypatch.setattr("twake_async._transport.connect_limiter._FIRST_WAIT", 0.002)
    monkeypatch.setattr("twake_async._transport.connect_limiter._LONGEST_WAIT", 0.02)


@pytest.fixture
def connects(monkeypatch):
    """Collect the times of all attempts to connect."""
    seen: list[float] = []
    real = TcpConnector.connect

    async def counted(self, *given, **named):
        seen.append(asyncio.get_running_loop().time())
        return await real(self, *given, **named)

    monkeypatch.setattr(TcpConnector, "connect", counted)
    return seen


@contextlib.asynccontextmanager
async def relay_that_waits(port, seconds=1.0):
    """Yield the port of a relay that delays each connection, then forwards it."""
    tasks: set[asyncio.Task] = set()

    async def pump(reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)

    async def serve(reader, writer):
        await asyncio.sleep(seconds)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            pumps = [
                asyncio.create_task(pump(reader, back)),
                asyncio.create_task(pump(there, writer)),
            ]
            tasks.update(pumps)
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.transport.abort()

    def accept(reader, writer):
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(lambda _: writer.transport.abort())

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def outcome_of(sending) -> Outcome:
    try:
        await sending
    except TwakeError as error:
        return error.outcome
    return Outcome.DELIVERED


# --- what the session does meanwhile ---------------------------------------------------


@both_transports
@pytest.mark.parametrize("sends", [10, 5_000])
async def test_many_waits_cause_no_more_attempts_to_connect_than_few(sends, transport, connects):
    """A few at first, then fewer and fewer: the same for 10,000 sends and for ten."""
    async with FaultServer() as server:
        await server.close_port()
        async with session(server, transport, deadline=4.0, retry_budget=RetryBudget(0)) as twake:
            loop = asyncio.get_running_loop()
            began = loop.time()
            sending = [asyncio.create_task(twake.send_message("c1", "Hi")) for _ in range(sends)]
            results = await asyncio.gather(*sending, return_exceptions=True)
            took = loop.time() - began
        assert {(type(each), each.reason) for each in results} == {(NotSentError, "connect")}
        assert took >= 4.0
        # Four at once, and then after 0.1, 0.2, 0.4, 0.8, 1.6 and 2 seconds, a quarter less at most.
        assert 5 <= len(connects) <= 4 + 5 + (took - 0.75 * 3.1) / (0.75 * 2.0) + 1


@both_transports
async def test_each_waits_until_its_own_deadline(transport):
    """A send with little time ends in that time, and the others wait on."""
    async with FaultServer() as server:
        await server.close_port()
        loop = asyncio.get_running_loop()
        async with session(server, transport) as twake:

            async def one(seconds: float) -> float:
                began = loop.time()
                with pytest.raises(NotSentError) as caught:
                    await twake.send_message("c1", "Hello", deadline=seconds)
                assert caught.value.reason == "connect"
                return loop.time() - began

            wished = [0.2, 0.9, 0.5, 1.3]
            took = await asyncio.gather(*(one(seconds) for seconds in wished))
            for seconds, much in zip(wished, took, strict=True):
                assert seconds - 0.25 <= much <= seconds + 0.5


@both_transports
async def test_an_outage_costs_a_batch_no_message_and_no_retry_budget(transport):
    """The port is closed for a while between two messages: all are delivered once, in order."""
    async with FaultServer() as server:

        async def drafts():
            for number in range(300):
                if number == 100:
                    while len(server.stored) < 100:
                        await asyncio.sleep(0.01)
                    await asyncio.sleep(0.1)  # for the last answer to arrive
                    await server.close_port()
                    await server.quiet()
                    opening.append(asyncio.create_task(open_again()))
                yield MessageDraft(f"c{number % 7}", f"{number}", front_id=f"f{number}")

        async def open_again() -> None:
            await asyncio.sleep(1.5)
            await server.open_port()

        opening: list[asyncio.Task] = []
        async with session(server, transport, deadline=30, retry_budget=RetryBudget(0)) as twake:
            sent = [each async for each in twake.send_many(drafts(), in_flight=20)]
        await opening[0]
        assert Counter(each.outcome for each in sent) == {Outcome.DELIVERED: 300}
        assert Counter(server.stored.values()) == {1: 300}
        for channel in range(7):
            arrived = [
                int(each["message"]["front_id"][1:])
                for each in server.requests
                if each["message"]["channel_id"] == f"c{channel}"
            ]
            assert arrived == sorted(arrived)


@pytest.mark.measured
@pytest.mark.parametrize("ending", ["deadline", "cancelled"])
@pytest.mark.parametrize(("route", "transport"), ROUTES[3:])
async def test_sends_with_less_time_than_connecting_takes_are_connected_in_the_end(
    route, transport, ending
):
    """The attempt to connect outlives them: each one ends, and the last is delivered."""
    tls = server_context()
    async with (
        FaultServer(ssl_context=tls) as server,
        Proxy() as proxy,
        Socks() as socks,
        relay_that_waits(
            {"tunnel": proxy.port, "socks": socks.port}.get(route, server.port)
        ) as port,
    ):
        options = {"base_url": f"https://127.0.0.1:{port}"}
        if route in ("tunnel", "socks"):
            scheme = "http" if route == "tunnel" else "socks5"
            options = {"base_url": server.url, "proxy": f"{scheme}://127.0.0.1:{port}"}
        options |= {"transport": transport, "verify": client_context()}
        options = {"proxy": None, "deadline": 30.0} | options
        outcomes: list[Outcome | None] = []
        async with TwakeSession("app", "k" * 40, group_id="g1", **options) as twake:
            while len(outcomes) < 60 and Outcome.DELIVERED not in outcomes:
                if ending == "deadline":
                    outcomes.append(
                        await outcome_of(twake.send_message("c1", "Hello", deadline=0.3))
                    )
                    continue
                outcomes.append(None)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        outcomes[-1] = await outcome_of(twake.send_message("c1", "Hello"))
        # The number depends on how busy the machine is.
        assert outcomes[-1] is Outcome.DELIVERED
        assert len(outcomes) >= 3


@both_transports
async def test_sends_wait_for_a_connection_and_not_for_anothers_answer(transport):
    """The first one to connect gets no answer; the others are delivered."""
    async with FaultServer() as server:
        await server.close_port()
        server.do_next("loses_silent")
        async with session(server, transport, deadline=3.0) as twake:
            sends = [asyncio.create_task(twake.send_message("c1", "Hello")) for _ in range(20)]
            await asyncio.sleep(0.3)
            await server.open_port()
            done, waiting = await asyncio.wait(sends, timeout=2.0)
            assert (len(done), len(waiting)) == (19, 1)
            assert all(task.exception() is None for task in done)
            assert isinstance(
                (await asyncio.gather(*waiting, return_exceptions=True))[0], TwakeError
            )


@both_transports
async def test_a_send_that_should_fail_fast_does(transport, connects):
    """It makes one attempt, as `RetryPolicy(unsent_attempts=1)` says: its own or the session's."""
    async with FaultServer() as server:
        await server.close_port()
        fast = RetryPolicy(unsent_attempts=1)
        async with session(server, transport) as twake:
            for most in (0.5, 1.0):
                began = asyncio.get_running_loop().time()
                with pytest.raises(NotSentError) as caught:
                    await twake.send_message("c1", "Hello", deadline=2, retry=fast)
                assert asyncio.get_running_loop().time() - began < most
                assert (caught.value.reason, caught.value.attempts) == ("connect", 1)
            assert len(connects) == 2
            found = await twake.check()
            assert found.problem == "unreachable"
            assert len(connects) == 3


@both_transports
async def test_closing_the_session_ends_all_waits_and_the_attempt(transport, connects):
    """They end at once, nothing was sent, and no further attempt is made."""
    async with FaultServer() as server:
        await server.close_port()
        twake = session(server, transport)
        sends = [asyncio.create_task(twake.send_message("c1", "Hello")) for _ in range(500)]
        await asyncio.sleep(0.4)
        await twake.aclose(drain=0)
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert {(type(each), each.outcome) for each in results} == {
            (SessionClosedError, Outcome.NOT_SENT)
        }
        tried = len(connects)
        await asyncio.sleep(0.5)
        assert len(connects) == tried
    assert asyncio.all_tasks() == {asyncio.current_task()}


@both_transports
async def test_an_invalid_certificate_ends_all_waits(transport):
    """The server comes back with another certificate: no further attempt would help."""
    bad = server_context("expired")
    async with FaultServer(ssl_context=bad) as server:
        await server.close_port()
        async with session(server, transport) as twake:
            sends = [asyncio.create_task(twake.send_message("c1", "Hello")) for _ in range(20)]
            await asyncio.sleep(0.3)
            await server.open_port()
            results = await asyncio.gather(*sends, return_exceptions=True)
        assert {(type(each), each.reason) for each in results} == {(NotSentError, "certificate")}
        assert server.begun == 0


async def test_the_error_of_each_wait_names_a_proxy_that_is_down():
    """Only the first send met it; the others just waited."""
    async with FaultServer() as server, Proxy() as proxy:
        proxy.close_port()
        async with session(server, proxy=proxy.url.replace("//", "//me:secret@")) as twake:
            sends = (twake.send_message("c1", "Hello", deadline=0.3) for _ in range(200))
            results = await asyncio.gather(*sends, return_exceptions=True)
        assert {(type(each), each.reason) for each in results} == {(NotSentError, "connect")}
        assert all(f"(through the proxy {proxy.url})" in str(each) for each in results)
        assert not any("secret" in str(each) for each in results)


# --- what stays bounded ---------------------------------------------------------------------------


@both_transports
async def test_after_an_outage_a_lost_create_and_a_429_are_repeated_as_often_as_before(transport):
    """Attempts that never left do not count among the others, and raise no limit."""
    for fault, kind in (
        ("refuses_429_absent", RateLimitedError),
        ("loses_close", OutcomeUnknownError),
    ):
        async with FaultServer() as server:
            await server.close_port()
            server.do_next(*[fault] * 10)
            policy = RetryPolicy(attempts=3, on_unknown="resend", initial_wait=0.01)
            async with session(server, transport, retry=policy) as twake:
                sending = asyncio.create_task(twake.send_message("c1", "Hello"))
                await asyncio.sleep(0.5)
                await server.open_port()
                with pytest.raises(kind) as caught:
                    await sending
            assert server.received == 3
            assert caught.value.attempts == 3 + 1  # the attempt that met a closed port


@both_transports
async def test_sends_that_fail_leave_nothing_to_the_garbage_collector(transport):
    """The garbage collector would stop the event loop for seconds if 100,000 sends fail at once."""
    async with FaultServer() as server:
        await server.close_port()
        async with session(server, transport, deadline=0.3) as twake:
            with pytest.raises(NotSentError):
                await twake.send_message("c1", "Hello")
            gc.collect()
            gc.disable()
            try:
                sends = [asyncio.create_task(twake.send_message("c1", "Hi")) for _ in range(500)]
                await asyncio.wait(sends)
                assert {task.exception().reason for task in sends} == {"connect"}
                sends.clear()
                assert gc.collect() < 250
            finally:
                gc.enable()


# --- what others find -----------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(("route", "transport"), ROUTES)
async def test_a_connection_that_ended_before_its_first_use_costs_nothing(
    route, transport, waits, monkeypatch
):
    """The server closed it, or it is too old to be used: another one is opened."""
    before = descriptors()
    async with route_to(route) as (server, options):
        async with session(server, transport, **options) as twake:
            pool = twake._attempts.transport.pool
            connection = pool._make()
            assert await pool.connect(connection) is None
            connection.idle_since = asyncio.get_running_loop().time()
            pool._keep_idle(connection)
            while not server.accepted:
                await asyncio.sleep(0.001)
            if waits:
                now = asyncio.get_running_loop().time
                monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now() + 4.5)
            else:
                await server.close_port()
                await server.open_port()
                await asyncio.sleep(0.1)  # for the end of the connection to come through the proxy
            await twake.send_message("c1", "Hello")
            assert server.accepted == 2
        await server.quiet()
    await asyncio.sleep(0)
    monkeypatch.undo()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert descriptors() <= before


@pytest.mark.parametrize(("route", "transport"), ROUTES)
async def test_an_unused_connection_is_closed_with_the_session(route, transport):
    """No descriptor is left of it."""
    before = descriptors()
    async with route_to(route) as (server, options):
        async with session(server, transport, **options) as twake:
            pool = twake._attempts.transport.pool
            for give in (pool._keep_idle, pool._discard):
                connection = pool._make()
                assert await pool.connect(connection) is None
                give(connection)
        await server.quiet()
        assert server.accepted == 2
        assert server.begun == 0
    await asyncio.sleep(0)
    assert descriptors() <= before


async def test_a_mock_that_raises_starts_no_attempt_and_touches_no_network(connects):
    """A mock raised, not a pooled connection: the next attempts go to the mock."""
    errors = [httpx.ConnectError("mocked")] * 3

    def answer(request: httpx.Request) -> httpx.Response:
        if errors:
            raise errors.pop()
        message = json.loads(request.content)["message"]
        return httpx.Response(200, json={"object": {"id": "m1", **message}})

    with respx.mock() as mocked:
        route = mocked.post("https://twake.example/api/v1/messages/save").mock(side_effect=answer)
        policy = RetryPolicy(initial_wait=0.001)
        options = {"base_url": "https://twake.example", "proxy": None, "retry": policy}
        async with TwakeSession("app", "k" * 40, group_id="g1", **options) as twake:
            message = await twake.send_message("c1", "Hello")
            assert twake._attempts.transport.pool.unreachable is None
    assert message.id == "m1"
    assert route.call_count == 4
    assert connects == []


# --- whatever happens -----------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "transport"), ROUTES)
@pytest.mark.parametrize("seed", [1])
async def test_a_port_that_opens_and_closes_at_random_loses_no_connection_and_no_wait(
    route, transport, seed, quick
):
    """After sends with all outcomes, at all times, 300 of 300 deliver, and nothing is left."""
    chance = random.Random(f"{seed} {route} {transport}")
    before = descriptors()
    async with route_to(route) as (server, options):
        over = False

        async def door() -> None:
            while not over:
                await asyncio.sleep(chance.expovariate(1 / 0.03))
                await server.close_port()
                await asyncio.sleep(chance.expovariate(1 / 0.03))
                await server.open_port()

        async def one(number: int, twake: TwakeSession) -> None:
            await asyncio.sleep(chance.uniform(0, 1.0))
            policy = chance.choice([RetryPolicy(), RetryPolicy(unsent_attempts=2)])
            deadline = chance.choice([0.002, 0.02, 0.2, 2.0])
            sending = twake.send_message(
                "c1", "Hello", front_id=f"f{number}", deadline=deadline, retry=policy
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.choice([None, chance.uniform(0, 0.1)])):
                    claims[f"f{number}"] = await outcome_of(sending)

        claims: dict[str, Outcome] = {}
        async with session(server, transport, max_connections=10, **options) as twake:
            opening = asyncio.create_task(door())
            await asyncio.gather(*(one(number, twake) for number in range(300)))
            over = True
            await opening
            await asyncio.sleep(0.1)  # for the proxy to get the last of it
            sends = (twake.send_message("c1", "Hello", deadline=20) for _ in range(300))
            after = await asyncio.gather(*(outcome_of(sending) for sending in sends))
        assert Counter(after) == {Outcome.DELIVERED: 300}
        stored = server.stored
        assert [
            front_id
            for front_id, outcome in claims.items()
            if (outcome is Outcome.DELIVERED and stored[front_id] != 1)
            or (outcome in (Outcome.NOT_SENT, Outcome.REFUSED) and stored[front_id])
        ] == []
        assert {Outcome.DELIVERED, Outcome.NOT_SENT} <= set(claims.values())
        await server.quiet()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert descriptors() <= before

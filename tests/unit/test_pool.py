"""Pooled connections: one owner at a time, a fair line, nothing lost by a cancellation, one attempt to connect."""

from __future__ import annotations

import asyncio

import pytest

from twake_async._protocol.exchange import CLOSED, CONNECTIONS_BUSY, NOT_YET, Failure
from twake_async._transport import pool as _pool
from twake_async._transport.connect_limiter import BackOff, ConnectLimiter, ServerUnreachable
from twake_async._transport.pool import IDLE_LIMIT, ConnectionPool

REFUSED = Failure(sent=False, reason="connect", detail="refused")
BAD_CERTIFICATE = Failure(sent=False, reason="certificate", detail="expired")


class Wire:
    """A transport that only remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


class Network:
    """Makes transports, and connects them as it is told."""

    def __init__(self, *results) -> None:
        self.made: list[Wire] = []
        self.results = list(results)
        self.attempts = 0
        self.at_once = self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def make(self) -> Wire:
        self.made.append(Wire())
        return self.made[-1]

    async def connect(self, connection):
        self.attempts += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        result = self.results.pop(0) if self.results else None
        if isinstance(result, BaseException):
            raise result
        return result

    @property
    def open(self) -> int:
        return sum(not wire.closed for wire in self.made)


def pool_of(limit: int, network: Network | None = None) -> ConnectionPool:
    network = network or Network()
    return ConnectionPool(network.make, limit, network.connect)


async def take(pool, about=None, seconds=5.0, **options):
    """Return a connection as an attempt does."""
    return pool.acquire_nowait(about) or await pool.acquire(about, seconds, **options)


def taking(pool, count=1, **options):
    """Return tasks that take a connection each; all wait in line where there is none."""
    return [asyncio.create_task(take(pool, **options)) for _ in range(count)]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Let attempts to connect follow each other quickly."""
    monkeypatch.setattr("twake_async._transport.connect_limiter._FIRST_WAIT", 0.001)
    monkeypatch.setattr("twake_async._transport.connect_limiter._LONGEST_WAIT", 0.004)


# --- acquire and release --------------------------------------------------------------------------


async def test_the_most_recently_used_connection_goes_first():
    """Few sends keep few connections busy."""
    network = Network()
    pool = pool_of(3, network)
    first, second = await take(pool), await take(pool)
    pool.release(first, reusable=True)
    pool.release(second, reusable=True)
    assert await take(pool) is second
    assert await take(pool) is first
    assert len(network.made) == 2


async def test_a_connection_is_opened_only_when_it_is_needed():
    """A session that never sends opens nothing."""
    network = Network()
    pool = pool_of(100, network)
    assert network.made == []
    pool.release(await take(pool), reusable=True)
    pool.release(await take(pool), reusable=True)
    assert len(network.made) == 1


async def test_who_waits_longest_gets_the_next_connection():
    """The wait for a connection is a line."""
    pool = pool_of(1)
    connection = await take(pool)
    order: list[int] = []

    async def user(number: int) -> None:
        mine = await take(pool)
        order.append(number)
        pool.release(mine, reusable=True)

    waiting = [asyncio.create_task(user(number)) for number in range(5)]
    await settle()
    assert order == []
    pool.release(connection, reusable=True)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]


async def test_a_thrown_away_connection_is_closed_and_makes_room_for_another():
    """A connection whose attempt failed is never used again, and the next in line gets a new one."""
    network = Network()
    pool = pool_of(1, network)
    connection = await take(pool)
    (next_one,) = taking(pool)
    await settle()
    pool.release(connection, reusable=False)
    assert (await next_one) is not connection
    await settle()
    assert [wire.closed for wire in network.made] == [True, False]


@pytest.mark.parametrize("together", [False, True])
async def test_cancelling_who_waits_takes_nobodys_turn(together):
    """A connection goes to the next in line, even before the cancelled one has noticed."""
    pool = pool_of(1)
    connection = await take(pool)
    first, second = taking(pool, 2)
    await settle()
    first.cancel()
    if not together:
        await settle()
    pool.release(connection, reusable=True)
    assert await second is connection
    assert first.cancelled()


async def test_a_turn_that_came_with_the_cancellation_is_passed_on():
    """Cancelled in the very moment of being served, a task still loses no connection."""
    pool = pool_of(1)
    connection = await take(pool)
    first, second = taking(pool, 2)
    await settle()
    pool.release(connection, reusable=True)
    first.cancel()
    assert await second is connection
    assert first.cancelled()


async def test_a_passed_on_turn_finds_the_connection_free_when_nobody_waits():
    """With nobody left in line the connection is free again."""
    network = Network()
    pool = pool_of(1, network)
    connection = await take(pool)
    (only,) = taking(pool)
    await settle()
    pool.release(connection, reusable=True)
    only.cancel()
    await settle()
    assert await take(pool) is connection
    assert len(network.made) == 1


async def test_who_waits_too_long_is_told_and_takes_nobodys_turn():
    """Each waits until its own time; a connection that comes in that moment goes to the next."""
    pool = pool_of(1)
    connection = await take(pool)
    (late,) = taking(pool, seconds=0.02)
    (patient,) = taking(pool)
    assert await late is CONNECTIONS_BUSY
    pool.release(connection, reusable=True)
    assert await patient is connection


async def test_a_turn_that_comes_after_its_time_is_passed_on(monkeypatch):
    """The event loop was busy for long: a request would leave after its deadline."""
    pool = pool_of(1)
    connection = await take(pool)
    (late,) = taking(pool, seconds=1.0)
    (patient,) = taking(pool, seconds=100.0)
    await settle()
    pool.release(connection, reusable=True)
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + 2.0)
    await settle()
    monkeypatch.undo()
    assert await late is CONNECTIONS_BUSY
    assert await patient is connection


async def test_a_cancellation_goes_before_a_time_that_is_over():
    """Cancelled in the moment in which its time is over, a task ends as cancelled."""
    pool = pool_of(1)
    await take(pool)
    (task,) = taking(pool)
    await settle()
    (turn,) = pool._queue.turns()
    turn.end(CONNECTIONS_BUSY)
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_never_more_connections_than_the_limit():
    """However many tasks, connections stay within the bound, and all get their turn."""
    network = Network()
    pool = pool_of(7, network)
    busy = peak = 0

    async def user(number: int) -> None:
        nonlocal busy, peak
        connection = await take(pool)
        busy += 1
        peak = max(peak, busy)
        await asyncio.sleep(0)
        busy -= 1
        pool.release(connection, reusable=number % 3 > 0)

    await asyncio.gather(*(user(number) for number in range(200)))
    assert peak == 7
    assert network.open <= 7


async def test_a_transport_that_cannot_be_made_costs_no_slot():
    """It is told, and the next in line has its turn all the same."""
    broken = [True, True]

    def make() -> Wire:
        if broken:
            broken.pop()
            raise OSError("no bundle")
        return Wire()

    pool = ConnectionPool(make, 1, Network().connect)
    for _ in range(2):
        failure = await take(pool)
        assert (failure.sent, failure.reason) == (False, "tls")
        assert "no bundle" in failure.detail
    connection = await take(pool)
    broken.append(True)
    first, second = taking(pool, 2)
    await settle()
    pool.release(connection, reusable=False)
    await settle()
    assert first.result().reason == "tls"
    assert await second is not connection


async def test_connections_idle_for_long_are_closed_when_others_are_used(monkeypatch):
    """A burst leaves no connections behind for ever."""
    network = Network()
    pool = pool_of(2, network)
    both = [await take(pool), await take(pool)]
    now = asyncio.get_running_loop().time()
    for connection in both:
        pool.release(connection, reusable=True)
    recent = await take(pool)
    monkeypatch.setattr(
        asyncio.get_running_loop(), "time", lambda: now + IDLE_LIMIT + 1, raising=True
    )
    pool.release(recent, reusable=True)
    monkeypatch.undo()
    await settle()
    assert [wire.closed for wire in network.made] == [True, False]


async def test_a_request_about_a_message_takes_no_connection_that_named_it():
    """Free or given in line, such a connection is replaced; any other request may have it."""
    network = Network()
    pool = pool_of(2, network)
    first, second = await take(pool), await take(pool)
    first.named = second.named = "m1"
    pool.release(first, reusable=True)
    other = asyncio.create_task(take(pool, about="m1"))
    assert await other not in (first, second)
    (waiting,) = taking(pool, about="m1")
    await settle()
    pool.release(second, reusable=True)
    assert await waiting is not second
    await settle()
    assert first.raw.closed
    assert second.raw.closed
    assert len(network.made) == 4


async def test_where_all_free_connections_named_the_message_a_new_one_is_opened():
    """Several edits of one message may have ended at once."""
    network = Network()
    pool = pool_of(3, network)
    both = [await take(pool), await take(pool)]
    for connection in both:
        connection.named = "m1"
        pool.release(connection, reusable=True)
    assert await take(pool, "m1") not in both
    await settle()
    assert network.open == 2


async def test_another_free_connection_stands_in_for_one_that_named_the_message():
    """No connection is thrown away where a better one is free."""
    pool = pool_of(2)
    first, second = await take(pool), await take(pool)
    second.named = "m1"
    pool.release(first, reusable=True)
    pool.release(second, reusable=True)
    assert await take(pool, "m1") is first
    assert await take(pool) is second


# --- closing --------------------------------------------------------------------------------------


async def test_closing_turns_away_who_waits_and_closes_every_connection():
    """After aclose no transport is open and nobody waits."""
    network = Network()
    pool = pool_of(2, network)
    in_use, other = await take(pool), await take(pool)
    pool.release(other, reusable=True)
    await take(pool)
    waiting, cancelled = taking(pool, 2)
    await settle()
    cancelled.cancel()
    await pool.aclose()
    assert await waiting is CLOSED
    assert await take(pool) is CLOSED
    assert network.open == 0
    pool.release(in_use, reusable=True)
    await pool.aclose()
    assert pool.acquire_nowait() is None


async def test_a_transport_that_fails_to_close_troubles_nobody():
    """Closing goes on where one connection's transport raises."""

    class Stubborn(Wire):
        async def aclose(self) -> None:
            self.closed = True
            raise RuntimeError

    stubborn = Stubborn()
    pool = ConnectionPool(lambda: stubborn, 1, Network().connect)
    pool.release(await take(pool), reusable=False)
    await pool.aclose()
    assert stubborn.closed


async def test_closing_unused_connections_opens_and_awaits_nothing():
    """A session that never sent closes at once."""
    network = Network()
    await pool_of(2, network).aclose()
    assert network.made == []


@pytest.mark.parametrize("reusable", [True, False])
async def test_a_connection_that_is_on_its_way_when_all_closes_is_not_used(reusable):
    """Its turn had come, but the task had not yet gone on: it is turned away like the others."""
    network = Network()
    pool = pool_of(1, network)
    connection = await take(pool)
    (waiting,) = taking(pool)
    await settle()
    pool.release(connection, reusable=reusable)
    await pool.aclose()
    assert await waiting is CLOSED
    await settle()
    assert [wire.closed for wire in network.made] == [True]


# --- while the server cannot be reached -----------------------------------------------------------


async def down(pool):
    """Let one send find that nobody listens."""
    connection = await take(pool)
    pool.report_failed(REFUSED)
    pool.release(connection, reusable=False)


async def test_while_the_server_is_down_only_the_set_connects_one_attempt_at_a_time():
    """However many wait; the first in line gets the connection, the others open their own."""
    network = Network(*[REFUSED] * 5)
    pool = pool_of(3, network)
    await down(pool)
    waiting = taking(pool, 1_000)
    await until(waiting[0].done)
    assert network.attempts == 6
    assert network.most_at_once == 1
    assert waiting[0].result().raw is network.made[6]
    await settle()
    assert [task.done() for task in waiting[:4]] == [True, True, True, False]
    assert pool.unreachable is None
    for task in waiting[3:]:
        task.cancel()


async def test_an_attempt_to_connect_outlives_those_who_waited_for_it():
    """Short deadlines, one after the other: each ends, and the last finds the connection."""
    network = Network()
    network.gate.clear()
    pool = pool_of(1, network)
    await down(pool)
    for _ in range(5):
        assert await take(pool, seconds=0.02) is REFUSED
    assert network.attempts == 1
    network.gate.set()
    connection = await take(pool, seconds=0.02)
    assert connection.raw is network.made[-1]
    assert network.attempts == 1


async def test_a_connection_that_nobody_waits_for_any_more_is_free_for_the_next():
    """The attempt goes on when the last one left; what it found goes to the pool."""
    network = Network()
    network.gate.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    waiting.cancel()
    await settle()
    network.gate.set()
    await settle()
    assert pool.acquire_nowait().raw is network.made[-1]
    assert pool.unreachable is None


async def test_nobody_waits_nobody_tries():
    """Between attempts the set stops when the last one leaves, and goes on with the next."""
    network = Network(*[REFUSED] * 100)
    pool = pool_of(1, network)
    await down(pool)
    await asyncio.sleep(0.02)
    assert network.attempts == 0
    assert await take(pool, seconds=0.05) is REFUSED
    await asyncio.sleep(0.02)
    before = network.attempts
    assert before > 2
    await asyncio.sleep(0.02)
    assert network.attempts == before
    assert pool._reconnector._task is None
    await take(pool, seconds=0.02)
    assert network.attempts > before


async def test_a_pause_that_passed_while_nobody_waited_is_not_waited_for_again(monkeypatch):
    """Short deadlines, far apart: each begins an attempt at once."""
    monkeypatch.setattr("twake_async._transport.connect_limiter._FIRST_WAIT", 0.1)
    network = Network(REFUSED)
    pool = pool_of(1, network)
    await down(pool)
    await asyncio.sleep(0.15)
    await take(pool, seconds=0.02)
    assert network.attempts >= 1


async def test_who_waits_for_one_attempt_only_learns_how_it_ended():
    """The others wait on."""
    network = Network(REFUSED, REFUSED)
    pool = pool_of(1, network)
    await down(pool)
    (patient,) = taking(pool)
    (hasty,) = taking(pool, once=True)
    assert await hasty is REFUSED
    assert network.attempts == 1
    await patient


async def test_what_no_attempt_can_mend_ends_all_waits():
    """A certificate that is not valid is not valid the next time either."""
    network = Network(BAD_CERTIFICATE)
    pool = pool_of(1, network)
    await down(pool)
    waiting = taking(pool, 3)
    assert [await task for task in waiting] == [BAD_CERTIFICATE] * 3
    assert network.attempts == 1


@pytest.mark.parametrize("exc", [RuntimeError("a bug"), TimeoutError()])
async def test_whatever_an_attempt_raises_another_follows(exc):
    """The set never stops trying while anyone waits."""
    network = Network(exc, exc)
    pool = pool_of(1, network)
    await down(pool)
    assert (await take(pool)).raw is network.made[-1]
    assert network.attempts == 3
    await until(lambda: network.open == 1)


async def test_who_comes_in_the_moment_in_which_the_attempts_end_is_not_forgotten():
    """The task has ended, and the event loop has not said so yet."""
    network = Network(*[REFUSED] * 3)
    pool = pool_of(1, network)
    await down(pool)
    (first,) = taking(pool)
    await settle()
    task = pool._reconnector._task
    first.cancel()
    while not task.done():
        await asyncio.sleep(0)
    assert pool._reconnector._task is task
    assert (await take(pool)).raw is network.made[-1]


async def test_an_attempt_that_somebody_cancels_is_followed_by_another():
    """Programs that end cancel all tasks they find, and some go on."""
    network = Network()
    network.gate.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    pool._reconnector._task.cancel()
    network.gate.set()
    assert (await waiting).raw is network.made[-1]
    assert network.attempts == 2
    await until(lambda: network.open == 1)


async def test_a_transport_that_cannot_be_made_does_not_end_the_attempts():
    """It counts as an attempt that failed."""
    network = Network()
    broken = [False, True, False]

    def make() -> Wire:
        if broken and broken.pop(0):
            raise OSError("no bundle")
        return network.make()

    pool = ConnectionPool(make, 1, network.connect)
    await down(pool)
    (hasty,) = taking(pool, once=True)
    assert "no bundle" in (await hasty).detail
    assert (await take(pool)).raw is network.made[-1]


async def test_an_attempt_has_a_time_limit_of_its_own(monkeypatch):
    """A network that swallows packets ends one attempt, not all."""
    monkeypatch.setattr(_pool, "CONNECT_LIMIT", 0.02)
    network = Network()
    network.gate.clear()
    pool = pool_of(1, network)
    await down(pool)
    (hasty,) = taking(pool, once=True)
    assert await hasty is NOT_YET
    network.gate.set()
    await take(pool)
    await until(lambda: network.open == 1)


async def test_the_attempt_counts_among_the_connections():
    """There are never more of them than the limit; who gives one back makes room for an attempt."""
    network = Network()
    pool = pool_of(2, network)
    first = await take(pool)
    second = await take(pool)
    pool.report_failed(REFUSED)
    waiting = taking(pool, 2)
    await asyncio.sleep(0.02)
    assert network.attempts == 0
    network.gate.clear()
    pool.release(second, reusable=False)
    await until(lambda: network.attempts)
    pool.report_connected()  # by a send that reached the server meanwhile: there is room for no other
    await settle()
    assert network.open == 2
    assert not any(task.done() for task in waiting)
    network.gate.set()
    assert (await waiting[0]).raw is network.made[-1]
    pool.release(first, reusable=True)
    assert await waiting[1] is first


async def test_an_attempt_that_fails_after_the_server_was_reached_gives_its_room_to_another():
    """What a send saw later is the better news."""
    network = Network(REFUSED)
    network.gate.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    pool.report_connected()
    network.gate.set()
    assert (await waiting).raw is network.made[-1]
    assert pool.unreachable is None


async def test_a_connection_that_comes_back_meanwhile_serves_who_waits():
    """An old connection may live on while no new one can be opened."""
    network = Network(*[REFUSED] * 1_000)
    pool = pool_of(2, network)
    old = await take(pool)
    await down(pool)
    first, second = taking(pool, 2)
    await settle()
    pool.release(old, reusable=True)
    assert await first is old
    pool.release(old, reusable=True)
    assert await second is old


async def test_a_send_that_ended_while_it_connected_leaves_connecting_to_the_set():
    """The next one might have as little time; so the attempt is made without it, and at once."""
    network = Network()
    network.gate.clear()
    pool = pool_of(3, network)
    connection = await take(pool)
    pool.report_abandoned()
    pool.release(connection, reusable=False)
    first, second = taking(pool, 2)
    await settle()
    assert network.attempts == 1
    pool.report_abandoned()  # another one; nothing changes
    await settle()
    assert network.attempts == 1
    network.gate.set()
    await first
    await second


async def test_closing_ends_the_attempt():
    """No task and no transport is left."""
    network = Network()
    network.gate.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    await pool.aclose()
    assert await waiting is CLOSED
    assert network.open == 0
    assert pool._reconnector._task is None
    assert pool._reconnector._task is None


async def test_a_connection_that_comes_although_all_is_closed_is_closed():
    """Some transport may take no notice of the cancellation."""
    network = Network()

    async def deaf(connection):
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return

    pool = ConnectionPool(network.make, 1, deaf)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: len(network.made) == 2)
    await settle()
    await pool.aclose()
    assert await waiting is CLOSED
    assert network.open == 0


# --- the connect limiter and the back-off ---------------------------------------------------------


async def test_four_may_connect_at_once():
    """The limiter lets four in; the others wait in line."""
    limiter = ConnectLimiter()
    inside: list[int] = []

    async def connect(number: int) -> None:
        await limiter.acquire()
        inside.append(number)

    tasks = [asyncio.create_task(connect(number)) for number in range(8)]
    await settle()
    assert inside == [0, 1, 2, 3]
    limiter.release()
    await settle()
    assert inside == [0, 1, 2, 3, 4]
    for _ in range(4):
        limiter.release()
    await asyncio.gather(*tasks)
    assert inside == list(range(8))


async def test_a_failure_turns_away_who_waits_to_connect():
    """What they would try has failed just now; the cause is told."""
    limiter = ConnectLimiter()
    for _ in range(4):
        await limiter.acquire()
    waiting, cancelled = (asyncio.create_task(limiter.acquire()) for _ in range(2))
    await settle()
    cancelled.cancel()
    cause = OSError()
    limiter.reject_waiting(cause)
    with pytest.raises(ServerUnreachable) as caught:
        await waiting
    assert caught.value.__cause__ is cause
    limiter.release()
    await limiter.acquire()


async def test_cancelling_at_the_limiter_makes_room_again():
    """A task that is cancelled as it is let in does not stay inside."""
    limiter = ConnectLimiter()
    for _ in range(4):
        await limiter.acquire()
    first, second, third = (asyncio.create_task(limiter.acquire()) for _ in range(3))
    await settle()
    limiter.release()
    first.cancel()
    await second
    assert first.cancelled()
    third.cancel()
    limiter.release()
    await limiter.acquire()
    await settle()
    assert third.cancelled()


def test_the_back_off_doubles_up_to_a_bound(monkeypatch):
    """A few attempts a second at the most, one in two seconds in the end."""
    monkeypatch.undo()
    back_off = BackOff()
    waits = []
    for _ in range(8):
        back_off.failed(100.0)
        waits.append(back_off.until - 100.0)
        back_off.until = 0.0
        back_off.grow()
    for wait, expected in zip(waits, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0], strict=True):
        assert 0.75 * expected <= wait <= 1.25 * expected
    back_off.reset()
    assert back_off.until < 0
    back_off.failed(0.0)
    assert back_off.until <= 0.125

"""The connection pool: one owner at a time, a fair queue, no connection lost, one attempt to reconnect."""

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
    """A connection that only notes whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


class Network:
    """Makes connections, and connects them with the given results."""

    def __init__(self, *results) -> None:
        self.made: list[Wire] = []
        self.results = list(results)
        self.attempts = 0
        self.at_once = self.most_at_once = 0
        self.opened = asyncio.Event()
        self.opened.set()

    def make(self) -> Wire:
        self.made.append(Wire())
        return self.made[-1]

    async def connect(self, connection):
        self.attempts += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.opened.wait()
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
    """Return a connection, as the attempt loop acquires it."""
    return pool.acquire_nowait(about) or await pool.acquire(about, seconds, **options)


def taking(pool, count=1, **options):
    """Return tasks that acquire a connection each, or wait in the queue."""
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
    """Make the pauses between attempts to connect short."""
    monkeypatch.setattr("twake_async._transport.connect_limiter._FIRST_WAIT", 0.001)
    monkeypatch.setattr("twake_async._transport.connect_limiter._LONGEST_WAIT", 0.004)


# --- acquire and release --------------------------------------------------------------------------


async def test_the_most_recently_used_connection_goes_first():
    """Few sends use few connections."""
    network = Network()
    pool = pool_of(3, network)
    first, second = await take(pool), await take(pool)
    pool.release(first, reusable=True)
    pool.release(second, reusable=True)
    assert await take(pool) is second
    assert await take(pool) is first
    assert len(network.made) == 2


async def test_a_connection_is_opened_only_when_it_is_needed():
    """A session that sends nothing opens nothing."""
    network = Network()
    pool = pool_of(100, network)
    assert network.made == []
    pool.release(await take(pool), reusable=True)
    pool.release(await take(pool), reusable=True)
    assert len(network.made) == 1


async def test_the_longest_wait_gets_the_next_connection():
    """The wait for a connection is a queue."""
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


async def test_a_connection_that_is_not_reusable_is_closed_and_makes_room_for_another():
    """After a failed attempt it is never used again, and the next in the queue gets a new one."""
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
async def test_a_cancelled_wait_takes_no_turn(together):
    """The connection goes to the next in the queue, even before the cancelled task runs."""
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


async def test_a_turn_that_comes_with_a_cancellation_goes_to_the_next():
    """A task that is cancelled when it is served loses no connection."""
    pool = pool_of(1)
    connection = await take(pool)
    first, second = taking(pool, 2)
    await settle()
    pool.release(connection, reusable=True)
    first.cancel()
    assert await second is connection
    assert first.cancelled()


async def test_an_unused_turn_leaves_the_connection_idle_when_the_queue_is_empty():
    """The connection can be acquired again."""
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


async def test_a_wait_that_is_over_takes_no_turn():
    """Each wait has its own time; a connection that comes at that moment goes to the next."""
    pool = pool_of(1)
    connection = await take(pool)
    pool.report_connected()
    (waiting,) = taking(pool, seconds=0.02)
    (patient,) = taking(pool)
    assert await waiting is CONNECTIONS_BUSY
    pool.release(connection, reusable=True)
    assert await patient is connection


async def test_where_no_connection_was_ever_opened_none_is_busy():
    """The acquired connections are still being opened: the server may be down."""
    pool = pool_of(1)
    await take(pool)
    (waiting,) = taking(pool, seconds=0.02)
    assert await waiting is NOT_YET


async def test_a_turn_that_comes_too_late_goes_to_the_next(monkeypatch):
    """The event loop was busy: the request would leave after its deadline."""
    pool = pool_of(1)
    connection = await take(pool)
    pool.report_connected()
    (waiting,) = taking(pool, seconds=1.0)
    (patient,) = taking(pool, seconds=100.0)
    await settle()
    pool.release(connection, reusable=True)
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + 2.0)
    await settle()
    monkeypatch.undo()
    assert await waiting is CONNECTIONS_BUSY
    assert await patient is connection


async def test_a_cancellation_counts_more_than_the_end_of_the_wait():
    """A task that is cancelled at the moment when its time is over ends as cancelled."""
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
    """With any number of tasks the limit holds, and each gets a turn."""
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


async def test_a_connection_that_cannot_be_made_costs_no_slot():
    """The send gets the failure, and the next in the queue its turn."""
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
    """After a burst the surplus connections are closed."""
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


async def test_a_request_about_a_message_gets_no_connection_that_named_it():
    """Idle or handed over in the queue, such a connection is replaced; any other request may use it."""
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


async def test_if_all_idle_connections_named_the_message_a_new_one_is_opened():
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


async def test_another_idle_connection_replaces_one_that_named_the_message():
    """No connection is closed while a better one is idle."""
    pool = pool_of(2)
    first, second = await take(pool), await take(pool)
    second.named = "m1"
    pool.release(first, reusable=True)
    pool.release(second, reusable=True)
    assert await take(pool, "m1") is first
    assert await take(pool) is second


# --- closing --------------------------------------------------------------------------------------


async def test_closing_ends_all_waits_and_closes_every_connection():
    """After `aclose` no connection is open and no task waits."""
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


async def test_a_connection_that_fails_to_close_does_not_stop_closing():
    """The others are closed."""

    class Stubborn(Wire):
        async def aclose(self) -> None:
            self.closed = True
            raise RuntimeError

    stubborn = Stubborn()
    pool = ConnectionPool(lambda: stubborn, 1, Network().connect)
    pool.release(await take(pool), reusable=False)
    await pool.aclose()
    assert stubborn.closed


async def test_closing_an_unused_pool_opens_and_awaits_nothing():
    """A session that sent nothing closes at once."""
    network = Network()
    await pool_of(2, network).aclose()
    assert network.made == []


@pytest.mark.parametrize("reusable", [True, False])
async def test_a_connection_that_is_handed_over_while_the_pool_closes_is_not_used(reusable):
    """The turn had come, but the task had not yet run: it gets `CLOSED`, like the others."""
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


# --- while the server is unreachable --------------------------------------------------------------


async def down(pool):
    """Let one send find the server unreachable."""
    connection = await take(pool)
    pool.report_failed(REFUSED)
    pool.release(connection, reusable=False)


async def test_while_the_server_is_unreachable_only_the_pool_connects_one_attempt_at_a_time():
    """With any number of waits; then the first in the queue gets the connection, and the others open theirs."""
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


async def test_an_attempt_to_connect_outlives_the_sends_that_waited_for_it():
    """Of several short deadlines, one after the other, the last send gets the connection."""
    network = Network()
    network.opened.clear()
    pool = pool_of(1, network)
    await down(pool)
    for _ in range(5):
        assert await take(pool, seconds=0.02) is REFUSED
    assert network.attempts == 1
    network.opened.set()
    connection = await take(pool, seconds=0.02)
    assert connection.raw is network.made[-1]
    assert network.attempts == 1


async def test_a_connection_without_a_wait_becomes_idle():
    """The attempt goes on after the last wait ended; its connection goes to the pool."""
    network = Network()
    network.opened.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    waiting.cancel()
    await settle()
    network.opened.set()
    await settle()
    assert pool.acquire_nowait().raw is network.made[-1]
    assert pool.unreachable is None


async def test_without_a_wait_there_is_no_attempt():
    """Between attempts the pool stops with the last wait, and starts again with the next."""
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


async def test_a_pause_that_passed_without_a_wait_is_not_repeated(monkeypatch):
    """Each of several short deadlines, far apart, starts an attempt at once."""
    monkeypatch.setattr("twake_async._transport.connect_limiter._FIRST_WAIT", 0.1)
    network = Network(REFUSED)
    pool = pool_of(1, network)
    await down(pool)
    await asyncio.sleep(0.15)
    await take(pool, seconds=0.02)
    assert network.attempts >= 1


async def test_a_wait_for_one_attempt_ends_with_its_failure():
    """The other waits go on."""
    network = Network(REFUSED, REFUSED)
    pool = pool_of(1, network)
    await down(pool)
    (patient,) = taking(pool)
    (hasty,) = taking(pool, once=True)
    assert await hasty is REFUSED
    assert network.attempts == 1
    await patient


async def test_a_lasting_failure_ends_all_waits():
    """An invalid certificate is invalid at the next attempt, too."""
    network = Network(BAD_CERTIFICATE)
    pool = pool_of(1, network)
    await down(pool)
    waiting = taking(pool, 3)
    assert [await task for task in waiting] == [BAD_CERTIFICATE] * 3
    assert network.attempts == 1


@pytest.mark.parametrize("exc", [RuntimeError("a bug"), TimeoutError()])
async def test_after_any_exception_another_attempt_follows(exc):
    """The pool tries as long as a send waits."""
    network = Network(exc, exc)
    pool = pool_of(1, network)
    await down(pool)
    assert (await take(pool)).raw is network.made[-1]
    assert network.attempts == 3
    await until(lambda: network.open == 1)


async def test_a_wait_that_begins_when_the_attempts_end_starts_them_again():
    """The task has ended, and its callback has not run yet."""
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


async def test_a_cancelled_attempt_is_followed_by_another():
    """A program that ends may cancel all its tasks, and then go on."""
    network = Network()
    network.opened.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    pool._reconnector._task.cancel()
    network.opened.set()
    assert (await waiting).raw is network.made[-1]
    assert network.attempts == 2
    await until(lambda: network.open == 1)


async def test_a_connection_that_cannot_be_made_does_not_end_the_attempts():
    """It counts as a failed attempt."""
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


async def test_an_attempt_has_its_own_time_limit(monkeypatch):
    """A network that drops packets ends one attempt, not all."""
    monkeypatch.setattr(_pool, "CONNECT_LIMIT", 0.02)
    network = Network()
    network.opened.clear()
    pool = pool_of(1, network)
    await down(pool)
    (hasty,) = taking(pool, once=True)
    assert await hasty is NOT_YET
    network.opened.set()
    await take(pool)
    await until(lambda: network.open == 1)


async def test_the_attempt_counts_as_a_connection():
    """The limit holds; a released connection makes room for an attempt."""
    network = Network()
    pool = pool_of(2, network)
    first = await take(pool)
    second = await take(pool)
    pool.report_failed(REFUSED)
    waiting = taking(pool, 2)
    await asyncio.sleep(0.02)
    assert network.attempts == 0
    network.opened.clear()
    pool.release(second, reusable=False)
    await until(lambda: network.attempts)
    pool.report_connected()  # by a send; there is no room for another connection
    await settle()
    assert network.open == 2
    assert not any(task.done() for task in waiting)
    network.opened.set()
    assert (await waiting[0]).raw is network.made[-1]
    pool.release(first, reusable=True)
    assert await waiting[1] is first


async def test_an_attempt_that_fails_after_a_send_connected_gives_its_room_to_another():
    """The later result counts."""
    network = Network(REFUSED)
    network.opened.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    pool.report_connected()
    network.opened.set()
    assert (await waiting).raw is network.made[-1]
    assert pool.unreachable is None


async def test_a_connection_that_is_released_meanwhile_serves_the_queue():
    """An old connection may work while no new one can be opened."""
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


async def test_after_a_send_that_ended_while_it_connected_the_pool_connects():
    """The next send may have as little time, so the pool connects at once, without a send."""
    network = Network()
    network.opened.clear()
    pool = pool_of(3, network)
    connection = await take(pool)
    pool.report_abandoned()
    pool.release(connection, reusable=False)
    first, second = taking(pool, 2)
    await settle()
    assert network.attempts == 1
    pool.report_abandoned()  # another send; nothing changes
    await settle()
    assert network.attempts == 1
    network.opened.set()
    await first
    await second


async def test_closing_ends_the_attempt():
    """No task and no connection is left."""
    network = Network()
    network.opened.clear()
    pool = pool_of(1, network)
    await down(pool)
    (waiting,) = taking(pool)
    await until(lambda: network.attempts)
    await pool.aclose()
    assert await waiting is CLOSED
    assert network.open == 0
    assert pool._reconnector._task is None
    assert pool._reconnector._task is None


async def test_a_connection_that_opens_after_the_pool_closed_is_closed():
    """Something may ignore the cancellation."""
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
    """The limiter gives four turns; the others wait in a queue."""
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


async def test_a_failure_rejects_all_that_wait_to_connect():
    """The same attempt has just failed; its exception is the cause."""
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


async def test_a_cancelled_turn_makes_room_for_another():
    """A task that is cancelled when its turn comes does not keep the turn."""
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


def test_the_back_off_doubles_up_to_a_limit(monkeypatch):
    """A few attempts a second at first, one in two seconds later."""
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

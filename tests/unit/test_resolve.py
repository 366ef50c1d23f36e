"""Name resolution: shared, limited, and never a reason why a program does not end."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time

import pytest

from twake_async import NotSentError, RetryPolicy, TwakeSession
from twake_async._transport import resolve as _resolve
from twake_async._transport.resolve import Resolver

ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))


class SystemResolver:
    """A system resolver that answers when it is opened, and counts the questions."""

    def __init__(self, *, answers: bool = False) -> None:
        self.asked: list[str] = []
        self.open = threading.Event()
        self.says: list | Exception = [ADDRESS]
        if answers:
            self.open.set()

    def __call__(self, host, port, *args, flags=0, **options):
        self.asked.append(host)
        says = self.says
        self.open.wait(20)
        if isinstance(says, Exception):
            raise says
        return says


@pytest.fixture
def system(monkeypatch):
    """Replace the system's resolver by one that hangs; release its threads at the end."""
    hanging = SystemResolver()
    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    yield hanging
    hanging.open.set()
    for thread in threading.enumerate():
        if thread.name == _resolve._THREAD:
            thread.join(5)


async def test_an_address_needs_no_lookup(monkeypatch):
    """It is read at once, in no thread, in either family."""
    monkeypatch.setattr(threading, "Thread", None)
    assert (await Resolver().resolve("127.0.0.1", 80))[0][4] == ("127.0.0.1", 80)
    assert (await Resolver().resolve("::1", 80))[0][0] is socket.AF_INET6


async def test_all_waits_for_one_name_share_one_lookup(system):
    """A cancelled wait leaves it to the others; another port or a later time needs a new lookup."""
    resolver = Resolver()
    waiting = [asyncio.create_task(resolver.resolve("chat.test", 80)) for _ in range(50)]
    other = asyncio.create_task(resolver.resolve("chat.test", 81))
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    system.open.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found.pop(0), asyncio.CancelledError)
    assert found == [[ADDRESS]] * 49
    await other
    assert len(system.asked) == 2
    assert await resolver.resolve("chat.test", 80) == [ADDRESS]
    assert len(system.asked) == 3


async def test_each_wait_gets_the_failure(system):
    """Each gets its own exception, because a traceback belongs to one task."""
    resolver = Resolver()
    system.says = socket.gaierror(socket.EAI_NONAME, "nobody of that name")
    waiting = [asyncio.create_task(resolver.resolve("chat.test", 80)) for _ in range(2)]
    await asyncio.sleep(0)
    system.open.set()
    first, second = await asyncio.gather(*waiting, return_exceptions=True)
    assert (type(first), first.args) == (type(second), second.args)
    assert (type(first), first.errno) == (socket.gaierror, socket.EAI_NONAME)
    assert first is not second


@pytest.mark.parametrize("name", ["a..b", "x" * 64])
async def test_an_invalid_name_is_reported_as_one_that_does_not_resolve(name):
    """The codec rejects it before the resolver is asked."""
    with pytest.raises(socket.gaierror):
        await Resolver().resolve(name, 80)


async def test_a_new_lookup_does_not_wait_for_one_that_hangs(system, monkeypatch):
    """A resolver that answers again is used while the old question is still open."""
    resolver = Resolver()
    old = asyncio.create_task(resolver.resolve("chat.test", 80))
    await asyncio.sleep(0.01)
    monkeypatch.setattr(_resolve, "_STALE", 0.0)
    answering = SystemResolver(answers=True)
    monkeypatch.setattr(socket, "getaddrinfo", answering)
    assert await resolver.resolve("chat.test", 80) == [ADDRESS]
    assert not old.done()
    system.open.set()
    assert await old == [ADDRESS]
    assert len(answering.asked) == 1


async def test_an_old_lookup_that_ends_leaves_the_new_one_shared(system, monkeypatch):
    """It removes only itself."""
    resolver, second = Resolver(), SystemResolver()
    old = asyncio.create_task(resolver.resolve("chat.test", 80))
    await asyncio.sleep(0.01)
    monkeypatch.setattr(_resolve, "_STALE", 0.0)
    monkeypatch.setattr(socket, "getaddrinfo", second)
    new = [asyncio.create_task(resolver.resolve("chat.test", 80))]
    await asyncio.sleep(0.01)
    monkeypatch.setattr(_resolve, "_STALE", 60.0)
    system.open.set()
    await old
    new.append(asyncio.create_task(resolver.resolve("chat.test", 80)))
    await asyncio.sleep(0.01)
    second.open.set()
    await asyncio.gather(*new)
    assert len(second.asked) == 1


async def test_unanswered_lookups_are_limited(system, monkeypatch):
    """Beyond the limit a new name fails, and a known one waits for its old lookup."""
    monkeypatch.setattr(_resolve, "_LIMIT", 3)
    monkeypatch.setattr(_resolve, "_STALE", 0.0)
    resolver = Resolver()
    waiting = []
    for number in range(3):
        waiting.append(asyncio.create_task(resolver.resolve(f"chat{number}.test", 80)))
        await asyncio.sleep(0)
    with pytest.raises(socket.gaierror, match="too many name lookups"):
        await resolver.resolve("another.test", 80)
    waiting.append(asyncio.create_task(resolver.resolve("chat0.test", 80)))
    await asyncio.sleep(0.01)
    assert len(system.asked) == 3
    system.open.set()
    assert await asyncio.gather(*waiting) == [[ADDRESS]] * 4


@pytest.mark.parametrize("transport", [None, "fast"])
async def test_sends_that_wait_for_a_resolver_end_with_their_deadline(system, transport):
    """No request left, and all sends shared one lookup."""
    async with TwakeSession(
        "app",
        "k",
        group_id="g",
        base_url="https://chat.test",
        proxy=None,
        transport=transport,
        retry=RetryPolicy.never(),
    ) as twake:
        before = time.monotonic()
        sends = (twake.send_message("c", "x", deadline=0.3) for _ in range(20))
        errors = await asyncio.gather(*sends, return_exceptions=True)
        assert time.monotonic() - before < 20
    assert {type(error) for error in errors} == {NotSentError}
    assert len(system.asked) == 1


PROGRAM = """
import asyncio, socket, time
from twake_async import NotSentError, TwakeSession

resolve = socket.getaddrinfo

def hang(host, *args, **options):
    if host == "chat.test":
        time.sleep(60)
    return resolve(host, *args, **options)

async def main():
    session = TwakeSession(
        "app", "k", group_id="g", base_url="https://chat.test", proxy=None, transport={transport!r}
    )
    async with session as twake:
        try:
            await twake.send_message("c", "x", deadline=0.5)
        except NotSentError as error:
            print(error.reason)

socket.getaddrinfo = hang
before = time.monotonic()
asyncio.run(main())
print(time.monotonic() - before < 20)
"""


@pytest.mark.parametrize("transport", [None, "fast"])
def test_a_resolver_that_hangs_does_not_keep_a_program_from_ending(transport):
    """Neither `asyncio.run` nor the interpreter waits for it."""
    before = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(transport=transport)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert (ended.stdout.split(), ended.stderr) == (["connect", "True"], "")
    assert time.monotonic() - before < 20


def test_a_lookup_that_outlives_its_loop_is_ignored(system, recwarn):
    """Its result is dropped."""

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Resolver().resolve("chat.test", 80), 0.01)

    asyncio.run(give_up())
    (thread,) = [one for one in threading.enumerate() if one.name == _resolve._THREAD]
    system.open.set()
    thread.join(5)
    assert not thread.is_alive()
    assert not recwarn

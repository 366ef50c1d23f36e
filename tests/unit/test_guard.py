"""An attempt whose intent has expired does not leave, over any transport."""

from __future__ import annotations

import asyncio
import time
from asyncio import selector_events

import httpx
import httpx2
import pytest
from batches import session

from twake_async import MessageDraft, NotSentError
from twake_async._protocol.exchange import EXPIRED
from twake_async._transport.trace import Trace

TRANSPORTS = ["httpx", "httpx2", "fast", "client", "transport"]


class Guarded:
    """A listener whose guard forbids the first attempts."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.told: list = []
        self.asked = 0

    def guard(self) -> bool:
        self.asked += 1
        return self.answers.pop(0) if self.answers else True

    def attempt_ended(self, outcome, reason, *, last):
        self.told.append(outcome.name)

    async def before_retry(self):
        self.told.append("renewed")

    def retry_dropped(self):
        self.told.append("dropped")


@pytest.fixture(params=TRANSPORTS)
async def twake(request, server):
    """Give a session over each transport, the caller's own included."""
    async with httpx.AsyncClient() as client, httpx2.AsyncHTTPTransport() as transport:
        options = {
            "httpx": {},
            "httpx2": {"transport": "httpx2"},
            "fast": {"transport": "fast"},
            "client": {"http_client": client},
            "transport": {"transport": transport},
        }[request.param]
        async with session(server, **options) as twake:
            yield twake


def send(twake, listener, deadline=None):
    sender = twake._sender
    request = sender.encode(MessageDraft("c1", "Hello"), "g1").request()
    return sender.save(request, listener, group_id="g1", deadline=deadline, retry=None)


async def test_a_deadline_that_ends_before_the_library_begins_leaves_nothing_unknown(server):
    """The event loop is blocked between the steps in which httpx takes a pooled connection."""
    async with session(server) as twake:
        await send(twake, None)
        before = server.received
        sending = asyncio.create_task(send(twake, None, deadline=0.05))
        asyncio.get_running_loop().call_soon(time.sleep, 0.06)  # after its first step
        with pytest.raises(NotSentError) as caught:
            await sending
    assert (caught.value.reason, server.received) == ("deadline", before)


@pytest.mark.parametrize("is_warm", [False, True])
async def test_an_attempt_that_must_not_leave_is_prepared_again_and_does_not_count(
    twake, server, is_warm
):
    """The server reads one request, and the listener is told of one attempt, after a renewal."""
    if is_warm:
        await send(twake, None)
    before = server.received
    listener = Guarded(*[False] * 2)
    message = await send(twake, listener)
    assert message.id
    assert server.received == before + 1
    assert listener.told == ["dropped", "renewed", "dropped", "renewed", "DELIVERED"]


async def test_an_attempt_that_never_may_leave_ends_not_sent(twake, server):
    """The deadline passes meanwhile, and no server gets a byte of it."""
    listener = Guarded(*[False] * 1_000_000)
    with pytest.raises(NotSentError):
        await send(twake, listener, deadline=0.05)
    assert server.received == 0
    assert {"DELIVERED", "UNKNOWN", "REFUSED"}.isdisjoint(listener.told)


async def test_the_guard_is_asked_in_the_step_that_writes_the_first_byte(twake, monkeypatch):
    """No other code runs in between: a callback that the guard schedules runs after that byte."""
    await send(twake, None)  # over an open connection only a request is written
    steps: list[str] = []
    listener = Guarded()
    ask = listener.guard

    def guard() -> bool:
        steps.append("guard")
        asyncio.get_running_loop().call_soon(steps.append, "another step")
        return ask()

    write = selector_events._SelectorSocketTransport.write

    def watched(self, data):
        if b"POST" in bytes(data) and "guard" in steps:
            steps.append("write")
        return write(self, data)

    listener.guard = guard
    monkeypatch.setattr(selector_events._SelectorSocketTransport, "write", watched)
    await send(twake, listener)
    last = len(steps) - steps[::-1].index("guard") - 1
    assert steps[last + 1] == "write"


def test_a_send_that_is_cancelled_after_its_intent_expired_was_not_sent():
    """No byte of it left, because the guard forbade the first one."""
    trace = Trace(guard=lambda: False)
    assert not trace.may_leave()
    assert trace.proof() == EXPIRED.reason
    assert not trace.wrote

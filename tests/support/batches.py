"""Batches without a network, and with the fault server: drafts, sends, clocks and how to wait."""

from __future__ import annotations

import asyncio
import functools
import json

from twake_async import (
    Check,
    Delivery,
    Message,
    MessageDraft,
    Outcome,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)
from twake_async._attempts.send import Listener
from twake_async._batch.engine import Plan
from twake_async._protocol.v1.encode import encode_draft
from twake_async._protocol.v1.requests import Save

__all__ = [
    "QUICK",
    "Clock",
    "Known",
    "Sender",
    "at_once",
    "by_channel",
    "collect",
    "drafts",
    "others",
    "plan",
    "session",
    "settle",
    "slowly",
    "text_of",
    "until",
]

QUICK = RetryPolicy(initial_wait=0.001, max_wait=0.004)


def plan(**options) -> Plan:
    """Make the plan of `send_many` with these arguments, for an engine without a session."""
    given = {
        "in_flight": 10,
        "order": "channel",
        "after_unknown": "continue",
        "rate": None,
        "journal": None,
        "on_progress": None,
        "resume": "report",
        "key": None,
        "retry": None,
        "encode": functools.partial(encode_draft, group_id="g1"),
        "look": None,  # v1 has none
        "pace": Clock(),
        "server": Known(),
        "outage_timeout": 300.0,
        "stop": None,
        "target": "",
    }
    return Plan(**given | options)


def session(server, **options):
    options = {"retry": QUICK, "deadline": 5.0} | options
    return TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url, **options)


def drafts(count, channels=1):
    """Make drafts whose front_id holds channel and number, spread over the channels in turn."""
    for number in range(count):
        channel = f"c{number % channels}"
        yield MessageDraft(channel, f"message {number}", front_id=f"{channel}:{number}")


def text_of(request: Save) -> str:
    """Return the text that a request sends in the portable form."""
    return json.loads(request.body)["message"]["content"]["fallback_string"]


async def slowly(items):
    """Turn an iterable into an async iterable that lets others run between any two items."""
    for item in items:
        await asyncio.sleep(0)
        yield item


async def collect(deliveries, into: list[Delivery] | None = None) -> list[Delivery]:
    """Consume a batch; `into` keeps what was yielded before an exception."""
    into = [] if into is None else into
    async for delivery in deliveries:
        into.append(delivery)
    return into


async def until(condition) -> None:
    """Let other tasks run until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)  # a loop that spins would starve the journal's thread


def by_channel(front_ids) -> dict[str, list[int]]:
    """Sort front_ids into the numbers of each channel, in the order they came."""
    found: dict[str, list[int]] = {}
    for front_id in front_ids:
        channel, _, number = front_id.partition(":")
        found.setdefault(channel, []).append(int(number))
    return found


def others() -> set[asyncio.Task]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def settle(turns: int = 50) -> None:
    """Let everything that can run without the network run."""
    for _ in range(turns):
        await asyncio.sleep(0)


class Sender:
    """A send under the test's control: each message waits until it is released."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.waiting: dict[str, asyncio.Future] = {}
        self.most = 0

    async def __call__(self, request: Save, listener: Listener) -> Message:
        self.begun.append(request.front_id)
        turn = self.waiting[request.front_id] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.waiting))
        try:
            await turn
        except asyncio.CancelledError:
            listener.attempt_ended(Outcome.UNKNOWN, "cancelled", last=True)
            raise
        except TwakeError as exc:
            listener.attempt_ended(exc.outcome, exc.reason, last=True)
            raise
        finally:
            del self.waiting[request.front_id]
        listener.attempt_ended(Outcome.DELIVERED, "", last=True)
        return Message(id=f"id-{request.front_id}", front_id=request.front_id)

    async def let_go(self, *front_ids: str, error: Exception | None = None) -> None:
        for front_id in front_ids or tuple(self.waiting):
            turn = self.waiting[front_id]
            turn.set_exception(error) if error else turn.set_result(None)
        await settle()


async def at_once(request: Save, listener: Listener) -> Message:
    """Deliver without a network."""
    listener.attempt_ended(Outcome.DELIVERED, "", last=True)
    return Message(id="id", front_id=request.front_id or "")


class Clock:
    """A clock that moves only during a wait, and a server that may ask for a pause."""

    def __init__(self) -> None:
        self.time = 100.0
        self.cool_until = 0.0

    def now(self) -> float:
        return self.time

    def cooling(self) -> float:
        return max(0.0, self.cool_until - self.time)

    def cool(self, seconds: float) -> None:
        self.cool_until = max(self.cool_until, self.time + seconds)

    async def wait(self, seconds: float) -> None:
        until = self.time + seconds
        await asyncio.sleep(0)
        self.time = max(self.time, until)


class Known:
    """A server that has taken messages of the group before, or answers a check in this way."""

    def __init__(self, *answers: Check) -> None:
        self.answers = list(answers)
        self.is_proven = not answers
        self.asked = 0

    def proven(self) -> bool:
        return self.is_proven

    async def probe(self, most: float) -> Check:
        self.asked += 1
        await asyncio.sleep(0)
        return self.answers.pop(0) if self.answers else Check("", "all is well")

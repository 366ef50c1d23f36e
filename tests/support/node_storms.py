"""Storms over the Node API: logins, looks and joins meet faults as sends do.

`python tests/support/node_storms.py 20000` sends so many messages, a part of them over each
transport, and fails where a claim is contradicted or a message stands twice.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from claims import Claim, contradictions
from faults import FaultServer, RandomScript
from send_storms import QUICK, STORM

from twake_async import Message, Outcome, TwakeError, TwakeSession

if TYPE_CHECKING:
    from twake_async import RetryPolicy

__all__ = ["PLAN", "node_session", "node_storm"]

#: The transport, the tasks, and the part of the sends.
PLAN = [
    (None, 1, 0.05),
    (None, 10, 0.15),
    (None, 100, 0.3),
    ("httpx2", 10, 0.1),
    ("fast", 10, 0.15),
    ("fast", 100, 0.25),
]


def node_session(server: FaultServer, **options: Any) -> TwakeSession:
    """Return a session over the Node API of a fault server."""
    options = {"retry": QUICK, "deadline": 10.0, "proxy": None, "retry_budget": None} | options
    return TwakeSession(
        "app",
        "k" * 40,
        group_id="g1",
        workspace_id="w1",
        base_url=server.url,
        api="node",
        **options,
    )


async def node_storm(
    transport: Any,
    workers: int,
    count: int,
    *,
    faults: list[str] = STORM,
    rate: float = 0.4,
    policy: RetryPolicy = QUICK,
    spared: frozenset[str] = frozenset(),
    token_life: int = 100,
) -> tuple[FaultServer, dict[str, Claim]]:
    """Send messages and replies from tasks; return the server and what was claimed of each.

    Args:
        transport: The transport of the session.
        workers: How many tasks.
        count: How many messages.
        faults: The faults to choose from.
        rate: How many of the requests meet one.
        policy: The policy of the session.
        spared: The kinds of requests that meet no fault.
        token_life: How many requests an access token is good for; 0 for all.

    """
    claims: dict[str, Claim] = {}
    numbers = iter(range(count))
    async with FaultServer(RandomScript(workers, faults, rate)) as server:
        server.spared, server.token_life = spared, token_life
        async with node_session(server, transport=transport, retry=policy) as twake:
            await asyncio.gather(*(_work(twake, numbers, claims) for _ in range(workers)))
    return server, claims


async def _work(twake: TwakeSession, numbers: Any, claims: dict[str, Claim]) -> None:
    """Send every third message as a reply in the thread of the last one."""
    last: Message | None = None
    for number in numbers:
        front_id = f"n-{number}"
        try:
            if number % 3 == 2 and last is not None:
                sent = await twake.reply(last, "Hello", front_id=front_id)
            else:
                sent = await twake.send_message(f"c{number % 5}", "Hello", front_id=front_id)
                last = sent
        except TwakeError as exc:
            claims[front_id] = Claim(exc.outcome, maybe_duplicated=False, attempts=exc.attempts)
        else:
            claims[front_id] = Claim(Outcome.DELIVERED, sent.maybe_duplicated, 0)


def _report(server: FaultServer, claims: dict[str, Claim]) -> tuple[str, bool]:
    wrong = contradictions(server, claims)
    twice = sum(copies > 1 for copies in server.stored.values())
    unknown = [name for name, one in claims.items() if one.outcome is Outcome.UNKNOWN]
    missed = sum(server.stored[name] > 0 for name in unknown)
    outcomes = Counter(one.outcome.name for one in claims.values())
    line = (
        f"{dict(outcomes)}, {len(wrong)} contradictions, {twice} doubled, {missed} of "
        f"{len(unknown)} UNKNOWN are stored, {len(server.tokens)} tokens, {server.received} requests"
    )
    return "\n".join([line, *wrong]), not wrong and not twice


async def main(count: int) -> int:
    """Run a storm over each transport and print what came of it; return the exit status."""
    good = True
    for transport, workers, part in PLAN:
        began = time.monotonic()
        server, claims = await node_storm(transport, workers, int(count * part))
        line, is_good = _report(server, claims)
        good = good and is_good
        seconds = time.monotonic() - began
        print(
            f"{transport or 'httpx'}, {workers} tasks, {len(claims)} sends, {seconds:.0f} s: {line}"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]))))

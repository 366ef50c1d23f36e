"""Many sends at once under random faults, over any transport: the claim of each."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from claims import SLOW, Claim, claim
from faults import FAULTS, FaultServer, RandomScript

from twake_async import Outcome, RetryPolicy, TwakeError, TwakeSession

__all__ = ["QUICK", "STORM", "UNPROVEN", "cancel_at_random", "storm"]

#: The faults of a random storm: all but those with seconds, megabytes or a shared cooldown.
STORM = sorted(
    name
    for name, fault in FAULTS.items()
    if name not in SLOW
    and not any(word in name for word in ("big", "bomb", "endless", "late"))
    and (not name.startswith("refuses_429") or name in ("refuses_429_absent", "refuses_429_zero"))
)
#: The faults of a storm after which nobody knows what the server stored.
UNPROVEN = [name for name in STORM if FAULTS[name].allowed == {"unknown"}]
#: The default policy with short waits.
QUICK = RetryPolicy(initial_wait=0.001, max_wait=0.004)


async def storm(twake: TwakeSession, count: int, workers: int) -> dict[str, Claim]:
    """Send `count` messages from `workers` tasks; return the claim about each front_id."""
    claims: dict[str, Claim] = {}
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            front_id = f"{workers}-{number}"
            try:
                message = await twake.send_message("c1", "Hello", front_id=front_id)
            except TwakeError as exc:
                claims[front_id] = Claim(exc.outcome, maybe_duplicated=False, attempts=exc.attempts)
            else:
                claims[front_id] = Claim(Outcome.DELIVERED, message.maybe_duplicated, 0)

    await asyncio.gather(*(work() for _ in range(workers)))
    return claims


async def cancel_at_random(transport: str | None, *, each: int, then: int, api: str = "v1") -> None:
    """Cancel sends of 20 tasks over 10 connections at random moments; all sends after that work.

    Args:
        transport: The transport of the session.
        each: How many sends each task makes.
        then: How many sends follow, all at once.
        api: The API of the session.

    """
    script = RandomScript(3, ["good_late", "loses_silent", "stores_close"], rate=0.6)
    chance = random.Random(5)
    async with FaultServer(script) as server:
        async with TwakeSession(
            "app",
            "k" * 40,
            group_id="g1",
            api=api,
            workspace_id="w1",
            base_url=server.url,
            retry=RetryPolicy.never(),
            deadline=5.0,
            proxy=None,
            transport=transport,
            max_connections=10,
        ) as twake:

            async def work() -> None:
                for _ in range(each):
                    try:
                        async with asyncio.timeout(chance.uniform(0, 0.01)):
                            await claim(twake.send_message("c1", "Hello"))
                    except TimeoutError:
                        pass

            await asyncio.gather(*(work() for _ in range(20)))
            server.behave()
            after = await asyncio.gather(
                *(claim(twake.send_message("c1", "Hello", deadline=60)) for _ in range(then))
            )
            assert server.open_connections <= 10
        assert Counter(after) == {Outcome.DELIVERED: then}
        await server.quiet()
        assert server.open_connections == 0

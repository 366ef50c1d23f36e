"""Storms over v1 of 2020 with observed events: right ones, late ones, and forged ones in between.

`python tests/support/echo_storms.py 20000` sends so many messages, a part of them over each
transport, with and without observation. It fails where a claim is contradicted or a message
stands twice.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from claims import Claim, contradictions
from echoes import EchoServer, open_session
from faults import RandomScript
from send_storms import QUICK, STORM

from twake_async import Outcome, TwakeError

if TYPE_CHECKING:
    from faults.request import Request

    from twake_async import RetryPolicy, TwakeSession

__all__ = ["PLAN", "StormServer", "echo_storm", "missed"]

#: The transport, the tasks, and the part of the sends.
PLAN = [(None, 10, 0.3), (None, 100, 0.2), ("httpx2", 10, 0.2), ("fast", 100, 0.3)]


class StormServer(EchoServer):
    """Posts each event at once or a little later, in the order of a seed."""

    forges = True

    def __init__(self, script: RandomScript, seed: int, *, late: float) -> None:
        super().__init__(script)
        self._chance, self._late = random.Random(seed), late

    def store(self, request: Request) -> None:
        is_late = self._chance.random() < self._late
        self.delay = self._chance.uniform(0.001, 0.02) if is_late else 0.0
        super().store(request)


async def echo_storm(
    transport: Any,
    workers: int,
    count: int,
    *,
    faults: list[str] = STORM,
    rate: float = 0.4,
    policy: RetryPolicy = QUICK,
    late: float = 0.2,
    observes: bool = True,
    deadline: float = 3.0,
) -> tuple[StormServer, dict[str, Claim]]:
    """Send messages from tasks; return the server and what was claimed of each.

    Args:
        transport: The transport of the session.
        workers: How many tasks.
        count: How many messages.
        faults: The faults to choose from.
        rate: How many of the requests meet one.
        policy: The policy of the session.
        late: How many of the events come late.
        observes: Whether the session observes them.
        deadline: Seconds that each send has.

    """
    claims: dict[str, Claim] = {}
    numbers = iter(range(count))
    async with StormServer(RandomScript(workers, faults, rate), workers, late=late) as server:
        options = {"retry": policy, "deadline": deadline, "retry_budget": None}
        async with open_session(server, transport=transport, **options) as twake:
            if not observes:
                server.posts = lambda event: None
            await asyncio.gather(*(_work(twake, numbers, claims) for _ in range(workers)))
    return server, claims


async def _work(twake: TwakeSession, numbers: Any, claims: dict[str, Claim]) -> None:
    for number in numbers:
        content = ["Hello", {"type": "bold", "content": f"{number}"}, {}]
        try:
            sent = await twake.send_message(f"c{number % 5}", content)
        except TwakeError as exc:
            name = str(exc.front_id)
            claims[name] = Claim(exc.outcome, maybe_duplicated=False, attempts=exc.attempts)
        else:
            claims[sent.front_id] = Claim(Outcome.DELIVERED, sent.maybe_duplicated, 0)


def missed(server: StormServer, claims: dict[str, Claim]) -> tuple[int, int]:
    """Return how many ended `UNKNOWN`, and how many of them are stored."""
    unknown = [name for name, one in claims.items() if one.outcome is Outcome.UNKNOWN]
    return len(unknown), sum(server.stored[name] > 0 for name in unknown)


async def main(count: int) -> int:
    """Run the storms and print the result of each; return the exit status."""
    good = True
    for transport, workers, part in PLAN:
        for observes in (False, True):
            server, claims = await echo_storm(
                transport, workers, int(count * part / 2), observes=observes
            )
            wrong = contradictions(server, claims)
            twice = sum(copies > 1 for copies in server.stored.values())
            good = good and not wrong and not twice
            unknown, stored = missed(server, claims)
            outcomes = dict(Counter(one.outcome.name for one in claims.values()))
            print(
                f"{transport or 'httpx'}, {workers} tasks, {len(claims)} sends, "
                f"{'observed' if observes else 'not observed'}: {outcomes}, {len(wrong)} "
                f"contradictions, {twice} doubled, {stored} of {unknown} UNKNOWN are stored"
            )
            print(*wrong, sep="\n", end="")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]))))

"""A whole storm: phase after phase against one server, and each claim compared with the truth."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import resource
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import attrs

from . import odd
from .client import Phase, Sends, Storm
from .verdict import Truth, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from twake_async import Attempt

    Make = Callable[[Phase, int, Callable[[Attempt], object]], Any]

TRANSPORTS: tuple[Literal["httpx", "httpx2", "fast"], ...] = ("httpx", "httpx2", "fast")
#: Workers, connections, and the share of the sends in percent.
SHAPES = ((1, 1, 15), (10, 10, 30), (10, 3, 10), (100, 100, 30), (100, 8, 15))
#: Sends of one phase at the most: the server remembers each of them until it is compared.
_LARGEST = 20_000
#: The number of contradictions that are kept, and the number that are printed.
_KEPT, _PRINTED = 1_000, 20
#: The cause of an inherent wrong claim, for a person.
_EXCUSES = {
    "refusal": "a foreign refusal",
    "later": "a foreign 429",
    "good": "a foreign good answer",
    "unread": "a foreign good answer, its own request unread",
    "repeated": "a gateway that repeats",
}


def phases(sends: int, seed: int) -> list[Phase]:
    """Return the phases of a storm of so many sends in all, a third of them over each transport."""
    found: list[Phase] = []
    whole, begun = 100 * len(TRANSPORTS), 0
    for transport in TRANSPORTS:
        for workers, connections, share in SHAPES:
            # Differences of rounded sums: no send is lost by rounding.
            mine = sends * (begun + share) // whole - sends * begun // whole
            begun += share
            # As many as make three, if that is no less than 500 and no more than the largest.
            count = max(1, min(3, mine // 500), math.ceil(mine / _LARGEST))
            for part in range(count):
                size = mine * (part + 1) // count - mine * part // count
                # Two of three keep the default policy; the last one resends.
                policy: Any = "resend" if len(found) % 3 == 2 else "default"
                number = seed * 10_000 + len(found)
                found.append(Phase(transport, workers, connections, policy, size, number))
    return found


@attrs.define
class Result:
    """The result of a storm."""

    sends: Counter[str] = attrs.field(factory=Counter)
    outcomes: Counter[str] = attrs.field(factory=Counter)
    inherent: Counter[str] = attrs.field(factory=Counter)
    contradictions: list[str] = attrs.field(factory=list)
    contradicted: int = 0
    acted: Counter[str] = attrs.field(factory=Counter)
    breaches: int = 0
    first_breaches: list[str] = attrs.field(factory=list)
    left_open: int = 0
    """The number of connections that a closed session had not closed."""
    failures: list[str] = attrs.field(factory=list)
    """The failures in the server itself."""

    @property
    def good(self) -> bool:
        """Whether every claim holds that can hold, and every connection was rightly used."""
        return not (self.contradicted or self.breaches or self.left_open or self.failures)

    def add(self, phase: Phase, claims: dict[str, Any], memory: dict[str, Any]) -> None:
        """Compare a phase's claims with the memory of the server."""
        self.sends[phase.transport] += len(claims)
        self.acted.update(memory["acted"])
        self.breaches += memory["breaches"]
        self.left_open += memory["left_open"]
        self.failures += memory["failures"]
        where = f"{phase.transport}, {phase.workers} workers, {phase.connections} connections"
        where += f", {phase.policy}"
        room = _PRINTED - len(self.first_breaches)
        self.first_breaches += [f"{where}: {line}" for line in memory["first_breaches"]][:room]
        left_over = frozenset(memory["left_over"])
        for token, claim in claims.items():
            self.outcomes[claim.outcome] += 1
            truths = [Truth.read(line) for line in memory["sends"].get(token, ())]
            wrong = judge(claim, truths, resend=phase.policy == "resend", left_over=left_over)
            if wrong is not None and wrong.inherent:
                self.inherent[f"{claim.outcome} by {_EXCUSES[wrong.inherent]}"] += 1
            elif wrong is not None:
                self.contradicted += 1
                if len(self.contradictions) < _KEPT:
                    self.contradictions.append(_history(where, token, claim, wrong.what, truths))


def _history(where: str, token: str, claim: Any, what: str, truths: list[Truth]) -> str:
    lines = [f"{where}: {claim.kind} {token} {claim.outcome} {claim.reason}: {what}"]
    lines += [f"    stored {truth.copies}: {truth.history}" for truth in truths]
    return "\n".join(lines)


class Control:
    """The connection for commands to the server.

    It blocks the event loop, so that what the server does meanwhile is seen by a client that
    looks at its connection before it writes, and by no other.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._answers = self._socket.makefile("rb")

    def __call__(self, command: str, number: int = 0) -> Any:
        """Give a command and return its answer."""
        self._socket.sendall(json.dumps([command, number]).encode() + b"\n")
        return json.loads(self._answers.readline())

    def close(self) -> None:
        """Let the server end."""
        self._answers.close()
        self._socket.close()


def _session(phase: Phase, port: int, saw: Callable[[Attempt], object]) -> Any:
    return phase.session(port, saw)


async def _phase(phase: Phase, port: int, control: Control, result: Result, make: Make) -> None:
    control("begin", phase.seed)
    storm = Storm(cast("Sends", None), phase)
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1
        if pauses % 8 == 0:
            control("deaf")
        if control("stray", pauses) and pauses % 2:
            await asyncio.sleep(0.001)

    async with make(phase, port, storm.saw) as twake:
        storm.twake = twake
        await storm.run(pause)
    result.add(phase, storm.claims, control("end"))


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[tuple[int, Control]]:
    """Start the server's process, and end it; give its port and the connection to rule it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "storms.server"),
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        port, commands = map(int, (await process.stdout.readline()).split())
        control = Control(commands)
        try:
            yield port, control
        finally:
            control.close()  # with which it ends
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(
    plan: list[Phase], *, make: Make = _session, tell: Callable[[str], object] = lambda _: None
) -> Result:
    """Run all phases against one server process and return the result."""
    result = Result()
    async with _server() as (port, control):
        for number, phase in enumerate(plan, 1):
            began = time.monotonic()
            await _phase(phase, port, control, result, make)
            took = time.monotonic() - began
            tell(f"{number}/{len(plan)} {phase}: {took:.1f} s, {result.contradicted} wrong so far")
    return result


def report(result: Result, seconds: float) -> str:
    """Return the figures, and the history of the contradictions."""
    cpu = {who: resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)}
    client, server = (used.ru_utime + used.ru_stime for used in cpu.values())
    seen = result.acted.keys() & odd.names()
    lines = [
        *result.failures[:_PRINTED],
        *result.first_breaches,
        *result.contradictions[:_PRINTED],
        f"sends                            {_counted(result.sends)}",
        f"outcomes                         {_counted(result.outcomes)}",
        f"wrong, but inherent              {_counted(result.inherent)}",
        f"contradictions                   {result.contradicted}",
        f"connections wrongly used again   {result.breaches}",
        f"connections left open            {result.left_open}",
        f"acts seen                        {len(seen)} of {len(odd.names())}",
        f"seconds                          {seconds:.0f} (CPU: client {client:.0f}, server {server:.0f})",
    ]
    return "\n".join(lines)


def _counted(counts: Counter[str]) -> str:
    each = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{counts.total()} ({each})" if each else "0"

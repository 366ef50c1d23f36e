"""The sends of one phase of a storm, and the claim of each."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from twake_async import Message, MessageDraft, MessageRef, RetryPolicy, TwakeError, TwakeSession

from .verdict import Claim

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async import Attempt

TEXTS = ("Hello", "Hello, this is my first message !", "été\nnew line", "x" * 700)
LONG = "x" * 300_000


@attrs.frozen
class Phase:
    """One session, and the way to use it."""

    transport: Literal["httpx", "httpx2", "fast"]
    workers: int
    connections: int
    policy: Literal["default", "resend"]
    sends: int
    seed: int

    @property
    def deadline(self) -> float:
        """Seconds for one send: one that hangs ends only with it."""
        return {1: 0.15, 10: 0.4}.get(self.workers, 0.8)

    def session(self, port: int, on_attempt: Callable[[Attempt], object]) -> TwakeSession:
        """Return its session."""
        return TwakeSession(
            "app",
            "k" * 40,
            base_url=f"http://127.0.0.1:{port}",
            proxy=None,
            transport=None if self.transport == "httpx" else self.transport,
            deadline=self.deadline,
            max_connections=self.connections,
            retry=RetryPolicy(
                initial_wait=0.0005,
                max_wait=0.002,
                on_unknown="resend" if self.policy == "resend" else "raise",
            ),
            retry_budget=None,
            on_attempt=on_attempt,
        )


class Sends(Protocol):
    """The part of a session that a storm uses."""

    async def send(
        self, draft: MessageDraft, *, group_id: str, deadline: float | None = None
    ) -> Message: ...

    async def edit_message(self, message: Any, content: Any, *, group_id: str) -> Message: ...

    async def remove_message(self, message: Any, *, group_id: str) -> None: ...

    async def aclose(self, *, drain: float) -> None: ...


@attrs.define
class Storm:
    """Sends, and keeps the claims. The group of each request is its send's token."""

    twake: Sends
    phase: Phase
    claims: dict[str, Claim] = attrs.field(factory=dict, init=False)
    hot: Message | None = attrs.field(default=None, init=False)
    """A message that all workers edit."""
    watched: dict[str, list[Attempt]] = attrs.field(factory=dict, init=False)
    """The attempts of sends that are cancelled, by their front_id."""

    def saw(self, attempt: Attempt) -> None:
        """Record an attempt of a send that may be cancelled: its outcome comes only here."""
        if attempt.front_id in self.watched:
            self.watched[attempt.front_id].append(attempt)

    async def run(self, pause: Callable[[], Awaitable[None]]) -> None:
        """Make all sends; `pause` is awaited from time to time, while nothing is under way."""
        workers = [Worker(self, n) for n in range(min(self.phase.workers, self.phase.sends))]
        each = 50 if self.phase.workers == 1 else 40
        left = self.phase.sends - len(workers)
        while left > 0:
            shares = [min(each, max(0, left - each * worker.number)) for worker in workers]
            await asyncio.gather(*(w.work(n) for w, n in zip(workers, shares, strict=True)))
            left -= sum(shares)
            await pause()
        await self._cut_off(workers)

    async def _cut_off(self, workers: list[Worker]) -> None:
        """Make a last send in each worker, and close the session while they are under way."""
        last = asyncio.gather(*(worker.work(1) for worker in workers))
        await asyncio.sleep(random.Random(self.phase.seed).uniform(0, 0.004))
        await self.twake.aclose(drain=0)
        await last


@attrs.define
class Worker:
    """Sends one message after another, and edits, replaces and removes some of its own."""

    storm: Storm
    number: int
    chance: random.Random = attrs.field(init=False)
    sent: int = attrs.field(default=0, init=False)
    mine: deque[Message] = attrs.field(factory=lambda: deque(maxlen=8), init=False)
    shown: Message | None = attrs.field(default=None, init=False)
    front_id: str | None = attrs.field(default=None, init=False)
    """A front_id that was used once, to be used again."""
    edited: Message | None = attrs.field(default=None, init=False)
    """The message of a run of edits."""

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(f"{self.storm.phase.seed}/{self.number}")

    async def work(self, count: int) -> None:
        """Make so many sends."""
        for _ in range(count):
            self.sent += 1
            await self._one(f"{self.storm.phase.seed}-{self.number}-{self.sent}")

    async def _one(self, token: str) -> None:
        draw = self.chance.random()
        if self.edited is not None and draw < 0.7:
            await self._edit(token, self.edited)
        elif self.storm.hot is not None and draw > 0.96:
            await self._edit(token, self.storm.hot)
        elif self.mine and draw < 0.12:
            # More often than not, of the message just created.
            await self._edit(token, self.mine[-1 if draw < 0.08 else 0])
        elif self.mine and draw < 0.16:
            await self._remove(token)
        elif draw < 0.19:
            await self._show(token)
        elif draw < 0.20:
            await self._cancelled(token)
        else:
            await self._create(token)

    def _text(self) -> str:
        # A long one leaves in pieces, and may be answered before all of it was read.
        return LONG if self.chance.random() < 0.002 else self.chance.choice(TEXTS)

    async def _create(self, token: str) -> None:
        front_id, self.front_id = self.front_id, None
        if front_id is None and self.chance.random() < 0.15:
            front_id = self.front_id = f"mine-{token}"
        draft = MessageDraft("c", self._text(), front_id=front_id)
        # A short time ends while the send waits for a connection, while it connects, or later.
        hasty = self.chance.random() < 0.03
        deadline = self.chance.uniform(0, 0.01) if hasty else None
        sending = self.storm.twake.send(draft, group_id=token, deadline=deadline)
        message = await self._claim(token, "create", sending)
        if message is not None:
            self.mine.append(message)
            if self.storm.hot is None or self.chance.random() < 0.02:
                self.storm.hot = message

    async def _edit(self, token: str, message: Message) -> None:
        self.edited = message if self.chance.random() < 0.5 else None
        text = "the same again" if self.chance.random() < 0.5 else self._text()
        target = message if self.chance.random() < 0.5 else MessageRef("c", message.id)
        editing = self.storm.twake.edit_message(target, text, group_id=token)
        await self._claim(token, "edit", editing)

    async def _remove(self, token: str) -> None:
        message = self.mine.pop()
        self.edited = None
        if self.chance.random() < 0.2:
            self.mine.appendleft(message)  # to be removed, or edited, once more
        removing = self.storm.twake.remove_message(MessageRef("c", message.id), group_id=token)
        await self._claim(token, "remove", removing, message.id)

    async def _show(self, token: str) -> None:
        old = self.shown.ephemeral_id if self.shown is not None else None
        draft = MessageDraft("c", self._text(), ephemeral=True, ephemeral_id=old)
        sending = self.storm.twake.send(draft, group_id=token)
        self.shown = await self._claim(token, "ephemeral", sending)

    async def _claim(
        self, token: str, kind: str, sending: Awaitable[Any], removed: str = ""
    ) -> Message | None:
        try:
            message = await sending
        except TwakeError as error:
            claim, message = Claim(kind, error.outcome.name, error.reason), None
        else:
            said = message or Message(id=removed)
            claim = Claim(kind, "DELIVERED", "", said.maybe_duplicated, said.id)
        self.storm.claims[token] = claim
        return message

    async def _cancelled(self, token: str) -> None:
        """Cancel a send: only the observer learns what is certain then."""
        attempts = self.storm.watched[token] = []
        draft = MessageDraft("c", self._text(), front_id=token)
        sending = self._claim(token, "create", self.storm.twake.send(draft, group_id=token))
        try:
            async with asyncio.timeout(self.chance.uniform(0, 0.004)):
                await sending
        except TimeoutError:
            outcomes = {attempt.outcome.name for attempt in attempts}
            proven = attempts and attempts[-1].reason == "cancelled" and "UNKNOWN" not in outcomes
            outcome = "NOT_SENT" if proven else "UNKNOWN"
            self.storm.claims[token] = Claim("create", outcome, "cancelled")

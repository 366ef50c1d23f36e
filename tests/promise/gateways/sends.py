"""Messages that are sent through a gateway, each by a session of its own, and their claims."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

import attrs
from faults.tls import client_context

from twake_async import (
    Attempt,
    MessageRef,
    Outcome,
    OutcomeUnknownError,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)

from .gateway import Gateway

Operation = Literal["create", "edit", "remove"]
OPERATIONS: tuple[Operation, ...] = ("create", "edit", "remove")
TRANSPORTS = (None, "fast")
#: The default policy, with shorter waits.
QUICK = RetryPolicy(initial_wait=0.001, max_wait=0.002)


def session(gateway: Gateway, **options: Any) -> TwakeSession:
    """Return a session that sends through the gateway."""
    given = {
        "public_id": "app",
        "private_api_key": "k" * 40,
        "group_id": "g1",
        "base_url": gateway.url,
        "proxy": None,
        "verify": client_context() if gateway.tls else True,
        "retry": QUICK,
    }
    return TwakeSession(**given | options)


@attrs.define(eq=False)
class Send:
    """One message, and the claim about it."""

    operation: Operation
    kept: bool = False
    """Whether its connection carried another message before."""
    content: str = "Hello"
    key: str = attrs.field(factory=lambda: str(uuid.uuid4()))
    """The key by which the upstream knows it."""
    twake: TwakeSession = attrs.field(init=False, repr=False)
    error: TwakeError | None = attrs.field(default=None, init=False)
    reasons: list[str] = attrs.field(factory=list, init=False)
    """The reason of each attempt."""

    @property
    def outcome(self) -> Outcome:
        """The claim."""
        return self.error.outcome if self.error else Outcome.DELIVERED

    def told(self) -> str:
        """Return the claim, in a line for a failed test."""
        status = self.error.status if self.error else 200
        return (
            f"{self.operation}{' over a kept connection' if self.kept else ''}: "
            f"{self.outcome.name}, status {status}, reasons {self.reasons}, {self.error}"
        )

    def open(self, gateway: Gateway, **options: Any) -> None:
        """Make the session."""
        self.twake = session(gateway, on_attempt=self._observe, **options)

    async def run(self) -> None:
        """Send it."""
        self.reasons.clear()
        try:
            await self._call()
        except TwakeError as error:
            self.error = error

    async def deliver_another(self) -> None:
        """Send another message by the same session, which must be delivered in the end.

        The gateway may first have to find out that a connection which it kept has ended.
        """
        for _ in range(5):
            try:
                await self.twake.send_message("c1", "Hello")
            except OutcomeUnknownError as exc:
                error = exc
            else:
                return
        raise error

    def _call(self) -> Awaitable[Any]:
        if self.operation == "create":
            return self.twake.send_message("c1", self.content, front_id=self.key)
        ref = MessageRef("c1", self.key)
        if self.operation == "edit":
            return self.twake.edit_message(ref, self.content)
        return self.twake.remove_message(ref)

    def _observe(self, attempt: Attempt) -> None:
        self.reasons.append(attempt.reason)


async def each(sends: Iterable[Send], call: Callable[[Send], Awaitable[Any]]) -> None:
    """Do the same with all messages at once."""
    await asyncio.gather(*(call(send) for send in sends))


async def close(sends: Iterable[Send]) -> None:
    """Close their sessions."""
    await each(sends, lambda send: send.twake.aclose(drain=0))

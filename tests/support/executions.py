"""Rows of the failure table, executed: cause the failure, make the call, and see the result."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
from failures import ROWS, Row
from scenes import PROP, QUICK, Cause, perform

from twake_async import Attempt, TwakeError, TwakeSession

__all__ = ["EXECUTIONS", "Seen", "executions"]

EXECUTIONS = [pytest.param(row, cause, id=cause.name) for row in ROWS for cause in row.causes]


@attrs.define
class Seen:
    """The result of one execution."""

    attempts: list[Attempt] = attrs.field(factory=list)
    ended: BaseException | None = None
    tries: int = 0
    stored: int = 0

    def observe(self, attempt: Attempt) -> None:
        """Note an attempt, except those of the send that only sets the scene."""
        if attempt.front_id != PROP:
            self.attempts.append(attempt)


async def execute(cause: Cause, operation: str, given: dict[str, Any]) -> Seen:
    """Cause a failure, make the call, and return the result."""
    seen = Seen()
    async with cause.scene() as scene:
        options: dict[str, Any] = {
            "public_id": "app",
            "private_api_key": "k" * 40,
            "group_id": "g1",
            "deadline": 5.0,
            "retry": QUICK,
            "proxy": None,
            "on_attempt": seen.observe,
        }
        if not {"http_client", "transport"} & scene.options.keys():
            options |= given
        try:
            async with TwakeSession(**options | dict(scene.options)) as twake:
                await scene.around(twake, lambda: perform(twake, operation, scene.changed))
        except (TwakeError, asyncio.CancelledError) as exc:
            seen.ended = exc
        seen.tries = scene.tries() if scene.tries else len(seen.attempts)
        seen.stored = scene.stored()
    return seen


async def executions(row: Row, cause: Cause, **given: Any) -> dict[str, Seen]:
    """Execute a row for each operation; slow ones run side by side."""
    if cause.slow:
        seen = await asyncio.gather(*(execute(cause, each, given) for each in row.operations))
        return dict(zip(row.operations, seen, strict=True))
    return {each: await execute(cause, each, given) for each in row.operations}

"""Sends the file transfers of one session: apart from its sends, with the same rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from twake_async._attempts.attempt_loop import Attempts

if TYPE_CHECKING:
    from twake_async._attempts.lifetime import Life
    from twake_async._protocol.transfers import Transfer
    from twake_async.retry import RetryPolicy

__all__ = ["Transfers"]

T = TypeVar("T")


@attrs.define(eq=False)
class Transfers:
    """Sends the transfers of a session; it opens what they need with the first one.

    Args:
        sends: What makes the attempts of the sends: the transfers share its server, budget and
            observer.
        life: The life of the session.

    """

    sends: Attempts[Any]
    life: Life
    _attempts: dict[bool, Attempts[Any]] = attrs.field(factory=dict, init=False)
    """One for the uploads and one for the downloads. So a download that is the source of an upload
    does not wait for a slot that the upload holds."""

    async def run(self, request: Transfer[T], policy: RetryPolicy, seconds: float | None) -> T:
        """Return what a transfer delivered, or raise the error that it ends with.

        Args:
            request: The transfer.
            policy: When to try again. An upload is sent again only where no byte of it left, or
                where the server said "later".
            seconds: The deadline over all of it; None for no deadline.

        """
        changes: dict[str, Any] = {"on_unknown": "raise"}
        if seconds is None and policy.unsent_attempts is None:
            # Without a deadline, a server that is down would be tried forever.
            changes["unsent_attempts"] = policy.attempts
        if not request.can_repeat:
            changes["attempts"] = 1
        with self.life:
            result: T = await self._open(is_upload=request.is_upload).run(
                cast("Any", request),
                attrs.evolve(policy, **changes),
                math.inf if seconds is None else seconds,
                # Without a deadline, no pause may be longer than the idle time.
                longest_pause=request.idle_timeout if seconds is None else math.inf,
            )
        self.sends.count_delivered()
        return result

    def _open(self, *, is_upload: bool) -> Attempts[Any]:
        if is_upload not in self._attempts:
            from twake_async._transport.choose import open_streams  # noqa: PLC0415 - with the first transfer

            sends = self.sends
            streams = open_streams(sends.transport)
            self._attempts[is_upload] = Attempts(
                streams, sends.tokens, sends.on_attempt, sends.clock, sends.counters
            )
        return self._attempts[is_upload]

    async def aclose(self) -> None:
        """End the transfers that are running."""
        for attempts in self._attempts.values():
            await attempts.aclose()

"""Tells a caller's `on_progress` how far a batch is, whatever that function does."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import attrs

from twake_async.deliveries import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.deliveries import Delivery, Pause
    from twake_async.errors import Outcome

__all__ = ["Observed"]

log: logging.Logger = logging.getLogger("twake_async")


@attrs.define(eq=False)
class Observed:
    """The counts of a batch, and who is told of them.

    Args:
        on_progress: Who is told; None for nobody.
        taken: Returns how many drafts were taken from the input.
        broken: Takes what `on_progress` raised, where that is no `Exception`.

    """

    on_progress: Callable[[Progress], object] | None
    taken: Callable[[], int]
    broken: Callable[[BaseException], None]
    _counts: Counter[Outcome] = attrs.field(factory=Counter, init=False)

    def ended(self, delivery: Delivery) -> None:
        """Tell of a draft that has ended."""
        if self.on_progress is not None:
            self._counts[delivery.outcome] += 1
            self._tell(self.on_progress, delivery, None)

    def paused(self, pause: Pause) -> None:
        """Tell of a pause."""
        if self.on_progress is not None:
            self._tell(self.on_progress, None, pause)

    def _tell(
        self,
        on_progress: Callable[[Progress], object],
        delivery: Delivery | None,
        pause: Pause | None,
    ) -> None:
        try:
            on_progress(Progress(delivery, dict(self._counts), self.taken(), pause))
        except Exception:
            # An observer that fails must not change what becomes of the messages.
            log.exception("on_progress raised")
        except BaseException as wrong:  # noqa: BLE001 - the batch raises it
            self.broken(wrong)

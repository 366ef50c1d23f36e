"""Calls a caller's `on_progress`, whatever that function does."""

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

__all__ = ["ProgressReporter"]

log: logging.Logger = logging.getLogger("twake_async")


@attrs.define(eq=False)
class ProgressReporter:
    """Counts the outcomes of a batch, and reports them.

    Args:
        on_progress: The function to call; None for none.
        read: Returns how many drafts were read from the input.
        on_error: Takes what `on_progress` raised, if that is no `Exception`.

    """

    on_progress: Callable[[Progress], object] | None
    read: Callable[[], int]
    on_error: Callable[[BaseException], None]
    _counts: Counter[Outcome] = attrs.field(factory=Counter, init=False)
    _is_paused: bool = attrs.field(default=False, init=False)

    def report_delivery(self, delivery: Delivery) -> None:
        """Count the outcome of a draft, and report it."""
        if self.on_progress is not None:
            self._counts[delivery.outcome] += 1
            self._report(self.on_progress, delivery, None)

    def report_pause(self, pause: Pause) -> None:
        """Report a pause; log it once when it begins, and once when it is over."""
        if pause.is_over:
            log.warning("the server takes messages again: the batch goes on")
        elif not self._is_paused:
            log.warning("the server takes no messages now (%s): the batch pauses", pause.reason)
        self._is_paused = not pause.is_over
        if self.on_progress is not None:
            self._report(self.on_progress, None, pause)

    def _report(
        self,
        on_progress: Callable[[Progress], object],
        delivery: Delivery | None,
        pause: Pause | None,
    ) -> None:
        try:
            on_progress(Progress(delivery, dict(self._counts), self.read(), pause))
        except Exception:
            # An observer that fails must not change the outcomes of the messages.
            log.exception("on_progress raised")
        except BaseException as exc:  # noqa: BLE001 - the batch raises it
            self.on_error(exc)

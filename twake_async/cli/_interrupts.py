"""Runs the coroutine of a batch to its end, and handles the signals meanwhile."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.errors import TwakeError

from ._statuses import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._report import Report
    from ._signals import Signals

__all__ = ["Interrupts"]

log = logging.getLogger("twake_async")


@attrs.define(eq=False)
class Interrupts:
    """The first signal stops a batch, the second one cancels it."""

    report: Report
    signals: Signals
    stop: Callable[[], object]
    """Stops the batch: it takes nothing more, and what is under way ends."""

    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)
    _task: asyncio.Task[Any] | None = attrs.field(default=None, init=False)

    def run(self, batch: Coroutine[Any, Any, None], finish: Callable[[], int]) -> int:
        """Run a batch and return the exit status. What it raises goes into the report.

        Args:
            batch: The coroutine of the batch.
            finish: Prints the report of a batch that has ended, and returns the exit status.

        """
        with asyncio.Runner() as runner:
            self.signals.call(self._on_signal)
            try:
                runner.run(self._begun(batch))
            except TwakeError as exc:
                self.report.note_error(exc)
            except asyncio.CancelledError:  # a second signal
                pass
            except click.UsageError:  # a list could not be made: nothing was sent
                raise
            except Exception as exc:  # each line must be reported
                log.debug("the batch ended", exc_info=True)
                said = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
                self.report.note_error(
                    TwakeError(f"the command cannot continue: {said}", reason="broken")
                )
            status = finish()
            # The process may end before idle work of the loop ends, such as a look-up of a name.
            self.signals.finish_with(status)
        return status

    async def _begun(self, batch: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._handle()
        await batch

    def _on_signal(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._handle)

    def _handle(self) -> None:
        """Stop after the first signal, cancel after the second."""
        if self.signals.count and not self.report.interrupted:
            self.report.interrupted = True
            complain("interrupted: waiting for the messages in flight; Ctrl-C again to cancel them")
            self.stop()
        if self.signals.count > 1 and self._task is not None:
            self._task.cancel()
            self._task = None

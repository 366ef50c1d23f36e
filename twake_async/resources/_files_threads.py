"""Work with a file in another thread, one step at a time, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InThread"]

T = TypeVar("T")


@attrs.define(eq=False)
class InThread:
    """Runs the steps of one file."""

    _step: asyncio.Future[Any] | None = attrs.field(default=None, init=False)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run a step and return its result. If this call is cancelled, the step still ends."""
        step: asyncio.Future[T] = asyncio.ensure_future(asyncio.to_thread(function, *args))
        self._step = step
        return await asyncio.shield(step)

    def finally_run(self, function: Callable[[], object]) -> None:
        """Run a last step: now, or after a step that still runs because its wait was cancelled."""
        if self._step is None or self._step.done():
            function()
        else:
            self._step.add_done_callback(lambda _: function())

    async def settle(self) -> None:
        """Wait for a running step: its file must not be closed before."""
        if self._step is not None and not self._step.done():
            await asyncio.wait([self._step])

"""Where and for how long a session may be used: one process, one event loop, until it is closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, TypeVar

import attrs

from twake_async.errors import SessionClosedError, WrongEventLoopError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

__all__ = ["Life"]

T = TypeVar("T")


@attrs.define(eq=False)
class Life:
    """The life of one session; `with life:` stands around each send."""

    closed: bool = attrs.field(default=False, init=False)
    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False, repr=False)
    _process: int = attrs.field(factory=os.getpid, init=False)
    _under_way: int = attrs.field(default=0, init=False)
    _idle: asyncio.Event = attrs.field(factory=asyncio.Event, init=False, repr=False)
    _gone: asyncio.Event = attrs.field(factory=asyncio.Event, init=False, repr=False)

    def __enter__(self) -> None:
        self.check()
        self._under_way += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._under_way -= 1
        if self.closed and not self._under_way:
            self._idle.set()

    @property
    def under_way(self) -> int:
        """How many sends have begun and not ended."""
        return self._under_way

    def check(self) -> None:
        """Raise an error if the session may not be used; bind it to the first loop that uses it."""
        if self.closed:
            raise SessionClosedError("the session is closed: open another one")
        self._check_place()

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise WrongEventLoopError(
                "the session was made in another process, before a fork: make one in each process"
            )

    def _check_place(self) -> None:
        self._check_process()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise WrongEventLoopError("a TwakeSession needs a running asyncio event loop") from None
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise WrongEventLoopError(
                "the session belongs to another event loop: make one in each loop"
            )

    def call(self, function: Callable[[T], object], value: T) -> None:
        """Call a function in the loop that uses the session: now, or soon from another thread.

        If no loop uses the session, no send is running, and nothing is called.

        Raises:
            WrongEventLoopError: The session was made in another process, before a fork.

        """
        self._check_process()
        loop = self._loop
        if loop is None:
            return
        with contextlib.suppress(RuntimeError):  # no loop runs here
            if asyncio.get_running_loop() is loop:
                function(value)
                return
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(function, value)

    async def end(self, drain: float, close: Callable[[], Awaitable[None]]) -> None:
        """Take no new sends, give running ones some seconds, then close; a second call waits."""
        if self._loop is not None:
            self._check_place()
        if self.closed:
            await self._gone.wait()
            return
        self.closed = True
        try:
            if self._under_way and drain > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._idle.wait(), drain)
        finally:
            try:
                await close()
            finally:
                self._gone.set()

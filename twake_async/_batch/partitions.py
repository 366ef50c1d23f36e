"""Sends the partitions of a batch, several at once, until all machines together have done them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from twake_async._arguments import check_callback, check_count
from twake_async.deliveries import Progress
from twake_async.errors import ConfigurationError, JournalError

from .event_loop import check_running
from .results import Results

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from twake_async._journal.openable import Openable
    from twake_async.deliveries import Delivery, Drafts
    from twake_async.errors import Outcome

__all__ = ["send_parts"]

#: Seconds between two looks for a free partition, and the most that is added to them at random.
POLL, JITTER = 2.0, 1.0
#: Seconds for which a journal that was read before may be unreadable.
PATIENCE = 30.0


class State(Protocol):
    """The state of one partition."""

    @property
    def number(self) -> int:
        """Its number."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether a run has gone through all of it."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether a process holds it now."""
        ...


class SharedJournal(Protocol):
    """A journal in partitions."""

    def states(self, *, check: bool = False) -> Sequence[State]:
        """Return the state of each partition.

        Args:
            check: Whether to check that the batch was begun with the same partitions and input.

        """
        ...

    def part(self, number: int) -> Openable:
        """Return one partition."""
        ...


def send_parts(
    send_many: Callable[..., AsyncGenerator[Delivery, None]],
    drafts_for: Callable[[int], Drafts],
    *,
    journal: SharedJournal,
    concurrency: int,
    on_progress: Callable[[Progress], object] | None,
    stop: asyncio.Event | None,
    options: dict[str, Any],
) -> AsyncGenerator[Delivery, None]:
    """Return a generator that sends free partitions as it is iterated.

    Args:
        send_many: Sends one partition.
        drafts_for: Returns the drafts of one partition, by its number.
        journal: The journal.
        concurrency: How many partitions are sent at once.
        on_progress: Called with the progress of all of them together.
        stop: An event that ends all of them, or None.
        options: The other arguments of `send_many`.

    Raises:
        ConfigurationError: An argument cannot work.

    """
    check_count("concurrency", concurrency)
    for name, value in (("drafts_for", drafts_for), ("on_progress", on_progress)):
        check_callback(name, value)
    if drafts_for is None:
        raise ConfigurationError(
            "drafts_for must be a function that returns the drafts of one partition",
            field="drafts_for",
        )
    if not hasattr(journal, "part"):
        raise ConfigurationError("journal must be a PostgresJournal", field="journal")
    send_many((), journal=journal.part(0), **options)  # checks the arguments at once
    progress = None if on_progress is None else PartProgress(on_progress)

    def send(number: int, event: asyncio.Event) -> AsyncGenerator[Delivery, None]:
        return send_many(
            drafts_for(number),
            journal=journal.part(number),
            on_progress=None if progress is None else progress.of_part(number),
            stop=event,
            **options,
        )

    states = functools.partial(journal.states, check=True)
    return Partitions(states, send, concurrency, stop).run()


@attrs.define(eq=False)
class PartProgress:
    """Adds up the progress of several partitions: what this process has done."""

    on_progress: Callable[[Progress], object]
    _counts: Counter[Outcome] = attrs.field(factory=Counter, init=False)
    _taken: dict[int, int] = attrs.field(factory=dict, init=False)

    def of_part(self, number: int) -> Callable[[Progress], object]:
        """Return the function that takes the progress of one partition.

        Args:
            number: Its number.

        """
        before = self._taken.get(number, 0)

        def take(progress: Progress) -> object:
            if progress.delivery is not None:
                self._counts[progress.delivery.outcome] += 1
            self._taken[number] = before + progress.taken
            taken = sum(self._taken.values())
            return self.on_progress(
                Progress(progress.delivery, dict(self._counts), taken, progress.pause)
            )

        return take


@attrs.define(eq=False)
class Partitions:
    """Takes free partitions, and sends each of them.

    Args:
        states: Returns the state of each partition; it blocks.
        send: Returns the deliveries of one partition; it ends early once the event is set.
        concurrency: How many partitions are sent at once.
        stop: An event that ends all of them, or None.

    """

    states: Callable[[], Sequence[State]]
    send: Callable[[int, asyncio.Event], AsyncGenerator[Delivery, None]]
    concurrency: int
    stop: asyncio.Event | None
    _stop: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _results: Results[Delivery] = attrs.field(init=False)
    _free: list[int] = attrs.field(factory=list, init=False)
    _taken: set[int] = attrs.field(factory=set, init=False)
    _looking: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _seen: float = attrs.field(default=-math.inf, init=False)
    """When the states were read last, by the clock of the event loop."""
    _error: BaseException | None = attrs.field(default=None, init=False)

    async def run(self) -> AsyncGenerator[Delivery, None]:
        check_running("send_partitioned")
        self._results = Results(self.concurrency, self.concurrency)
        tasks = [asyncio.create_task(self._work()) for _ in range(self.concurrency)]
        watch = asyncio.create_task(self._watch())
        drain = True
        try:
            while (delivery := await self._results.next()) is not None:
                yield delivery
        except asyncio.CancelledError:
            drain = False
            raise
        finally:
            await self._close(tasks, watch, drain=drain)
        if self._error is not None:
            raise self._error

    async def _close(
        self, tasks: list[asyncio.Task[None]], watch: asyncio.Task[None], *, drain: bool
    ) -> None:
        watch.cancel()
        self._stop.set()
        self._results.lift_limit()
        for task in tasks if not drain else ():
            task.cancel()
        try:
            await asyncio.wait([*tasks, watch])
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise

    async def _watch(self) -> None:
        if self.stop is not None:
            await self.stop.wait()
            self._stop.set()

    async def _work(self) -> None:
        try:
            while (number := await self._next()) is not None:
                await self._send(number)
        except BaseException as exc:  # noqa: BLE001 - raised at the end
            self._error = self._error or exc
            self._stop.set()
        finally:
            self._results.leave()

    async def _send(self, number: int) -> None:
        """Send one partition, unless another process has it."""
        self._taken.add(number)
        try:
            async with contextlib.aclosing(self.send(number, self._stop)) as deliveries:
                async for delivery in deliveries:
                    self._results.put(delivery)
                    await self._results.wait_for_room()
        except JournalError as exc:
            if exc.reason not in ("locked", "taken_over"):
                raise
        finally:
            self._taken.discard(number)

    async def _next(self) -> int | None:
        """Wait for a partition that may be free. Return None if all are done, or at the end."""
        async with self._looking:
            while not self._stop.is_set():
                if self._free:
                    return self._free.pop()
                left = [state for state in await self._look() if not state.is_done]
                if not left:
                    return None
                self._free = [
                    state.number
                    for state in left
                    if not state.is_held and state.number not in self._taken
                ]
                random.shuffle(self._free)  # or all machines would begin with the same one
                if not self._free:
                    await self._wait()
        return None

    async def _look(self) -> Sequence[State]:
        """Return the states; a database that answered before may be unreachable for a while."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                states = await asyncio.to_thread(self.states)
            except JournalError:
                if self._stop.is_set() or clock() - self._seen > PATIENCE:
                    raise
            else:
                self._seen = clock()
                return states
            await self._wait()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL + JITTER * random.random()):  # noqa: S311 - no secret
                await self._stop.wait()

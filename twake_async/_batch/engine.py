"""The streaming engine behind `send_many`: bounded, ordered by channel, resumable.

It takes a coroutine function that sends one request, and knows nothing of sessions. A fixed number
of workers read from the input, so that it holds only the drafts that they send and a short queue
behind busy channels. Modules below make the decisions that need no waiting.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._journal.openable import writer_of
from twake_async._journal.shared_writer import SharedWriter
from twake_async.deliveries import stopped
from twake_async.errors import ConfigurationError

from .breaker import Breaker
from .encoding import Encoder
from .event_loop import check_running, is_torn_down
from .input import Input
from .outage import Outage
from .outcomes import holds_channel, is_own
from .plan import Plan
from .progress import ProgressReporter
from .records import Records
from .results import Results
from .sending import Sending
from .sharing import Sharing
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from twake_async._journal.store import Keys
    from twake_async._journal.writer import JournalWriter
    from twake_async.deliveries import Delivery, Drafts
    from twake_async.errors import JournalError, TwakeError

    from .item import Item
    from .sending import Send

    Result = tuple[Delivery, asyncio.Future[JournalError | None] | None]

__all__ = ["AHEAD", "Plan", "stream"]

#: Drafts that may be queued behind busy channels, for each draft that may be in flight.
AHEAD = 8


def stream(drafts: Drafts, send: Send, plan: Plan) -> AsyncGenerator[Delivery, None]:
    """Return a generator that sends the drafts as it is iterated: one `Delivery` for each.

    Args:
        drafts: The input; nothing of it is read before the first `anext`.
        send: Sends one request or raises a `TwakeError`, and tells the listener of each attempt.
        plan: How to send them.

    Raises:
        ConfigurationError: `drafts` cannot be iterated.

    """
    is_one = isinstance(drafts, Mapping | str | bytes)
    if is_one or not isinstance(drafts, Iterable | AsyncIterable):
        raise ConfigurationError(
            "drafts must be an iterable or an async iterable of MessageDrafts", field="drafts"
        )
    writer = None if plan.journal is None else writer_of(plan.journal)
    return _Batch(drafts, send, plan, writer).run()


@attrs.define(eq=False)
class _Batch:
    """One run of a batch: the workers between its input and its results."""

    drafts: Drafts
    send: Send
    plan: Plan
    writer: JournalWriter | None
    _input: Input = attrs.field(init=False)
    _results: Results[Result] = attrs.field(init=False)
    _records: Records = attrs.field(init=False)
    _breaker: Breaker = attrs.field(init=False)
    _sending: Sending = attrs.field(init=False)
    _progress: ProgressReporter = attrs.field(init=False)
    _workers: list[Worker] = attrs.field(init=False)
    _sharing: Sharing | None = attrs.field(init=False)
    _only_own: bool = attrs.field(default=False, init=False)
    """Whether it yields only its own deliveries: other machines may send the rest."""

    def __attrs_post_init__(self) -> None:
        plan = self.plan
        encoder = Encoder(plan.encode, self.writer, plan.key, plan.resume)
        limit, ordered = AHEAD * plan.in_flight, plan.order is not None
        self._input = Input(self.drafts, encoder.item, encoder.forget, limit, ordered)
        self._results = Results(plan.in_flight, plan.in_flight)
        self._progress = ProgressReporter(
            plan.on_progress,
            lambda: self._input.read,
            lambda exc: self._halt(stopped(), exc),
        )
        self._sharing = None
        if isinstance(self.writer, SharedWriter):
            self.writer.on_pause = plan.pace.cool
            self._sharing = Sharing(self.writer, plan.pace, plan.rate)
        self._breaker = Breaker(
            plan.server,
            plan.pace,
            Outage(plan.in_flight),
            plan.rate,
            math.inf if plan.outage_timeout is None else plan.outage_timeout,
            self._halt,
            self._progress.report_pause,
            None if self._sharing is None else self._sharing.next_slot,
        )
        self._records = Records(self.writer, lambda error: self._halt(error, error), self._sharing)
        self._sending = Sending(
            self.send,
            plan.look,
            self._breaker,
            self._records,
            encoder.settle,
            self._halt,
            self._finish,
        )
        self._workers = [Worker(self._records) for _ in range(plan.in_flight)]

    async def run(self) -> AsyncGenerator[Delivery, None]:
        check_running("send_many")
        tasks = await self._start()
        drain = True
        try:
            while (result := await self._results.next()) is not None:
                delivery, written = result
                error = None if written is None else await written
                if error is not None and self._sharing is not None:
                    self._halt(error, error)
                is_kept = written is not None and error is None
                if self._only_own and not is_own(delivery, is_kept=is_kept):
                    continue
                yield delivery
            for delivery in self._give_up_rest():
                yield delivery
            self._note_whole()
        except asyncio.CancelledError:
            drain = False
            raise
        finally:
            await self._close(tasks, drain=drain)
        if self._input.error is not None:
            raise self._input.error

    async def _start(self) -> list[asyncio.Task[None]]:
        """Open the journal, and return the tasks: the workers, then the watcher."""
        plan = self.plan
        if self.writer is not None:
            keys: Keys = "caller" if plan.key else "position"
            await self.writer.open(target=plan.target, keys=keys)
        if plan.stop is not None and plan.stop.is_set():
            self._halt(stopped())
        if self._sharing is not None and self._sharing.writer.shared.is_done:
            self._input.stop()
        tasks = [asyncio.create_task(self._work(worker)) for worker in self._workers]
        if plan.stop is not None:
            tasks.append(asyncio.create_task(self._watch(plan.stop)))
        return tasks

    async def _close(self, tasks: list[asyncio.Task[None]], *, drain: bool) -> None:
        """Report every draft that was read, and close the files.

        Args:
            tasks: The tasks of the workers, then those that watch.
            drain: Let the sends that are under way end; else cancel them.

        """
        self._sending.is_closing = True
        before = self._input.error
        self._input.stop()
        self._results.lift_limit()
        for task in tasks[self.plan.in_flight :]:
            task.cancel()
        self._stop_workers(wait=drain)
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            self._stop_workers(wait=False)
            await asyncio.wait(tasks)
            raise
        finally:
            self._give_up_rest()
            await self._close_files()
        late = self._input.error
        if late is not None and late is not before and not isinstance(late, Exception):
            raise late

    def _note_whole(self) -> None:
        """Note in the journal that the batch went through its whole input, if it did."""
        if self.writer is not None:
            is_broken = self._input.error is not None or self._sending.error_of_rest is not None
            self.writer.is_whole = not is_broken

    def _give_up_rest(self) -> list[Delivery]:
        """Finish the drafts that were read and not handed out, and return their deliveries."""
        items = self._input.clear()
        if self._only_own:
            return []
        left = [(item, self._sending.give_up(item)) for item in items]
        for item, delivery in left:
            self._finish(item, delivery)
        return [delivery for _, delivery in left]

    def _stop_workers(self, *, wait: bool) -> None:
        for worker in self._workers:
            worker.stop(wait=wait)

    async def _close_files(self) -> None:
        try:
            await self._input.aclose()
        finally:
            if self.writer is not None:
                self._input.stop(await self.writer.aclose())

    async def _watch(self, stop: asyncio.Event) -> None:
        """End the batch once the caller's event is set."""
        try:
            await stop.wait()
        except Exception as exc:  # noqa: BLE001 - an event of another loop; raised at the end
            self._halt(stopped(), exc)
        else:
            self._halt(stopped())

    def _halt(self, error: TwakeError, exc: BaseException | None = None) -> None:
        """Stop reading and beginning drafts; the sends that are under way end.

        Args:
            error: The error of each draft that is not sent any more.
            exc: What the batch raises at its end; None for nothing.

        """
        self._only_own = self._sharing is not None
        self._input.stop(exc)
        if self._sending.error_of_rest is None:
            self._sending.error_of_rest = error
        self._breaker.stop()
        self._results.lift_limit()
        for worker in self._workers:
            worker.wake()

    async def _work(self, worker: Worker) -> None:
        worker.task = asyncio.current_task()
        try:
            while not self._sending.is_closing and (item := await self._next(worker)) is not None:
                try:
                    delivery = await self._sending.deliver(item, worker)
                    result = (delivery, self._finish(item, delivery))
                finally:
                    self._input.release(item)
                self._results.put(result)
                if self._results.is_full:
                    await self._wait_for_room(worker)
        except BaseException as exc:  # noqa: BLE001 - raised at the end
            if is_torn_down():
                return
            if not self._sending.is_closing:
                self._halt(stopped(), exc)
        self._results.leave()

    async def _next(self, worker: Worker) -> Item | None:
        try:
            return await self._input.next()
        except asyncio.CancelledError:
            if not worker.was_woken():
                raise
        return await self._input.next()  # what is queued, without waiting

    async def _wait_for_room(self, worker: Worker) -> None:
        try:
            await self._results.wait_for_room()
        except asyncio.CancelledError:
            if not worker.was_woken():
                raise

    def _finish(self, item: Item, delivery: Delivery) -> asyncio.Future[Any] | None:
        """Note the outcome of a draft: for its channel, in the journal, for the observer."""
        if holds_channel(self.plan.hold_after, self.plan.after_unknown, delivery.outcome):
            self._sending.held.add(item.channel)
        written = self._records.finish(item, delivery)
        if not self._only_own or is_own(delivery, is_kept=False):
            self._progress.report_delivery(delivery)
        return written

"""The streaming engine behind `send_many`: bounded, ordered by channel, resumable.

It takes a coroutine function that sends one draft, and knows nothing of sessions. A fixed number
of workers pull from the input, so that nothing is held but what they and a short line of drafts
behind busy channels hold. What can be decided without waiting is decided in rooms below.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.deliveries import error_for, stopped
from twake_async.errors import (
    ConfigurationError,
    NotSentError,
    Outcome,
    SessionClosedError,
    TwakeError,
    WrongEventLoopError,
)
from twake_async.journal import Scribe

from .breaker import Breaker
from .event_loop import check_running, is_torn_down
from .input import Intake
from .outage import Outage
from .outcomes import delivered, failed, holds, settled, unfinished, was_cooling
from .plan import Plan
from .progress import Observed
from .results import Results
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from twake_async._attempt_loop import Listener
    from twake_async._journal.file import Keys
    from twake_async._journal.resume import Item
    from twake_async.deliveries import Delivery, Drafts, JournalEntry
    from twake_async.errors import JournalError
    from twake_async.messages import Message, MessageDraft

    Send = Callable[[MessageDraft, Listener], Awaitable[Message]]
    Result = tuple[Delivery, asyncio.Future[JournalError | None] | None]

__all__ = ["AHEAD", "Plan", "stream"]

#: Drafts that may stand in line behind busy channels, for each that may be in flight.
AHEAD = 8

#: What would meet every further draft as well: nothing more is taken.
_GENERAL = (ConfigurationError, SessionClosedError, WrongEventLoopError)

_HELD = "an earlier message of the channel was not certainly delivered, which holds it"


def stream(drafts: Drafts, send: Send, plan: Plan) -> AsyncGenerator[Delivery, None]:
    """Return what sends the drafts while it is iterated, and yields one `Delivery` for each.

    Args:
        drafts: The input; nothing of it is taken before the first `anext`.
        send: Sends one draft or raises a `TwakeError`, and tells the listener of each attempt.
        plan: How.

    Raises:
        ConfigurationError: `drafts` cannot be iterated.

    """
    is_one = isinstance(drafts, Mapping | str | bytes)
    if is_one or not isinstance(drafts, Iterable | AsyncIterable):
        raise ConfigurationError(
            "drafts must be an iterable or an async iterable of MessageDrafts", field="drafts"
        )
    scribe = None if plan.journal is None else Scribe(plan.journal.path)
    ahead, ordered = AHEAD * plan.in_flight, plan.order is not None
    intake = Intake(drafts, ahead, ordered, scribe, plan.key, plan.resume)
    return _Batch(send, plan, intake, scribe).run()


@attrs.define(eq=False)
class _Batch:
    """One run of a batch: the workers between its intake and its results."""

    send: Send
    plan: Plan
    intake: Intake
    scribe: Scribe | None
    _results: Results[Result] = attrs.field(init=False)
    _breaker: Breaker = attrs.field(init=False)
    _workers: list[Worker] = attrs.field(init=False)
    _held: set[str | None] = attrs.field(factory=set, init=False)
    _observed: Observed = attrs.field(init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _rest: TwakeError | None = attrs.field(default=None, init=False)
    """The error of each message that is not sent any more, once the batch has to end."""

    def __attrs_post_init__(self) -> None:
        plan = self.plan
        self._results = Results(plan.in_flight, plan.in_flight)
        self._observed = Observed(
            plan.on_progress,
            lambda: self.intake.taken,
            lambda wrong: self._halt(stopped(), wrong),
        )
        self._breaker = Breaker(
            plan.server,
            plan.pace,
            Outage(plan.in_flight),
            plan.rate,
            math.inf if plan.outage_timeout is None else plan.outage_timeout,
            self._halt,
            self._observed.paused,
        )
        self._workers = [Worker(self) for _ in range(plan.in_flight)]

    async def run(self) -> AsyncGenerator[Delivery, None]:
        check_running("send_many")
        if self.scribe is not None:
            keys: Keys = "caller" if self.plan.key else "position"
            await self.scribe.open(target=self.plan.target, keys=keys)
        if self.plan.stop is not None and self.plan.stop.is_set():
            self._halt(stopped())
        tasks = [asyncio.create_task(self._work(worker)) for worker in self._workers]
        if self.plan.stop is not None:
            tasks.append(asyncio.create_task(self._watch(self.plan.stop)))
        drain = True
        try:
            while (result := await self._results.next()) is not None:
                delivery, written = result
                if written is not None:
                    await written
                yield delivery
            for item in self.intake.clear():
                delivery = self._leave(item)
                self._account(item, delivery)
                yield delivery
        except asyncio.CancelledError:
            drain = False
            raise
        finally:
            await self._close(tasks, drain=drain)
        if self.intake.wrong is not None:
            raise self.intake.wrong

    async def _close(self, tasks: list[asyncio.Task[None]], *, drain: bool) -> None:
        """Let what is in flight end, or cancel it; account for all that was taken."""
        self._closing = True
        before = self.intake.wrong
        self.intake.stop()
        self._results.free()
        for task in tasks[self.plan.in_flight :]:
            task.cancel()
        for worker in self._workers:
            worker.end(wait=drain)
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for worker in self._workers:
                worker.end(wait=False)
            await asyncio.wait(tasks)
            raise
        finally:
            for item in self.intake.clear():
                self._account(item, self._leave(item))
            await self._close_files()
        late = self.intake.wrong
        if late is not None and late is not before and not isinstance(late, Exception):
            raise late

    async def _close_files(self) -> None:
        try:
            await self.intake.close()
        finally:
            if self.scribe is not None:
                self.intake.stop(await self.scribe.aclose())

    async def _watch(self, stop: asyncio.Event) -> None:
        """End the batch once the caller says so."""
        try:
            await stop.wait()
        except Exception as wrong:  # noqa: BLE001 - an event of another loop; raised at the end
            self._halt(stopped(), wrong)
        else:
            self._halt(stopped())

    def _halt(self, rest: TwakeError, wrong: BaseException | None = None) -> None:
        """Send nothing more, and let what is on its way end; wake who waits for anything else."""
        self.intake.stop(wrong)
        if self._rest is None:
            self._rest = rest
        self._breaker.stop()
        self._results.free()
        for worker in self._workers:
            worker.wake()

    async def _work(self, worker: Worker) -> None:
        worker.task = asyncio.current_task()
        try:
            while not self._closing and (item := await self._next(worker)) is not None:
                try:
                    delivery = await self._end(item, worker)
                    result = (delivery, self._account(item, delivery))
                finally:
                    self.intake.release(item)
                self._results.put(result)
                if self._results.are_too_many:
                    await self._wait_for_room(worker)
        except BaseException as wrong:  # noqa: BLE001 - raised at the end
            if is_torn_down():
                return
            if not self._closing:
                self._halt(stopped(), wrong)
        self._results.leave()

    async def _next(self, worker: Worker) -> Item | None:
        try:
            return await self.intake.next()
        except asyncio.CancelledError:
            if not worker.was_woken():
                raise
        return await self.intake.next()  # what stands in line, without waiting

    async def _wait_for_room(self, worker: Worker) -> None:
        try:
            await self._results.wait_for_room()
        except asyncio.CancelledError:
            if not worker.was_woken():
                raise

    async def _end(self, item: Item, worker: Worker) -> Delivery:
        """Return what becomes of a draft: what is known, what holds it back, or a send's end."""
        if item.known is not None:
            return item.known
        if item.channel in self._held:
            return failed(item, NotSentError(_HELD, reason="held"))
        worker.begin(item)
        try:
            while (permit := await self._breaker.enter(item.draft)) is not None:
                delivery = await self._try(item, worker, permit)
                if delivery.error is None or self._closing or not was_cooling(delivery):
                    return delivery
                self._write(item, delivery)
        except asyncio.CancelledError:
            if not worker.was_woken():
                self._account(item, unfinished(item))
                raise
        except BaseException as wrong:
            if is_torn_down():
                raise
            self._halt(stopped(), wrong)
        return self._leave(item)

    async def _try(self, item: Item, worker: Worker, permit: int) -> Delivery:
        """Put the intent on the disk, if there is a journal, and send the draft."""
        worker.busy = True
        try:
            wrong = None if item.entry is None else await self._begin(item, item.entry)
            if wrong is None and self._rest is None:
                return await self._send(item, worker, permit)
            self._breaker.drop(permit)
            return wrong or self._leave(item)
        finally:
            worker.busy = False

    def _leave(self, item: Item) -> Delivery:
        """Return the end of a draft that is not sent any more."""
        if item.known is not None:
            return item.known
        if item.tried.seen or self._rest is None:
            return unfinished(item)
        error = copy.copy(self._rest)
        error.front_id = item.entry.front_id if item.entry else item.draft.front_id
        return failed(item, error)

    async def _begin(self, item: Item, entry: JournalEntry) -> Delivery | None:
        """Put the intent on the disk; return the end of the draft where that failed."""
        item.begun = True
        wrong = await self.intend(entry)
        if wrong is None:
            return None
        item.begun = False
        return failed(item, wrong)

    def keep(self, entry: JournalEntry) -> object:
        """Have an entry written; nobody waits for it."""
        return None if self.scribe is None else self.scribe.put(entry)

    async def intend(self, entry: JournalEntry) -> JournalError | None:
        """Put an intent on the disk; return the error where that failed, which ends the batch."""
        assert self.scribe is not None  # noqa: S101 - entries are made for a journal
        wrong = await self.scribe.put(entry)
        if wrong is None:
            return None
        self._halt(wrong, wrong)
        return copy.copy(wrong)

    async def _send(self, item: Item, worker: Worker, permit: int) -> Delivery:
        worker.sending = True
        item.tried.begin()
        try:
            message = await self.send(item.ready or item.draft, worker)
        except TwakeError as wrong:
            error = wrong
            if isinstance(wrong, _GENERAL):
                self._halt(copy.copy(wrong), wrong)
        except asyncio.CancelledError:
            raise
        except BaseException as wrong:
            if is_torn_down():
                raise
            error = error_for(Outcome.UNKNOWN, "unexpected", repr(wrong))
            error.__cause__ = wrong
            if not isinstance(wrong, Exception):
                self._halt(stopped(), wrong)
        else:
            self._breaker.ended(permit, None)
            return delivered(item, message)
        finally:
            worker.sending = False
        self._breaker.ended(permit, error)
        return failed(item, error)

    def _account(self, item: Item, delivery: Delivery) -> asyncio.Future[Any] | None:
        """Note the end of a draft: for its channel, in the journal, to the observer."""
        if holds(self.plan.hold_after, self.plan.after_unknown, delivery.outcome):
            self._held.add(item.channel)
        written = self._write(item, delivery)
        self._observed.ended(delivery)
        return written

    def _write(self, item: Item, delivery: Delivery) -> asyncio.Future[Any] | None:
        if self.scribe is None or item.entry is None or not item.begun:
            return None
        return self.scribe.put(settled(item, item.entry, delivery))

"""The streaming engine behind `send_many`: bounded, ordered by channel, resumable.

It takes a coroutine function that sends one draft, and knows nothing of sessions. A fixed number
of workers pull from the input, so that nothing is held but what they and a short line of drafts
behind busy channels hold. What can be decided without waiting is decided in rooms below.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import math
from collections import Counter, deque
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from ._attempts import follower
from ._ends import delivered, failed, holds, intent, paused, settled, unfinished, was_cooling
from ._intake import Intake
from ._resume import Tried
from ._settings import check_choice, check_count, check_deadline, check_kind
from .deliveries import Progress, error_for
from .errors import (
    ConfigurationError,
    NotSentError,
    Outcome,
    SessionClosedError,
    TwakeError,
    WrongEventLoopError,
)
from .journal import Journal, Scribe
from .retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from ._journal_file import Keys
    from ._resume import Item
    from .deliveries import Delivery, Drafts, JournalEntry
    from .errors import JournalError
    from .messages import Message, MessageDraft

    Result = tuple[Delivery, asyncio.Future[JournalError | None] | None]

__all__ = ["AHEAD", "Plan", "stream"]

#: Drafts that may stand in line behind busy channels, for each that may be in flight.
AHEAD = 8

#: What would meet every further draft as well: nothing more is taken.
_GENERAL = (ConfigurationError, SessionClosedError, WrongEventLoopError)

_HELD = "an earlier message of the channel was not certainly delivered, which holds it"

log: logging.Logger = logging.getLogger("twake_async")


class Pace(Protocol):
    """What a batch asks of the session's loop of attempts."""

    def now(self) -> float:
        """Return the time in seconds, of a clock that only goes on."""
        ...

    def cooling(self) -> float:
        """Return for how many seconds the server wants to be left alone; 0 for not at all."""
        ...

    async def wait(self, seconds: float, /) -> None:
        """Wait so long, or until the session closes."""


@attrs.frozen(kw_only=True)
class Plan:
    """How a batch is to be sent: the arguments of `send_many`, checked."""

    in_flight: int
    order: Literal["channel"] | None
    after_unknown: Literal["continue", "hold"]
    hold_after: Literal["unknown", "failure"] | None = None
    rate: float | None
    journal: Journal | None
    on_progress: Callable[[Progress], object] | None
    resume: Literal["report", "resend"]
    key: Callable[[MessageDraft], str] | None
    deadline: float | None
    retry: RetryPolicy | None
    pace: Pace
    target: str
    """The server and group, which the journal holds against those of a later run."""

    def __attrs_post_init__(self) -> None:
        check_count("in_flight", self.in_flight)
        if self.order is not None:
            check_choice("order", self.order, ("channel",))
        check_choice("after_unknown", self.after_unknown, ("continue", "hold"))
        if self.hold_after is not None:
            check_choice("hold_after", self.hold_after, ("unknown", "failure"))
        check_choice("resume", self.resume, ("report", "resend"))
        if self.rate is not None and not _is_rate(self.rate):
            raise ConfigurationError("rate must be a number of messages a second", field="rate")
        if self.deadline is not None:
            check_deadline(self.deadline)
        if self.retry is not None:
            check_kind("retry", self.retry, RetryPolicy)
        if self.journal is not None:
            check_kind("journal", self.journal, Journal)
        for name in ("key", "resume"):
            if self.journal is None and getattr(self, name) not in (None, "report"):
                raise ConfigurationError(f"{name} means nothing without a journal", field=name)


def _is_rate(rate: object) -> bool:
    good = isinstance(rate, int | float) and not isinstance(rate, bool)
    return good and 0 < rate < math.inf  # type: ignore[operator]


def stream(
    drafts: Drafts, send: Callable[[MessageDraft], Awaitable[Message]], plan: Plan
) -> AsyncGenerator[Delivery, None]:
    """Return what sends the drafts while it is iterated, and yields one `Delivery` for each.

    Args:
        drafts: The input; nothing of it is taken before the first `anext`.
        send: Sends one draft or raises a `TwakeError`, and tells its `follower` of each attempt.
        plan: How.

    Raises:
        ConfigurationError: `drafts` cannot be iterated.

    """
    if not isinstance(drafts, Iterable | AsyncIterable):
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

    send: Callable[[MessageDraft], Awaitable[Message]]
    plan: Plan
    intake: Intake
    scribe: Scribe | None
    _results: deque[Result] = attrs.field(factory=deque, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _room: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _working: int = attrs.field(init=False)
    _held: set[str | None] = attrs.field(factory=set, init=False)
    _counts: Counter[Outcome] = attrs.field(factory=Counter, init=False)
    _next_slot: float = attrs.field(default=-math.inf, init=False)
    _closing: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._working = self.plan.in_flight

    async def run(self) -> AsyncGenerator[Delivery, None]:
        if self.scribe is not None:
            keys: Keys = "caller" if self.plan.key else "position"
            await self.scribe.open(target=self.plan.target, keys=keys)
        trails = [_Trail(self) for _ in range(self.plan.in_flight)]
        tasks = {asyncio.create_task(self._work(trail)): trail for trail in trails}
        drain = True
        try:
            while self._working or self._results:
                if not self._results:
                    self._news.clear()
                    await self._news.wait()
                    continue
                delivery, written = self._results.popleft()
                if len(self._results) <= self.plan.in_flight // 2:
                    self._room.set()
                if written is not None:
                    await written
                yield delivery
        except asyncio.CancelledError:
            drain = False
            raise
        finally:
            await self._close(tasks, drain=drain)
        if self.intake.wrong is not None:
            raise self.intake.wrong

    async def _close(self, tasks: dict[asyncio.Task[None], _Trail], *, drain: bool) -> None:
        """Let what is in flight end, or cancel it; account for all that was taken."""
        self._closing = True
        self.intake.stop()
        for task, trail in tasks.items():
            if not (drain and trail.sending):
                task.cancel()
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise
        finally:
            for item in self.intake.clear():
                self._account(item, item.known or unfinished(item))
            if self.scribe is not None:
                self.intake.stop(await self.scribe.aclose())

    async def _work(self, trail: _Trail) -> None:
        trail.task = asyncio.current_task()
        follower.set(trail)
        try:
            while not self._closing and (item := await self.intake.next()) is not None:
                try:
                    delivery = await self._end(item, trail)
                    result = (delivery, self._account(item, delivery))
                finally:
                    self.intake.release(item)
                self._results.append(result)
                self._news.set()
                while len(self._results) > self.plan.in_flight and not self._closing:
                    self._room.clear()
                    await self._room.wait()
        except (Exception, asyncio.CancelledError) as wrong:  # noqa: BLE001 - raised at the end
            if not self._closing:
                self.intake.stop(wrong)
        self._working -= 1
        self._news.set()

    async def _end(self, item: Item, trail: _Trail) -> Delivery:
        """Return what becomes of a draft: what is known, what holds it back, or a send's end."""
        if item.known is not None:
            return item.known
        if item.channel in self._held:
            return failed(item, NotSentError(_HELD, reason="held"))
        trail.begin(item)
        try:
            while True:
                if self.plan.rate is not None or self.plan.pace.cooling() > 0:
                    await self._wait_for_slot()
                wrong = None if item.entry is None else await self._begin(item, item.entry)
                delivery = wrong or await self._send(item, trail)
                if delivery.error is None or self._closing or not was_cooling(delivery):
                    return delivery
                self._write(item, delivery)
        except asyncio.CancelledError:
            self._account(item, unfinished(item))
            raise

    async def _wait_for_slot(self) -> None:
        """Wait until the server wants to be spoken to, and until the rate allows it."""
        while (pause := self.plan.pace.cooling()) > 0:
            await self.plan.pace.wait(pause)
        if self.plan.rate is None:
            return
        now = self.plan.pace.now()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.plan.rate
        if slot > now:
            await self.plan.pace.wait(slot - now)

    async def _begin(self, item: Item, entry: JournalEntry) -> Delivery | None:
        """Put the intent on the disk; return the end of the draft where that failed."""
        item.begun = True
        wrong = await self.intend(entry)
        if wrong is None:
            return None
        item.begun = False
        return failed(item, wrong)

    async def intend(self, entry: JournalEntry) -> JournalError | None:
        """Put an intent on the disk; return the error where that failed, which ends the batch."""
        assert self.scribe is not None  # noqa: S101 - entries are made for a journal
        wrong = await self.scribe.put(entry)
        if wrong is None:
            return None
        self.intake.stop(wrong)
        return copy.copy(wrong)

    async def _send(self, item: Item, trail: _Trail) -> Delivery:
        trail.sending = True
        item.tried.begin()
        try:
            return delivered(item, await self.send(item.ready or item.draft))
        except TwakeError as wrong:
            if isinstance(wrong, _GENERAL):
                self.intake.stop(wrong)
            return failed(item, wrong)
        except Exception as wrong:  # noqa: BLE001 - it ends one message, not the batch
            error = error_for(Outcome.UNKNOWN, "unexpected", repr(wrong))
            error.__cause__ = wrong
            return failed(item, error)
        finally:
            trail.sending = False

    def _account(self, item: Item, delivery: Delivery) -> asyncio.Future[Any] | None:
        """Note the end of a draft: for its channel, in the journal, to the observer."""
        if holds(self.plan.hold_after, self.plan.after_unknown, delivery.outcome):
            self._held.add(item.channel)
        written = self._write(item, delivery)
        if self.plan.on_progress is not None:
            self._tell(self.plan.on_progress, delivery)
        return written

    def _tell(self, on_progress: Callable[[Progress], object], delivery: Delivery) -> None:
        self._counts[delivery.outcome] += 1
        try:
            on_progress(Progress(delivery, dict(self._counts), self.intake.taken))
        except Exception:
            # An observer that fails must not change what becomes of the messages.
            log.exception("on_progress raised")

    def _write(self, item: Item, delivery: Delivery) -> asyncio.Future[Any] | None:
        if self.scribe is None or item.entry is None or not item.begun:
            return None
        return self.scribe.put(settled(item, item.entry, delivery))


@attrs.define(eq=False)
class _Trail:
    """The attempts of a worker's present draft; between two of them the journal has their end."""

    batch: _Batch
    task: asyncio.Task[Any] | None = attrs.field(default=None, init=False)
    sending: bool = attrs.field(default=False, init=False)
    _tried: Tried = attrs.field(factory=Tried, init=False)
    _item: Item = attrs.field(init=False)

    def begin(self, item: Item) -> None:
        """Forget the draft before, and take down this one's attempts."""
        self._tried.clear()
        item.tried = self._tried
        self._item = item

    def ended(self, outcome: Outcome, reason: str, *, last: bool) -> None:
        if self._is_foreign():
            return
        self._tried.note(outcome, reason)
        entry = self._item.entry
        if entry is not None and self.batch.scribe is not None and not last:
            self.batch.scribe.put(paused(self._item, entry))

    async def again(self) -> JournalError | None:
        if self._is_foreign():
            return None
        entry = self._item.entry
        wrong = None if entry is None else await self.batch.intend(intent(self._item, entry))
        if wrong is None:
            self._tried.begin()
        return wrong

    def _is_foreign(self) -> bool:
        # The input, which is read in this task, may send on its own; a task that an observer starts
        # inherits the context, and with it this trail.
        return not self.sending or asyncio.current_task() is not self.task

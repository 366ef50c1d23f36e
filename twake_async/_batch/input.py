"""The way in of a batch: takes drafts from the input one by one, and hands out whose turn it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._journal.resume import (
    Item,
    fingerprint,
    key_of,
    not_sent,
    recall,
    twice,
    with_front_id,
)
from twake_async.deliveries import stopped
from twake_async.errors import InvalidDraftError, JournalError

from .channels import Channels
from .drafts import draft_of
from .event_loop import is_torn_down

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.deliveries import Drafts
    from twake_async.journal import Scribe
    from twake_async.messages import MessageDraft

__all__ = ["Intake"]

_END: Any = object()

log: logging.Logger = logging.getLogger("twake_async")


@attrs.define(eq=False)
class Intake:
    """Hands out the drafts of an input to workers; one of them at a time takes from it.

    The error that ended the input early, or that forbids to go on with it, stands in `wrong`.
    """

    drafts: Drafts
    ahead: int
    """How many drafts may stand in line behind busy channels."""
    ordered: bool = True
    scribe: Scribe | None = None
    key: Callable[[MessageDraft], str] | None = None
    resume: Literal["report", "resend"] = "report"

    taken: int = attrs.field(default=0, init=False)
    wrong: BaseException | None = attrs.field(default=None, init=False)
    _source: Any = attrs.field(default=None, init=False)
    _is_async: bool = attrs.field(init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _channels: Channels[Item] = attrs.field(init=False)
    _turn: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _room: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _keys: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._channels = Channels(self.ahead)
        self._is_async = isinstance(self.drafts, AsyncIterable)

    async def next(self) -> Item | None:
        """Return the next draft whose turn it is; None where nothing is left for this worker.

        What still stands in line then is left to the worker that holds up the line.
        """
        while (item := self._channels.take()) is None:
            if self._ended:
                return None
            if self._channels.full or self._is_async:
                async with self._turn:
                    await self._advance()
            else:
                self._place(self._read_now())
        return item

    async def _advance(self) -> None:
        """Wait for room in the line, or for one draft; others may have got it meanwhile."""
        if self._ended or self._channels.ready:
            return
        if self._channels.full:
            self._room.clear()
            await self._room.wait()
        else:
            self._place(await self._read())

    def release(self, item: Item) -> None:
        """Note that a draft that `next` gave has ended."""
        if item.entry is not None:
            self._keys.discard(item.entry.key)
        self._channels.release(self._channel(item))
        self._room.set()

    def stop(self, wrong: BaseException | None = None) -> None:
        """Take nothing more; the first error is the one to be raised at the end."""
        self._ended = True
        self.wrong = self.wrong or wrong
        self._room.set()

    async def close(self) -> None:
        """Close the input where it is a generator, so that its own clean-up is done by now."""
        source = self.drafts if self._source is None else self._source
        try:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
            elif isinstance(source, Generator):
                source.close()
        except Exception:
            # It changes nothing of the messages.
            log.exception("the input raised while it was closed")

    def clear(self) -> list[Item]:
        """Return what was taken and never left."""
        return self._channels.clear()

    def _channel(self, item: Item) -> str | None:
        return item.channel if self.ordered else None

    def _place(self, thing: Any) -> None:
        if thing is _END:
            self.stop()
            return
        item = self._judge(thing)
        self.taken += 1
        self._channels.place(self._channel(item), item)

    def _read_now(self) -> Any:
        try:
            if self._source is None:
                self._source = iter(self.drafts)  # type: ignore[arg-type]
            return next(self._source, _END)
        except BaseException as wrong:  # noqa: BLE001 - the input's own, raised at the end
            self.stop(wrong)
            return _END

    async def _read(self) -> Any:
        if not self._is_async:
            return self._read_now()
        try:
            if self._source is None:
                self._source = aiter(self.drafts)  # type: ignore[arg-type]
            return await anext(self._source, _END)
        except asyncio.CancelledError:
            raise
        except BaseException as wrong:  # the input's own, raised at the end
            if is_torn_down():
                raise
            self.stop(wrong)
            return _END

    def _judge(self, thing: Any) -> Item:
        draft = thing
        try:
            draft = draft_of(thing)
            if self.scribe is None:
                return Item(draft, draft.channel_id)
            return self._recall(self.scribe, draft)
        except InvalidDraftError as wrong:
            return not_sent(draft, wrong)
        except JournalError as wrong:
            # A position means nothing once the input was changed, and a broken journal nothing
            # at all; a key of the caller's still stands for its message.
            if self.key is None or wrong.reason not in ("changed", "key"):
                self.stop(wrong)
            return not_sent(draft, wrong)
        except BaseException as wrong:  # noqa: BLE001 - raised at the end; the draft is accounted for
            self.stop(wrong)
            return not_sent(draft, stopped(wrong))

    def _recall(self, scribe: Scribe, draft: MessageDraft) -> Item:
        ready = with_front_id(draft)
        mark = fingerprint(ready)
        key = key_of(draft, self.taken, self.key)
        if key in self._keys:
            raise twice(key)
        found = None
        if self.key is not None or key <= scribe.file.last_key:
            found = scribe.find(key)
        item = recall(draft, ready, key, mark, found, run=scribe.file.run, resume=self.resume)
        if self.key is not None and item.entry is not None:
            self._keys.add(key)
        return item

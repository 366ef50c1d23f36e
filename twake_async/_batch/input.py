"""The input of a batch: reads drafts one by one, and hands out those whose turn it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.deliveries import stopped
from twake_async.errors import ConfigurationError, InvalidDraftError, JournalError

from .channels import Channels
from .drafts import read_draft
from .event_loop import is_torn_down
from .item import Item, not_sent

if TYPE_CHECKING:
    from twake_async.deliveries import Drafts
    from twake_async.messages import MessageDraft

    MakeItem = Callable[[MessageDraft, int], Item]

__all__ = ["Input"]

_END: Any = object()

log: logging.Logger = logging.getLogger("twake_async")


@attrs.define(eq=False)
class Input:
    """Hands out the drafts of an input to workers; one worker at a time reads.

    Args:
        drafts: The input.
        make_item: Makes the item of a draft and its position in the input, or raises a
            `TwakeError`.
        forget: Called with each item that has its outcome.
        limit: How many drafts may be queued behind busy channels.
        ordered: Whether the drafts of one channel are handed out one at a time.

    """

    drafts: Drafts
    make_item: MakeItem
    forget: Callable[[Item], None]
    limit: int
    ordered: bool = True

    read: int = attrs.field(default=0, init=False)
    """How many drafts were read."""
    error: BaseException | None = attrs.field(default=None, init=False)
    """The error that ended the input early, or that forbids going on with it."""
    _source: Any = attrs.field(default=None, init=False)
    _is_async: bool = attrs.field(init=False)
    _is_over: bool = attrs.field(default=False, init=False)
    _channels: Channels[Item] = attrs.field(init=False)
    _reading: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _room: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._channels = Channels(self.limit)
        self._is_async = isinstance(self.drafts, AsyncIterable)

    async def next(self) -> Item | None:
        """Return the next draft whose turn it is; None if none is left for this worker.

        Drafts that are still queued then are left to the worker that keeps their channel busy.
        """
        while (item := self._channels.take()) is None:
            if self._is_over:
                return None
            if self._channels.is_full or self._is_async:
                async with self._reading:
                    await self._advance()
            else:
                self._add(self._read_now())
        return item

    async def _advance(self) -> None:
        """Wait for room in the queues, or read one draft, unless another worker has done so."""
        if self._is_over or self._channels.has_ready:
            return
        if self._channels.is_full:
            self._room.clear()
            await self._room.wait()
        else:
            self._add(await self._read())

    def release(self, item: Item) -> None:
        """Note that a draft that `next` gave has its outcome."""
        self.forget(item)
        self._channels.release(self._channel(item))
        self._room.set()

    def stop(self, error: BaseException | None = None) -> None:
        """Read nothing more.

        Args:
            error: The error to raise when the batch has ended; the first one counts.

        """
        self._is_over = True
        self.error = self.error or error
        self._room.set()

    async def aclose(self) -> None:
        """Close the input if it is a generator, so that it cleans up now."""
        source = self.drafts if self._source is None else self._source
        try:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
            elif isinstance(source, Generator):
                source.close()
        except Exception:
            # The error changes no outcome.
            log.exception("the input raised while it was closed")

    def clear(self) -> list[Item]:
        """Return the drafts that were read and not handed out, and forget them."""
        return self._channels.clear()

    def _channel(self, item: Item) -> str | None:
        return item.channel if self.ordered else None

    def _add(self, given: Any) -> None:
        if given is _END:
            self.stop()
            return
        item = self._item_of(given)
        self.read += 1
        self._channels.add(self._channel(item), item)

    def _read_now(self) -> Any:
        try:
            if self._source is None:
                self._source = iter(self.drafts)  # type: ignore[arg-type]
            return next(self._source, _END)
        except BaseException as exc:  # noqa: BLE001 - the input's own, raised at the end
            self.stop(exc)
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
        except BaseException as exc:  # the input's own, raised at the end
            if is_torn_down():
                raise
            self.stop(exc)
            return _END

    def _item_of(self, given: Any) -> Item:
        draft = given
        try:
            draft = read_draft(given)
            return self.make_item(draft, self.read)
        except InvalidDraftError as exc:
            return not_sent(draft, exc)
        except (ConfigurationError, JournalError) as exc:
            # A draft may name its workspace, so the next one may have one.
            if not (isinstance(exc, ConfigurationError) and exc.field == "workspace_id"):
                self.stop(exc)
            return not_sent(draft, exc)
        except BaseException as exc:  # noqa: BLE001 - raised at the end; the draft is reported
            self.stop(exc)
            return not_sent(draft, stopped(exc))

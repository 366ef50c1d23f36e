"""Encodes each draft of a batch, once, and looks it up in the journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import attrs

from twake_async._journal.resume import again, check_storable, given_twice, key_of, resume
from twake_async._journal.shared_writer import SharedWriter
from twake_async.deliveries import Delivery, JournalEntry
from twake_async.errors import JournalError, Outcome

from .item import Item, not_sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async._journal.writer import JournalWriter
    from twake_async._protocol.generation import EncodedDraft
    from twake_async.messages import MessageDraft


__all__ = ["Encoder"]


@attrs.define(eq=False)
class Encoder:
    """Makes items of drafts.

    Args:
        encode: Encodes a draft, or raises a `TwakeError`.
        writer: The journal writer; None without a journal.
        key: Makes the journal's key of a draft; None for its position in the input.
        policy: What to do with a message that an earlier run left unknown.

    """

    encode: Callable[[MessageDraft], EncodedDraft]
    writer: JournalWriter | None
    key: Callable[[MessageDraft], str] | None
    policy: Literal["report", "resend"]
    _keys: set[str] = attrs.field(factory=set, init=False)
    """The caller's keys of drafts that have no outcome yet."""

    def item(self, draft: MessageDraft, position: int) -> Item:
        """Return the item of a draft.

        Args:
            draft: The draft.
            position: Its position in the input, from 0.

        Raises:
            ConfigurationError: There is no group.
            InvalidDraftError: The draft cannot be sent as it is.
            JournalError: The journal is broken, or the input was changed.

        """
        encoded = self.encode(draft)
        if self.writer is None:
            return Item(draft, draft.channel_id, request=encoded.request())
        try:
            return self._look_up(self.writer, draft, encoded, position)
        except JournalError as exc:
            # A position means nothing once the input was changed. The caller's key still
            # identifies its message.
            if self.key is None or exc.reason not in ("changed", "key"):
                raise
            return not_sent(draft, exc)

    def forget(self, item: Item) -> None:
        """Note that an item has its outcome: from now on the journal knows its key."""
        if item.entry is not None:
            self._keys.discard(item.entry.key)

    async def settle(self, item: Item) -> None:
        """Ask a shared journal what an earlier run did with an item.

        Raises:
            JournalError: The journal is broken, or another process has the partition.

        """
        assert isinstance(self.writer, SharedWriter)  # noqa: S101 - only such items are pending
        assert item.pending is not None  # noqa: S101 - as above
        encoded, intent = item.pending
        try:
            found = await self.writer.look_up(intent.key)
            self._resolve(item, encoded, intent, found)
        except JournalError as exc:
            if exc.reason not in ("changed", "key"):
                raise
            item.known, item.request = not_sent(item.draft, exc).known, None
        item.pending = None

    def _look_up(
        self, writer: JournalWriter, draft: MessageDraft, encoded: EncodedDraft, position: int
    ) -> Item:
        intent = self._intent(draft, encoded, position, writer.store.run)
        key, found = intent.key, None
        if key in self._keys:
            raise given_twice(key)
        item = Item(draft, draft.channel_id)
        if isinstance(writer, SharedWriter):
            check_storable(draft)
            item.entry = intent
            self._keys.add(key)
            if writer.shared.is_empty:
                item.request = encoded.request(intent.front_id, intent.marker)
            else:
                item.pending = encoded, intent
            return item
        if self.key is not None or key <= writer.store.last_key:
            found = writer.find(key)
        self._resolve(item, encoded, intent, found)
        if item.entry is not None and self.key is not None:
            self._keys.add(key)
        return item

    def _resolve(
        self, item: Item, encoded: EncodedDraft, intent: JournalEntry, found: JournalEntry | None
    ) -> None:
        """Note in an item what to send, from the entry that the journal has under its key."""
        entry = resume(item.draft, intent, found, self.policy)
        if isinstance(entry, Delivery):
            item.known = entry
            if entry.outcome is not Outcome.UNKNOWN:
                return
            assert found is not None  # noqa: S101 - what is reported was found
            entry = again(intent, found)
        item.request, item.entry = encoded.request(entry.front_id, entry.marker), entry

    def _intent(
        self, draft: MessageDraft, encoded: EncodedDraft, position: int, run: int
    ) -> JournalEntry:
        fingerprint = encoded.fingerprint()
        return JournalEntry(
            key_of(draft, position, self.key),
            fingerprint,
            draft.channel_id,
            encoded.front_id,
            run,
            time.time(),
            minted=encoded.front_id is not draft.front_id,
            marker=encoded.marker,
        )

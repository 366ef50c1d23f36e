"""The tables of the Node server. No I/O."""

from __future__ import annotations

import uuid
from itertools import islice
from typing import TYPE_CHECKING

from attrs import define, field

from twake_async.sandbox._world.rows import row_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from twake_async.sandbox._world.node_rows import NodeMessage, Place, Thread

__all__ = ["NodeStore", "Unwritten", "moment"]


def moment(message_id: str) -> int:
    """Return the time in an id, by which ids sort; 0 if the id is no UUID."""
    try:
        return uuid.UUID(message_id).time
    except ValueError:
        return 0


@define(frozen=True, slots=True)
class Unwritten:
    """The changes of a failed write, which the next request writes."""

    thread: Thread
    changed: Mapping[str, NodeMessage]
    removed: Sequence[str]


@define(slots=True)
class NodeStore:
    """Threads, the last `max_messages` messages, and the views of channels."""

    max_messages: int = 10_000
    threads: dict[str, Thread] = field(factory=dict)
    messages: dict[str, NodeMessage] = field(factory=dict)
    views: dict[Place, dict[str, str]] = field(factory=dict)
    """The threads that each place shows, by last activity, with their last message."""

    unwritten: list[Unwritten] = field(factory=list)

    def write(self) -> None:
        """Store the changes of failed writes."""
        waiting, self.unwritten = self.unwritten, []
        for one in waiting:
            for message_id, message in one.changed.items():
                if message_id in self.messages:
                    self.messages[message_id] = message
                else:
                    self.add(one.thread, message)
            for message_id in one.removed:
                if message_id in self.messages:
                    self.remove(self.messages[message_id])

    def thread(self, thread_id: str) -> Thread | None:
        """Return the thread with that id."""
        return self.threads.get(row_key(thread_id))

    def message(self, thread_id: str, message_id: str) -> NodeMessage | None:
        """Return the message, if it is in that thread."""
        found = self.messages.get(row_key(message_id))
        return found if found is not None and found.thread_id == row_key(thread_id) else None

    def add_thread(self, thread: Thread) -> None:
        """Store a thread; past the limit, remove the oldest."""
        self.threads[thread.id] = thread
        while len(self.threads) > self.max_messages:
            self._remove_thread(next(iter(self.threads.values())))

    def add(self, thread: Thread, message: NodeMessage) -> None:
        """Store a message of a thread; past the limit, remove the oldest message."""
        self.messages[message.id] = message
        thread.message_ids.append(message.id)
        while len(self.messages) > self.max_messages:
            self.remove(next(iter(self.messages.values())))

    def remove(self, message: NodeMessage) -> None:
        """Remove a message; its thread stays."""
        self.messages.pop(message.id, None)
        thread = self.threads.get(message.thread_id)
        if thread is not None and message.id in thread.message_ids:
            thread.message_ids.remove(message.id)

    def put_back(self, thread: Thread, message: NodeMessage) -> None:
        """Store a message that was removed, in its old place among the others."""
        self.messages[message.id] = message
        self.messages = dict(sorted(self.messages.items(), key=lambda item: moment(item[0])))
        thread.message_ids = sorted([*thread.message_ids, message.id], key=moment)

    def show(self, thread: Thread, message_id: str) -> None:
        """Show a thread in its channels, as the one with the last activity."""
        for place in thread.places():
            view = self.views.setdefault(place, {})
            view.pop(thread.id, None)
            view[thread.id] = message_id

    def in_thread(self, thread: Thread) -> list[NodeMessage]:
        """Return the messages of a thread, oldest first."""
        return [self.messages[one] for one in thread.message_ids]

    def last_replies(self, thread: Thread, count: int) -> list[NodeMessage]:
        """Return the last messages of a thread, oldest first."""
        return [self.messages[one] for one in thread.message_ids[-count:]]

    def page_of_view(
        self, place: Place, *, limit: int, newest: bool, token: str | None
    ) -> list[Thread]:
        """Return threads that a place shows, by last activity, oldest first.

        Args:
            place: The place.
            limit: How many threads.
            newest: Whether to return the newest ones, not the oldest ones.
            token: The id of a last message; the page begins there, or ends there for the newest.

        """
        view = self.views.get(place, {})
        entries: Iterable[tuple[str, str]] = reversed(view.items()) if newest else view.items()
        page = islice(_from(entries, token, newest=newest), limit)
        found = [self.threads[thread_id] for thread_id, _ in page]
        return found[::-1] if newest else found

    def in_channel(self, channel_id: str) -> Iterator[NodeMessage]:
        """Return all messages that name a channel, oldest first, even those not shown in it."""
        wanted = row_key(channel_id)
        for message in self.messages.values():
            if row_key(str((message.cache or {}).get("channel_id", ""))) == wanted:
                yield message

    def _remove_thread(self, thread: Thread) -> None:
        for message in self.in_thread(thread):
            self.messages.pop(message.id, None)
        for place in thread.places():
            self.views.get(place, {}).pop(thread.id, None)
        del self.threads[thread.id]


def _from(
    entries: Iterable[tuple[str, str]], token: str | None, *, newest: bool
) -> Iterator[tuple[str, str]]:
    """Return the entries from a message on, including that message."""
    bound = None if token is None else moment(token)
    for thread_id, message_id in entries:
        at = moment(message_id) if bound is not None else 0
        if bound is None or (at <= bound if newest else at >= bound):
            yield thread_id, message_id

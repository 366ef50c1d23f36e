"""Failures of a Node server's database: a write that is lost, or done with the next request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attrs import define, evolve

from twake_async.sandbox._http import Response
from twake_async.sandbox._releases.node.js_json import encode
from twake_async.sandbox._world.node_store import Unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.sandbox._world.node_rows import NodeMessage, Place, Thread
    from twake_async.sandbox._world.node_store import NodeStore

__all__ = ["delay_write", "lose_write"]


@define(frozen=True, slots=True)
class _Before:
    """What was stored before a write: the threads, and the rows of the thread that it names."""

    threads: frozenset[str]
    messages: Mapping[str, NodeMessage]
    answers: int
    views: Mapping[Place, dict[str, str]]

    @classmethod
    def of(cls, store: NodeStore, thread_id: str) -> _Before:
        """Return a copy of what a write to a thread may change."""
        thread = store.thread(thread_id)
        views = {place: dict(view) for place, view in store.views.items()}
        if thread is None:
            return cls(frozenset(store.threads), {}, 0, views)
        messages = {one.id: evolve(one) for one in store.in_thread(thread)}
        return cls(frozenset(store.threads), messages, thread.answers, views)

    def touched(self, store: NodeStore, thread_id: str) -> list[Thread]:
        """Return the thread that the write named, or the thread that it opened."""
        thread = store.thread(thread_id)
        if thread is not None:
            return [thread]
        return [one for key, one in store.threads.items() if key not in self.threads]

    def take_back(self, store: NodeStore, thread: Thread) -> Unwritten:
        """Undo the changes to the messages of a thread, and return them."""
        after = {one.id: one for one in store.in_thread(thread)}
        changed = {key: row for key, row in after.items() if row != self.messages.get(key)}
        removed = [key for key in self.messages if key not in after]
        for key, row in changed.items():
            if key in self.messages:
                store.messages[key] = self.messages[key]
            else:
                store.remove(row)
        for key in removed:
            store.put_back(thread, self.messages[key])
        return Unwritten(thread, changed, removed)


def lose_write(store: NodeStore, thread_id: str, carry_out: Callable[[], Response]) -> Response:
    """Carry out a write whose message is lost, and return the answer, which shows no error.

    The answer to a new thread shows nothing of the message. Source: the connector of Cassandra logs
    an error of a write and goes on.

    Args:
        store: The tables.
        thread_id: The thread that the request names; "" for a new one.
        carry_out: Carries out the request.

    """
    before = _Before.of(store, thread_id)
    response = carry_out()
    for thread in before.touched(store, thread_id):
        before.take_back(store, thread)
    return response if thread_id else _without_message(response)


def _without_message(response: Response) -> Response:
    """Return the answer to a new thread whose message the server cannot read back."""
    if not response.body.startswith(b'{"resource":{"id"'):  # an error, or an answer of v1
        return response
    answer = json.loads(response.body)
    message = answer["resource"]["message"]
    answer["resource"]["message"] = {"stats": message["stats"], "last_replies": []}
    return Response(response.status, response.headers, encode(answer))


def delay_write(store: NodeStore, thread_id: str, carry_out: Callable[[], Response]) -> None:
    """Carry out a write whose message is stored only with the next request of any sender.

    No channel shows such a message, and its thread does not count it. Source: MongoDB fails on the
    write, and the server keeps what it wanted to write.

    Args:
        store: The tables.
        thread_id: The thread that the request names; "" for a new one.
        carry_out: Carries out the request.

    """
    before = _Before.of(store, thread_id)
    carry_out()
    for thread in before.touched(store, thread_id):
        store.unwritten.append(before.take_back(store, thread))
        thread.answers = before.answers
        for place in thread.places():
            store.views[place] = before.views.get(place, {})

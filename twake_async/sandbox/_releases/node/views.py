"""Read: one message, a thread, the feed of a channel."""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases.node.shapes import shown_with_replies
from twake_async.sandbox._world.node_store import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twake_async.sandbox._releases.node.call import Call
    from twake_async.sandbox._world.node_rows import NodeMessage

__all__ = ["feed", "one_message", "thread_messages"]

_DEFAULT_LIMIT = 100


def one_message(call: Call) -> dict[str, Any]:
    """Return a message; null if it does not exist."""
    message = call.world.node.message(call.path[1], call.path[2])
    return {"resource": None if message is None else shown_with_replies(call, message)}


def thread_messages(call: Call) -> dict[str, Any]:
    """Return the oldest messages of a thread; with `direction=history` the newest, reversed."""
    thread = call.world.node.thread(call.path[1])
    messages = [] if thread is None else call.world.node.in_thread(thread)
    if _is_history(call):
        messages = messages[::-1]
    token = call.query.get("page_token")
    if token is not None:
        messages = _from(messages, token, newest=_is_history(call))
    return _page(call, messages[: _limit(call)])


def _from(messages: Sequence[NodeMessage], token: str, *, newest: bool) -> list[NodeMessage]:
    bound = moment(token)

    def is_before(message: NodeMessage) -> bool:
        return moment(message.id) > bound if newest else moment(message.id) < bound

    return list(dropwhile(is_before, messages))


def feed(call: Call) -> dict[str, Any]:
    """Return the first messages of threads, by last activity, oldest first.

    These are the threads with the oldest activity; with `direction=history` the newest.
    """
    company, workspace, channel = call.path
    threads = call.world.node.page_of_view(
        (company, workspace, channel),
        limit=_limit(call),
        newest=_is_history(call),
        token=call.query.get("page_token"),
    )
    heads = (call.world.node.message(one.id, one.id) for one in threads)
    return _page(call, [one for one in heads if one is not None])


def _is_history(call: Call) -> bool:
    return call.query.get("direction") == "history"


def _limit(call: Call) -> int:
    asked = call.query.get("limit", "")
    digits = asked[:9] if asked.isascii() and asked.isdecimal() else ""
    return int(digits or 0) or _DEFAULT_LIMIT


def _page(call: Call, messages: Sequence[NodeMessage]) -> dict[str, Any]:
    """Return a page; a full page has a token, which names no message."""
    page: dict[str, Any] = {"resources": [shown_with_replies(call, one) for one in messages]}
    if len(messages) >= _limit(call):
        page["next_page_token"] = str(len(messages))
    return page

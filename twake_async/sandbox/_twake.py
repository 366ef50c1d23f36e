"""A Twake in memory: takes a request, and returns the response and the fault that it met."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._events.hooks import hooks
from twake_async.sandbox._faults.answers import altered
from twake_async.sandbox._faults.database import delay_write, lose_write
from twake_async.sandbox._faults.fault import Fault, Script
from twake_async.sandbox._faults.names import NODE_ACTIONS
from twake_async.sandbox._faults.words import node_words, php_words
from twake_async.sandbox._kinds import kind_of, thread_of
from twake_async.sandbox._log_line import log_line
from twake_async.sandbox._received import Received, ReceivedRequest, received
from twake_async.sandbox._releases.server import NODE_RELEASES, RELEASES, answer
from twake_async.sandbox._world.rows import same_id
from twake_async.sandbox._world.seeded import seeded_world, user_message
from twake_async.sandbox._world.translate import shown_on_node, store_on_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from twake_async.sandbox._events.outgoing import Outgoing
    from twake_async.sandbox._faults.names import RequestKind
    from twake_async.sandbox._http import Request, Response
    from twake_async.sandbox._world.world import World

__all__ = ["Twake", "check_arguments"]

_OF_NODE = frozenset({"login", "join"})
"""The requests that only the Node API has."""

_logger = logging.getLogger("twake_async.sandbox")


def check_arguments(release: str, *bounds: int) -> None:
    """Check the arguments of a sandbox.

    Raises:
        ValueError: An unknown release, or a bound below 1.

    """
    if release not in RELEASES:
        raise ValueError(f"unknown release {release!r}: use one of {', '.join(RELEASES)}")
    if min(bounds) < 1:
        names = "max_messages, max_requests, max_body and token_lifetime"
        raise ValueError(f"{names} must be at least 1")


@define(slots=True)
class Twake:
    """The world, the faults to come and what was received. Any thread may use it."""

    release: str
    seed: Mapping[str, Any] = field(repr=False)
    received: Received
    max_messages: int
    token_lifetime: int
    log: Callable[[str], None] | None
    """Called with the log line of each request; None for the logger."""
    script: Script = field(factory=Script)
    delay: float = 0.0
    """Seconds by which every response is delayed."""
    listening: list[str] = field(factory=list)
    """The ids of the applications that events are posted to."""
    changed: Callable[[], None] = lambda: None
    """Called after something may have changed."""
    world: World = field(init=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False)

    def __attrs_post_init__(self) -> None:
        self.world = self._new_world()

    @property
    def is_node(self) -> bool:
        """Whether applications use the Node server of the release."""
        return self.release in NODE_RELEASES

    def _new_world(self) -> World:
        world = seeded_world(self.seed, max_messages=self.max_messages)
        if self.is_node:
            for message in world.messages.values():
                store_on_node(world, message)
            world.messages = {}
            world.tokens.lifetime = self.token_lifetime
        return world

    def first(self, kind: str) -> Mapping[str, Any]:
        """Return the first entry of a part of the seed.

        Raises:
            LookupError: The seed has none.

        """
        for entry in self.seed.get(kind, {}).values():
            return dict(entry)
        raise LookupError(f"the seed of this sandbox has no {kind}")

    def add_fault(self, fault: Fault, times: int, kind: RequestKind) -> None:
        """Queue a fault for the next requests of a kind.

        Raises:
            ValueError: An unknown kind, one that only the Node API has, or `times` below 1.

        """
        if kind in _OF_NODE and not self.is_node:
            raise ValueError(f"{kind!r} needs a release with the Node API")
        if fault.action in NODE_ACTIONS and not (self.is_node and kind == "write"):
            raise ValueError(f"{fault.action!r} needs a release with the Node API, and a write")
        self.script.add(fault, times, kind)
        self.changed()

    def forget_faults(self) -> None:
        """Remove all faults to come."""
        self.script.clear()
        self.changed()

    @contextmanager
    def changing(self) -> Iterator[World]:
        """Hold the lock for the length of a `with` block, and yield the world to read or change."""
        with self._lock:
            yield self.world

    def told(self) -> tuple[Outgoing, ...]:
        """Return the events since the last call; within `changing`, of that block."""
        with self._lock:
            told = hooks(self.world, self.listening, self.release)
        self.changed()
        return told

    def handle(
        self, request: Request, refusal: Response | None
    ) -> tuple[Response, Fault | None, tuple[Outgoing, ...]]:
        """Carry out one request, unless its fault prevents that, and record it.

        Args:
            request: The request.
            refusal: The response of a limit that refuses the request; nothing is carried out then.

        Returns:
            The response, the fault that the request met, and the events to be posted for it.

        """
        kind = kind_of(request, self.release) if refusal is None else None
        fault = None if kind is None else self.script.take(kind)
        with self._lock:
            response = refusal or self._respond(request, fault, kind)
            kept = received(request, response, fault)
            self.received.add(kept, len(request.body))
            events = self.told()
        if self.log is not None or _logger.isEnabledFor(logging.INFO):
            self.note(log_line(request, kept, response, fault))
        return response, fault, events

    def note(self, line: str) -> None:
        """Log a line."""
        if self.log is not None:
            self.log(line)
        else:
            _logger.info("%s", line)

    def _respond(self, request: Request, fault: Fault | None, kind: RequestKind | None) -> Response:
        self.world.node.write()
        if fault is None or kind is None:
            return answer(self.world, request, release=self.release)
        good = self._carried_out(request, fault)
        if self.is_node and not request.path.startswith("/api/v1/"):
            words = node_words(self.world, request, kind)
        else:
            words = php_words(self.world, request)
        return altered(words, good, fault)

    def _carried_out(self, request: Request, fault: Fault) -> Response | None:
        """Return the right response; None if a fault keeps a request from being carried out."""

        def carry_out() -> Response:
            return answer(self.world, request, release=self.release)

        thread_id = thread_of(self.world, request)
        if fault.action == "swallowed":
            return lose_write(self.world.node, thread_id, carry_out)
        if fault.action == "later":
            delay_write(self.world.node, thread_id, carry_out)
            self.world.happened.clear()  # the server never came to it
            return None
        return carry_out() if fault.stores else None

    def _all_messages(self, channel_id: str | None) -> Iterable[dict[str, Any]]:
        world = self.world
        if self.is_node:
            store = world.node
            rows = store.messages.values() if channel_id is None else store.in_channel(channel_id)
            return [shown_on_node(world, row) for row in rows]
        stored = world.messages.values() if channel_id is None else world.in_channel(channel_id)
        return [message.as_array() for message in stored]

    def message(self, row: Any) -> dict[str, Any]:
        """Return a stored message in the form of v1."""
        return shown_on_node(self.world, row) if self.is_node else dict(row.as_array())

    def shown(self, channel_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the messages and the ephemeral messages of a channel."""
        with self._lock:
            held = self.world.ephemerals.values()
            ephemerals = [dict(one) for one in held if same_id(one["channel_id"], channel_id)]
            return list(self._all_messages(channel_id)), ephemerals

    def plain(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message with a plain text as a string."""
        return _with_plain_text(message)

    def workspace_of(self, channel: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the workspace of a channel, or the first one, with its company."""
        workspaces, groups = self.seed.get("workspaces", {}), self.seed.get("groups", {})
        name = (
            channel.get("ws") if channel.get("ws") in workspaces else next(iter(workspaces), None)
        )
        found = workspaces.get(name, {"id": None, "name": ""})
        group = groups.get(found.get("group")) or next(iter(groups.values()))
        return {"id": found["id"], "name": found.get("name", ""), "group": group}

    def messages(self, channel_id: str | None) -> list[dict[str, Any]]:
        """Return the stored messages of a channel, or all, oldest first."""
        with self._lock:
            return [_with_plain_text(one) for one in self._all_messages(channel_id)]

    def say(
        self, text: str, channel_id: str, user_id: str, parent_message_id: str
    ) -> dict[str, Any]:
        """Store a message of a user, and return it as `messages` does."""
        with self._lock:
            self.changed()  # whoever looks waits for the lock
            world = self.world
            content = {"fallback_string": text, "original_str": text, "prepared": [text]}
            message = user_message(world, content, channel_id, user_id, parent_message_id)
            if self.is_node:
                row = world.node.messages.get(parent_message_id)
                message.parent_message_id = row.thread_id if row else parent_message_id
                store_on_node(world, message)
                return _with_plain_text(shown_on_node(world, world.node.messages[message.id]))
            world.add(message)
            parent = world.find(channel_id, "", parent_message_id)
            if parent is not None:
                parent.responses_count = (parent.responses_count or 0) + 1
            return _with_plain_text(message.as_array())

    def ephemerals(self, channel_id: str) -> list[dict[str, Any]]:
        """Return the ephemeral messages shown in a channel."""
        return [_with_plain_text(one) for one in self.shown(channel_id)[1]]

    def workspace_id(self) -> str | None:
        """Return the id of the first channel's workspace, or of the first one; None if none."""
        workspaces = self.seed.get("workspaces", {})
        channels = list(self.seed.get("channels", {}).values())
        of_channel = channels[0].get("ws") if channels else None
        first = of_channel if of_channel in workspaces else next(iter(workspaces), None)
        return None if first is None else str(workspaces[first]["id"])

    def logins(self) -> int:
        """Return how many logins got a token."""
        with self._lock:
            return self.world.logins

    def expire_tokens(self) -> None:
        """Let all access tokens that were issued so far expire."""
        with self._lock:
            self.world.tokens.expire()

    def requests(self) -> list[ReceivedRequest]:
        """Return the received requests that are kept, oldest first."""
        with self._lock:
            return self.received.all()

    def reset(self) -> None:
        """Start again from the seed, without faults to come, delay or received requests."""
        with self._lock:
            tokens = self.world.tokens
            self.world = self._new_world()
            self.world.tokens = tokens
            self.received.clear()
        self.script.clear()
        self.delay = 0.0
        self.changed()


def _with_plain_text(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose content is a string, if it is the portable form of plain text."""
    content = message["content"]
    if isinstance(content, dict) and len(content) == 3:
        text = content.get("original_str")
        if content.get("fallback_string") == text and content.get("prepared") == [text]:
            return message | {"content": text}
    return message

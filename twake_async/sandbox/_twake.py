"""A Twake in memory: one request in; the response, and the fault that the request met, out."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._checks import is_check
from twake_async.sandbox._faults.answers import altered
from twake_async.sandbox._faults.fault import Fault, Script
from twake_async.sandbox._log_line import log_line
from twake_async.sandbox._received import Received, ReceivedRequest, received
from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.server import answer
from twake_async.sandbox._world.rows import same_id
from twake_async.sandbox._world.seeded import seeded_world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.sandbox._http import Request, Response
    from twake_async.sandbox._world.world import World

__all__ = ["Twake"]

_logger = logging.getLogger("twake_async.sandbox")
_FAULTY = ("/api/v1/messages/save", "/api/v1/messages/remove")


@define(slots=True)
class Twake:
    """The world, the faults to come and what was received. Any thread may use it."""

    release: str
    seed: Mapping[str, Any] = field(repr=False)
    received: Received
    max_messages: int
    log: Callable[[str], None] | None
    """Called with the log line of each request; None for the logger."""
    script: Script = field(factory=Script)
    delay: float = 0.0
    """Seconds for which every response is held back."""
    world: World = field(init=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False)

    def __attrs_post_init__(self) -> None:
        self.world = seeded_world(self.seed, max_messages=self.max_messages)

    def first(self, kind: str) -> Mapping[str, Any]:
        """Return the first entry of that part of the seed.

        Raises:
            LookupError: The seed has none.

        """
        for entry in self.seed.get(kind, {}).values():
            return dict(entry)
        raise LookupError(f"the seed of this sandbox has no {kind}")

    def handle(self, request: Request, refusal: Response | None) -> tuple[Response, Fault | None]:
        """Carry out one request, as far as its fault allows, and record it.

        Args:
            request: The request.
            refusal: The response of a limit that refuses the request; nothing is carried out then.

        Returns:
            The response, and the fault that the request met.

        """
        fault = self._fault_for(request) if refusal is None else None
        with self._lock:
            response = refusal or self._respond(request, fault)
            kept = received(request, response, fault)
            self.received.add(kept, len(request.body))
        if self.log is not None:
            self.log(log_line(request, kept, response, fault))
        elif _logger.isEnabledFor(logging.INFO):
            _logger.info("%s", log_line(request, kept, response, fault))
        return response, fault

    def _fault_for(self, request: Request) -> Fault | None:
        """Take the next fault of the script; a request that saves no message meets none."""
        if request.method != "POST" or request.path.rstrip("/") not in _FAULTY:
            return None
        if is_check(request.path, php_json.decode(request.body)):
            return None
        return self.script.take()

    def _respond(self, request: Request, fault: Fault | None) -> Response:
        if fault is None:
            return answer(self.world, request, release=self.release)
        good = answer(self.world, request, release=self.release) if fault.stores else None
        return altered(self.world, request, good, fault)

    def messages(self, channel_id: str | None) -> list[dict[str, Any]]:
        """Return the stored messages of a channel, or all, oldest first."""
        with self._lock:
            found = (
                self.world.messages.values()
                if channel_id is None
                else self.world.in_channel(channel_id)
            )
            return [_with_plain_text(message.as_array()) for message in found]

    def ephemerals(self, channel_id: str) -> list[dict[str, Any]]:
        """Return the ephemeral messages that a channel was shown."""
        with self._lock:
            return [
                _with_plain_text(dict(one))
                for one in self.world.ephemerals.values()
                if same_id(one["channel_id"], channel_id)
            ]

    def requests(self) -> list[ReceivedRequest]:
        """Return what was received and is kept, oldest first."""
        with self._lock:
            return self.received.all()

    def reset(self) -> None:
        """Begin again with the seed: no faults to come, no delay, nothing received."""
        with self._lock:
            self.world = seeded_world(self.seed, max_messages=self.max_messages)
            self.received.clear()
        self.script.clear()
        self.delay = 0.0


def _with_plain_text(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose content is a string, if it is the portable form of plain text."""
    content = message["content"]
    if isinstance(content, dict) and len(content) == 3:
        text = content.get("original_str")
        if content.get("fallback_string") == text and content.get("prepared") == [text]:
            return message | {"content": text}
    return message

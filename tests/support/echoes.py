"""A server of 2020 that posts new messages to the application that sent them, before it answers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from faults import FaultServer
from faults.request import APPLICATION_ID, answered_object

from twake_async import TwakeSession
from twake_async.events import Event, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.request import Request

__all__ = ["JSON", "EchoServer", "event_of", "forged", "observe_all", "open_session", "posted"]

JSON = {"content-type": "application/json"}


def posted(message: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return the body of the event about a message, in the form of wire/events 03."""
    channel = {
        "id": message["channel_id"],
        "original_group": "g1",
        "original_workspace": "w1",
        "direct": False,
    }
    data = {"message": message, "channel": channel}
    return {"type": "hook", "event": "new_message", "data": data} | changed


def event_of(document: dict[str, Any], api: Any = "v1") -> Event:
    """Return the event of a body."""
    return parse(json.dumps(document).encode(), JSON, api=api, require_signature=False)


def forged(message: dict[str, Any]) -> dict[str, Event]:
    """Return events that look like the one about a message, and prove nothing."""
    document = posted(message)
    data = document["data"]
    user = {"id": "u1", "email": "mallory@example.org"}

    def changed(**fields: Any) -> Event:
        return event_of(posted(message | fields))

    return {
        "browser": event_of(
            document | {"data": data | {"user": user, "group": {"id": "g1"}, "workspace": {}}}
        ),
        "group_of_browser": event_of(document | {"data": data | {"group": {"id": "g1"}}}),
        "application": changed(application_id="495a6b6d-0f2d-11eb-9a2d-0242ac1b0006"),
        "no_application": changed(application_id=None),
        "channel": changed(channel_id="another"),
        "channel_of_event": event_of(document | {"data": data | {"channel": {"id": "another"}}}),
        "content": changed(content="something else"),
        "content_number": changed(content=1),
        "parent": changed(parent_message_id="5eed0000-0f99-11eb-9a99-0242ac1b0006"),
        "front_id": changed(front_id="00000000-0000-4000-8000-000000000000"),
        "no_front_id": changed(front_id=None),
        "no_id": changed(id=""),
        "edit": event_of(document | {"event": "edit_message"}),
        "command": event_of(document | {"type": "action", "event": "command"}),
        "click": event_of(document | {"type": "interactive_message_action", "event": "vote"}),
    }


class EchoServer(FaultServer):
    """A fault server that posts each new message to a session, as soon as it has stored it.

    `delay` is the number of seconds until then, None for never. `forges` puts forged events in
    front of each; `forges_only` is the one that is posted in place of the right one. `posts` is
    the receiver of the events; `echoed` counts the right ones.
    """

    delay: float | None = 0.0
    forges = False
    forges_only = ""
    echoed = 0
    posts: Callable[[Event], object]

    def receive(self, request: Request) -> None:
        super().receive(request)
        if self.forges and request.kind == "create":
            for event in forged(answered_object(request)).values():
                self.posts(event)

    def store(self, request: Request) -> None:
        super().store(request)
        if request.kind != "create" or self.delay is None:
            return
        event = event_of(posted(answered_object(request)))
        if self.forges_only:
            self.posts(forged(answered_object(request))[self.forges_only])
        elif self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._post, event)
        else:
            self._post(event)

    def _post(self, event: Event) -> None:
        self.echoed += 1
        self.posts(event)


def observe_all(server: EchoServer, twake: TwakeSession) -> None:
    """Let a session observe what a server posts, from now on."""
    server.posts = twake.observe
    twake.observe(event_of({"type": "hook", "event": "new_task", "data": {}}))


def open_session(server: EchoServer, **options: Any) -> TwakeSession:
    """Return a session that observes what a server posts, from now on."""
    given = {"group_id": "g1", "proxy": None, "base_url": server.url, "deadline": 5.0}
    twake = TwakeSession(APPLICATION_ID, "k" * 40, **given | options)
    observe_all(server, twake)
    return twake

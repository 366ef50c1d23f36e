"""The events of the page: first everything, then each change, also after a reconnect."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from attrs import define

from twake_async.sandbox._page.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twake_async.sandbox._page.feed import Change, Feed
    from twake_async.sandbox._page.settled import Settled
    from twake_async.sandbox._posting.poster import Poster
    from twake_async.sandbox._serving.asgi import Receive, Send
    from twake_async.sandbox._twake import Twake

__all__ = ["Stream"]

_AT_ONCE = 200
"""The most messages in one event."""
_GATHERING = 0.01
"""Seconds to wait for more changes after the first one."""
_ALIVE = 15.0
"""Seconds without a change after which a comment is sent, to notice a broken connection."""
_RESET = ("traffic", 0)
"""The change after a reset of the sandbox; each watcher starts again, too."""
_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@define(frozen=True, slots=True)
class Stream:
    """Sends each watcher what one person sees."""

    twake: Twake
    poster: Poster
    feed: Feed
    settled: Settled

    async def serve(self, query: str, last_id: str, receive: Receive, send: Send) -> None:
        """Send events until the watcher leaves.

        Args:
            query: The person who watches, as "user=alice"; by default the first person. "after"
                means the same as `last_id`, which takes precedence.
            last_id: The id of the last event that the watcher got; "" for none.
            receive: The ASGI callable.
            send: The ASGI callable.

        """
        asked = parse_qs(query)
        last_id = last_id or asked.get("after", [""])[0]
        name = asked.get("user", [""])[0] or self._first()
        watching = _Watching(self, Showing(self.twake, self.poster, name), send)
        try:
            watching.showing.world()
        except LookupError as exc:
            await _refuse(send, str(exc.args[0]))
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        left = asyncio.ensure_future(_until_left(receive))
        sending = asyncio.ensure_future(watching.run(_number(last_id, self.feed.epoch)))
        try:
            await asyncio.wait({left, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            sending.cancel()
            await asyncio.gather(left, sending, return_exceptions=True)

    def _first(self) -> str:
        users = self.twake.seed.get("users", {}).values()
        return str(next((one["id"] for one in users), ""))


def _number(last_id: str, epoch: str) -> int | None:
    """Return the number in the id of an event; None for an event of another sandbox."""
    begun, _, number = last_id.partition("-")
    is_known = begun == epoch and number.isascii() and number.isdecimal() and len(number) < 16
    return int(number) if is_known else None


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, told: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": told.encode()})


@define(slots=True)
class _Watching:
    """One watcher."""

    stream: Stream
    showing: Showing
    send: Send
    number: int = 0
    state: Any = None

    async def run(self, number: int | None) -> None:
        """Send the missed changes, and then each new one."""
        feed = self.stream.feed
        with feed.watched() as changed:
            await self._write("retry: 500\n\n")
            feed.look()
            if number is None or feed.since(number) is None:
                await self._send_all()
            else:
                self.number = number
            while True:
                changed.clear()
                await self._send_changes()
                try:
                    async with asyncio.timeout(_ALIVE):
                        await changed.wait()
                    await asyncio.sleep(_GATHERING)
                except TimeoutError:
                    await self._write(": still here\n\n")

    async def _send_all(self) -> None:
        """Send all that the person sees; only the last event has an id, to resume from."""
        self.number = self.stream.feed.number
        await self._event("world", self.showing.world() | {"fresh": True})
        batch: list[dict[str, Any]] = []
        for message in self.showing.messages():
            if not message.get("gone"):
                batch.append(message)
            if len(batch) == _AT_ONCE:
                await self._event("messages", batch)
                batch = []
                await asyncio.sleep(0)
        if batch:
            await self._event("messages", batch)
        await self._event("traffic", self.stream.settled.all())
        await self._event("ready", {}, with_id=True)

    async def _send_changes(self) -> None:
        feed = self.stream.feed
        last = feed.look()
        changes = feed.since(self.number)
        if changes is None or _RESET in changes:
            await self._send_all()
            changes = []
        messages = list(self._messages(changes))
        if any(kind == "world" for kind, _ in changes):
            await self._event("world", self.showing.world())
        for start in range(0, len(messages), _AT_ONCE):
            await self._event("changes", messages[start : start + _AT_ONCE])
        numbers = [key for kind, key in changes if kind == "traffic"]
        if told := self.stream.settled.told(numbers):
            await self._event("traffic", told)
        state = self.showing.state()
        if state != self.state:
            self.state = state
            await self._event("state", state)
        if last > self.number:
            self.number = last
            await self._event("seen", {}, with_id=True)

    def _messages(self, changes: Iterable[Change]) -> Iterable[dict[str, Any]]:
        for kind, key in changes:
            if kind == "message":
                yield self.showing.message(key)
            elif kind == "ephemeral":
                yield self.showing.ephemeral(key)

    async def _event(self, name: str, data: Any, *, with_id: bool = False) -> None:
        written = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        identity = f"id: {self.stream.feed.epoch}-{self.number}\n" if with_id else ""
        await self._write(f"{identity}event: {name}\ndata: {written}\n\n")

    async def _write(self, text: str) -> None:
        body = text.encode("utf-8", "replace")
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

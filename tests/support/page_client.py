"""The page of the sandbox as a browser talks to it: acts, and the stream of events."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from attrs import define

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from twake_async.sandbox import Sandbox

__all__ = ["Event", "PageClient", "Watching"]

_PATIENCE = 20.0
"""Seconds after which a missing event is a failure."""


@define(frozen=True)
class Event:
    """One event of the stream."""

    name: str
    data: Any
    id: str = ""


@define
class Watching:
    """An open stream, read event by event."""

    lines: AsyncIterator[str]

    async def next(self) -> Event:
        """Return the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(_PATIENCE):
            async for line in self.lines:
                if not line and "event" in fields:
                    return Event(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
                name, _, value = line.partition(": ")
                fields[name] = value
        raise AssertionError("the stream has ended")

    async def until(self, name: str, holds: Callable[[Any], Any] = lambda _: True) -> list[Event]:
        """Return the events up to the first one with that name that meets the condition."""
        events: list[Event] = []
        while not events or events[-1].name != name or not holds(events[-1].data):
            events.append(await self.next())
        return events

    async def message(self, text: str) -> dict[str, Any]:
        """Return the next message that has that text."""

        def found(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [one for one in messages if text in json.dumps(one.get("pieces", []))]

        events = await self.until("changes", found)
        return found(events[-1].data)[0]

    async def exchange(self, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the next exchange that meets the condition."""
        events = await self.until("traffic", lambda rows: any(map(holds, rows)))
        return next(row for row in events[-1].data if holds(row))


class PageClient:
    """A browser at the page of a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.AsyncClient(base_url=sandbox.url, trust_env=False, timeout=_PATIENCE)

    async def act(self, user: str = "alice", **what: Any) -> httpx.Response:
        """Do something as a person, as the page does it."""
        headers = {"Origin": self.sandbox.url}
        return await self.http.post("/_page/act", json={"user": user, **what}, headers=headers)

    @asynccontextmanager
    async def watch(
        self, user: str = "alice", last_id: str = "", **more: str
    ) -> AsyncIterator[Watching]:
        """Open the stream of a person, from an event on."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        params = {"user": user, **more}
        async with self.http.stream(
            "GET", "/_page/events", params=params, headers=headers
        ) as answer:
            assert answer.status_code == 200, answer.status_code
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield Watching(answer.aiter_lines())

"""A client as one would write it first: by status, and each connection used again after any answer.

It shows that a storm finds the mistakes that it looks for.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

import attrs

from twake_async import (
    Message,
    MessageDraft,
    MessageRef,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)

if TYPE_CHECKING:
    from .client import Phase

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SAVE, REMOVE = "/api/v1/messages/save", "/api/v1/messages/remove"


@attrs.define
class NaiveClient:
    """Takes any 3xx and 4xx, and any refusal in a last line, for one; ignores the id of an edit."""

    port: int
    seconds: float
    free: list[Streams] = attrs.field(factory=list, init=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self, *, drain: float = 0) -> None:
        """Close the connections that are free."""
        for _, writer in self.free:
            writer.transport.abort()
        self.free.clear()
        await asyncio.sleep(0)

    async def send(
        self, draft: MessageDraft, *, group_id: str, deadline: float | None = None
    ) -> Message:
        """Send a new message."""
        front_id = draft.front_id or group_id
        message = {"channel_id": "c", "content": draft.content, "front_id": front_id}
        if draft.is_ephemeral:
            message["_once_ephemeral_message"] = True
        found = await self._save({"group_id": group_id, "message": message})
        if found.get("front_id") != front_id:
            raise OutcomeUnknownError("another message", reason="mismatch")
        return Message(id=found["id"], front_id=front_id, ephemeral_id=None)

    async def edit_message(
        self, message: Message | MessageRef, content: Any, *, group_id: str
    ) -> Message:
        """Edit a message."""
        fields = {"channel_id": "c", "id": message.id, "content": content}
        await self._save({"group_id": group_id, "message": fields})
        return Message(id=message.id)

    async def remove_message(self, message: Message | MessageRef, *, group_id: str) -> None:
        """Remove a message."""
        fields = {"channel_id": "c", "id": message.id}
        await self._ask(REMOVE, {"group_id": group_id, "message": fields})

    async def _save(self, document: dict[str, Any]) -> dict[str, Any]:
        found = (await self._ask(SAVE, document)).get("object")
        if not isinstance(found, dict) or not isinstance(found.get("id") or 0, str):
            raise OutcomeUnknownError("no message", reason="mismatch")
        return found

    async def _ask(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        try:
            # Outside the time limit: asyncio loses a socket that is cancelled while it connects.
            streams = self.free.pop() if self.free else await self._connect()
        except OSError as exc:
            raise NotSentError("no connection", reason="connect") from exc
        try:
            async with asyncio.timeout(self.seconds):
                status, body = await self._exchange(*streams, path, json.dumps(document).encode())
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as exc:
            streams[1].transport.abort()
            raise OutcomeUnknownError("lost", reason="lost") from exc
        except asyncio.CancelledError:
            streams[1].transport.abort()
            raise
        self.free.append(streams)
        if 300 <= status < 500:
            raise RefusedError("refused", reason="status", status=status)
        try:
            answer = json.loads(body[body.rfind(b"\n{") + 1 :])
        except ValueError:
            answer = None
        if status != 200 or not isinstance(answer, dict):
            raise OutcomeUnknownError("no answer", reason="unreadable")
        if "error" in answer:
            raise RefusedError("refused", reason="words")
        return answer

    async def _connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes
    ) -> tuple[int, bytes]:
        writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\n" % path.encode())
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(size)


def naive(phase: Phase, port: int, saw: object) -> NaiveClient:
    """Return a client for a phase, in place of its session."""
    return NaiveClient(port, phase.deadline)

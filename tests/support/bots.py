"""Events as a v1 server posts them, and a bot that is served in-process or on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import uvicorn

from twake_async import Message
from twake_async.events import ButtonClick, Command, NewMessage

__all__ = [
    "HEADERS",
    "SECRET",
    "Served",
    "click",
    "command",
    "command_body",
    "message",
    "message_body",
    "post",
    "request",
    "scope_of",
    "serving",
]

SECRET = "s3cr3t-s3cr3t-s3cr3t"
HEADERS = [(b"content-type", b"application/json")]
APP = "app"


def command(text: str = "", **fields: Any) -> Command:
    """A command of alice in c1."""
    given = {"user_id": "alice", "channel_id": "c1", "connection_id": "conn", "message": None}
    return Command(**{"type": "action", "name": "command", "command": text, **given, **fields})


def click(action_id: str, message_id: str = "m1", **fields: Any) -> ButtonClick:
    """A click of alice on a message in c1."""
    message = Message(id=message_id, channel_id="c1", application_id=APP)
    given = {"user_id": "alice", "channel_id": "c1", "connection_id": "conn", "message": message}
    return ButtonClick(**{"action_id": action_id, **given, **fields})


def message(text: str = "hello", *, application_id: str | None = None, **fields: Any) -> NewMessage:
    """A new message in c1, of alice or of an application."""
    sender = None if application_id else "alice"
    content = Message(
        id=fields.pop("id", "m1"),
        channel_id="c1",
        content=text,
        sender=sender,
        application_id=application_id,
    )
    given = {"origin": "server", "channel_id": "c1", "user_id": sender, "message": content}
    return NewMessage(**{**given, **fields})


def command_body(text: str = "", *, user: str = "alice", channel: str = "c1") -> bytes:
    """The body with which a v1 server posts a command."""
    data = {
        "command": text,
        "channel": {"id": channel},
        "parent_message": None,
        "connection_id": "conn",
        "workspace": {"id": "w1"},
        "group": {"id": "g1"},
        "user": {"id": user},
    }
    return json.dumps({"type": "action", "event": "command", "data": data}).encode()


def message_body(text: str = "hello", *, application_id: str | None = None) -> bytes:
    """The body with which a v1 server posts a new message."""
    found = {"id": "m1", "channel_id": "c1", "content": text, "application_id": application_id}
    data = {"message": found, "channel": {"id": "c1", "original_group": "g1"}}
    return json.dumps({"type": "hook", "event": "new_message", "data": data}).encode()


async def request(
    app: Any, scope: dict[str, Any], *parts: bytes, more: Any = None
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Make a request in-process; return the status, the headers and the body of the answer."""
    left = list(parts or (b"",))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if left:
            part = left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left or more)}
        if more is not None:
            return await more()
        return {"type": "http.disconnect"}

    async def send(one: dict[str, Any]) -> None:
        sent.append(one)

    await app(scope, receive, send)
    if not sent:
        return 0, {}, b""
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


def scope_of(path: str, method: str = "POST", headers: Any = HEADERS) -> dict[str, Any]:
    """The scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


async def post(
    app: Any, body: bytes, *, path: str = f"/twake/{SECRET}", headers: Any = HEADERS
) -> int:
    """Post a body in-process, and return the status of the answer."""
    status, _, _ = await request(app, scope_of(path, headers=headers), body)
    return status


class Served(uvicorn.Server):
    """A server that leaves the signals of the process alone."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any):
    """Serve an application on loopback; give its port, and stop it at the end."""
    config = uvicorn.Config(app, port=0, log_level="error", **{"lifespan": "on", **options})
    server = Served(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.001)
            if task.done():
                task.result()
                raise RuntimeError("the server did not start")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task

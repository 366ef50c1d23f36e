"""A server that costs little: it answers what each client expects, at once or after a while.

Run as a process of its own, so that its CPU is not counted. It prints a port for each delay that
it was started with, in milliseconds: `python server.py 0 5 50`.
"""

import asyncio
import itertools
import json
import re
import sys
from collections.abc import Callable
from typing import Any

SAVE = "/api/v1/messages/save"
_WANTED = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_DATE = "2026-01-01T00:00:00.000000+00:00"
_USER = {"id": "1", "username": "bot", "discriminator": "0", "avatar": None, "bot": True}

# The parts of an answer that each client needs to read. The first path that fits counts.
CANNED: dict[str, object] = {
    # openai
    "/chat/completions": {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello"},
            }
        ],
    },
    # python-telegram-bot
    "/getMe": {
        "ok": True,
        "result": {"id": 1, "is_bot": True, "first_name": "bot", "username": "bot"},
    },
    "/sendMessage": {
        "ok": True,
        "result": {
            "message_id": 1,
            "date": 1,
            "chat": {"id": 1, "type": "private"},
            "text": "Hello",
        },
    },
    # gidgethub
    "/repos/": {"id": 1, "body": "Hello"},
    # mattermostautodriver
    "/api/v4/posts": {"id": "p1", "channel_id": "channel", "message": "Hello"},
    # slack_sdk
    "chat.postMessage": {"ok": True, "channel": "C1", "ts": "1.1", "message": {"text": "Hello"}},
    # matrix-nio
    "/_matrix/": {"event_id": "$1"},
    # discord.py and hikari
    "/users/@me": _USER,
    "/channels/": {
        "id": "1",
        "channel_id": "1",
        "author": _USER,
        "content": "Hello",
        "timestamp": _DATE,
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": False,
        "type": 0,
        "flags": 0,
    },
}
#: Discord's clients wait for one another until an answer says that there is no limit.
_NO_LIMIT = (
    "X-RateLimit-Limit: 1000000\r\nX-RateLimit-Remaining: 999999\r\n"
    "X-RateLimit-Reset: 99999999999\r\nX-RateLimit-Reset-After: 1000\r\nX-RateLimit-Bucket: b\r\n"
)


def whole(document: object, path: str = "") -> bytes:
    """The bytes of an answer."""
    status = "201 Created" if path == "/repos/" else "200 OK"
    more = _NO_LIMIT if path == "/channels/" else ""
    body = json.dumps(document, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


_CANNED = {path.encode(): whole(document, path) for path, document in CANNED.items()}


_NUMBERS = itertools.count()


#: The group whose server is one of 2023; other groups have one of 2020.
OF_2023 = "0fa49ca0-e914-11f1-a2d0-9f7cb434e27b"


def saved(request: bytes) -> bytes:
    """The answer of v1 to a save, about the message that it holds: as long as the recorded one."""
    given = json.loads(request)
    message = given["message"]
    stored = {
        "id": f"{next(_NUMBERS):08x}-2222-1333-8444-555555555555",
        "front_id": message["front_id"],
        "channel_id": message["channel_id"],
        "parent_message_id": "",
        "responses_count": 0,
        "message_type": 1,
        "sender": None,
        "application_id": "22222222-2222-1333-8444-555555555555",
        "edited": False,
        "pinned": None,
        "hidden_data": None,
        "reactions": [],
        "modification_date": 1600000000,
        "creation_date": 1600000000,
        "content": message["content"],
        "user_specific_content": [],
        "increment_at_time": {},
    }
    if given["group_id"] == OF_2023:
        stored |= _fields_of_2023(message)
    return whole({"object": stored, "_cookies": []})


def _fields_of_2023(message: dict[str, Any]) -> dict[str, object]:
    """The fields that a server of 2023 adds or answers differently."""
    text = message["content"]["original_str"]
    context = {"_front_id": message["front_id"]}
    return {
        "pinned": False,
        "hidden_data": context,
        "_reactions": [],
        "increment_at_time": 0,
        "thread_id": "",
        "created_at": 1600000000,
        "user_id": None,
        "text": text,
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
        "files": None,
        "context": context,
        "title": None,
        "picture": None,
        "stats": {"last_activity": 1600000000, "replies": 0},
        "pinned_info": {"pinned_by": None, "pinned_at": 0},
        "type": "message",
        "subtype": "application",
    }


_GRANT = {
    "resource": {
        "access_token": {
            "time": 1_700_000_000,
            "expiration": 1_700_003_600,
            "refresh_expiration": 1_702_592_000,
            "value": "an-access-token",
            "refresh": "a-refresh-token",
            "type": "Bearer",
        }
    }
}
_BOT = "10a03ab0-e914-11f1-a2d0-9f7cb434e27b"
_TIME = 1_795_640_789_421


def opened(request: bytes) -> bytes:
    """The answer of a Node server to a new thread, as long as the recorded one (`send-text`)."""
    given = json.loads(request)
    [channel], sent = given["resource"]["participants"], given["options"]["message"]
    name = f"{next(_NUMBERS):08x}-e914-11f1-a2d0-9f7cb434e27b"
    nothing = ("files", "edited", "pinned_info", "quote_message", "reactions", "bookmarks")
    message = {
        "thread_id": name,
        "id": name,
        "type": "message",
        "subtype": "application",
        "created_at": _TIME,
        "updated_at": _TIME,
        "user_id": _BOT,
        "application_id": _BOT,
        **sent,
        **dict.fromkeys(nothing),
        "override": None,
        "cache": {
            "company_id": channel["company_id"],
            "workspace_id": channel["workspace_id"],
            "channel_id": channel["id"],
        },
        "links": None,
        "status": "sent",
    }
    by = {"created_by": _BOT, "created_at": _TIME}
    thread = {
        "id": name,
        **by,
        "updated_at": _TIME,
        "last_activity": _TIME,
        "answers": 1,
        "participants": [by, {**by, **channel}],
        "message": {
            **message,
            "stats": {"replies": 1, "last_activity": _TIME},
            "last_replies": [message],
        },
    }
    return whole({"resource": thread})


def answer_to(head: bytes, body: bytes) -> bytes:
    """The whole answer to one request."""
    path = head.split(b" ", 2)[1]
    if path == SAVE.encode():
        return saved(body)
    if path.startswith(b"/api/messages/v1/companies/"):
        return opened(body)
    if path == b"/api/console/v1/login":
        return whole(_GRANT)
    return next((answer for part, answer in _CANNED.items() if part in path), whole({}))


class Connection(asyncio.Protocol):
    """Reads one request after another, and answers each after a delay."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = _WANTED.search(head)
        wanted = int(length[1]) if length else 0
        if not found or len(body) < wanted:
            return
        self.received = body[wanted:]
        answer = answer_to(head, body[:wanted])
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.transport.write, answer)
        else:
            self.transport.write(answer)


def maker(delay: float) -> Callable[[], Connection]:
    """Return a factory of connections with that delay."""
    return lambda: Connection(delay)


async def serve(delays: list[str]) -> None:
    """Serve each delay on a free port, and print the ports."""
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(maker(int(delay) / 1000), "127.0.0.1", 0, backlog=2048)
        for delay in delays
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))

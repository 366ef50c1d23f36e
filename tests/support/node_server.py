"""A small server that answers as a Node server of Twake was recorded to, over real sockets."""

from __future__ import annotations

import asyncio
import collections
import json
import re
import uuid
from typing import Any, Self

import attrs
from places import WIRE

__all__ = ["APPLICATION", "CASES", "CHANNEL", "COMPANY", "SECRET", "WORKSPACE", "NodeServer"]

#: The recorded exchanges with v2023.Q1.1223, by name.
CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in map(
        json.loads, (WIRE / "node" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    )
    if case["server"] == "v2023.Q1.1223"
}

# The ids of the recorded world, and a key of our own.
APPLICATION = "10a03ab0-e914-11f1-a2d0-9f7cb434e27b"
COMPANY = "0fa49ca0-e914-11f1-a2d0-9f7cb434e27b"
WORKSPACE = "0fac3dc0-e914-11f1-a2d0-9f7cb434e27b"
CHANNEL = "f7543179-7b80-48e4-959f-179cff492015"
SECRET = "the-private-key-of-the-application"

LOGIN = "/api/console/v1/login"


@attrs.frozen
class Asked:
    """A request that the server read."""

    path: str
    authorization: str
    body: Any


@attrs.define(eq=False)
class NodeServer:
    """Answers logins and new threads; `next` says which recorded answers come instead."""

    next: collections.deque[str] = attrs.field(factory=collections.deque)
    """Names of recorded cases: the answers to the next messages."""
    logins_to_lose: int = 0
    """How many logins are read and not answered: the connection is closed."""
    login_takes: float = 0.0
    """Seconds."""
    asked: list[Asked] = attrs.field(factory=list, init=False)
    tokens: list[str] = attrs.field(factory=list, init=False)
    """Every access token that was given; only the last one is good."""
    stored: int = attrs.field(default=0, init=False)
    """How many messages are in the database, as it was recorded."""
    connections: int = attrs.field(default=0, init=False)
    url: str = attrs.field(default="", init=False)
    _server: asyncio.Server = attrs.field(init=False)
    _open: set[asyncio.StreamWriter] = attrs.field(factory=set, init=False)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    def logins(self) -> int:
        """Return how many logins came."""
        return sum(one.path == LOGIN for one in self.asked)

    def messages(self) -> list[Asked]:
        """Return the requests that are no logins."""
        return [one for one in self.asked if one.path != LOGIN]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while (answer := await self._answer(await _read(reader))) is not None:
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, asked: Asked) -> bytes | None:
        """Return the answer to a request; None closes the connection."""
        self.asked.append(asked)
        if asked.path == LOGIN:
            if self.logins_to_lose:
                self.logins_to_lose -= 1
                return None
            await asyncio.sleep(self.login_takes)
            return self._login(asked.body)
        return await self._message(asked)

    def _login(self, body: Any) -> bytes:
        if body["id"] != APPLICATION:
            return _encode(CASES["login-unknown-id"])
        if body["secret"] != SECRET:
            return _encode(CASES["login-wrong-secret"])
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        return _encode(CASES["login-ok-10a03ab0"], {"{{access:bot}}": self.tokens[-1]})

    async def _message(self, asked: Asked) -> bytes | None:
        token = asked.authorization.removeprefix("Bearer ")
        if token not in self.tokens:
            return _encode(CASES["token-none"])
        if token != self.tokens[-1]:
            return _encode(CASES["token-expired"])
        case = CASES[self.next.popleft() if self.next else "send-text"]
        self.stored += len(case["rows"]["messages"].get("added", ()))
        if case["response"].get("status") is None:
            await asyncio.Event().wait()
        # Each message has an id of its own. The context is given back as it came ("marker-send").
        context = json.dumps(asked.body["options"]["message"].get("context"))
        found = re.match(r'\{"resource":\{"id":"([^"]+)"', case["response"]["body"])
        changes = {'"context":null': f'"context":{context}'}
        return _encode(case, changes | ({found[1]: str(uuid.uuid4())} if found else {}))


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    given = re.search(r"^authorization: (.*)\r$", head, re.IGNORECASE | re.MULTILINE)
    body = await reader.readexactly(int(headers["content-length"]))
    return Asked(head.split(" ")[1], given[1] if given else "", json.loads(body))


def _encode(case: dict[str, Any], changes: dict[str, str] = {}) -> bytes:  # noqa: B006 - read
    answer = case["response"]
    body = answer["body"]
    for old, new in changes.items():
        body = body.replace(old, new)
    content = body.encode()
    lines = [f"HTTP/1.1 {answer['status']} Recorded", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in answer["headers"].items()]
    return "\r\n".join((*lines, "", "")).encode() + content

"""A small server that answers as a Node server of Twake was recorded to, over real sockets."""

from __future__ import annotations

import asyncio
import collections
import json
import re
import uuid
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import attrs
from node_rows import in_thread, row
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
SERVER = "/internal/services/general/v1/server"
_MESSAGES = "/api/messages/v1/companies/"
#: The paths for writing messages; the path of a thread itself is for its participants.
_WRITES = re.compile(re.escape(_MESSAGES) + "[^/]+/threads(/[^/]+/messages.*)?$")


@attrs.frozen
class Asked:
    """A request that the server read."""

    method: str
    path: str
    authorization: str
    body: Any


@attrs.define(eq=False)
class NodeServer:
    """Answers as v2023.Q1.1223 does, and keeps what it stores; its fields change what it does."""

    next: collections.deque[str] = attrs.field(factory=collections.deque)
    """Names of recorded cases: the answers to the next requests about messages."""
    logins_to_lose: int = 0
    """How many logins are read and not answered: the connection is closed."""
    login_takes: float = 0.0
    """Seconds."""
    login_answer: str = ""
    """The recorded case that answers each login, in place of the right answer."""
    is_php: bool = False
    """Whether there is no Node, as in 2020: no route was known, and the web client was served."""
    tokens_to_refuse: float = 0
    """How many requests about messages are answered as with an expired token."""
    requests_to_lose: int = 0
    """How many writes are read, but neither executed nor answered: the connection is closed."""
    answers_to_lose: int = 0
    """How many writes are executed, but not answered."""
    swallows: bool = False
    """Whether its database loses what it writes without an error, as Cassandra's connector does."""
    asked: list[Asked] = attrs.field(factory=list, init=False)
    tokens: list[str] = attrs.field(factory=list, init=False)
    """Every access token that was given; only the last one is good."""
    rows: dict[str, dict[str, Any]] = attrs.field(factory=dict, init=False)
    """The messages by id, oldest first, in the form of an answer."""
    outside: set[str] = attrs.field(factory=set, init=False)
    """The threads that the application takes no part in."""
    stored: int = attrs.field(default=0, init=False)
    """How many messages were stored."""
    edits: int = attrs.field(default=0, init=False)
    removes: int = attrs.field(default=0, init=False)
    connections: int = attrs.field(default=0, init=False)
    url: str = attrs.field(default="", init=False)
    _server: asyncio.Server = attrs.field(init=False)
    _serving: set[asyncio.Task[Any]] = attrs.field(factory=set, init=False)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)
        await self._server.wait_closed()

    def logins(self) -> int:
        """Return the number of logins."""
        return sum(one.path == LOGIN for one in self.asked)

    def messages(self) -> list[Asked]:
        """Return the requests that write messages."""
        return [one for one in self.asked if one.method != "GET" and _WRITES.match(one.path)]

    def reads(self) -> list[Asked]:
        """Return the requests that read messages."""
        return [one for one in self.asked if one.path.startswith(_MESSAGES) and one.method == "GET"]

    def put(self, name: str, text: str = "hello", application: str | None = APPLICATION) -> None:
        """Store the first message of a thread; without an application it is a user's."""
        self._store({"text": text}, name, name, application)
        if application != APPLICATION:
            self.outside.add(name)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while (answer := await self._answer(await _read(reader))) is not None:
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # or asyncio would log that it was cancelled
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer(self, asked: Asked) -> bytes | None:
        """Return the answer to a request; None closes the connection."""
        self.asked.append(asked)
        if self.is_php:
            return _html(200 if asked.method == "GET" else 500)
        if asked.path == SERVER:
            return _encode(CASES["probe-server-info"])
        if asked.path == LOGIN:
            if self.logins_to_lose:
                self.logins_to_lose -= 1
                return None
            await asyncio.sleep(self.login_takes)
            return self._login(asked.body)
        return await self._about_messages(asked)

    def _login(self, body: Any) -> bytes:
        if self.login_answer:
            return _encode(CASES[self.login_answer])
        if body["id"] != APPLICATION:
            return _encode(CASES["login-unknown-id"])
        if body["secret"] != SECRET:
            return _encode(CASES["login-wrong-secret"])
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        return _encode(CASES["login-ok-10a03ab0"], {"{{access:bot}}": self.tokens[-1]})

    async def _about_messages(self, asked: Asked) -> bytes | None:
        token = asked.authorization.removeprefix("Bearer ")
        if token not in self.tokens:
            return _encode(CASES["token-none"])
        self.tokens_to_refuse -= 1
        if token != self.tokens[-1] or self.tokens_to_refuse >= 0:
            return _encode(CASES["token-expired"])
        if asked.method == "GET":
            return _json(self._read(asked.path))
        return await self._act(asked)

    async def _act(self, asked: Asked) -> bytes | None:
        if self.requests_to_lose:
            self.requests_to_lose -= 1
            return None
        if self.next:
            return await self._replay(asked, CASES[self.next.popleft()])
        answer = self._write(asked)
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            return None
        return answer

    async def _replay(self, asked: Asked, case: dict[str, Any]) -> bytes:
        """Return the recorded answer, but with our ids and our context."""
        message = _message_of(asked.body)
        name = str(uuid.uuid4())
        for _ in case["rows"]["messages"].get("added", ()):
            self._store(message, name, name, APPLICATION)
        if case["response"].get("status") is None:
            await asyncio.Event().wait()
        # Each message has an id of its own. The context is given back as it came ("marker-send").
        found = re.match(r'\{"resource":\{"id":"([^"]+)"', case["response"]["body"])
        changes = {'"context":null': f'"context":{json.dumps(message.get("context"))}'}
        return _encode(case, changes | ({found[1]: name} if found else {}))

    # --- reads ---

    def _read(self, path: str) -> Any:
        place, query = urlsplit(path).path.split("/")[6:], parse_qs(urlsplit(path).query)
        if place[0] == "threads" and len(place) == 4:
            return {"resource": self.rows.get(place[3])}
        if place[0] == "threads":
            rows = [one for one in self.rows.values() if one["thread_id"] == place[1]]
        else:
            heads = [one for one in self.rows.values() if one["thread_id"] == one["id"]]
            rows = [one for one in heads if one["cache"]["channel_id"] == place[3]]
        return {"resources": _page(rows, query, is_feed=place[0] != "threads")}

    # --- writes ---

    def _write(self, asked: Asked) -> bytes:
        place = asked.path.split("/")[6:]
        if place[-1] == "delete":
            return self._remove(place[3])
        if len(place) == 1:
            return self._create(asked.body)
        if len(place) == 2:
            return self._join(place[1])
        message = asked.body["resource"]
        if len(place) == 4:
            return self._edit(place[3], message)
        return self._reply(place[1], message)

    def _store(
        self, message: dict[str, Any], name: str, thread: str, application: str | None
    ) -> dict[str, Any]:
        cache = {"company_id": COMPANY, "workspace_id": WORKSPACE, "channel_id": CHANNEL}
        found = row(message, name=name, thread=thread, application=application, **cache)
        if not self.swallows:
            self.stored += 1
            self.rows[name] = found
        return found

    def _create(self, body: Any) -> bytes:
        message, participants = _message_of(body), body["resource"]["participants"]
        if message.get("ephemeral"):
            return _encode(CASES["send-ephemeral"])
        name = str(uuid.uuid4())
        found = self._store(message, name, name, APPLICATION)
        found["cache"]["channel_id"] = participants[0]["id"]
        return _json({"resource": in_thread(found, participants)})

    def _reply(self, thread: str, message: dict[str, Any]) -> bytes:
        if message.get("ephemeral"):
            found = row(message, name="", thread=thread, application=APPLICATION)
            return _json({"resource": {name: one for name, one in found.items() if name != "id"}})
        if thread in self.outside:
            return _encode(CASES["reply-users-thread"])
        return _json({"resource": self._store(message, str(uuid.uuid4()), thread, APPLICATION)})

    def _edit(self, name: str, message: dict[str, Any]) -> bytes:
        found = self.rows.get(name)
        if found is None:
            return _encode(CASES["edit-unknown"])
        if found["application_id"] == APPLICATION:
            self.edits += 1
            found.update(message, edited={"edited_at": found["updated_at"]})
        return _json({"resource": found})

    def _remove(self, name: str) -> bytes:
        found = self.rows.get(name)
        if found is not None and found["application_id"] != APPLICATION:
            return _encode(CASES["delete-users"])
        self.removes += self.rows.pop(name, None) is not None
        return _encode(CASES["delete-own"])

    def _join(self, thread: str) -> bytes:
        self.outside.discard(thread)
        people = [{"type": "user", "id": APPLICATION}]
        return _json({"resource": {"id": thread, "participants": people}})


def _message_of(body: Any) -> dict[str, Any]:
    return body["options"]["message"] if "options" in body else body.get("resource", {})


def _page(
    rows: list[dict[str, Any]], query: dict[str, list[str]], *, is_feed: bool
) -> list[dict[str, Any]]:
    """Return the rows of one page: the oldest ones, or with `direction=history` the latest."""
    limit, token = int(query["limit"][0]), query.get("page_token", [""])[0]
    names = [one["id"] for one in rows]
    if query.get("direction") != ["history"]:
        begin = names.index(token) if token else 0
        return rows[begin : begin + limit]
    end = names.index(token) + 1 if token else len(rows)
    latest = rows[max(0, end - limit) : end]
    return latest if is_feed else latest[::-1]


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    given = re.search(r"^authorization: (.*)\r$", head, re.IGNORECASE | re.MULTILINE)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = head.split(" ", 2)
    return Asked(method, path, given[1] if given else "", json.loads(body) if body else None)


def _encode(case: dict[str, Any], changes: dict[str, str] = {}) -> bytes:  # noqa: B006 - read
    answer = case["response"]
    body = answer["body"]
    for old, new in changes.items():
        body = body.replace(old, new)
    return _http(answer["status"], answer["headers"], body)


def _json(document: Any) -> bytes:
    kind = {"content-type": "application/json; charset=utf-8", "connection": "keep-alive"}
    return _http(200, kind, json.dumps(document))


def _html(status: int) -> bytes:
    return _http(status, {"content-type": "text/html"}, "<!doctype html><html></html>")


def _http(status: int, headers: dict[str, str], body: str) -> bytes:
    content = body.encode()
    lines = [f"HTTP/1.1 {status} Recorded", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + content

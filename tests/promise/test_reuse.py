"""When a connection is used again: only after an answer that proved its request and named its message.

On real sockets, over all transports: the server sends answers twice, late, or about other content.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json

import attrs
import pytest

from twake_async import (
    Message,
    MessageRef,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)
from twake_async._transport.pool import ConnectionPool

NO_KEY = b'{"error":"unknown_application_or_bad_private_key","_cookies":[]}'

all_transports = pytest.mark.parametrize("transport", [None, "httpx2", "fast"])


def whole(document) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@attrs.define
class Asked:
    """One request as the server saw it."""

    connection: int
    path: str
    message: dict
    good: bytes
    """The answer that a good server gives."""


@attrs.define
class Server:
    """Answers each request with the result of `script`, or with a good answer."""

    script: object = None
    asked: list[Asked] = attrs.field(factory=list)
    url: str = ""
    open: int = 0
    most_open: int = 0
    _numbers: itertools.count = attrs.field(factory=itertools.count)
    _server: object = None
    _writers: list = attrs.field(factory=list)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        connection = len(self._writers)
        self._writers.append(writer)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                asked = self._note(connection, head, json.loads(await reader.readexactly(length)))
                writer.write(self.script(asked) if self.script else asked.good)
        self.open -= 1
        writer.close()

    def _note(self, connection, head, document) -> Asked:
        path, message = head.split()[1].decode(), document["message"]
        number = next(self._numbers)
        stored = {"id": message.get("id") or f"m{number}", "front_id": "", **message}
        good = whole({"result": message} if path.endswith("remove") else {"object": stored})
        self.asked.append(Asked(connection, path, message, good))
        return self.asked[-1]

    @property
    def connections(self) -> list[int]:
        return [asked.connection for asked in self.asked]


def session(server, transport, **options):
    options = {"retry": RetryPolicy.never(), "deadline": 10.0, "proxy": None} | options
    return TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=server.url, transport=transport, **options
    )


async def outcome_of(sending) -> Outcome:
    try:
        await sending
    except TwakeError as exc:
        return exc.outcome
    return Outcome.DELIVERED


@all_transports
async def test_one_doubled_answer_costs_one_message_and_not_all_that_follow(transport):
    """The second copy of an answer meets the next request; then the connection is closed."""
    late: list[bytes] = []

    def script(asked: Asked) -> bytes:
        before = late.pop() if late else b""
        if len(server.asked) == 1:
            late.append(asked.good)  # it comes once the next request is there
        return before + asked.good

    async with Server(script) as server, session(server, transport) as twake:
        outcomes = [await outcome_of(twake.send_message("c", "x")) for _ in range(20)]
    assert outcomes.count(Outcome.UNKNOWN) == 1
    assert outcomes.count(Outcome.DELIVERED) == 19
    assert server.connections == [0, 0] + [1] * 18


@all_transports
@pytest.mark.parametrize(
    "refusal",
    [
        whole(NO_KEY),
        b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_refusal_that_comes_twice_refuses_one_message(transport, refusal):
    """A refusal names no message: the connection is closed, so that no other request reads the copy."""
    late: list[bytes] = []

    def script(asked: Asked) -> bytes:
        if len(server.asked) == 1:
            late.append(refusal)
            return refusal
        return (late.pop() if late and asked.connection == 0 else b"") + asked.good

    async with Server(script) as server, session(server, transport) as twake:
        with pytest.raises(RefusedError):
            await twake.send_message("c", "x")
        assert await outcome_of(twake.send_message("c", "x")) is Outcome.DELIVERED
    assert server.connections == [0, 1]


@all_transports
async def test_after_a_remove_the_connection_is_not_used_again(transport):
    """The answer to a remove repeats the request, and proves nothing about the next one."""
    async with Server() as server, session(server, transport) as twake:
        for number in range(3):
            await twake.remove_message(MessageRef("c", f"m{number}"))
    assert server.connections == [0, 1, 2]


@all_transports
async def test_a_request_about_the_message_that_was_answered_last_takes_another_connection(
    transport,
):
    """A doubled answer to a create, or to an earlier edit, would fit the next edit by its id."""
    async with Server() as server, session(server, transport) as twake:
        message = await twake.send_message("c", "first")
        for text in ("second", "third", "fourth"):
            await twake.edit_message(message, text)
        await twake.send_message("c", "another")
        await twake.edit_message(message, "fifth")
        await twake.remove_message(message)
    created, *edits, another, fifth, removed = server.connections
    assert len({created, *edits}) == 4
    assert another == edits[-1]  # the most recently used one
    assert fifth == another  # which has named another message since
    assert removed not in (another, fifth)
    assert server.most_open <= 3


@all_transports
async def test_a_doubled_answer_to_an_edit_is_not_taken_for_the_next_edits_answer(transport):
    """The case of the model: the answer to edit A comes twice; edit B is never applied."""
    late: list[bytes] = []

    def script(asked: Asked) -> bytes:
        text = asked.message["content"]["original_str"]
        if text == "A":
            late.append(asked.good)
            return asked.good
        if late and asked.connection == 0:
            return late.pop()  # edit B is dropped
        return asked.good if text != "B" else whole({"error": "unknown error"})

    async with Server(script) as server, session(server, transport) as twake:
        ref = MessageRef("c", "m1")
        await twake.edit_message(ref, "A")
        with pytest.raises(OutcomeUnknownError):
            await twake.edit_message(ref, "B")


@all_transports
async def test_with_one_connection_allowed_edits_of_one_message_still_work(transport):
    """At the limit the connection is replaced, also for sends in the queue."""
    async with Server() as server, session(server, transport, max_connections=1) as twake:
        ref = MessageRef("c", "m1")
        await asyncio.gather(*(twake.edit_message(ref, f"text {n}") for n in range(4)))
        await asyncio.gather(*(twake.send_message("c", "new") for _ in range(3)))
    assert server.connections == [0, 1, 2, 3, 3, 3, 3]
    assert server.most_open <= 2  # the server sees the end of one after the start of the next


@all_transports
async def test_among_idle_connections_one_that_named_another_message_is_used(transport):
    """No new connection is needed."""
    async with Server() as server, session(server, transport) as twake:
        first, second = await asyncio.gather(*(twake.send_message("c", "x") for _ in range(2)))
        free = server.connections
        for message in (second, first, second, first):
            await twake.edit_message(message, "y")
    assert set(server.connections) == set(free)


@all_transports
async def test_an_edit_answered_with_other_content_is_delivered_and_closes(transport):
    """The server changes some content itself, so other content decides no outcome."""

    def script(asked: Asked) -> bytes:
        return whole({"object": asked.message | {"content": {"prepared": ["changed"]}}})

    async with Server(script) as server, session(server, transport) as twake:
        for number in range(2):
            edited = await twake.edit_message(MessageRef("c", f"m{number}"), "x")
            assert isinstance(edited, Message)
    assert server.connections == [0, 1]


@all_transports
async def test_a_create_that_is_answered_with_a_message_named_before_is_unknown(transport):
    """The same `front_id` twice: a doubled answer to the first would fit the second."""
    late: list[bytes] = []

    def script(asked: Asked) -> bytes:
        if not late:
            late.append(asked.good)
            return asked.good
        return late[0]  # the second is dropped, and answered by the copy

    async with Server(script) as server, session(server, transport) as twake:
        await twake.send_message("c", "x", front_id="mine")
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.send_message("c", "x", front_id="mine")
    assert caught.value.reason == "mismatch"
    assert server.connections == [0, 0]


class Unconnected:
    """What a pooled connection holds before it is connected."""

    async def aclose(self) -> None:
        """Close nothing."""


async def test_of_several_idle_connections_that_named_the_message_none_is_used():
    """The one that named another message is after two that named this one."""
    pool = ConnectionPool(Unconnected, 3, connect=None)
    taken = [await pool.acquire(None, 5.0) for _ in range(3)]
    for connection, named in zip(taken, ("other", "m", "m"), strict=True):
        pool.release(connection, reusable=True)
        connection.named = named
    assert pool.acquire_nowait("m") is taken[0]
    await pool.aclose()

"""The bot as an ASGI application: in-process, and on real sockets under uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging

import httpx
import pytest
from bots import HEADERS, SECRET, command_body, message_body, post, request, scope_of, serving
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from twake_async import TwakeSession
from twake_async.bot import Bot
from twake_async.bot._body import MAX_BODY
from twake_async.events import Command

KEY = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
PATH = f"/twake/{SECRET}"


def session(**options):
    return TwakeSession("app", KEY, **{"group_id": "g1", "proxy": None, **options})


class Handled:
    """A bot that keeps what it handles, and may be stopped in the middle."""

    def __init__(self, **options):
        self.twake = session(api=options.pop("api", "v1"))
        self.bot = Bot(self.twake, **{"secret": SECRET, "drain": 1, **options})
        self.seen = []
        self.door = asyncio.Event()
        self.door.set()

        @self.bot.on(Command)
        async def handle(event):
            await self.door.wait()
            self.seen.append(event.command)


@pytest.fixture
async def handled():
    made = Handled()
    async with made.twake, made.bot:
        yield made


# --- in-process ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, f"/{SECRET}", f"/a/b/{SECRET}"])
async def test_an_event_is_answered_200_and_handled(handled, path):
    """It holds wherever the bot is mounted."""
    status, headers, body = await request(handled.bot, scope_of(path), command_body("hello"))
    assert (status, headers, body) == (200, {b"content-length": b"0"}, b"")
    await handled.bot.wait_idle()
    assert handled.seen == ["hello"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/twake",
        f"/{SECRET}/",
        f"/{SECRET}x",
        f"/{SECRET[:-1]}",
        "/\udcff",
        "/é",
        "/health",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
async def test_any_other_address_is_404(handled, path, method):
    """Nothing of the request is read. Only GET /health, for monitors, is answered."""

    async def receive():
        raise AssertionError("it was read")

    scope = scope_of("/twake/x", method=method)
    scope["path"] = path
    sent = []

    async def send(one):
        sent.append(one)

    await handled.bot(scope, receive, send)
    expected = 200 if (path, method) == ("/health", "GET") else 404
    assert sent[0]["status"] == expected


async def test_another_method_is_405(handled):
    """Only a caller who knows the secret gets this status."""
    status, headers, _ = await request(handled.bot, scope_of(PATH, method="GET"))
    assert (status, headers[b"allow"]) == (405, b"POST")


async def test_without_a_secret_any_address_is_good():
    """Over Node, events are signed."""
    body = b'{"type": "action", "name": "command", "content": {"command": "x"}, "user_id": "u"}'
    right = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest().encode()
    made = Handled(api="node", secret=None)
    signed = [*HEADERS, (b"x-twake-signature", right)]
    assert await post(made.bot, body, path="/", headers=signed) == 200
    assert await post(made.bot, body, path="/any/thing", headers=signed) == 200
    assert await post(made.bot, body, path="/", headers=HEADERS) == 401
    wrong = [*HEADERS, (b"x-twake-signature", b"0" * 64)]
    assert await post(made.bot, body, path="/", headers=wrong) == 401
    await made.bot.wait_idle()
    assert made.seen == ["x", "x"]
    lenient = Handled(api="node", secret=False, require_signature=False)
    assert await post(lenient.bot, body, path="/") == 200
    await lenient.bot.aclose()
    both = Handled(api="node")
    assert await post(both.bot, body, path="/", headers=signed) == 404
    assert await post(both.bot, body, path=PATH, headers=signed) == 200
    await both.bot.aclose()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", HEADERS, 400),
        (b"", HEADERS, 400),
        (b"[]", HEADERS, 400),
        (b'{"type": "hook", "content": {}}', HEADERS, 400),
        (b"{}", [], 415),
        (b" " * (MAX_BODY + 1), HEADERS, 413),
        (b"{}", [*HEADERS, (b"content-length", b"%d" % (MAX_BODY + 1))], 413),
        (b"{}", [*HEADERS, (b"content-length", b"-1")], 413),
        (b"{}", [*HEADERS, (b"content-length", b"9" * 5000)], 413),
    ],
)
async def test_what_is_no_event_is_refused_and_said_once(handled, caplog, body, headers, status):
    """The reason quotes nothing of the request."""
    caplog.set_level(logging.DEBUG)
    for _ in range(3):
        found, _, said = await request(handled.bot, scope_of(PATH, headers=headers), body)
        assert found == status
        assert set(json.loads(said)) == {"error"}
    levels = [one.levelno for one in caplog.records if "refused" in one.getMessage()]
    assert levels == [logging.WARNING, logging.DEBUG, logging.DEBUG]
    assert SECRET not in caplog.text


async def test_a_body_may_come_in_pieces(handled):
    """The body may have up to 1 MiB."""
    body = command_body("x")
    parts = [body[:10], b"", body[10:]]
    assert (await request(handled.bot, scope_of(PATH), *parts))[0] == 200
    assert (await request(handled.bot, scope_of(PATH), body + b" " * (MAX_BODY - len(body))))[
        0
    ] == 200
    many = [b" " * 1000] * 2000
    status, headers, _ = await request(handled.bot, scope_of(PATH), *many)
    assert (status, headers[b"connection"]) == (413, b"close")
    await handled.bot.wait_idle()
    assert handled.seen == ["x", "x"]


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_event(handled):
    """No client is there to get an answer."""

    async def gone():
        return {"type": "http.disconnect"}

    for parts in ((), (b"{",)):
        scope = scope_of(PATH)
        status, _, _ = await request(handled.bot, scope, *(parts or (b"",)), more=gone)
        assert status == 0


@pytest.mark.parametrize("begun", [False, True])
async def test_a_body_that_comes_slowly_is_408(handled, begun):
    """The limit is for the whole body."""
    handled.bot._endpoint.bodies.timeout = 0.01
    never = asyncio.Event().wait

    async def receive():
        if begun:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b" ", "more_body": True}
        return await never()

    sent = []

    async def send(one):
        sent.append(one)

    await handled.bot(scope_of(PATH), receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_each_body_has_its_own_time(handled):
    """One timer serves all: it goes on with the next body, however the last one ended."""
    bodies = handled.bot._endpoint.bodies
    loop = asyncio.get_running_loop()
    free = asyncio.Event()

    async def stubborn():
        with contextlib.suppress(asyncio.CancelledError):
            await free.wait()
        await free.wait()
        return {"type": "http.request", "body": command_body("x")}

    async def send(one):
        sent.append(one)

    sent, tasks = [], []
    for seconds in (1, 2, 3):
        bodies.timeout = seconds
        tasks.append(loop.create_task(handled.bot(scope_of(PATH), stubborn, send)))
        await asyncio.sleep(0)
    first, second, _ = bodies._ends
    bodies._ends[first] = loop.time()
    bodies._end_late(loop)  # as its timer does
    assert bodies._late == {first}
    assert bodies._timer.when() == bodies._ends[second]
    bodies._ends[second] = loop.time()
    bodies._end_late(loop)
    assert bodies._late == {first, second}
    await asyncio.sleep(0)
    free.set()
    await asyncio.gather(*tasks)
    assert [one["status"] for one in sent if "status" in one] == [200] * 3
    bodies._end_late(loop)
    assert bodies._timer is None


@pytest.mark.parametrize("late", [False, True])
async def test_a_request_that_is_cancelled_in_its_body_is_cancelled(handled, late):
    """It holds also if its time ends at the same moment."""
    bodies = handled.bot._endpoint.bodies
    loop = asyncio.get_running_loop()
    task = loop.create_task(handled.bot(scope_of(PATH), asyncio.Event().wait, None))
    await asyncio.sleep(0)
    task.cancel()
    if late:
        [reading] = bodies._ends
        bodies._ends[reading] = loop.time()
        bodies._end_late(loop)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bodies._ends == {}
    assert bodies._late == set()


async def test_a_full_queue_is_503(handled):
    """The status comes after the answer was held."""
    handled.bot._dispatcher.queue.size = handled.bot._dispatcher.queue.in_flight = 1
    handled.bot._dispatcher.queue_timeout = 0.01
    handled.door.clear()
    assert [await post(handled.bot, command_body(text)) for text in "123"] == [200, 200, 503]
    handled.door.set()


async def test_own_messages_are_answered_at_once(handled):
    """No handler gets them."""
    assert await post(handled.bot, message_body(application_id="app")) == 200


@pytest.mark.parametrize("path", ["/health", "/twake/health"])
async def test_health_says_whether_events_are_taken(handled, path):
    """The status is 200, and 503 once the bot closes."""
    status, _, body = await request(handled.bot, scope_of(path, method="GET"))
    assert status == 200
    assert json.loads(body) == {"status": "ok", "queued": 0, "running": 0, "dropped": 0}
    status, headers, body = await request(handled.bot, scope_of(path, method="HEAD"))
    assert (status, body) == (200, b"")
    assert int(headers[b"content-length"]) > 0
    await handled.bot.aclose()
    status, _, body = await request(handled.bot, scope_of(path, method="GET"))
    assert status == 503
    assert json.loads(body)["status"] == "closing"
    assert await post(handled.bot, command_body()) == 503


async def test_a_websocket_is_refused(handled):
    """It is refused before it is accepted, and servers answer that with 403."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(one):
        sent.append(one)

    await handled.bot({"type": "websocket", "path": PATH}, receive, send)
    assert [one["type"] for one in sent] == ["websocket.close"]
    with pytest.raises(RuntimeError, match="not telepathy"):
        await handled.bot({"type": "telepathy"}, receive, send)


async def lifespan(bot):
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(one):
        sent.append(one["type"])

    await bot({"type": "lifespan"}, receive, send)
    return sent


async def test_the_end_of_a_server_drains_the_bot_and_closes_its_session(handled):
    """The handlers of queued events run first."""
    await post(handled.bot, command_body("x"))
    sent = await lifespan(handled.bot)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert handled.seen == ["x"]
    assert handled.twake._life.closed


async def test_a_session_that_cannot_be_closed_is_said(handled, monkeypatch, caplog):
    """The server is told."""

    async def aclose():
        raise OSError("broken")

    monkeypatch.setattr(handled.twake, "aclose", aclose)
    sent = await lifespan(handled.bot)
    assert sent[-1] == "lifespan.shutdown.failed"
    assert "OSError: broken" in caplog.text


# --- real sockets --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def client(port):
    base_url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=30) as made:
        yield made


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_the_answer_comes_before_the_handler_ends(handled, http):
    """It holds over both parsers of uvicorn."""
    handled.door.clear()
    async with serving(handled.bot, http=http) as port, client(port) as web:
        answer = await web.post(PATH, content=command_body("x"), headers=JSON)
        assert (answer.status_code, answer.content) == (200, b"")
        assert handled.seen == []
        assert (await web.get("/health")).json()["running"] == 1
        assert (
            await web.post("/twake/wrong", content=command_body(), headers=JSON)
        ).status_code == 404
        handled.door.set()
    assert handled.seen == ["x"]  # its server has drained it
    assert handled.twake._life.closed


async def test_a_full_queue_holds_the_answer(handled):
    """The answer waits until there is a place."""
    handled.bot._dispatcher.queue.size = handled.bot._dispatcher.queue.in_flight = 1
    handled.bot._dispatcher.queue_timeout = 60
    handled.door.clear()
    async with serving(handled.bot) as port, client(port) as web:
        answers = [
            asyncio.ensure_future(web.post(PATH, content=command_body("x"), headers=JSON))
            for _ in range(3)
        ]
        while not handled.bot._dispatcher.queue.held:
            await asyncio.sleep(0.001)
        assert sum(one.done() for one in answers) <= 2
        handled.door.set()
        assert [(await one).status_code for one in answers] == [200] * 3


async def test_a_server_that_stops_drains_the_bot_within_its_time(handled, caplog):
    """Handlers that take longer are cut off, and the log says so."""
    handled.bot._settings = type(handled.bot._settings)(100, 1000, 2.0, 0.05)
    handled.door.clear()
    async with serving(handled.bot) as port, client(port) as web:
        await web.post(PATH, content=command_body("x"), headers=JSON)
    assert handled.bot.dropped == 1
    assert "1 were cut off" in caplog.text


def fastapi(bot):
    app = FastAPI()
    app.mount("/twake", bot)
    return app


def starlette(bot):
    return Starlette(routes=[Mount("/twake", bot)], middleware=[Middleware(GZipMiddleware)])


@pytest.mark.parametrize("mounted", [fastapi, starlette])
@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
async def test_a_bot_may_be_mounted(handled, mounted, root_path):
    """The application's lifespan does not reach it, so the application calls `aclose`."""
    async with serving(mounted(handled.bot), root_path=root_path) as port, client(port) as web:
        for _ in range(2):  # middleware may change what was sent
            answer = await web.post(PATH, content=command_body("x"), headers=JSON)
            assert answer.status_code == 200
        assert (await web.post("/twake/wrong", content=b"{}", headers=JSON)).status_code == 404
        assert (await web.get("/twake/health")).status_code == 200
        assert (await web.get("/health")).status_code == 404
    assert not handled.bot._dispatcher.closing
    await handled.bot.aclose()
    assert handled.seen == ["x", "x"]
    assert not handled.twake._life.closed


async def test_a_bot_ends_with_the_lifespan_of_its_application():
    """The lifespan uses `async with bot`."""
    made = Handled()

    @contextlib.asynccontextmanager
    async def both(app):
        async with made.twake, made.bot:
            yield

    app = FastAPI(lifespan=both)
    app.mount("/twake", made.bot)
    async with serving(app) as port, client(port) as web:
        await web.post(PATH, content=command_body("x"), headers=JSON)
    assert made.seen == ["x"]
    assert made.bot._dispatcher.closing
    assert made.twake._life.closed


async def raw(port, data, *, wait=True):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    try:
        return await reader.read() if wait else b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def head(length, path=PATH):
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_body_over_the_bound_is_not_read(handled, http):
    """A length over the bound is enough, or the bytes where there is no length."""
    async with serving(handled.bot, http=http) as port:
        answer = await raw(port, head(MAX_BODY + 1))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer.lower()
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        start = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        assert (await raw(port, start + chunk * 17)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_slow_body_ends_in_time(handled, http):
    """The connection is closed."""
    handled.bot._endpoint.bodies.timeout = 0.05
    async with serving(handled.bot, http=http) as port:
        assert (await raw(port, head(100) + b"{")).startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_does_not_wait_for_its_answer_changes_nothing(handled):
    """Its event is handled. A client that leaves during its body makes no event."""
    async with serving(handled.bot) as port:
        body = command_body("x")
        await raw(port, head(len(body)) + body, wait=False)
        await raw(port, head(len(body)) + body[:10], wait=False)
        while not handled.seen:
            await asyncio.sleep(0.001)
    assert handled.seen == ["x"]


async def test_what_a_proxy_claims_changes_nothing(handled):
    """X-Forwarded-For is not read."""
    headers = JSON | {"x-forwarded-for": "1.2.3.4", "forwarded": "for=1.2.3.4"}
    async with serving(handled.bot) as port, client(port) as web:
        answer = await web.post(PATH, content=command_body("x"), headers=headers)
        assert answer.status_code == 200


async def test_a_thousand_events_over_sockets_are_all_handled(handled):
    """The events of each channel are handled in order."""
    async with serving(handled.bot) as port, client(port) as web:

        async def one(channel):
            for number in range(50):
                body = command_body(f"{channel}:{number}", channel=str(channel))
                answer = await web.post(PATH, content=body, headers=JSON)
                assert answer.status_code == 200

        await asyncio.gather(*(one(channel) for channel in range(20)))
        await handled.bot.wait_idle()
    assert len(handled.seen) == 1000
    for channel in range(20):
        own = [text for text in handled.seen if text.startswith(f"{channel}:")]
        assert own == [f"{channel}:{number}" for number in range(50)]

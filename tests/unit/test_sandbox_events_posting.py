"""How the sandbox posts: before the answer, bounded, without a lock, and nothing is left over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import time
from typing import Any

import httpx
import pytest
import trustme
import uvicorn
from receivers import AsgiBot, SocketBot

from twake_async import OutcomeUnknownError, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.sandbox._events import outgoing
from twake_async.sandbox._posting import poster

SECRET = "path-that-nobody-knows"


def session(sandbox: Sandbox, **more: Any) -> TwakeSession:
    options = (
        {"base_url": sandbox.url} if "transport" not in more else {"base_url": "http://127.0.0.1"}
    )
    return TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        api=sandbox.api,
        workspace_id=sandbox.workspace_id,
        **({} if "transport" in more else {"proxy": None}),
        **options | more,
    )


# The order of things


async def test_the_echo_comes_after_storing_and_before_the_answer():
    """A server of 2020 waits for the bot: then the message is stored, and not yet answered."""
    answered = asyncio.Event()
    seen: list[Any] = []

    async def work(event: dict[str, Any]) -> None:
        seen.append(([one["content"] for one in sandbox.messages()], answered.is_set()))
        await asyncio.sleep(0.05)

    async with Sandbox() as sandbox, session(sandbox) as twake:
        sandbox.connect(AsgiBot(work))
        message = await twake.send_message(sandbox.channel_id, "hello")
        answered.set()
        [posted] = sandbox.posted
    assert seen == [(["hello"], False)]
    told = posted.event["data"]["message"]
    assert (told["id"], told["front_id"]) == (message.id, message.front_id)
    assert told["increment_at_time"] == {}
    assert posted.seconds >= 0.05


@pytest.mark.parametrize("action", ["close", "reset", "cut", 502, "php_trace"])
async def test_a_save_whose_answer_is_lost_was_told_before(action):
    """The echo is evidence of a stored message; a message that was not stored has no echo."""
    bot = AsgiBot()
    async with Sandbox() as sandbox:
        sandbox.connect(bot)
        async with session(sandbox) as twake:
            sandbox.fail_next(after_storing=action)
            with pytest.raises(OutcomeUnknownError):
                await twake.send_message(sandbox.channel_id, "stored")
            sandbox.fail_next(before_storing=action)
            with pytest.raises(OutcomeUnknownError):
                await twake.send_message(sandbox.channel_id, "not stored")
    assert [one["data"]["message"]["content"]["original_str"] for one in bot.got] == ["stored"]


async def test_a_slow_bot_holds_the_answer_for_three_seconds_and_no_longer(monkeypatch):
    """The bot is told that the client left, and may go on; nothing is posted again."""
    assert outgoing._V1_WAIT == 3.0
    monkeypatch.setattr(outgoing, "_V1_WAIT", 0.2)
    door = asyncio.Event()
    bot = AsgiBot(lambda _: door.wait())
    async with Sandbox() as sandbox, session(sandbox) as twake:
        sandbox.connect(bot)
        begun = time.monotonic()
        await twake.send_message(sandbox.channel_id, "hello")
        assert time.monotonic() - begun >= 0.2
        [posted] = sandbox.posted
        assert bot.ended == 0
        door.set()
        while not bot.ended:
            await asyncio.sleep(0)
    assert (posted.status, posted.error) == (None, "no answer within 0.2 s")
    assert len(bot.got) == 1


async def test_several_applications_are_told_one_after_another(monkeypatch):
    """Each may hold the answer, in the order in which they were connected."""
    monkeypatch.setattr(outgoing, "_V1_WAIT", 0.1)
    sandbox = Sandbox()
    seed = dict(sandbox._twake.seed)
    other = dict(seed["apps"]["bot"]) | {"id": "7a1c0e52-5b1d-11eb-9c05-0242ac130002"}
    seed["apps"] = seed["apps"] | {"other": other | {"simple": "other"}}
    seed["group_apps"] = [*seed["group_apps"], {"group": "acme", "app": "other"}]
    order: list[str] = []

    def work(name: str) -> Any:
        async def add(_: dict[str, Any]) -> None:
            order.append(name)
            await asyncio.sleep(5)

        return add

    async with Sandbox(seed) as sandbox:
        sandbox.connect(AsgiBot(work("other")), application="other")
        sandbox.connect(AsgiBot(work("bot")))
        begun = time.monotonic()
        posted = await sandbox.type("hello")
        assert time.monotonic() - begun >= 0.2
    assert order == ["other", "bot"]
    assert [one.application_id for one in posted] == [other["id"], sandbox.public_id]


async def test_on_node_nothing_waits_for_the_bot():
    """The events of a request are posted after it, on their own."""
    gate = asyncio.Event()
    bot = AsgiBot(lambda _: gate.wait())
    async with Sandbox(release="2023") as sandbox, session(sandbox) as twake:
        seed = sandbox._twake.seed
        sandbox.connect(bot)
        await twake.send_message(sandbox.channel_id, "own")
        typing = asyncio.create_task(sandbox.type("hello"))
        while not bot.got:
            await asyncio.sleep(0.001)
        await twake.send_message(sandbox.channel_id, "meanwhile")
        gate.set()
        [posted] = await typing
    assert (posted.status, seed is sandbox._twake.seed) == (200, True)


# Where the bot lives


@contextlib.asynccontextmanager
async def served(app: Any):
    """Serve an application with uvicorn, and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/{SECRET}"
        finally:
            server.should_exit = True
            await task


def answering(sandbox: Sandbox, twake: TwakeSession) -> AsgiBot:
    """Return a bot that answers a command with a send, before it answers the event."""

    async def work(event: dict[str, Any]) -> None:
        if event["type"] == "action":
            await twake.send_message(sandbox.channel_id, "answer")

    return AsgiBot(work)


@pytest.mark.parametrize("release", ["2020", "2021", "2022", "2023"])
@pytest.mark.parametrize("where", ["in this loop", "uvicorn", "in-process"])
async def test_a_bot_sends_while_its_event_is_unanswered(release, where):
    """No lock and no loop waits for another: in 2020 its echo comes within its own event."""
    async with contextlib.AsyncExitStack() as stack:
        sandbox = Sandbox(release=release)
        more = {"transport": sandbox.transport} if where == "in-process" else {}
        if not more:
            await stack.enter_async_context(sandbox)
        twake = await stack.enter_async_context(session(sandbox, **more))
        bot = answering(sandbox, twake)
        url = await stack.enter_async_context(served(bot)) if where == "uvicorn" else None
        sandbox.connect(url or bot, path=f"/{SECRET}?a=b")
        [posted] = await sandbox.type("/bot please")
        assert (posted.status, posted.error) == (200, None)
        assert posted.seconds < 2
        assert [one["content"] for one in sandbox.seen_by("bob")] == ["answer"]
        assert [one.type for one in sandbox.posted] == (
            ["hook", "action"] if release == "2020" else ["action"]
        )
    assert bot.scopes[0]["path"] == f"/{SECRET}"
    assert SECRET not in repr(posted)


async def test_a_hundred_people_at_once():
    """Each line is posted, at most so many at once, and each is answered."""
    most, running = 0, 0

    async def work(_: dict[str, Any]) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    async with Sandbox(max_requests=50) as sandbox:
        sandbox.connect(AsgiBot(work))
        lines = [sandbox.type(f"line {index}") for index in range(250)]
        posted = await asyncio.gather(*lines)
        assert len(sandbox.posted) == 50
    assert [one.status for [one] in posted] == [200] * 250
    assert most <= poster._MOST_AT_ONCE


def test_a_program_that_blocks_its_loop_gets_its_answer(monkeypatch):
    """The sandbox waits as long as the server does, then answers; the bot gets the event later."""
    monkeypatch.setattr(outgoing, "_V1_WAIT", 0.1)
    bot = AsgiBot()

    async def main() -> None:
        async with Sandbox() as sandbox:
            sandbox.connect(bot)
            with httpx.Client(auth=(sandbox.public_id, sandbox.private_api_key)) as client:
                answer = client.post(  # noqa: ASYNC212 - the bot lives on this loop
                    f"{sandbox.url}/api/v1/messages/save",
                    json={
                        "group_id": sandbox.group_id,
                        "message": {"channel_id": sandbox.channel_id, "content": "x"},
                    },
                )
            assert answer.json()["object"]["content"] == "x"
            assert sandbox.posted[0].status is None
            assert bot.got == []
            await asyncio.sleep(0.05)
            assert len(bot.got) == 1

    asyncio.run(main())


def test_without_a_loop_an_application_waits_for_the_first_act():
    """It cannot run then, and `posted` says so; with another loop it runs again."""
    bot = AsgiBot()
    with Sandbox() as sandbox:
        sandbox.connect(bot)

        async def send() -> None:
            async with session(sandbox) as twake:
                await twake.send_message(sandbox.channel_id, "x")

        asyncio.run(send())
        assert bot.got == []
        assert "call connect in a coroutine" in str(sandbox.posted[0].error)
        for _ in range(2):  # the first loop is closed then
            [posted] = asyncio.run(sandbox.type("hello"))
            assert posted.status == 200
        asyncio.run(send())
        assert "call connect in a coroutine" in str(sandbox.posted[-1].error)
    assert len(bot.got) == 2


# What the bot answers


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno", 503, None),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 302, None),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", 200, None),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            200,
            None,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", None, "the answer is over 1 MiB"),
        (b"SMTP ready\r\n\r\n", None, "the answer is no HTTP"),
    ],
)
async def test_any_answer_is_taken_and_recorded(answer, status, error):
    """The answer changes nothing for who sent the message."""
    async with SocketBot(answer) as bot, Sandbox(events_url=bot.url) as sandbox:
        async with session(sandbox) as twake:
            await twake.send_message(sandbox.channel_id, "hello")
        [posted] = sandbox.posted
    assert (posted.status, posted.error) == (status, error)


async def test_an_answer_without_a_length_ends_with_the_connection():
    """HTTP/1.0 does so; an answer that ends too early is no answer."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop())
        await writer.drain()
        writer.close()

    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", b"HTTP/1.0 200 OK\r\n\r\nok"]
    server = await asyncio.start_server(end, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sandbox = Sandbox(events_url=f"http://127.0.0.1:{port}//twice//x?y=z")
        assert [one.status for one in await sandbox.type("a")] == [200]
        [cut] = await sandbox.type("b")
    assert cut.status is None
    assert "bytes read" in str(cut.error)


async def test_nobody_listens(closed_port):
    """The message is stored and answered all the same."""
    sandbox = Sandbox(events_url=f"http://127.0.0.1:{closed_port}/x")
    [posted] = await sandbox.type("hello")
    assert posted.status is None
    assert posted.error
    assert len(sandbox.messages()) == 1


async def test_over_tls(monkeypatch):
    """A server of 2020 verifies certificates."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sandbox = Sandbox(events_url=f"https://localhost:{port}/x")
        [refused] = await sandbox.type("a")
        assert "CERTIFICATE_VERIFY_FAILED" in str(refused.error)
        known = ssl.create_default_context()
        authority.configure_trust(known)
        monkeypatch.setattr(ssl, "create_default_context", lambda: known)
        [taken] = await sandbox.type("b")
        assert taken.status == 200


@pytest.mark.parametrize(
    "url",
    ["bot.example", "ftp://bot.example/x", "http:///x", "http://bot.example/\x00", "http://b/é"],
)
def test_what_is_no_address_is_refused(url):
    """The error comes before anything is posted."""
    with pytest.raises(ValueError, match="address"):
        Sandbox(events_url=url)


def test_a_v1_server_posts_nothing_to_a_bare_host():
    """The real one says nothing, which is hard to find; a Node server posts there."""
    for url in ("http://bot.example", "http://bot.example//"):
        with pytest.raises(ValueError, match="without a path"):
            Sandbox(events_url=url)
        Sandbox(release="2023", events_url=url)


async def test_an_application_that_fails_is_answered_500(caplog):
    """As by uvicorn; its traceback is logged."""

    async def fail(_: dict[str, Any]) -> None:
        raise ValueError("a mistake in the bot")

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        del scope, send
        assert (await receive())["type"] == "http.request"

    async def half(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})

    sandbox = Sandbox()
    for app, status in ((AsgiBot(fail), 500), (silent, 500), (half, 202)):
        sandbox.connect(app)
        [posted] = await sandbox.type("hello")
        assert posted.status == status
    assert "a mistake in the bot" in caplog.text


# Nothing is left over


async def test_nothing_is_left_when_the_sandbox_closes():
    """Calls, connections and threads end; the events on their way are not answered."""
    before = asyncio.all_tasks()
    hanging = AsgiBot(lambda _: asyncio.sleep(60))
    async with SocketBot(b"") as bot:
        for release in ("2020", "2023"):
            async with Sandbox(release=release) as sandbox, Sandbox(release=release) as over_url:
                sandbox.connect(hanging)
                over_url.connect(bot.url)
                typing = [asyncio.create_task(one.type("x")) for one in (sandbox, over_url)]
                async with asyncio.timeout(5):
                    while bot.open == 0 or not hanging.got:
                        await asyncio.sleep(0.001)
                for one in typing:
                    one.cancel()
                await asyncio.gather(*typing, return_exceptions=True)
            hanging.got.clear()
            async with asyncio.timeout(5):
                while bot.open:
                    await asyncio.sleep(0.001)
    assert asyncio.all_tasks() - before == set()
    assert [one for one in threading.enumerate() if one.name == "twake-async-sandbox"] == []
    gc.collect()


async def test_a_save_that_waits_for_a_bot_ends_with_the_sandbox():
    """Leaving the sandbox does not wait for the bot, neither served nor in this process."""
    hanging = AsgiBot(lambda _: asyncio.sleep(60))
    async with Sandbox() as sandbox:
        sandbox.connect(hanging)
        twake = session(sandbox)
        sending = asyncio.create_task(twake.send_message(sandbox.channel_id, "x"))
        while not hanging.got:
            await asyncio.sleep(0.001)
        begun = time.monotonic()
    assert time.monotonic() - begun < 30
    with pytest.raises(OutcomeUnknownError):
        await sending
    await twake.aclose()
    assert hanging.ended == 1


async def test_in_process_events_of_node_that_are_on_their_way_end_with_it():
    """They are tasks of the caller's loop."""
    hanging = AsgiBot(lambda _: asyncio.sleep(60))
    seed = dict(Sandbox()._twake.seed)
    other = dict(seed["apps"]["bot"]) | {"id": "7a1c0e52-5b1d-11eb-9c05-0242ac130002"}
    seed["apps"] = seed["apps"] | {"other": other}
    seed["group_apps"] = [*seed["group_apps"], {"group": "acme", "app": "other"}]
    before = asyncio.all_tasks()
    async with Sandbox(seed, release="2023") as sandbox:
        sandbox.connect(hanging, application="other")
        async with session(sandbox, transport=sandbox.transport) as twake:
            await twake.send_message(sandbox.channel_id, "x")
        while not hanging.got:
            await asyncio.sleep(0.001)
    assert asyncio.all_tasks() - before == set()
    assert hanging.ended == 1


async def test_calls_that_nobody_waits_for_are_bounded(monkeypatch):
    """A bot that never ends holds a hundred calls; then its oldest is cancelled."""
    monkeypatch.setattr(outgoing, "_V1_WAIT", 0.01)
    monkeypatch.setattr("twake_async.sandbox._posting.in_process._MOST_LEFT", 3)
    hanging = AsgiBot(lambda _: asyncio.sleep(60))
    async with Sandbox() as sandbox:
        sandbox.connect(hanging)
        for _ in range(5):
            await sandbox.type("x")
        assert (len(hanging.got), hanging.ended) == (5, 2)
        sandbox.connect(AsgiBot())  # the address is replaced
        await asyncio.sleep(0.01)
        assert hanging.ended == 5


async def test_reset_forgets_what_was_posted_and_keeps_the_address():
    """The log has one line for each event, without the address."""
    lines: list[str] = []
    bot = AsgiBot()
    sandbox = Sandbox(log=lines.append)
    sandbox.connect(bot, path=f"/{SECRET}")
    await sandbox.post_event("hook\n", "x" * 100, {})
    assert lines == [f"event hook\\n/{'x' * 40} -> 200"]
    sandbox.reset()
    assert sandbox.posted == []
    [posted] = await sandbox.type("again")
    assert posted.status == 200


async def test_a_bot_that_is_too_slow_is_told_that_the_client_left(monkeypatch):
    """A real server does the same: the application goes on, and may check for it."""
    monkeypatch.setattr(outgoing, "_V1_WAIT", 0.05)
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with Sandbox() as sandbox:
        sandbox.connect(app)
        [posted] = await sandbox.type("hello")
        await asyncio.sleep(0.01)
    assert (posted.status, heard) == (None, ["http.request", "http.disconnect"])


async def test_a_closed_sandbox_posts_no_more_of_what_was_on_its_way():
    """Events of Node to a URL are tasks of the loop that answered the request."""
    seed = dict(Sandbox()._twake.seed)
    other = dict(seed["apps"]["bot"]) | {"id": "7a1c0e52-5b1d-11eb-9c05-0242ac130002"}
    seed["apps"] = seed["apps"] | {"other": other}
    seed["group_apps"] = [*seed["group_apps"], {"group": "acme", "app": "other"}]
    before = asyncio.all_tasks()
    async with SocketBot(b"") as bot:
        async with Sandbox(seed, release="2023") as sandbox:
            sandbox.connect(bot.url, application="other")
            async with session(sandbox, transport=sandbox.transport) as twake:
                await twake.send_message(sandbox.channel_id, "x")
            while not bot.got:
                await asyncio.sleep(0.001)
        while bot.open:
            await asyncio.sleep(0.001)
    assert sandbox.posted == []
    assert [one for one in asyncio.all_tasks() - before if "post_all" in repr(one)] == []

"""Each client at its best, as a function: given an address and a load, it yields how to send once.

A process of its own runs one of them: `python clients.py NAME ADDRESS`. It reads the loads to run
from its standard input and prints what each round took.
"""

import asyncio
import base64
import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import metadata
from typing import Any

Send = Callable[[], Awaitable[object]]
Client = Callable[[str, int], contextlib.AbstractAsyncContextManager[Send]]

#: Seconds that a round without any connection may take: a longer one counts as endless.
COLD_SECONDS = 200
SAVE = "/api/v1/messages/save"
TEXT = "Hello, this is my first message !"
HEADERS = {
    "Authorization": "Basic " + base64.b64encode(b"id:key").decode(),
    "Accept": "application/json",
    "Content-Type": "application/json",
}
MESSAGE = {"channel_id": "channel", "content": TEXT, "front_id": "a-front-id"}
REQUEST = {"group_id": "group", "message": MESSAGE}

CLIENTS: dict[str, Client] = {}
#: What a client is, for the table: this SDK, a peer SDK, or a bare client that does less than both.
KINDS: dict[str, str] = {}
#: The package whose version is printed.
PACKAGES: dict[str, str] = {}


def client(name: str, kind: str, package: str) -> Callable[[Any], Any]:
    """Put a client into the table under a name."""

    def put(make: Any) -> Any:
        CLIENTS[name] = contextlib.asynccontextmanager(make)
        KINDS[name] = kind
        PACKAGES[name] = package
        return make

    return put


# --- plain httpx and httpx2, and this SDK -----------------------------------------------------------------


async def _plain(http: Any, url: str, **options: Any) -> AsyncIterator[Send]:
    # The default timeout of the pool would end most of a thousand concurrent requests.
    async with http.AsyncClient(headers=HEADERS, timeout=None, **options) as session:

        async def send() -> None:
            answer = await session.post(url + SAVE, json=REQUEST)
            answer.raise_for_status()

        yield send


@client("httpx", "bare", "httpx")
async def plain_httpx(url: str, _: int) -> AsyncIterator[Send]:
    """One shared client, default limits."""
    import httpx

    async for send in _plain(httpx, url):
        yield send


@client("httpx, 100 kept", "bare", "httpx")
async def httpx_100_kept(url: str, _: int) -> AsyncIterator[Send]:
    """One shared client that keeps as many connections as it opens."""
    import httpx

    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async for send in _plain(httpx, url, limits=limits):
        yield send


@client("httpx2", "bare", "httpx2")
async def plain_httpx2(url: str, _: int) -> AsyncIterator[Send]:
    """One shared client, default limits: the baseline."""
    import httpx2

    async for send in _plain(httpx2, url):
        yield send


@client("httpx2, 100 kept", "bare", "httpx2")
async def httpx2_100_kept(url: str, _: int) -> AsyncIterator[Send]:
    """One shared client that keeps as many connections as it opens."""
    import httpx2

    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    async for send in _plain(httpx2, url, limits=limits):
        yield send


async def _twake(url: str, **options: Any) -> AsyncIterator[Send]:
    from twake_async import TwakeSession

    # With its defaults, but with a deadline that no busy machine reaches.
    given = {"group_id": "group", "base_url": url, "deadline": 300, **options}
    async with TwakeSession("id", "key", **given) as twake:
        yield lambda: twake.send_message("channel", TEXT)


@client("twake-async", "ours", "twake-async")
async def twake(url: str, _: int) -> AsyncIterator[Send]:
    """The default, over httpx."""
    async for send in _twake(url):
        yield send


@client("twake-async[httpx2]", "ours", "twake-async")
async def twake_httpx2(url: str, _: int) -> AsyncIterator[Send]:
    """With its extra: the same connections over httpx2."""
    async for send in _twake(url, transport="httpx2"):
        yield send


@client("twake-async[fast]", "ours", "twake-async")
async def twake_fast(url: str, _: int) -> AsyncIterator[Send]:
    """With its extra."""
    async for send in _twake(url, transport="fast"):
        yield send


# --- peers over httpx or httpx2 --------------------------------------------------------------------------


@client("openai", "httpx", "openai")
async def openai_(url: str, _: int) -> AsyncIterator[Send]:
    """One client, over httpx2; its retries are off, because nothing here needs them."""
    import openai

    async with openai.AsyncOpenAI(
        api_key="key", base_url=url, max_retries=0, timeout=300
    ) as session:
        messages: Any = [{"role": "user", "content": TEXT}]
        yield lambda: session.chat.completions.create(model="m", messages=messages)


@client("python-telegram-bot", "httpx", "python-telegram-bot")
async def telegram_(url: str, concurrent: int) -> AsyncIterator[Send]:
    """A pool of as many connections as there are senders, 256 at the most, its own default."""
    import telegram
    from telegram.request import HTTPXRequest

    request = HTTPXRequest(
        connection_pool_size=min(concurrent, 256),
        **dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout", "pool_timeout"), 300),
    )
    async with telegram.Bot("1:token", base_url=f"{url}/bot", request=request) as bot:
        yield lambda: bot.send_message(1, TEXT)


@client("gidgethub", "httpx", "gidgethub")
async def gidgethub_(url: str, _: int) -> AsyncIterator[Send]:
    """Over one shared client of httpx's, default limits."""
    import httpx
    from gidgethub.httpx import GitHubAPI

    async with httpx.AsyncClient(timeout=None) as session:
        github = GitHubAPI(session, "bench", oauth_token="token", base_url=url)
        yield lambda: github.post("/repos/o/r/issues/1/comments", data={"body": TEXT})


@client("mattermostautodriver", "httpx", "mattermostautodriver")
async def mattermost(url: str, _: int) -> AsyncIterator[Send]:
    """Its asynchronous driver with a token."""
    from mattermostautodriver import AsyncTypedDriver

    host, _, port = url.removeprefix("http://").partition(":")
    options = {"scheme": "http", "url": host, "port": int(port), "token": "t", "timeout": 300}
    driver = AsyncTypedDriver(options)
    yield lambda: driver.posts.create_post("channel", TEXT)


# --- peers over aiohttp ------------------------------------------------------------------------


@client("slack_sdk", "aiohttp", "slack_sdk")
async def slack(url: str, _: int) -> AsyncIterator[Send]:
    """With a shared session of aiohttp's: without one it opens a connection for each call."""
    import aiohttp
    from slack_sdk.web.async_client import AsyncWebClient

    async with aiohttp.ClientSession() as session:
        web = AsyncWebClient("token", base_url=f"{url}/api/", session=session, timeout=300)
        yield lambda: web.chat_postMessage(channel="C1", text=TEXT)


@client("matrix-nio", "aiohttp", "matrix-nio")
async def nio_(url: str, _: int) -> AsyncIterator[Send]:
    """Without encryption, in a room that it knows."""
    import nio

    matrix = nio.AsyncClient(url, "@bot:example.org")
    matrix.access_token = "token"
    matrix.rooms["!room:example.org"] = nio.MatrixRoom("!room:example.org", "@bot:example.org")
    content = {"msgtype": "m.text", "body": TEXT}

    async def send() -> None:
        answer = await matrix.room_send("!room:example.org", "m.room.message", content)
        assert isinstance(answer, nio.RoomSendResponse), answer

    try:
        yield send
    finally:
        await matrix.close()


@client("discord.py", "aiohttp", "discord.py")
async def discord_(url: str, _: int) -> AsyncIterator[Send]:
    """A channel of a logged-in client, with the default limits of its pool."""
    import discord
    from discord.http import Route

    Route.BASE = url
    bot = discord.Client(intents=discord.Intents.none())
    # `bot.login` also asks for the application, which a message does not need.
    await bot._async_setup_hook()
    await bot.http.static_login("token")
    channel = bot.get_partial_messageable(1, type=discord.ChannelType.text)
    try:
        await channel.send(TEXT)  # from here on it knows that it need not wait
        yield lambda: channel.send(TEXT)
    finally:
        await bot.close()


@client("hikari", "aiohttp", "hikari")
async def hikari_(url: str, _: int) -> AsyncIterator[Send]:
    """Kept alive: by default it closes each connection."""
    import hikari

    settings = hikari.impl.HTTPSettings(force_close_transports=False)
    app = hikari.RESTApp(http_settings=settings, url=url)
    await app.start()
    try:
        async with app.acquire("token", "Bot") as rest:
            await rest.create_message(1, TEXT)
            yield lambda: rest.create_message(1, TEXT)
    finally:
        await app.close()


# --- bare clients: less work than any SDK ------------------------------------------------------


@client("pyreqwest, httpx transport", "bare", "pyreqwest")
async def pyreqwest_(url: str, _: int) -> AsyncIterator[Send]:
    """Its transport called directly, without httpx's client around it."""
    import httpx
    from pyreqwest.compatibility.httpx import HttpxTransport

    address = httpx.URL(url + SAVE)
    body = json.dumps(REQUEST).encode()
    async with HttpxTransport() as transport:

        async def send() -> None:
            request = httpx.Request("POST", address, headers=HEADERS, content=body)
            answer = await transport.handle_async_request(request)
            json.loads(await answer.aread())

        yield send


@client("aiohttp", "bare", "aiohttp")
async def aiohttp_(url: str, _: int) -> AsyncIterator[Send]:
    """One shared session."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as session:

        async def send() -> None:
            async with session.post(url + SAVE, json=REQUEST) as answer:
                await answer.json()

        yield send


class Raw(asyncio.Protocol):
    """One connection, which takes every answer for a good one, whole in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.answer.set_result(data)


@client("raw asyncio protocol", "bare", "")
async def raw(url: str, concurrent: int) -> AsyncIterator[Send]:
    """The practical floor: a connection for each sender, one write, one read."""
    loop = asyncio.get_running_loop()
    host, _, port = url.removeprefix("http://").partition(":")
    body = json.dumps(REQUEST).encode()
    lines = [f"POST {SAVE} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, *(f"{k}: {v}" for k, v in HEADERS.items())])
    request = head.encode() + b"\r\n\r\n" + body
    free = [(await loop.create_connection(Raw, host, int(port)))[1] for _ in range(concurrent)]

    async def send() -> None:
        line = free.pop()
        line.answer = loop.create_future()
        line.transport.write(request)
        json.loads((await line.answer).partition(b"\r\n\r\n")[2])
        free.append(line)

    yield send
    for line in free:
        line.transport.close()


# --- a round -----------------------------------------------------------------------------------


async def one_round(send: Send, concurrent: int, sends: int) -> dict[str, float]:
    """What so many sends by so many senders took."""
    turns = iter(range(sends))
    took: list[float] = []

    async def sender() -> None:
        for _ in turns:
            began = time.perf_counter()
            await send()
            took.append(time.perf_counter() - began)

    cpu, clock = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrent):
            group.create_task(sender())
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    took.sort()
    return {
        "cpu_us": cpu / sends * 1e6,
        "rate": sends / clock,
        "p50_ms": took[len(took) // 2] * 1e3,
        "p99_ms": took[int(len(took) * 0.99)] * 1e3,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def cold_round(name: str, url: str, concurrent: int) -> dict[str, float]:
    """What it took a new client, with no connection yet, to send once for each of its senders."""
    async with asyncio.timeout(COLD_SECONDS), CLIENTS[name](url, concurrent) as send:
        return await one_round(send, concurrent, concurrent)


async def answer_rounds(name: str, url: str) -> None:
    """Do the commands of the input: `open CONCURRENT`, `round SENDS`, `close`, `cold SENDS`."""
    loop = asyncio.get_running_loop()
    stack = contextlib.AsyncExitStack()
    send: Send | None = None
    concurrent = 0
    while words := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        found: dict[str, Any] = {}
        try:
            if words[0] == "open":
                concurrent = int(words[1])
                send = await stack.enter_async_context(CLIENTS[name](url, concurrent))
                # A few first: with a thousand at once and no connection, httpx may hang.
                await one_round(send, min(concurrent, 10), 20)
            elif words[0] == "round" and send is not None:
                # Connections that went idle during other turns are opened before the time counts.
                await one_round(send, concurrent, min(concurrent, 100))
                found = await one_round(send, concurrent, int(words[1]))
            elif words[0] == "cold":
                found = await cold_round(name, url, int(words[1]))
            else:
                await stack.aclose()
        except Exception as exc:  # noqa: BLE001 - a peer that fails has its reason in the table
            found = {"error": f"{type(exc).__name__}: {exc}"[:200]}
            if isinstance(exc, ExceptionGroup):
                found = {"error": repr(exc.exceptions[0])[:200]}
        print(json.dumps(found), flush=True)


def version(name: str) -> str:
    """The installed version of the package of a client."""
    package = PACKAGES[name]
    return metadata.version(package) if package else sys.version.split()[0]


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "*"
    import warnings

    warnings.simplefilter("ignore")
    asyncio.run(answer_rounds(*sys.argv[1:]))

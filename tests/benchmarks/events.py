"""What one event costs a bot, beside plain Starlette and slack_bolt: `python events.py`.

Each peer takes the same kind of request, a command that a user typed, answers it 200, and lets a
handler that does nothing run after that:

- starlette: a route that parses the JSON and makes a task of the handler.
- slack_bolt: its `AsyncApp` behind its ASGI adapter, with a signed slash command.
- v1: a `Bot` with a secret address. node: a `Bot` that checks a signature.

CPU: microseconds of this process for one event (`time.process_time`), the best of several rounds
that take turns; in-process, and over uvicorn with each of its parsers, where the client is another
process. Answers: the 99th percentile of the time until the answer, of 1,000 events that are there
at once.
"""

import asyncio
import contextlib
import functools
import gc
import hashlib
import hmac
import json
import logging
import statistics
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from slack_bolt.adapter.asgi.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twake_async import TwakeSession
from twake_async.bot import Bot
from twake_async.events import Command

ROUNDS, EVENTS, AT_ONCE, BURSTS = 9, 2_000, 1_000, 5
#: How many requests are under way at once. With one, slack_bolt would wait 10 ms for each event: it
#: looks for the answer of a handler that often.
WORKERS = 20
KEY = "0vpZlSP7Qp6HK/Mo+wfPdKsQAVefkKvmL7QF6VFuaBM="
SECRET = "0123456789abcdef0123456789abcdef"
#: The upper limits that the project aims at: times the figures of Starlette, and of slack_bolt.
MOST_CPU, MOST_OF_SLACK, MOST_P99 = 1.15, 0.6, 2.0

Made = tuple[str, list[tuple[bytes, bytes]], bytes]
"""A request: its path, its headers and its body."""


def v1_command(channel: int) -> Made:
    """A command as a v1 server posts it, of about the size of the captures."""
    group = {"id": "8e5a2e3a-0f01-11eb-b5d2-0242ac1b0006", "unique_name": "acme", "name": "acme"}
    user = {
        "id": "1d2e3f41-0f01-11eb-9a01-0242ac1b0006",
        "username": "alice",
        "email": "alice@example.org",
        "firstname": "Alice",
        "lastname": "Example",
        "language": "en",
        "status_icon": ["", ""],
        "preferences": {"theme": "light", "notifications": [1, 2, 3]},
    }
    data = {
        "command": "deploy api to production",
        "channel": {
            "id": f"7a1c0e41-5b1d-11eb-9c04-{channel:012x}",
            "name": "General",
            "description": "",
            "members": [f"7a1c0e41-5b1d-11eb-9c05-{one:012x}" for one in range(10)],
        },
        "parent_message": None,
        "connection_id": "c0ffee00",
        "workspace": {"id": "9a5a2e3a-0f01-11eb-b5d2-0242ac1b0006", "group": group},
        "group": group,
        "user": user,
    }
    body = json.dumps({"type": "action", "event": "command", "data": data}).encode()
    return f"/twake/{SECRET}", [(b"content-type", b"application/json")], body


def node_command(channel: int) -> Made:
    """A command as a Node server posts it, signed."""
    _, headers, given = v1_command(channel)
    data = json.loads(given)["data"]
    document = {
        "type": "action",
        "name": "command",
        "content": {one: data[one] for one in ("user", "command", "channel")} | {"thread": None},
        "connection_id": data["connection_id"],
        "user_id": data["user"]["id"],
        "company_id": data["group"]["id"],
        "workspace_id": data["workspace"]["id"],
    }
    body = json.dumps(document).encode()
    signature = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest().encode()
    return "/twake", [*headers, (b"x-twake-signature", signature)], body


def slack_command(channel: int) -> Made:
    """A slash command as Slack posts it, signed."""
    form = {
        "token": "gIkuvaNzQIHg97ATvDxqgjtO",
        "team_id": "T0001",
        "team_domain": "example",
        "channel_id": f"C{channel:010d}",
        "channel_name": "general",
        "user_id": "U2147483697",
        "user_name": "alice",
        "command": "/bot",
        "text": "deploy api to production",
        "api_app_id": "A123456",
        "is_enterprise_install": "false",
        "response_url": "https://hooks.slack.com/commands/1234/5678",
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
    }
    body = urllib.parse.urlencode(form).encode()
    now = str(int(time.time()))
    base = f"v0:{now}:".encode() + body
    signature = "v0=" + hmac.new(KEY.encode(), base, hashlib.sha256).hexdigest()
    headers = [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"x-slack-request-timestamp", now.encode()),
        (b"x-slack-signature", signature.encode()),
    ]
    return "/slack/events", headers, body


class Peer:
    """One of the compared peers: an ASGI application, and the requests that it gets."""

    def __init__(self, name: str, make: Callable[[int], Made]) -> None:
        self.name, self.make = name, make
        self.handled = 0
        self.app: Any = getattr(self, f"_{name}")()

    def _starlette(self) -> Any:
        tasks: set[asyncio.Task[None]] = set()

        async def handle(event: dict[str, Any]) -> None:
            self.handled += 1

        async def take(request: Request) -> Response:
            task = asyncio.create_task(handle(await request.json()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return Response()

        return Starlette(routes=[Route("/twake/{secret}", take, methods=["POST"])])

    def _slack_bolt(self) -> Any:
        async def authorize(**_: Any) -> AuthorizeResult:
            return AuthorizeResult(
                enterprise_id=None, team_id="T0001", bot_token="xoxb", bot_id="B"
            )

        app = AsyncApp(signing_secret=KEY, authorize=authorize)

        @app.command("/bot")
        async def handle(ack: Any) -> None:
            await ack()
            self.handled += 1

        return AsyncSlackRequestHandler(app)

    def _bot(self, **options: Any) -> Any:
        bot = Bot(TwakeSession("app", KEY, group_id="g", **options), secret=self.secret)

        @bot.command()
        async def handle(event: Command) -> None:
            self.handled += 1

        return bot

    secret: str | None = SECRET

    def _v1(self) -> Any:
        return self._bot()

    def _node(self) -> Any:
        self.secret = None
        return self._bot(api="node")


def peers() -> list[Peer]:
    """All peers, Starlette first."""
    logging.getLogger("slack_bolt").setLevel(logging.ERROR)
    return [
        Peer("starlette", v1_command),
        Peer("slack_bolt", slack_command),
        Peer("v1", v1_command),
        Peer("node", node_command),
    ]


async def call(app: Any, made: Made) -> None:
    """Make one request in-process."""
    path, headers, body = made
    answered = False

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal answered
        answered = answered or message.get("status") == 200

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"bot.example.com"),
            (b"accept", b"*/*"),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    if not answered:
        raise RuntimeError(f"{path} was not answered 200")


async def settle(peer: Peer, expected: int) -> None:
    """Wait until all events are handled."""
    while peer.handled < expected:
        await asyncio.sleep(0)


async def cpu_in_process(peer: Peer) -> float:
    """Microseconds of CPU for one event."""
    made = [peer.make(number % 50) for number in range(EVENTS)]
    expected = peer.handled + EVENTS

    async def over(place: int) -> None:
        for one in made[place::WORKERS]:
            await call(peer.app, one)
            await asyncio.sleep(0)

    began = time.process_time()
    await asyncio.gather(*map(over, range(WORKERS)))
    await settle(peer, expected)
    return (time.process_time() - began) / EVENTS * 1e6


async def p99_in_process(peer: Peer) -> float:
    """Milliseconds until the answer, of events that are there at once."""
    made = [peer.make(number) for number in range(AT_ONCE)]
    expected = peer.handled + AT_ONCE
    times: list[float] = []
    began = time.perf_counter()

    async def one(given: Made) -> None:
        await call(peer.app, given)
        times.append(time.perf_counter() - began)

    await asyncio.gather(*map(one, made))
    await settle(peer, expected)
    return p99(times) * 1e3


def p99(times: list[float]) -> float:
    """The 99th percentile."""
    return sorted(times)[int(len(times) * 0.99) - 1]


# --- over uvicorn --------------------------------------------------------------------------------


class Server(uvicorn.Server):
    """A server that leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave them."""
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, http: str) -> AsyncIterator[int]:
    """Serve an application on loopback; give its port."""
    config = uvicorn.Config(
        app, port=0, http=http, loop="asyncio", log_level="critical", access_log=False,
        lifespan="off", backlog=4096,
    )  # fmt: skip
    server = Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


def raw(made: Made) -> bytes:
    """A request as it is sent."""
    path, headers, body = made
    lines = [b"POST " + path.encode() + b" HTTP/1.1", b"Host: bot.example.com", b"Accept: */*"]
    lines += [name + b": " + value for name, value in headers]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def read_answer(reader: asyncio.StreamReader) -> None:
    """Read one answer; raise unless it is 200."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(head.decode())
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))


async def client(name: str, port: int, count: int, *, at_once: bool) -> list[float]:
    """Make requests from another process: over 20 connections, or each over its own at once."""
    make: Callable[[int], Made] = {
        "starlette": v1_command, "v1": v1_command, "node": node_command, "slack_bolt": slack_command
    }[name]  # fmt: skip
    made = [raw(make(number if at_once else number % 50)) for number in range(count)]
    opened = [
        await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count if at_once else WORKERS)
    ]
    times: list[float] = []
    began = time.perf_counter()

    async def over(place: int) -> None:
        reader, writer = opened[place]
        for one in made[place :: len(opened)]:
            writer.write(one)
            await read_answer(reader)
            times.append(time.perf_counter() - began)

    await asyncio.gather(*map(over, range(len(opened))))
    for _, writer in opened:
        writer.close()
    return times


async def over_uvicorn(peer: Peer, http: str, *, at_once: bool) -> float:
    """Microseconds of CPU for one event; or the 99th percentile of the answers in milliseconds."""
    count = AT_ONCE if at_once else EVENTS
    expected = peer.handled + count
    async with serving(peer.app, http) as port:
        began = time.process_time()
        command = [sys.executable, __file__, peer.name, str(port), str(count), str(int(at_once))]
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await child.communicate()
        if child.returncode:
            raise RuntimeError(f"the client of {peer.name} failed")
        await settle(peer, expected)
        used = (time.process_time() - began) / count * 1e6
    return p99(json.loads(out)) * 1e3 if at_once else used


# --- the figures ---------------------------------------------------------------------------------


async def measure(
    all_peers: list[Peer], rounds: int, figure: Callable[[Peer], Any]
) -> dict[str, list[float]]:
    """Measure all peers in turns, after a round that does not count."""
    found: dict[str, list[float]] = {peer.name: [] for peer in all_peers}
    for number in range(rounds + 1):
        for peer in all_peers:
            gc.collect()
            value = await figure(peer)
            if number:
                found[peer.name].append(value)
    return found


def show(title: str, unit: str, found: dict[str, list[float]], most: float) -> None:
    """Print the medians, and the ratios of each round's figures."""
    print(title)
    for name, values in found.items():
        line = f"  {name:<11}{statistics.median(values):9.1f} {unit}"
        for peer, bound in (("starlette", most), ("slack_bolt", MOST_OF_SLACK)):
            if name in ("v1", "node") and (peer == "starlette" or unit == "µs"):
                ratios = [one / other for one, other in zip(values, found[peer], strict=True)]
                line += f"   {statistics.median(ratios):5.2f} x {peer} (aim: {bound})"
        print(line)


async def main() -> None:
    """Print all figures."""
    gc.freeze()
    everyone = peers()
    show(
        "CPU for one event, in-process",
        "µs",
        await measure(everyone, ROUNDS, cpu_in_process),
        MOST_CPU,
    )
    for http in ("httptools", "h11"):
        figure = functools.partial(over_uvicorn, http=http, at_once=False)
        found = await measure(everyone, BURSTS, figure)
        show(f"CPU for one event, over uvicorn with {http}", "µs", found, MOST_CPU)
    show(f"p99 of {AT_ONCE:,} answers at once, in-process", "ms",
         await measure(everyone, BURSTS, p99_in_process), MOST_P99)  # fmt: skip
    for http in ("httptools", "h11"):
        figure = functools.partial(over_uvicorn, http=http, at_once=True)
        found = await measure(everyone, BURSTS, figure)
        show(f"p99 of {AT_ONCE:,} answers at once, over uvicorn with {http}", "ms", found, MOST_P99)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _, name, port, count, at_once = sys.argv
        print(json.dumps(asyncio.run(client(name, int(port), int(count), at_once=at_once == "1"))))
    else:
        asyncio.run(main())

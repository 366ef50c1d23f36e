"""How each failure is caused: on real sockets, by bad input, or in the life of a session."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pickle
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from unittest import mock

import attrs
import httpx
from clock import past_deadline
from echoes import EchoServer, observe_all
from faults import FAULTS, Fault, FaultServer
from faults.proxy import Proxy
from faults.request import APPLICATION_ID
from faults.tls import HandshakeServer, client_context, server_context
from node_server import APPLICATION, CHANNEL, COMPANY, SECRET, WORKSPACE, NodeServer

from twake_async import MessageRef, RetryPolicy, TwakeError, TwakeSession
from twake_async.sandbox import Sandbox

#: The default policy, but with shorter waits, and with two tries of what never left.
QUICK = RetryPolicy(unsent_attempts=2, initial_wait=0.001, max_wait=0.002)
#: Seconds, for a scene that only a deadline in real time ends.
SHORT = 0.3
#: The front_id of a send that only sets the scene, and is not counted.
PROP = "prop"
MESSAGE_ID = "2ad636ce-e67f-11f1-bdbe-aa7dee5775f4"

Call = Callable[[], Awaitable[Any]]
Around = Callable[[TwakeSession, Call], Awaitable[Any]]


async def perform(twake: TwakeSession, operation: str, changed: Mapping[str, Any]) -> Any:
    """Make the call that a row is about, with some of its arguments changed."""
    given = {"channel_id": "c1", "content": "Hello", **changed}
    if operation == "create":
        return await twake.send_message(given.pop("channel_id"), given.pop("content"), **given)
    ref = MessageRef(given.pop("channel_id"), given.pop("id", MESSAGE_ID))
    content = given.pop("content")
    if operation == "edit":
        return await twake.edit_message(ref, content, **given)
    return await twake.remove_message(ref, **given)


async def _as_it_is(twake: TwakeSession, call: Call) -> Any:
    return await call()


@attrs.frozen(kw_only=True)
class Scene:
    """The world in which a call is made."""

    options: Mapping[str, Any]
    """Arguments of the session."""
    changed: Mapping[str, Any] = {}
    """Arguments of the call."""
    around: Around = _as_it_is
    """The context around the call."""
    tries: Callable[[], int] | None = None
    """How many attempts the other side met; None where there is nobody to count them."""
    stored: Callable[[], int] = lambda: 0
    """How many requests the other side acted on."""


@attrs.frozen
class Cause:
    """One way to cause a failure."""

    name: str
    scene: Callable[[], contextlib.AbstractAsyncContextManager[Scene]]

    @property
    def slow(self) -> bool:
        """Whether only a deadline in real time ends it."""
        return self.name in ("handshake-silent", "tunnel-silent")


def cause(make: Callable[..., AsyncIterator[Scene]]) -> Callable[..., Cause]:
    """Turn a generator of a scene into a function that names it by its first argument."""
    opened = contextlib.asynccontextmanager(make)

    @functools.wraps(make)
    def named(*args: Any, **options: Any) -> Cause:
        word = next((str(arg) for arg in args if isinstance(arg, str | int)), "")
        name = f"{make.__name__}-{word}" if word else make.__name__
        return Cause(name, functools.partial(opened, *args, **options))

    return named


async def until(holds: Callable[[], object]) -> None:
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


# --- a server that fails ------------------------------------------------------------------------


class Always:
    """Does the same to every connection, or to every request."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def for_connection(self) -> Fault | None:
        return self.fault if self.fault.stage == "accept" else None

    def for_request(self) -> Fault | None:
        return self.fault if self.fault.stage != "accept" else None


def _stored(server: FaultServer) -> int:
    return sum((server.stored + server.edits + server.removed).values())


@cause
async def fault(
    name: str, *, retry_after: str | None = None, **options: Any
) -> AsyncIterator[Scene]:
    """Meet a fault of the catalogue in each attempt."""
    met = FAULTS[name]
    if retry_after is not None:
        met = attrs.evolve(met, retry_after=retry_after)
    options.setdefault("deadline", 5.0)
    async with FaultServer(Always(met)) as server:

        async def around(twake: TwakeSession, call: Call) -> Any:
            reached = server.next_silence(met)
            return await past_deadline(twake, call(), reached, options["deadline"])

        yield Scene(
            options={"base_url": server.url, **options},
            around=around if "silent" in name or "drip" in name else _as_it_is,
            tries=lambda: server.acted[name],
            stored=lambda: _stored(server),
        )


@cause
async def beside(word: str, around: Around, *, broken: int = 0) -> AsyncIterator[Scene]:
    """Make a call beside the messages to a Twake of 2020, or to one that answers a bad status."""
    if broken:
        async with FaultServer(Always(FAULTS[f"loses_{broken}"])) as server:
            yield Scene(
                options={"base_url": server.url, "deadline": 5.0},
                around=around,
                tries=lambda: server.received,
                stored=lambda: _stored(server),
            )
        return
    with Sandbox() as sandbox:
        yield Scene(
            options={
                "base_url": sandbox.url,
                "public_id": sandbox.public_id,
                "private_api_key": sandbox.private_api_key,
                "group_id": sandbox.group_id,
            },
            around=around,
            tries=lambda: len(sandbox.requests),
            stored=lambda: len(sandbox.messages()),
        )


@cause
async def on_reuse(name: str) -> AsyncIterator[Scene]:
    """Meet a fault when a kept connection is used again, and each time after that."""
    then = FAULTS[name].then
    assert then is not None
    async with FaultServer(Always(then)) as server:
        server.do_next(name)

        async def around(twake: TwakeSession, call: Call) -> Any:
            await twake.send_message("c1", "first", front_id=PROP)
            return await call()

        yield Scene(
            options={"base_url": server.url},
            around=around,
            tries=lambda: server.acted[then.name],
            stored=lambda: _stored(server) - 1,
        )


@cause
async def idle_close(name: str) -> AsyncIterator[Scene]:
    """Find that the server has closed the kept connection while it was idle."""
    async with FaultServer(Always(FAULTS[name])) as server:

        async def around(twake: TwakeSession, call: Call) -> Any:
            await twake.send_message("c1", "first", front_id=PROP)
            await until(lambda: not server.open_connections)
            return await call()

        yield Scene(
            options={"base_url": server.url},
            around=around,
            stored=lambda: _stored(server) - 1,
        )


# --- a server of 2020 that posts events ----------------------------------------------------------

#: A refusal in words that is wrong: the message is stored.
WRONG_REFUSAL = attrs.evolve(FAULTS["refuses_401"], name="stores_401", stores=True)


@cause
async def echoed(
    word: str,
    *faults: Fault | str,
    delay: float = 0.0,
    before: str = "",
    forges: str = "",
    changed: Mapping[str, Any] = {},
    **options: Any,
) -> AsyncIterator[Scene]:
    """Meet these faults, at a server that posts each new message to the session.

    `before` is a channel in which a message is observed first. `forges` is a forged event that is
    posted in place of the right one.
    """
    async with EchoServer() as server:
        server.forges_only = forges

        async def around(twake: TwakeSession, call: Call) -> Any:
            observe_all(server, twake)
            attempts = twake._attempts
            attempts.clock = attrs.evolve(attempts.clock, draw=lambda: 1.0)
            if before:
                await twake.send_message(before, "first")
            prop.update(begun=server.received, stored=_stored(server))
            server.delay = delay
            server.do_next(*faults)
            return await call()

        prop = {"begun": 0, "stored": 0}
        yield Scene(
            options={"base_url": server.url, "public_id": APPLICATION_ID, **options},
            changed=changed,
            around=around,
            tries=lambda: server.received - prop["begun"],
            stored=lambda: _stored(server) - prop["stored"],
        )


# --- a server of Node ---------------------------------------------------------------------------

#: The first message of a thread that a user began.
QUESTION = "2a538390-e914-11f1-a2d0-9f7cb434e27b"


@cause
async def node(
    word: str,
    *,
    around: Around = _as_it_is,
    changed: Mapping[str, Any] = {},
    replays: str = "",
    server: Mapping[str, Any] = {},
    **options: Any,
) -> AsyncIterator[Scene]:
    """Send to a server of Node, which replays recorded cases, or does what its fields say."""
    async with NodeServer() as asked:
        asked.put(MESSAGE_ID)
        asked.put(QUESTION, application=None)
        asked.stored = 0
        asked.next.extend(replays.split() * 9)
        for name, value in server.items():
            setattr(asked, name, value)
        session = {
            "base_url": asked.url,
            "api": "node",
            "public_id": APPLICATION,
            "private_api_key": SECRET,
            "group_id": COMPANY,
            "workspace_id": WORKSPACE,
        }
        yield Scene(
            options=session | options,
            changed={"channel_id": CHANNEL, **changed},
            around=around,
            tries=lambda: max(len(asked.messages()), asked.logins()),
            stored=lambda: asked.stored + asked.edits + asked.removes,
        )


# --- no connection ------------------------------------------------------------------------------


@cause
async def refused_port(**options: Any) -> AsyncIterator[Scene]:
    """Connect to a port where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yield Scene(options={"base_url": f"http://127.0.0.1:{nobody.getsockname()[1]}"} | options)


@cause
async def unresolved() -> AsyncIterator[Scene]:
    """Connect to a name that does not resolve."""
    host, asked, resolve = "twake.invalid", [], socket.getaddrinfo

    def here_only(name: Any, *args: Any, **more: Any) -> Any:
        # The system's own answer, without a query to the network that may take long.
        if name in (host, host.encode()):
            asked.append(name)
            return resolve(name, 80, flags=socket.AI_NUMERICHOST)
        return resolve(name, *args, **more)

    with mock.patch("socket.getaddrinfo", here_only):
        yield Scene(
            options={"base_url": f"http://{host}", "allow_plain_http": True},
            tries=lambda: len(asked),
        )


@functools.cache
def _trusting() -> ssl.SSLContext:
    # Made once: it takes so long that it would delay the other sends of a row.
    return client_context()


@cause
async def handshake(how: Any) -> AsyncIterator[Scene]:
    """Connect to a server that never finishes a TLS handshake."""
    async with HandshakeServer(how) as server:
        options = {"verify": _trusting()}
        if how == "silent":
            # The first attempt takes a third of it.
            options |= {"deadline": 2 * SHORT}
        yield Scene(options={"base_url": server.url} | options, tries=lambda: server.accepted)


@cause
async def certificate(kind: Any) -> AsyncIterator[Scene]:
    """Connect to a server whose certificate does not fit."""
    async with FaultServer(ssl_context=server_context(kind)) as server:
        yield Scene(
            options={"base_url": server.url, "verify": _trusting()},
            stored=lambda: _stored(server),
        )


@cause
async def tunnel(how: Any) -> AsyncIterator[Scene]:
    """Go through a proxy that fails before there is a tunnel."""
    async with Proxy(how) as proxy, FaultServer(ssl_context=server_context()) as server:
        yield Scene(
            options={
                "base_url": server.url,
                "verify": _trusting(),
                "proxy": proxy.url,
                "deadline": 2 * SHORT if how == "silent" else 5.0,
            },
            tries=lambda: proxy.connects,
            stored=lambda: _stored(server),
        )


@cause
async def forward(how: Any) -> AsyncIterator[Scene]:
    """Send plain http through a proxy, which reads the request itself."""
    async with Proxy(how) as proxy, FaultServer() as server:
        yield Scene(
            options={"base_url": server.url, "proxy": proxy.url},
            tries=lambda: proxy.plain,
            stored=lambda: _stored(server),
        )


# --- what the caller injected -------------------------------------------------------------------


@cause
async def injected(kind: str, error: type[Exception]) -> AsyncIterator[Scene]:
    """Send through a failing transport of the caller's, or through his client around it."""
    tried: list[object] = []

    def handle(request: httpx.Request) -> httpx.Response:
        tried.append(request)
        raise error("as told")

    transport = httpx.MockTransport(handle)
    address = {"base_url": "https://twake.example", "proxy": "env"}
    if kind == "transport":
        yield Scene(options=address | {"transport": transport}, tries=lambda: len(tried))
        return
    async with httpx.AsyncClient(transport=transport) as client:
        yield Scene(options=address | {"http_client": client}, tries=lambda: len(tried))


@cause
async def injected_to_refused_port() -> AsyncIterator[Scene]:
    """Send through a client of the caller's to a port where nobody listens."""
    client = httpx.AsyncClient(trust_env=False)
    async with client, refused_port(http_client=client, proxy="env").scene() as scene:
        yield scene


# --- bad input ----------------------------------------------------------------------------------


@cause
async def _working(word: str, options: Any, changed: Any, around: Around) -> AsyncIterator[Scene]:
    async with FaultServer() as server:
        yield Scene(
            options={"base_url": server.url, **options},
            changed=changed,
            around=around,
            tries=lambda: server.begun,
            stored=lambda: _stored(server),
        )


def configured(word: str, **options: Any) -> Cause:
    """Give the session these arguments."""
    return _working(f"configured {word}", options, {}, _as_it_is)


def called(word: str, **changed: Any) -> Cause:
    """Give the call these arguments."""
    return _working(f"called {word}", {}, changed, _as_it_is)


def done(word: str, around: Around, **options: Any) -> Cause:
    """Do this around the call, or in its place."""
    return _working(word, options, {}, around)


async def without_environment(twake: TwakeSession, call: Call) -> None:
    """Build a session from an environment without any of its variables."""
    with mock.patch.dict(os.environ, clear=True):
        TwakeSession.from_env()


async def without_authorities(twake: TwakeSession, call: Call) -> None:
    """Name certificate authorities in the environment that do not exist."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        with mock.patch.dict(os.environ, {variable: "/nonexistent"}):
            TwakeSession("app", "key")


async def without_socks(twake: TwakeSession, call: Call) -> None:
    """Ask for a SOCKS proxy where the package that speaks to it is not installed."""
    with mock.patch("importlib.util.find_spec", return_value=None):
        TwakeSession("app", "key", proxy="socks5://127.0.0.1:1")


# --- the life of a session ----------------------------------------------------------------------


async def after_closing(twake: TwakeSession, call: Call) -> None:
    """Call a session that was closed."""
    await twake.aclose()
    await call()


async def in_another_loop(twake: TwakeSession, call: Call) -> None:
    """Use the session from a loop in another thread."""
    await asyncio.to_thread(asyncio.run, call())


def _step(call: Call) -> None:
    call().send(None)  # type: ignore[attr-defined]


async def in_no_loop(twake: TwakeSession, call: Call) -> None:
    """Drive the call by hand, where no event loop of asyncio runs."""
    await asyncio.to_thread(_step, call)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads beside the fork: the child uses none
        return os.fork()


def _raised_in_a_child(call: Call) -> TwakeError:
    read, write = os.pipe()
    child = _fork()
    if not child:
        said = b""
        try:
            _step(call)
        except TwakeError as error:
            said = pickle.dumps(error)
        finally:
            os.write(write, said)
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(said)


async def in_a_fork(twake: TwakeSession, call: Call) -> None:
    """Use the session in a forked child, and raise its exception here."""
    raise _raised_in_a_child(call)


@contextlib.asynccontextmanager
async def _holding(twake: TwakeSession, server: FaultServer) -> AsyncIterator[None]:
    """Keep the only connection busy with another send."""
    held = asyncio.ensure_future(twake.send_message("c1", "first", front_id=PROP, deadline=5))
    try:
        await until(lambda: server.received)
        yield
    finally:
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)


@cause
async def busy(around: Any, word: str, **changed: Any) -> AsyncIterator[Scene]:
    """Make the call while another send holds the only connection."""
    async with FaultServer(Always(FAULTS["loses_silent"])) as server:

        async def hold(twake: TwakeSession, call: Call) -> None:
            async with _holding(twake, server):
                await around(twake, call)

        yield Scene(
            options={"base_url": server.url, "max_connections": 1}, changed=changed, around=hold
        )


async def _to_its_place(call: Call) -> asyncio.Future[Any]:
    sending = asyncio.ensure_future(call())
    for _ in range(10):  # no I/O lies between the call and the queue
        await asyncio.sleep(0)
    return sending


async def _wait(twake: TwakeSession, call: Call) -> None:
    await call()


async def _close(twake: TwakeSession, call: Call) -> None:
    sending = await _to_its_place(call)
    await twake.aclose(drain=0)
    await sending


async def _cancel(twake: TwakeSession, call: Call) -> None:
    sending = await _to_its_place(call)
    sending.cancel()
    await sending


def connections_busy() -> Cause:
    """Wait for a connection until the deadline."""
    return busy(_wait, "connections_busy", deadline=0.03)


def closed_in_line() -> Cause:
    """Wait for a connection while the session is closed."""
    return busy(_close, "closed_in_line")


def cancelled_in_line() -> Cause:
    """Wait for a connection, and be cancelled."""
    return busy(_cancel, "cancelled_in_line")


@cause
async def answer_awaited(end: Any, word: str) -> AsyncIterator[Scene]:
    """Do something once the request was read, while its answer is awaited."""
    async with FaultServer(Always(FAULTS["stores_silent"])) as server:

        async def around(twake: TwakeSession, call: Call) -> None:
            sending = asyncio.ensure_future(call())
            await until(lambda: server.received)
            await end(twake, sending)
            await sending

        yield Scene(
            options={"base_url": server.url},
            around=around,
            tries=lambda: server.received,
            stored=lambda: _stored(server),
        )


async def _cut_off(twake: TwakeSession, sending: asyncio.Future[Any]) -> None:
    await twake.aclose(drain=0)


async def _stop(twake: TwakeSession, sending: asyncio.Future[Any]) -> None:
    sending.cancel()


def cut_off() -> Cause:
    """Close the session while the answer is awaited; its drain time is over."""
    return answer_awaited(_cut_off, "cut_off")


def cancelled() -> Cause:
    """Cancel the send while its answer is awaited."""
    return answer_awaited(_stop, "cancelled")


async def _cancel_at_once(twake: TwakeSession, call: Call) -> None:
    sending = asyncio.ensure_future(call())
    await asyncio.sleep(0)  # as in a task group, where another task fails in the same turn
    sending.cancel()
    await sending


@cause
async def cancelled_at_once() -> AsyncIterator[Scene]:
    """Cancel the send in the turn of the event loop in which it begins."""
    async with FaultServer() as server:
        yield Scene(
            options={"base_url": server.url},
            around=_cancel_at_once,
            tries=lambda: server.received,
            stored=lambda: _stored(server),
        )


@cause
async def echoed_and_cancelled() -> AsyncIterator[Scene]:
    """Cancel the send while its answer is awaited, after its event was observed."""
    async with EchoServer(Always(FAULTS["stores_silent"])) as server:

        async def around(twake: TwakeSession, call: Call) -> None:
            observe_all(server, twake)
            sending = asyncio.ensure_future(call())
            await until(lambda: server.echoed)
            sending.cancel()
            await sending

        yield Scene(
            options={"base_url": server.url, "public_id": APPLICATION_ID},
            around=around,
            tries=lambda: server.received,
            stored=lambda: _stored(server),
        )


@cause
async def cooldown() -> AsyncIterator[Scene]:
    """Send after another send was refused with a long wait."""
    async with FaultServer() as server:
        server.do_next(attrs.evolve(FAULTS["refuses_429_seconds"], retry_after="3600"))

        async def around(twake: TwakeSession, call: Call) -> None:
            with contextlib.suppress(TwakeError):
                await twake.send_message("c1", "first", front_id=PROP)
            await call()

        yield Scene(
            options={"base_url": server.url},
            around=around,
            tries=lambda: server.received - 1,
            stored=lambda: _stored(server),
        )

"""The two HTTP libraries: a test for each private name that is used, and what the caller injects.

If a test of the first part fails after an update, a name has gone. `_transport/http_library.py` says what
that costs, and is the one place to fix.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
from unittest import mock

import httpx
import httpx2
import pytest
from faults import FaultServer
from faults.proxy import Proxy
from faults.tls import client_context, server_context

from twake_async import (
    ConfigurationError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeSession,
)
from twake_async._transport.http_library import (
    IS_READABLE,
    httpx2_library,
    httpx_library,
    reports_events,
)
from twake_async._transport.httpx.backend import Backend
from twake_async._transport.httpx.connection import connection_factory
from twake_async._transport.httpx.events import RequestEvents
from twake_async._transport.httpx.stream import Stream
from twake_async._transport.pooled_connection import PooledConnection
from twake_async.sandbox import Sandbox

LIBRARIES = {"httpx": httpx_library(), "httpx2": httpx2_library()}
each = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
routes = pytest.mark.parametrize("route", ["plain", "tls", "forward", "tunnel"])


def session(url, library=None, **options):
    options = {"retry": RetryPolicy.never(), "deadline": 5.0, "proxy": None} | options
    if library is not None and library.name == "httpx2":
        options["transport"] = "httpx2"
    return TwakeSession("app", "k" * 40, group_id="g1", base_url=url, **options)


@contextlib.asynccontextmanager
async def route_to(route):
    """Yield a server, and the options of a session that reaches it by this route."""
    tls = server_context() if route in ("tls", "tunnel") else None
    async with FaultServer(ssl_context=tls) as server, Proxy() as proxy:
        options = {"verify": client_context()} if tls else {}
        if route in ("forward", "tunnel"):
            options["proxy"] = proxy.url
        yield server, options


async def used(twake):
    """Return the transport of the session's only connection, after one message."""
    await twake.send_message("c1", "Hello")
    (connection,) = twake._attempts.transport.pool._idle
    return connection.raw


# --- a test for each private name ----------------------------------------------------------------


@each
@routes
async def test_the_pool_of_a_transport_is_its_pool_attribute(library, route):
    """`AsyncHTTPTransport._pool` is httpcore's pool, which holds the one connection."""
    async with (
        route_to(route) as (server, options),
        session(server.url, library, **options) as twake,
    ):
        pool = (await used(twake))._pool
        assert isinstance(pool, library.core().AsyncConnectionPool)
        assert len(pool.connections) == 1


@each
@routes
async def test_a_pool_connects_through_its_network_backend_attribute(library, route, monkeypatch):
    """The backend in `AsyncConnectionPool._network_backend` opens the connection."""
    opened = []
    real = Backend.connect_tcp

    async def connect(self, *given, **named):
        opened.append(await real(self, *given, **named))
        return opened[-1]

    monkeypatch.setattr(Backend, "connect_tcp", connect)
    async with (
        route_to(route) as (server, options),
        session(server.url, library, **options) as twake,
    ):
        transport = await used(twake)
        assert isinstance(transport._pool._network_backend, Backend)
    assert len(opened) == 1


@each
@routes
async def test_below_each_connection_is_one_that_reads_with_h11(library, route):
    """`_connection`, repeatedly, and then `_h11_state` with its `trailing_data`."""
    async with (
        route_to(route) as (server, options),
        session(server.url, library, **options) as twake,
    ):
        (connection,) = (await used(twake))._pool.connections
        assert hasattr(connection, "_connection")
        while hasattr(connection, "_connection"):
            connection = connection._connection
        assert connection._h11_state.trailing_data == (b"", False)


@each
@routes
async def test_a_request_goes_through_functions_of_the_library_alone(library, route):
    """`handle_async_request` of the transport and of its pool: they tell of each step."""
    async with (
        route_to(route) as (server, options),
        session(server.url, library, **options) as twake,
    ):
        assert reports_events(await used(twake))


@each
@pytest.mark.parametrize("place", ["class", "object", "pool"])
@pytest.mark.parametrize("kind", ["mock", "wrapper", "unknown"])
async def test_what_takes_the_place_of_the_library_proves_nothing(
    library, place, kind, monkeypatch
):
    """A send that is cancelled before a mock tells of any step may have arrived at the mock."""
    transport = library.make_transport(client_context(), None, 5.0)
    changed = {"class": type(transport), "object": transport, "pool": type(transport._pool)}[place]
    real, begun = changed.handle_async_request, asyncio.Event()

    @functools.wraps(real)
    async def wrapper(*given, **named):
        begun.set()
        await asyncio.Event().wait()

    if kind == "unknown":
        del wrapper.__wrapped__
    stand_in = mock.AsyncMock(side_effect=wrapper) if kind == "mock" else wrapper
    monkeypatch.setattr(changed, "handle_async_request", stand_in)
    assert not reports_events(transport)
    if place == "object":
        return
    seen = []
    async with FaultServer() as server, session(server.url, library) as twake:
        twake._sender.attempts.on_attempt = seen.append
        sending = asyncio.create_task(twake.send_message("c1", "Hello"))
        await begun.wait()
        sending.cancel()
        await asyncio.wait([sending])
    assert [attempt.outcome for attempt in seen] == [Outcome.UNKNOWN]


@each
@pytest.mark.parametrize("rest", [b"", b"H", b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"])
async def test_bytes_after_an_answer_are_seen(library, rest):
    """Also if they came together with the answer, when nothing else shows them."""
    seen, over = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + rest)
        await seen.wait()
        writer.transport.abort()
        over.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        transport = library.make_transport(client_context(), None, 4.0)
        response = await transport.handle_async_request(library.http.Request("GET", url))
        assert await response.aread() == b"{}"
        await response.aclose()
        assert library.may_have_unread(transport) is bool(rest)
        await transport.aclose()
        seen.set()
        await over.wait()


@each
async def test_a_connection_is_asked_whether_it_is_readable_before_it_is_used_again(
    library, server, monkeypatch
):
    """`get_extra_info("is_readable")`: unsolicited data, or the end, is seen before a request."""
    asked: list[str] = []
    real = Stream.get_extra_info

    def get_extra_info(self, info):
        asked.append(info)
        return real(self, info)

    monkeypatch.setattr(Stream, "get_extra_info", get_extra_info)
    async with session(server.url, library) as twake:
        await twake.send_message("c1", "Hello")
        asked.clear()
        await twake.send_message("c1", "Hello")
    assert IS_READABLE in asked
    assert server.accepted == 1


@each
@routes
async def test_the_events_of_a_request_have_the_known_names(library, route):
    """`connection.connect_tcp`, `start_tls`, `send_request_headers`: httpcore promises none."""
    names: list[str] = []

    async def trace(name, info):
        if name.endswith("send_request_headers.started"):
            name += f" {info['request'].method.decode()}"
        if name == "connection.connect_tcp.complete":
            assert info["return_value"] is not None
        names.append(name)

    async with route_to(route) as (server, options):
        proxy = library.http.Proxy(options["proxy"]) if "proxy" in options else None
        transport = library.make_transport(options.get("verify"), proxy, 4.0)
        request = library.http.Request("GET", server.url, extensions={"trace": trace})
        response = await transport.handle_async_request(request)
        await response.aread()
        await response.aclose()
        await transport.aclose()
    headers = "http11.send_request_headers.started"
    tls = [f"{'connection' if route == 'tls' else 'proxy'}.start_tls.started"]
    expected = ["connection.connect_tcp.started", "connection.connect_tcp.complete"]
    expected += [f"{headers} CONNECT"] if route == "tunnel" else []
    expected += tls if route in ("tls", "tunnel") else []
    expected += [f"{headers} GET"]
    assert [name for name in names if name in {*expected}] == expected


@each
async def test_no_event_is_reported_once_the_request_has_begun(library, server, monkeypatch):
    """`info["request"].extensions` is the given dictionary: the events end, and so does a reference cycle."""
    names, given = [], []
    real = RequestEvents.__call__

    async def hear(self, name, info):
        names.append(name)
        await real(self, name, info)

    class Seen(library.http.AsyncHTTPTransport):
        async def handle_async_request(self, request):
            given.append(request.extensions)
            return await super().handle_async_request(request)

    monkeypatch.setattr(RequestEvents, "__call__", hear)
    monkeypatch.setattr(library.http, "AsyncHTTPTransport", Seen)
    async with session(server.url, library) as twake:
        await twake.send_message("c1", "Hello")
        names.clear()
        await twake.send_message("c1", "Hello")
    start = "http11.send_request_headers"
    assert names == [f"{start}.started", f"{start}.complete"]
    assert ["trace" in extensions for extensions in given] == [False, False]


@each
async def test_a_clients_transports_are_its_transport_and_mounts_attributes(library):
    """`AsyncClient._transport` and `._mounts` show a client with parts of both libraries."""
    made = [library.http.AsyncHTTPTransport() for _ in range(2)]
    async with library.http.AsyncClient(transport=made[0], mounts={"https://": made[1]}) as client:
        assert client._transport is made[0]
        assert made[1] in client._mounts.values()


# --- without them --------------------------------------------------------------------------------


@each
async def test_without_the_private_names_each_message_gets_its_own_connection(
    library, server, monkeypatch
):
    """A later library may make pooled connections slower, but not wrong."""
    transport = library.http.AsyncHTTPTransport
    real, through = transport.__init__, transport.handle_async_request

    def renamed(self, **options):
        real(self, **options)
        self.__dict__["pool"] = self.__dict__.pop("_pool")

    async def handle(self, request):
        self._pool = self.pool
        try:
            return await through(self, request)
        finally:
            del self._pool

    monkeypatch.setattr(transport, "__init__", renamed)
    monkeypatch.setattr(transport, "handle_async_request", handle)
    monkeypatch.setattr(transport, "aclose", lambda self: self.pool.aclose())
    async with session(server.url, library) as twake:
        for _ in range(3):
            assert (await twake.send_message("c1", "Hello")).id
    assert server.accepted == 3


@each
async def test_with_renamed_events_opening_a_connection_sends_a_head_request(library, monkeypatch):
    """It is a HEAD request without the key, and stores nothing."""

    async def answer(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        writer.close()

    kind = sys.modules[library.core().__name__ + "._trace"].Trace
    real = kind.atrace

    async def renamed(self, name, info):
        await real(self, name.replace("send_request_headers", "send_head"), info)

    heads: list[bytes] = []
    monkeypatch.setattr(kind, "atrace", renamed)
    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening, session(url, library) as twake:
        pool = twake._attempts.transport.pool
        connection = pool._make()
        assert await pool.connect(connection) is None
        pool._discard(connection)
        await asyncio.sleep(0.05)
    (head,) = heads
    assert head.startswith(b"HEAD / HTTP/1.1\r\n")
    assert b"authorization" not in head.lower()


@each
async def test_a_connection_without_the_private_name_is_not_used_again(library, server):
    """Also if only the innermost name is gone."""
    async with session(server.url, library) as twake:
        transport = await used(twake)
        (connection,) = transport._pool.connections
        assert not library.may_have_unread(transport)
        del connection._connection._h11_state
        assert library.may_have_unread(transport)


@each
async def test_without_events_opening_a_connection_sends_a_head_request(
    library, server, monkeypatch
):
    """It holds nothing of a message, and no key."""
    transport = library.http.AsyncHTTPTransport
    through = transport.handle_async_request

    async def unheard(self, request):
        request.extensions.pop("trace")
        return await through(self, request)

    monkeypatch.setattr(transport, "handle_async_request", unheard)
    maker = connection_factory(server.url, library, verify=True, proxy=None)
    connection = PooledConnection(maker.make())
    assert await maker.connect(connection) is None
    await connection.raw.aclose()
    assert server.begun == 1
    (head,) = server.heads
    assert head.startswith(b"HEAD / HTTP/1.1")
    assert b"authorization" not in head.lower()
    assert b"content-length" not in head.lower()


# --- transport="httpx2" --------------------------------------------------------------------------


@each
@routes
async def test_messages_are_sent_with_the_chosen_library(library, route):
    """By each route, all of them use one connection."""
    async with (
        route_to(route) as (server, options),
        session(server.url, library, **options) as twake,
    ):
        for _ in range(3):
            await twake.send_message("c1", "Hello")
        assert server.accepted == 1
        assert server.received == 3
        transport = await used(twake)
        assert isinstance(transport, library.http.AsyncHTTPTransport)


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch):
    """It is raised when the session is made, not with the first message."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", transport="httpx2")
    assert caught.value.field == "transport"
    assert 'pip install "twake-async[httpx2]"' in str(caught.value)


def run_python(code: str) -> str:
    """Run a program in its own interpreter, and return what it printed."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


SEND = """
import asyncio, sys
from twake_async import TwakeSession
from twake_async.sandbox import Sandbox
async def send(**options):
    with Sandbox() as sandbox:
        async with TwakeSession(
            sandbox.public_id, sandbox.private_api_key, base_url=sandbox.url,
            group_id=sandbox.group_id, proxy=None, **options
        ) as twake:
            return await twake.send_message(sandbox.channel_id, "Hello")
"""


@pytest.mark.parametrize(
    ("options", "there", "missing"),
    [("", "httpx", "httpx2"), ("transport='httpx2'", "httpx2", "httpx")],
)
def test_only_the_library_in_use_is_imported(options, there, missing):
    """Each takes a tenth of a second to import."""
    code = f"{SEND}\nasyncio.run(send({options})); print(*sys.modules)"
    loaded = run_python(code).split()
    assert there in loaded
    assert not [name for name in loaded if name.partition(".")[0] == missing]


def test_a_program_that_made_httpx2_its_httpx_sends_as_before():
    """After `httpx2.alias_httpx()` the default uses httpx2 under the other name."""
    code = f"import httpx2; httpx2.alias_httpx()\n{SEND}\nprint(bool(asyncio.run(send()).id))"
    assert run_python(code) == "True"


# --- what the caller injects ---------------------------------------------------------------------


@each
async def test_an_injected_client_of_either_library_sends(library, server):
    """It builds its own request, with its own headers, and the caller closes it."""
    async with library.http.AsyncClient(headers={"X-Mine": "yes"}) as client:
        async with session(server.url, http_client=client, proxy="env") as twake:
            message = await twake.send_message("c1", "Hello")
            server.do_next("refuses_authentication")
            with pytest.raises(RefusedError):
                await twake.send_message("c1", "Hello")
        assert not client.is_closed
    assert server.stored[message.front_id] == 1
    assert b"X-Mine: yes" in server.heads[0]


@each
async def test_an_injected_transport_of_either_library_sends(library, server):
    """It gets a request of its own library, and its failures prove nothing."""
    transport = library.http.AsyncHTTPTransport()
    async with session(server.url, transport=transport, proxy="env") as twake:
        message = await twake.send_message("c1", "Hello")
        server.do_next("loses_close")
        with pytest.raises(OutcomeUnknownError):
            await twake.send_message("c1", "Hello")
    await transport.aclose()
    assert server.stored[message.front_id] == 1
    assert server.received == 2


@each
async def test_a_class_of_the_callers_own_gets_requests_of_the_library_that_it_derives_from(
    library,
):
    """Caches and instrumentations are made like this."""

    class Counting(library.http.AsyncBaseTransport):
        count = 0

        async def handle_async_request(self, request):
            assert isinstance(request, library.http.Request)
            assert isinstance(request.stream, library.http.AsyncByteStream)
            self.count += 1
            message = json.loads(await request.aread())["message"]
            return library.http.Response(200, json={"object": {"id": "m1", **message}})

    transport = Counting()
    async with session("https://twake.example", transport=transport, proxy="env") as twake:
        assert (await twake.send_message("c1", "Hello")).id == "m1"
    assert transport.count == 1


async def test_a_transport_that_wraps_one_of_the_other_library_is_accepted():
    """What a transport contains is not checked."""

    class Bridge(httpx.AsyncBaseTransport):
        def __init__(self):
            self._transport = httpx2.MockTransport(self.answer)

        async def answer(self, request):
            message = json.loads(await request.aread())["message"]
            return httpx2.Response(200, json={"object": {"id": "m1", **message}})

        async def handle_async_request(self, request):
            asked = httpx2.Request("POST", str(request.url), content=await request.aread())
            answer = await self._transport.handle_async_request(asked)
            return httpx.Response(answer.status_code, content=await answer.aread())

    async with session("https://twake.example", transport=Bridge(), proxy="env") as twake:
        assert (await twake.send_message("c1", "Hello")).id == "m1"


async def test_a_transport_by_its_shape_alone_gets_requests_of_httpx():
    """Nothing shows which library it is for."""

    class Bare:
        async def handle_async_request(self, request):
            assert isinstance(request, httpx.Request)
            message = json.loads(await request.aread())["message"]
            return httpx.Response(200, json={"object": {"id": "m1", **message}})

    async with session("https://twake.example", transport=Bare(), proxy="env") as twake:
        assert (await twake.send_message("c1", "Hello")).id == "m1"


@each
async def test_a_proxy_object_of_either_library_works_with_either(library):
    """`proxy=` is read by its shape."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy() as proxy:
        for module in (httpx, httpx2):
            via = module.Proxy(proxy.url, auth=("user", "pw"))
            options = {"proxy": via, "verify": client_context()}
            async with session(server.url, library, **options) as twake:
                await twake.send_message("c1", "Hello")
        assert proxy.tunnels == 2
        assert all(b"Proxy-Authorization: Basic " in head for head in proxy.heads)


def told(**options) -> str:
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", proxy="env", **options)
    assert caught.value.field in options
    return str(caught.value)


@pytest.mark.parametrize(("one", "other"), [(httpx, httpx2), (httpx2, httpx)])
@pytest.mark.parametrize("where", ["transport", "mounts"])
def test_a_client_of_one_library_with_a_transport_of_the_other_is_refused(one, other, where):
    """The transport does not accept that client's requests, so no message could leave."""
    transport = other.AsyncHTTPTransport()
    parts = {"transport": transport} if where == "transport" else {"mounts": {"all://": transport}}
    said = told(http_client=one.AsyncClient(**parts))
    assert f"a client of {one.__name__} with a transport of {other.__name__}" in said


def test_a_client_of_httpx2_over_the_sandbox_of_httpx_is_refused():
    """In tests, this mix is the most likely one."""
    with Sandbox() as sandbox:
        said = told(http_client=httpx2.AsyncClient(transport=sandbox.transport))
    assert "a client of httpx2 with a transport of httpx" in said


@each
def test_a_synchronous_client_or_transport_is_refused(library):
    """It would block the event loop, and its answer cannot be awaited."""
    name = library.name
    with library.http.Client() as client:
        assert (
            f"must be an AsyncClient of httpx or httpx2, or an object with the same methods, not "
            f"{name}.Client" in (told(http_client=client))
        )
    with library.http.HTTPTransport() as transport:
        assert f"not {name}.HTTPTransport" in told(transport=transport)


@each
async def test_a_client_as_transport_and_a_transport_as_client_are_refused(library):
    """The message says which of the two was meant."""
    async with library.http.AsyncClient() as client:
        assert "transport must be an AsyncBaseTransport" in told(transport=client)
    transport = library.http.AsyncHTTPTransport()
    assert "http_client must be an AsyncClient" in told(http_client=transport)
    await transport.aclose()


def test_a_client_beside_a_transport_by_name_is_refused():
    """Only one of the two can be used."""
    said = told(http_client=httpx2.AsyncClient(), transport="httpx2")
    assert "http_client and transport exclude each other" in said

"""One attempt on real sockets: what proves that nothing was sent, what cannot, and the limits.

Over httpx and over httpx2: `http` is the library of a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import time

import httpx
import httpx2
import pytest
from faults import FaultServer
from faults.proxy import Proxy
from faults.tls import HANDSHAKES, HandshakeServer, client_context, server_context

from twake_async import (
    ConfigurationError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)

ONCE = RetryPolicy.never()


#: The transport that a session of this module has where a test says nothing.
USUAL = [None]


@pytest.fixture(autouse=True, params=[httpx, httpx2], ids=["httpx", "httpx2"])
def http(request, monkeypatch):
    """Let the sessions of a test use this library."""
    monkeypatch.setattr(f"{__name__}.USUAL", [None if request.param is httpx else "httpx2"])
    return request.param


def session(url, **options):
    options = {"retry": ONCE, "deadline": 5.0} | options
    if "http_client" not in options:
        options.setdefault("transport", USUAL[0])
    return TwakeSession("app", "k" * 40, group_id="g1", base_url=url, **options)


async def failure(url, **options) -> TwakeError:
    async with session(url, **options) as twake:
        with pytest.raises(TwakeError) as caught:
            await twake.send_message("c1", "Hello")
    return caught.value


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# --- what is proven not to have left -------------------------------------------------------------


async def test_a_refused_port_is_not_sent():
    """Nobody listens: no server can have acted."""
    error = await failure(f"http://127.0.0.1:{closed_port()}")
    assert (type(error), error.reason) == (NotSentError, "connect")


async def test_a_name_that_does_not_resolve_is_not_sent():
    """The reserved name has no address."""
    error = await failure("https://twake.invalid", proxy=None)
    assert (type(error), error.reason) == (NotSentError, "dns")


@pytest.mark.parametrize("how", HANDSHAKES)
async def test_a_tls_handshake_that_fails_is_not_sent(how):
    """Whatever breaks the handshake, the request was not begun."""
    async with HandshakeServer(how) as server:
        error = await failure(server.url, verify=client_context(), deadline=0.9)
    assert (type(error), error.reason) == (NotSentError, "tls")


@pytest.mark.parametrize("kind", ["wrong_host", "expired", "not_yet_valid", "unknown_authority"])
async def test_a_certificate_that_does_not_fit_is_not_sent_and_not_tried_again(kind):
    """A wrong certificate will be as wrong in a second."""
    async with FaultServer(ssl_context=server_context(kind)) as server:
        error = await failure(server.url, verify=client_context(), retry=RetryPolicy())
        assert server.begun == 0
    assert (type(error), error.reason, error.attempts) == (NotSentError, "certificate", 1)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("407", "proxy_refused"),
        ("502", "proxy"),
        ("503", "proxy"),
        ("close", "proxy"),
        ("reset", "proxy"),
        ("garbage", "proxy"),
        ("silent", "proxy"),
    ],
)
async def test_a_proxy_that_does_not_open_a_tunnel_is_not_sent(how, reason):
    """A CONNECT carries nothing of the message."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy(how) as proxy:
        error = await failure(server.url, verify=client_context(), proxy=proxy.url, deadline=0.5)
        assert proxy.connects == 1
        assert server.begun == 0
    assert (type(error), error.reason) == (NotSentError, reason)


async def test_no_connection_before_the_deadline_is_not_sent(server):
    """Waiting in line is not sending."""
    server.do_next("loses_silent")
    async with session(server.url, max_connections=1) as twake:
        first = asyncio.create_task(twake.send_message("c1", "Hello", deadline=0.5))
        await asyncio.sleep(0.1)
        with pytest.raises(NotSentError) as caught:
            await twake.send_message("c1", "Hello", deadline=0.1)
        with pytest.raises(OutcomeUnknownError):
            await first
    assert caught.value.reason == "connections_busy"
    assert server.received == 1


async def test_waiting_at_the_gate_is_not_sending():
    """While others connect, a send whose deadline passes has sent nothing."""
    async with HandshakeServer("silent") as server:
        async with session(server.url, verify=client_context(), deadline=0.6) as twake:
            errors = await asyncio.gather(
                *(twake.send_message("c1", "Hello") for _ in range(12)), return_exceptions=True
            )
        assert server.accepted < 12
    assert {type(error) for error in errors} == {NotSentError}
    assert {error.reason for error in errors} <= {"tls", "connect"}


async def test_a_request_through_a_tunnel_arrives():
    """TLS, a proxy and the gate together."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy() as proxy:
        async with session(server.url, verify=client_context(), proxy=proxy.url) as twake:
            message = await twake.send_message("c1", "Hello")
            await twake.send_message("c1", "Hello")
        assert server.stored[message.front_id] == 1
        assert proxy.tunnels == 1


async def test_a_tunnel_that_breaks_after_the_request_is_unknown():
    """Once bytes of the request went through, nothing is proven."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy() as proxy:
        server.do_next("stores_close")
        error = await failure(server.url, verify=client_context(), proxy=proxy.url)
        assert sum(server.stored.values()) == 1
    assert type(error) is OutcomeUnknownError


async def test_plain_http_through_a_proxy_is_judged_by_its_answer():
    """Without a tunnel the proxy speaks for the server: its 502 may come after forwarding."""
    async with FaultServer() as server, Proxy("forwards_then_502") as proxy:
        error = await failure(server.url, proxy=proxy.url)
        assert sum(server.stored.values()) == 1
    assert (type(error), error.reason) == (OutcomeUnknownError, "gateway")


# --- the deadline --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["loses_silent", "stores_drip", "stores_drip_head", "silent_at_accept", "silent_mid_body"],
)
async def test_the_deadline_is_over_everything(server, fault):
    """Silence or a byte at a time: the send ends within 100 ms of its deadline."""
    server.do_next(fault)
    async with session(server.url) as twake:
        before = time.monotonic()
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.send_message("c1", "Hello " * 100_000, deadline=0.3)
        assert 0.25 < time.monotonic() - before < 0.4
    assert caught.value.reason == "timeout"


async def test_a_refusal_is_not_lost_with_its_body(server):
    """A status that decides needs no body: a 401 whose body hangs is still a refusal."""
    server.do_next("refuses_401")
    error = await failure(server.url)
    assert (type(error), error.status) == (RefusedError, 401)


class Raw:
    """A server that answers each request with given bytes and keeps the connection open."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.accepted = 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc):
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader, writer):
        self.accepted += 1
        while await reader.read(65_536):
            writer.write(self.answer)
        writer.close()


HANGING = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\nha"


@pytest.mark.parametrize("deadline", [0.2, 5.0])
async def test_a_refusal_whose_body_hangs_is_a_refusal(deadline):
    """It neither waits for the deadline nor becomes unknown with it."""
    async with Raw(HANGING) as server:
        before = time.monotonic()
        error = await failure(server.url, deadline=deadline)
        assert time.monotonic() - before < 1.5
    assert (type(error), error.status) == (RefusedError, 401)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("rest", [b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", b"HTTP"])
async def test_what_came_behind_an_answer_is_not_the_answer_to_the_next_message(rest, fast):
    """Bytes that nobody asked for end the connection: they refuse no message, nor hold one back."""
    stored: list[str] = []

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                message = json.loads(await reader.readexactly(length))["message"]
                stored.append(message["front_id"])
                body = json.dumps({"object": message | {"id": f"m{len(stored)}"}}).encode()
                start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                writer.write(start + body + (rest if len(stored) == 1 else b""))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    options = {"transport": "fast"} if fast else {}
    async with listening, session(url, **options) as twake:
        for front_id in ("first", "second", "third"):
            await twake.send_message("c1", "Hello", front_id=front_id)
    assert stored == ["first", "second", "third"]


async def test_a_refusal_with_a_huge_body_costs_the_connection_and_no_more():
    """What an answer says beyond its status is not read for ever."""
    page = b"x" * 100_000
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100000\r\n\r\n" + page
    async with Raw(answer) as server, session(server.url) as twake:
        for _ in range(2):
            with pytest.raises(RefusedError):
                await twake.send_message("c1", "Hello")
        assert server.accepted == 2


async def test_an_upgrade_nobody_asked_for_is_unknown():
    """101 is no answer of Twake's."""
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    async with Raw(answer) as server:
        error = await failure(server.url, deadline=0.3)
    assert type(error) is OutcomeUnknownError


async def test_no_deadline_is_possible(server):
    """Infinity means that only the network ends a send."""
    async with session(server.url) as twake:
        assert (await twake.send_message("c1", "Hello", deadline=float("inf"))).id


# --- what is injected ----------------------------------------------------------------------------


class Broken(httpx.AsyncBaseTransport):
    """A transport that raises what it is told to."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle_async_request(self, request):
        raise self.error


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), TimeoutError(), ZeroDivisionError()])
async def test_the_words_of_a_callers_transport_prove_nothing(server, error):
    """A ConnectError of somebody else's may come after the server had read the request."""
    found = await failure(server.url, transport=Broken(error))
    assert (type(found), found.reason) == (OutcomeUnknownError, "unproven")


class Chunks:
    """An asynchronous iterator that is no generator: it has nothing to close."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = iter(chunks)

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        for chunk in self.chunks:
            return chunk
        raise StopAsyncIteration


class Stream(httpx.AsyncByteStream):
    """A body that hands out such an iterator."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __aiter__(self):
        return Chunks(self.chunks)


async def test_a_callers_transport_may_stream_in_its_own_way():
    """Any asynchronous iterator will do for a body."""
    chunks = [b'{"object": {"id": "m1", ', b'"front_id": "mine"}}']
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Stream(chunks)))
    async with session("https://twake.example", transport=transport) as twake:
        message = await twake.send_message("c1", "Hello", front_id="mine")
    assert message.id == "m1"


async def test_an_application_in_this_process_can_be_the_server():
    """The sandbox is mounted so, without a socket."""

    async def app(scope, receive, send):
        body = b'{"object": {"id": "m1", "front_id": "mine"}}'
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with session("https://twake.example", transport=httpx.ASGITransport(app=app)) as twake:
        message = await twake.send_message("c1", "Hello", front_id="mine")
    assert message.id == "m1"


@pytest.mark.parametrize(
    ("name", "kind"), [("ConnectError", NotSentError), ("ReadError", OutcomeUnknownError)]
)
async def test_without_a_trace_only_a_connect_error_of_our_own_connection_is_a_proof(
    monkeypatch, http, name, kind
):
    """Should httpcore rename its events, silence must not be taken for proof."""

    async def fail(self, request):
        raise getattr(http, name)("x")

    monkeypatch.setattr(http.AsyncHTTPTransport, "handle_async_request", fail)
    assert type(await failure("https://twake.example")) is kind


async def test_a_callers_client_that_cannot_connect_proves_nothing(http):
    """Even the library's own client is not ours to vouch for."""
    async with http.AsyncClient(trust_env=False) as client:
        found = await failure(f"http://127.0.0.1:{closed_port()}", http_client=client)
    assert (type(found), found.reason) == (OutcomeUnknownError, "unproven")


async def test_a_callers_client_carries_requests_and_stays_open(server, http):
    """The client is used by its shape and is the caller's to close."""
    async with http.AsyncClient(trust_env=False) as client:
        async with session(server.url, http_client=client) as twake:
            message = await twake.send_message("c1", "Hello")
        assert not client.is_closed
    assert server.stored[message.front_id] == 1


@pytest.mark.parametrize("other", ["transport", "verify", "proxy"])
def test_one_thing_is_not_configured_in_two_ways(other):
    """What only pooled connections understand is an error beside an injected client."""
    both = {"transport": Broken(OSError()), "verify": False, "proxy": None}
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", http_client=object(), **{other: both[other]})
    assert caught.value.field == other


# --- what pooled connections are made of ----------------------------------------------------------------------


async def test_a_ca_bundle_may_be_given_by_its_path(tmp_path):
    """A company's own authority is one file."""
    bundle = tmp_path / "ca.pem"
    from faults.tls import _authority

    _authority("known").cert_pem.write_to_path(str(bundle))
    async with FaultServer(ssl_context=server_context()) as server:
        async with session(server.url, verify=str(bundle)) as twake:
            assert (await twake.send_message("c1", "Hello")).id


async def test_checking_certificates_can_be_turned_off():
    """For a laboratory; the connection is then open to anybody in between."""
    async with FaultServer(ssl_context=server_context("unknown_authority")) as server:
        async with session(server.url, verify=False) as twake:
            assert (await twake.send_message("c1", "Hello")).id


def test_a_ca_bundle_that_is_not_there_is_said_at_once():
    """The session is not built on a wrong path."""
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", verify="nowhere.pem")
    assert caught.value.field == "verify"


def test_a_proxy_that_is_no_url_is_refused_without_showing_it():
    """A proxy's address may hold a password."""
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", proxy="ftp://user:s3cret@nowhere")
    assert caught.value.field == "proxy"
    assert "s3cret" not in str(caught.value)


async def test_one_tls_context_serves_all_connections(monkeypatch, http):
    """It takes 20 ms to make: once."""
    made: list[ssl.SSLContext] = []
    real = http.create_ssl_context

    def counted(**options):
        made.append(real(**options))
        return client_context()

    monkeypatch.setattr(http, "create_ssl_context", counted)
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    async with FaultServer(ssl_context=server_context()) as server:
        async with session(server.url) as twake:
            await asyncio.gather(*(twake.send_message("c1", "Hello") for _ in range(20)))
        assert server.accepted > 1
    assert len(made) == 1


async def test_connections_come_about_four_at_a_time_and_are_reused(server):
    """A hundred sends over ten pooled connections open ten connections at most."""
    async with session(server.url, max_connections=10) as twake:
        await asyncio.gather(*(twake.send_message("c1", "Hello") for _ in range(100)))
        assert server.accepted <= 10
        assert server.received == 100


async def test_cookies_are_not_kept_and_identity_is_asked_for(server):
    """Nothing of an answer finds its way into the next request."""
    async with session(server.url) as twake:
        await twake.send_message("c1", "Hello")
        await twake.send_message("c1", "Hello")
    heads = [head.lower() for head in server.heads]
    assert len(heads) == 2
    for head in heads:
        assert b"cookie" not in head
        assert b"accept-encoding: identity" in head
        assert b"content-type: application/json\r\n" in head
        assert head.startswith(b"post /api/v1/messages/save http/1.1\r\n")


async def test_a_cancelled_send_ends_at_once_and_its_connection_is_thrown_away(server):
    """Cancellation waits for nobody and leaves no connection behind."""
    server.do_next("loses_silent")
    async with session(server.url, max_connections=1) as twake:
        sending = asyncio.create_task(twake.send_message("c1", "Hello"))
        while not server.received:
            await asyncio.sleep(0)
        before = time.monotonic()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert time.monotonic() - before < 0.1
        assert (await twake.send_message("c1", "Hello")).id
        assert server.accepted == 2
    await server.quiet()


async def test_a_send_cancelled_while_its_answer_is_closed_gives_no_connection_back(
    server, monkeypatch, http
):
    """At that point httpcore forgets to free the connection: the connection would hang its next send."""
    closing = asyncio.Event()
    real = http.Response.aclose

    async def slowly(self):
        closing.set()
        await asyncio.sleep(0.01)
        await real(self)

    async with session(server.url, max_connections=1) as twake:
        monkeypatch.setattr(http.Response, "aclose", slowly)
        sending = asyncio.create_task(twake.send_message("c1", "Hello"))
        await closing.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        monkeypatch.undo()
        assert (await twake.send_message("c1", "Hello", deadline=2)).id
        assert server.accepted == 2


@pytest.mark.parametrize("where", ["connect", "answer"])
async def test_an_observer_learns_what_a_cancelled_attempt_proves(server, where):
    """Cancelled while connecting nothing had left; cancelled later nobody knows."""
    seen = []
    async with HandshakeServer("silent") as silent:
        url = silent.url if where == "connect" else server.url
        server.do_next("loses_silent")
        verify = client_context() if where == "connect" else True
        async with session(url, verify=verify, on_attempt=seen.append) as twake:
            sending = asyncio.create_task(twake.send_message("c1", "Hello"))
            while not (silent.hellos or server.received):
                await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
    expected = Outcome.NOT_SENT if where == "connect" else Outcome.UNKNOWN
    assert [(a.outcome, a.reason) for a in seen] == [(expected, "cancelled")]

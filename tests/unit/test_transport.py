"""One attempt on real sockets: what proves that nothing was sent, what does not, and the limits.

Over httpx and over httpx2: `http` is the library of a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time

import httpx
import httpx2
import pytest
from faults import FaultServer
from faults.proxy import Proxy
from faults.tls import HANDSHAKES, HandshakeServer, client_context, server_context
from raw_server import HANGING, RawServer

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
from twake_async._protocol.exchange import TOO_LARGE
from twake_async._transport.http_library import httpx2_library, httpx_library
from twake_async._transport.httpx.exchange import exchange
from twake_async._transport.httpx.request_builder import RequestBuilder
from twake_async._transport.trace import Trace

ONCE = RetryPolicy.never()


#: The transport of this module's sessions, unless a test names another one.
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


# --- what is proven not to have left -------------------------------------------------------------


async def test_a_refused_port_is_not_sent(closed_port):
    """There is no server that could have acted."""
    error = await failure(f"http://127.0.0.1:{closed_port}")
    assert (type(error), error.reason) == (NotSentError, "connect")


async def test_a_name_that_does_not_resolve_is_not_sent():
    """The reserved name has no address."""
    error = await failure("https://twake.invalid", proxy=None)
    assert (type(error), error.reason) == (NotSentError, "dns")


@pytest.mark.parametrize("how", HANDSHAKES)
async def test_a_tls_handshake_that_fails_is_not_sent(how):
    """After any failure of the handshake, the request had not begun."""
    async with HandshakeServer(how) as server:
        seconds = 3.0 if how == "silent" else 30.0
        error = await failure(server.url, verify=client_context(), deadline=seconds)
    assert (type(error), error.reason) == (NotSentError, "tls")


@pytest.mark.parametrize("kind", ["wrong_host", "expired", "not_yet_valid", "unknown_authority"])
async def test_an_invalid_certificate_is_not_sent_and_not_tried_again(kind):
    """It is invalid at the next attempt, too."""
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
    """A CONNECT request holds nothing of the message."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy(how) as proxy:
        seconds = 3.0 if how == "silent" else 30.0
        error = await failure(
            server.url, verify=client_context(), proxy=proxy.url, deadline=seconds
        )
        assert proxy.connects == 1
        assert server.begun == 0
    assert (type(error), error.reason) == (NotSentError, reason)


async def test_no_connection_before_the_deadline_is_not_sent(server):
    """A send that waits in the queue has sent nothing."""
    server.do_next("loses_silent")
    async with session(server.url, max_connections=1) as twake:
        first = asyncio.create_task(twake.send_message("c1", "Hello", deadline=3.0))
        while not server.received:
            await asyncio.sleep(0)
        with pytest.raises(NotSentError) as caught:
            await twake.send_message("c1", "Hello", deadline=0.1)
        with pytest.raises(OutcomeUnknownError):
            await first
    assert caught.value.reason == "connections_busy"
    assert server.received == 1


async def test_waiting_for_the_connect_limiter_is_not_sending():
    """A send whose deadline passes while others connect has sent nothing."""
    async with HandshakeServer("silent") as server:
        async with session(server.url, verify=client_context(), deadline=0.6) as twake:
            errors = await asyncio.gather(
                *(twake.send_message("c1", "Hello") for _ in range(12)), return_exceptions=True
            )
        assert server.accepted < 12
    assert {type(error) for error in errors} == {NotSentError}
    assert {error.reason for error in errors} <= {"tls", "connect"}


async def test_a_request_through_a_tunnel_arrives():
    """With TLS, a proxy and the connect limiter together."""
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
    """Without a tunnel the proxy answers for the server: its 502 may come after forwarding."""
    async with FaultServer() as server, Proxy("forwards_then_502") as proxy:
        error = await failure(server.url, proxy=proxy.url)
        assert sum(server.stored.values()) == 1
    assert (type(error), error.reason) == (OutcomeUnknownError, "gateway")


# --- the deadline --------------------------------------------------------------------------------


async def when_over(seconds: float) -> float:
    """Return the time at which a timer of the event loop fires."""
    await asyncio.sleep(seconds)
    return time.monotonic()


@pytest.mark.parametrize(
    "fault",
    ["loses_silent", "stores_drip", "stores_drip_head", "silent_at_accept", "silent_mid_body"],
)
async def test_the_deadline_is_over_everything(server, fault):
    """Silence or a byte at a time: the send ends within 100 ms of its deadline.

    A bare timer in the same loop tells when the deadline is over: on a busy machine both are late.
    """
    server.do_next(fault)
    async with session(server.url) as twake:
        before = time.monotonic()
        timer = asyncio.create_task(when_over(0.3))
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.send_message("c1", "Hello " * 100_000, deadline=0.3)
        ended = time.monotonic()
        assert ended - before > 0.25
        assert ended - await timer < 0.1
    assert caught.value.reason == "timeout"


async def test_a_refusal_does_not_need_its_body(server):
    """A 401 whose body hangs is still a refusal."""
    server.do_next("refuses_401")
    error = await failure(server.url)
    assert (type(error), error.status) == (RefusedError, 401)


@pytest.mark.parametrize("deadline", [1.0, 60.0])
async def test_a_refusal_whose_body_hangs_is_a_refusal(deadline):
    """It does not wait for the deadline, and does not become unknown."""
    async with RawServer(HANGING) as server:
        before = time.monotonic()
        error = await failure(server.url, deadline=deadline)
        assert time.monotonic() - before < 30
    assert (type(error), error.status) == (RefusedError, 401)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("rest", [b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", b"HTTP"])
async def test_unsolicited_data_is_not_the_answer_to_the_next_message(rest, fast):
    """It ends the connection; it neither refuses a message nor delays one."""
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
    """What follows a deciding status is read up to a limit only."""
    page = b"x" * 100_000
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100000\r\n\r\n" + page
    async with RawServer(answer) as server, session(server.url) as twake:
        for _ in range(2):
            with pytest.raises(RefusedError):
                await twake.send_message("c1", "Hello")
        assert server.accepted == 2


async def test_an_unsolicited_upgrade_is_unknown():
    """Twake never answers 101."""
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    async with RawServer(answer) as server:
        error = await failure(server.url, deadline=30.0)
    assert type(error) is OutcomeUnknownError


async def test_no_deadline_is_possible(server):
    """With an infinite deadline only the network ends a send."""
    async with session(server.url) as twake:
        assert (await twake.send_message("c1", "Hello", deadline=float("inf"))).id


# --- what is injected ----------------------------------------------------------------------------


class Broken(httpx.AsyncBaseTransport):
    """A transport that raises the given exception."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle_async_request(self, request):
        raise self.error


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), TimeoutError(), ZeroDivisionError()])
async def test_the_exceptions_of_a_callers_transport_prove_nothing(server, error):
    """Its ConnectError may come after the server read the request."""
    found = await failure(server.url, transport=Broken(error))
    assert (type(found), found.reason) == (OutcomeUnknownError, "unproven")


async def test_the_deadline_is_over_a_callers_transport():
    """It may have sent the request, and may never answer."""

    async def wait(request):
        await asyncio.sleep(60)

    found = await failure(
        "https://twake.example", transport=httpx.MockTransport(wait), deadline=0.05
    )
    assert (type(found), found.reason) == (OutcomeUnknownError, "timeout")


async def test_a_cancellation_in_a_callers_transport_is_raised(server):
    """Its traceback holds no frame of the request, and so no key."""
    async with session(server.url, transport=Broken(asyncio.CancelledError())) as twake:
        with pytest.raises(asyncio.CancelledError) as caught:
            await twake.send_message("c1", "Hello")
    frames = [entry.name for entry in caught.traceback]
    assert "attempt" in frames
    assert "handle_async_request" not in frames


class Chunks:
    """An asynchronous iterator that is not a generator: it cannot be closed."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = iter(chunks)

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        for chunk in self.chunks:
            return chunk
        raise StopAsyncIteration


class Stream(httpx.AsyncByteStream):
    """A body that returns such an iterator."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __aiter__(self):
        return Chunks(self.chunks)


async def test_a_callers_transport_may_use_any_asynchronous_iterator():
    """A body need not be a generator."""
    chunks = [b'{"object": {"id": "m1", ', b'"front_id": "mine"}}']
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Stream(chunks)))
    async with session("https://twake.example", transport=transport) as twake:
        message = await twake.send_message("c1", "Hello", front_id="mine")
    assert message.id == "m1"


async def test_an_answer_beyond_its_limit_is_read_no_further():
    """It proves nothing, and its connection is not used again."""
    trace = Trace()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Stream([b"x" * 6] * 2)))
    request = httpx.Request("POST", "https://twake.example")
    found = await exchange(transport.handle_async_request, request, trace, 10)
    assert (found, trace.complete) == (TOO_LARGE, False)


def test_parsed_addresses_are_kept_up_to_a_limit(http):
    """An API may have ids in its paths."""
    library = httpx_library() if http is httpx else httpx2_library()
    builder = RequestBuilder("https://twake.example", library)
    urls = [builder._url(f"/messages/{number}") for number in range(200)]
    assert str(urls[-1]) == "https://twake.example/messages/199"
    assert builder._url("/messages/199") is urls[-1]
    assert len(builder._urls) <= 64


async def test_an_application_in_this_process_can_be_the_server():
    """The sandbox is mounted like this, without a socket."""

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
async def test_without_events_only_a_connect_error_of_a_pooled_connection_is_proof(
    monkeypatch, http, name, kind
):
    """If httpcore renames its events, silence must not count as proof."""

    async def fail(self, request):
        raise getattr(http, name)("x")

    monkeypatch.setattr(http.AsyncHTTPTransport, "handle_async_request", fail)
    assert type(await failure("https://twake.example")) is kind


async def test_a_callers_client_that_cannot_connect_proves_nothing(http, closed_port):
    """Not even a client of the library."""
    async with http.AsyncClient(trust_env=False) as client:
        found = await failure(f"http://127.0.0.1:{closed_port}", http_client=client)
    assert (type(found), found.reason) == (OutcomeUnknownError, "unproven")


async def test_a_callers_client_sends_and_stays_open(server, http):
    """It is used by its shape, and the caller closes it."""
    async with http.AsyncClient(trust_env=False) as client:
        async with session(server.url, http_client=client) as twake:
            message = await twake.send_message("c1", "Hello")
        assert not client.is_closed
    assert server.stored[message.front_id] == 1


@pytest.mark.parametrize("other", ["transport", "verify", "proxy"])
def test_one_thing_is_not_configured_in_two_ways(other):
    """An argument that only the pool understands is an error beside an injected client."""
    both = {"transport": Broken(OSError()), "verify": False, "proxy": None}
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", http_client=object(), **{other: both[other]})
    assert caught.value.field == other


# --- what pooled connections are made of ----------------------------------------------------------------------


async def test_a_ca_bundle_may_be_given_by_its_path(tmp_path):
    """A company may have its own certificate authority."""
    bundle = tmp_path / "ca.pem"
    from faults.tls import _authority

    _authority("known").cert_pem.write_to_path(str(bundle))
    async with FaultServer(ssl_context=server_context()) as server:
        async with session(server.url, verify=str(bundle)) as twake:
            assert (await twake.send_message("c1", "Hello")).id


async def test_checking_certificates_can_be_turned_off():
    """For a laboratory: anyone on the network may then read the messages."""
    async with FaultServer(ssl_context=server_context("unknown_authority")) as server:
        async with session(server.url, verify=False) as twake:
            assert (await twake.send_message("c1", "Hello")).id


def test_a_ca_bundle_that_does_not_exist_is_an_error_at_once():
    """The session is not made."""
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", verify="nowhere.pem")
    assert caught.value.field == "verify"


def test_a_proxy_that_is_no_url_is_refused_without_showing_it():
    """The address of a proxy may hold a password."""
    with pytest.raises(ConfigurationError) as caught:
        session("https://twake.example", proxy="ftp://user:s3cret@nowhere")
    assert caught.value.field == "proxy"
    assert "s3cret" not in str(caught.value)


async def test_one_tls_context_serves_all_connections(monkeypatch, http):
    """Making one takes 20 ms."""
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


async def test_connections_are_opened_four_at_a_time_and_reused(server):
    """A hundred sends with ten connections allowed open ten at most."""
    async with session(server.url, max_connections=10) as twake:
        await asyncio.gather(*(twake.send_message("c1", "Hello") for _ in range(100)))
        assert server.accepted <= 10
        assert server.received == 100


async def test_cookies_are_not_kept_and_identity_is_asked_for(server):
    """Nothing of an answer is in the next request."""
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


async def test_a_cancelled_send_ends_at_once_and_its_connection_is_closed(server):
    """Cancellation waits for nothing and leaves no connection."""
    server.do_next("loses_silent")
    async with session(server.url, max_connections=1) as twake:
        sending = asyncio.create_task(twake.send_message("c1", "Hello"))
        while not server.received:
            await asyncio.sleep(0)
        before = time.monotonic()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert time.monotonic() - before < 5
        assert (await twake.send_message("c1", "Hello")).id
        assert server.accepted == 2
    await server.quiet()


async def test_a_connection_is_not_reused_if_cancelled_while_its_answer_is_closed(
    server, monkeypatch, http
):
    """The library then never frees it: the next send over it would hang."""
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
    """Cancelled while connecting, nothing was sent; cancelled later, the outcome is unknown."""
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

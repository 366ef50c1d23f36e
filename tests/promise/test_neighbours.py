"""A session beside other packages: OpenTelemetry, respx, and httpx clients and transports."""

from __future__ import annotations

import base64
import json

import attrs
import httpx
import pytest
import respx
from faults import FAULTS, FaultServer
from faults.answers import whole
from faults.request import good_body
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from twake_async import (
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeSession,
)

KEY = "never-shown-" + "k" * 20
PAIR = base64.b64encode(f"app:{KEY}".encode()).decode()
SAVE = "/api/v1/messages/save"
TWAKE = "https://twake.example"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """Hide the environment's proxies from clients that read them."""
    monkeypatch.setenv("NO_PROXY", "*")


def session(base_url, **options):
    options = {"retry": RetryPolicy.never(), "deadline": 5.0} | options
    return TwakeSession("app", KEY, group_id="g1", base_url=base_url, **options)


def pooled(base_url, **options):
    return session(base_url, proxy=None, **options)


def answer(request: httpx.Request) -> httpx.Response:
    """Answer as Twake does, to a request that never left the process."""
    message = json.loads(request.content)["message"]
    return httpx.Response(200, json={"object": {"id": "m1", **message}})


def authorizations(server: FaultServer) -> list[str]:
    """Return the values of all Authorization headers."""
    lines = [line for head in server.heads for line in head.decode().split("\r\n")]
    return [line for line in lines if line.lower().startswith("authorization:")]


# --- OpenTelemetry ------------------------------------------------------------------------------


@pytest.fixture(params=["httpx", "httpx2"])
def transport(request):
    """Give the argument for pooled connections over each library."""
    return None if request.param == "httpx" else request.param


@pytest.fixture
def instrumentor(transport):
    """Give the instrumentation of the library in use."""
    return HTTPX2ClientInstrumentor() if transport else HTTPXClientInstrumentor()


@pytest.fixture
def spans(instrumentor):
    """Instrument the library for one test, and give what exports its spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


async def test_opentelemetry_sees_a_span_for_each_attempt(server, spans, transport):
    """Each attempt over a pooled connection makes a client span with method, URL and status."""
    server.do_next("refuses_429_absent")
    policy = RetryPolicy(initial_wait=0.001)
    async with pooled(server.url, retry=policy, transport=transport) as twake:
        await twake.send_message("c1", "Hello")
    found = spans.get_finished_spans()
    assert [span.kind for span in found] == [SpanKind.CLIENT] * 2
    assert [span.name for span in found] == ["POST"] * 2
    assert [span.attributes["http.method"] for span in found] == ["POST"] * 2
    assert [span.attributes["http.url"] for span in found] == [server.url + SAVE] * 2
    assert [span.attributes["http.status_code"] for span in found] == [429, 200]
    assert [b"traceparent: " in head for head in server.heads] == [True, True]


async def test_no_span_shows_the_key_or_the_text(server, spans, transport):
    """The key, its base64 and the text of the message are in no part of a span."""
    server.do_next("good", "refuses_authentication", "loses_close")
    async with pooled(server.url, transport=transport) as twake:
        await twake.send_message("c1", "a secret text")
        for _ in range(2):
            with pytest.raises((RefusedError, OutcomeUnknownError)):
                await twake.send_message("c1", "a secret text")
    shown = " ".join(span.to_json() for span in spans.get_finished_spans())
    assert shown.count("http.method") == 3
    assert [secret for secret in (KEY, PAIR, "a secret text") if secret in shown] == []


async def test_spans_of_failures_are_errors_and_the_evidence_is_the_same(spans, transport):
    """Instrumentation changes nothing about what an attempt proves."""
    async with FaultServer() as server:
        server.do_next("stores_close")
        async with pooled(server.url, transport=transport) as twake:
            with pytest.raises(OutcomeUnknownError) as lost:
                await twake.send_message("c1", "Hello")
    async with pooled(
        server.url, transport=transport
    ) as twake:  # where there is no server any more
        with pytest.raises(NotSentError) as refused:
            await twake.send_message("c1", "Hello")
    assert (lost.value.reason, refused.value.reason) == ("lost", "connect")
    codes = [span.status.status_code for span in spans.get_finished_spans()]
    assert codes == [StatusCode.ERROR] * 2


async def test_nothing_is_traced_after_the_instrumentation_was_removed(
    server, spans, transport, instrumentor
):
    """A session that was traced then sends without spans."""
    async with pooled(server.url, transport=transport) as twake:
        await twake.send_message("c1", "Hello")
        instrumentor.uninstrument()
        spans.clear()
        await twake.send_message("c1", "Hello")
    assert spans.get_finished_spans() == ()
    assert server.received == 2


# --- respx --------------------------------------------------------------------------------------


async def test_respx_answers_in_place_of_a_connection():
    """A route of respx's default mocker delivers, and has seen the request."""
    with respx.mock() as mocked:
        route = mocked.post(TWAKE + SAVE).mock(side_effect=answer)
        async with pooled(TWAKE) as twake:
            message = await twake.send_message("c1", "Hello")
    assert message.id == "m1"
    assert route.call_count == 1
    assert route.calls.last.request.headers["Authorization"] == f"Basic {PAIR}"


@pytest.mark.parametrize(
    ("raised", "kind", "reason"),
    [
        (httpx.ConnectError, NotSentError, "connect"),
        (httpx.ConnectTimeout, OutcomeUnknownError, "lost"),
        (httpx.ReadTimeout, OutcomeUnknownError, "lost"),
        (httpx.WriteError, OutcomeUnknownError, "lost"),
        (httpx.RemoteProtocolError, OutcomeUnknownError, "lost"),
    ],
)
async def test_an_error_of_respx_proves_as_little_as_a_real_one(raised, kind, reason):
    """A mocked ConnectError of a pooled connection is NOT_SENT; any other exception is UNKNOWN."""
    with respx.mock() as mocked:
        mocked.post(TWAKE + SAVE).mock(side_effect=raised)
        async with pooled(TWAKE) as twake:
            with pytest.raises(kind) as caught:
                await twake.send_message("c1", "Hello")
    assert (type(caught.value), caught.value.reason) == (kind, reason)


async def test_a_mocked_status_is_judged_like_a_real_one():
    """An answer of respx is judged as one from the network."""
    with respx.mock() as mocked:
        mocked.post(TWAKE + SAVE).respond(401)
        async with pooled(TWAKE) as twake:
            with pytest.raises(RefusedError) as caught:
                await twake.send_message("c1", "Hello")
    assert (caught.value.reason, caught.value.status) == ("status", 401)


# --- injected clients and transports ------------------------------------------------------------


async def test_an_injected_client_sends_and_stays_open(server):
    """A message is sent with the caller's client, which the session does not close."""
    async with httpx.AsyncClient(headers={"X-Mine": "yes"}) as client:
        async with session(server.url, http_client=client) as twake:
            message = await twake.send_message("c1", "Hello", front_id="mine")
        assert not client.is_closed
    assert message.front_id == "mine"
    assert server.stored["mine"] == 1
    assert b"X-Mine: yes" in server.heads[0]


async def test_an_injected_mock_transport_answers():
    """`httpx.MockTransport` is a transport like any other."""
    async with session(TWAKE, transport=httpx.MockTransport(answer)) as twake:
        assert (await twake.send_message("c1", "Hello")).id == "m1"


async def asgi(scope, receive, send):
    """Answer as Twake does, as an ASGI application."""
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    message = json.loads(body)["message"]
    if message["content"]["original_str"] == "break":
        raise RuntimeError("the application broke")
    text = json.dumps({"object": {"id": scope["path"], **message}}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})


async def test_an_injected_asgi_transport_answers_and_its_failure_proves_nothing():
    """An application in the same process delivers; if it fails, nothing is proven."""
    async with session(TWAKE, transport=httpx.ASGITransport(asgi)) as twake:
        assert (await twake.send_message("c1", "Hello")).id == SAVE
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.send_message("c1", "break")
    assert caught.value.reason == "unproven"


def _with_a_cookie(connection, request, fault):
    cookie = b"Set-Cookie: PHPSESSID=abc; path=/\r\n"
    connection.send(whole(good_body(request), more=cookie))


async def test_connections_never_send_a_cookie_back(server):
    """Neither on the same connection nor on a new one."""
    server.do_next(*[attrs.evolve(FAULTS["good"], act=_with_a_cookie)] * 2)
    async with pooled(server.url) as twake:
        for _ in range(3):
            await twake.send_message("c1", "Hello")
    assert server.accepted == 1
    assert server.received == 3
    assert [head for head in server.heads if b"cookie" in head.lower()] == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_by_a_client_that_follows_them(server, status):
    """A message is not sent to another address, whatever the caller's client is set to do."""
    server.do_next(f"loses_{status}")
    client = httpx.AsyncClient(follow_redirects=True)
    async with client, session(server.url, http_client=client) as twake:
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.send_message("c1", "Hello")
    assert (caught.value.reason, caught.value.status) == ("gateway_answer", status)
    assert f"{server.url}/client" in str(caught.value)
    assert server.received == 1


async def test_a_client_with_its_own_credentials_sends_those_of_the_session(server):
    """The auth and the Authorization header of an injected client do not reach the server."""
    own = {"Authorization": "Bearer other"}
    client = httpx.AsyncClient(auth=("someone", "else"), headers=own)
    async with client, session(server.url, http_client=client) as twake:
        await twake.send_message("c1", "Hello")
    assert authorizations(server) == [f"Authorization: Basic {PAIR}"]


async def test_netrc_is_not_used(server, tmp_path, monkeypatch):
    """A netrc entry for the host changes nothing, with pooled connections and with an injected client."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_bytes(netrc.read_bytes())
    async with pooled(server.url) as twake:
        await twake.send_message("c1", "Hello")
    async with httpx.AsyncClient() as client, session(server.url, http_client=client) as twake:
        await twake.send_message("c1", "Hello")
    assert authorizations(server) == [f"Authorization: Basic {PAIR}"] * 2


async def test_respx_does_not_see_the_fast_transport(server):
    """Its connections are its own: the request is really sent."""
    with respx.mock(assert_all_called=False) as mocked:
        route = mocked.post(f"{server.url}/api/v1/messages/save")
        options = {"group_id": "g1", "base_url": server.url, "transport": "fast"}
        async with TwakeSession("app", "k", **options) as twake:
            await twake.send_message("c1", "Hello")
    assert (route.call_count, server.received) == (0, 1)

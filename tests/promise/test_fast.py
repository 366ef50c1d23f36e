"""The promise with `transport="fast"`, under the same faults, storms and cancellations."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import weakref
from collections import Counter
from types import SimpleNamespace

import attrs
import pytest
from claims import claim, contradictions, ended
from executions import EXECUTIONS, executions
from faults import FAULTS, FaultServer, RandomScript
from faults.proxy import Proxy
from faults.tls import HANDSHAKES, HandshakeServer, client_context, server_context
from raw_server import HANGING, RawServer
from send_storms import QUICK, STORM, UNPROVEN, cancel_at_random, storm

from twake_async import (
    ConfigurationError,
    MessageRef,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    SessionClosedError,
    TwakeError,
    TwakeSession,
)
from twake_async._transport.direct import transport as _fast
from twake_async._transport.direct.transport import DirectTransport

pytestmark = pytest.mark.measured

ONCE = RetryPolicy.never()


def session(url: str, **options) -> TwakeSession:
    options = {"retry": ONCE, "deadline": 5.0, "proxy": None} | options
    return TwakeSession("app", "k" * 40, group_id="g1", base_url=url, transport="fast", **options)


async def failure(url: str, **options) -> TwakeError:
    """Send once and return what was raised."""
    async with session(url, **options) as twake:
        with pytest.raises(TwakeError) as caught:
            await twake.send_message("c1", "Hello")
    return caught.value


@pytest.fixture(autouse=True)
async def nothing_remains():
    """Leave no task behind."""
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_each_fault_leads_to_a_claim_that_its_truth_allows(server, name):
    """Each fault of the catalogue ends in an outcome that the evidence allows, without a further copy."""
    fault = FAULTS[name]
    server.do_next(fault)
    async with session(server.url) as twake:
        sending = twake.send_message("c1", "Hello", front_id="mine")
        outcome = await claim(ended(twake, sending, server, fault))
    assert outcome.name.lower() in fault.allowed
    assert server.stored["mine"] == int(fault.stores)


@pytest.mark.parametrize("name", ["good", "stores_close", "loses_502", "refuses_401", "loses_403"])
async def test_an_edit_keeps_the_promise_too(server, name):
    """An edit claims no more than the fault allows."""
    fault = FAULTS[name]
    server.do_next(fault)
    async with session(server.url) as twake:
        outcome = await claim(twake.edit_message(MessageRef("c1", "m1"), "new"))
    assert outcome.name.lower() in fault.allowed


@pytest.mark.no_cover
@pytest.mark.parametrize(("workers", "count"), [(1, 500), (10, 1_000), (100, 2_000)])
async def test_a_storm_of_faults_brings_no_wrong_claim_and_no_second_copy(workers, count):
    """10,000 sends: no contradiction and no duplicate."""
    script = RandomScript(workers, STORM, rate=0.5)
    async with FaultServer(script) as server:
        async with session(server.url, retry=QUICK, retry_budget=None) as twake:
            claims = await storm(twake, count, workers)
        assert len(claims) == count
        assert contradictions(server, claims) == []
        assert not any(copies > 1 for copies in server.stored.values())
        outcomes = Counter(claimed.outcome for claimed in claims.values())
        assert outcomes[Outcome.DELIVERED] > count / 3
        assert outcomes[Outcome.REFUSED] > count / 50
        assert outcomes[Outcome.UNKNOWN] > count / 50


@pytest.mark.no_cover
async def test_resending_loses_nothing():
    """With on_unknown="resend" each message is in the channel at least once, and the result says if twice."""
    policy = RetryPolicy(attempts=40, initial_wait=0.001, max_wait=0.002, on_unknown="resend")
    async with FaultServer(RandomScript(7, UNPROVEN, rate=0.4)) as server:
        async with session(server.url, retry=policy, retry_budget=None, deadline=60) as twake:
            claims = await storm(twake, 1_000, 20)
        assert {claimed.outcome for claimed in claims.values()} == {Outcome.DELIVERED}
        twice = {front_id for front_id, copies in server.stored.items() if copies > 1}
        warned = {front_id for front_id, claimed in claims.items() if claimed.maybe_duplicated}
        assert twice
        assert twice <= warned


@pytest.mark.no_cover
async def test_a_storm_of_cancellations_leaves_every_slot_usable_and_no_socket_open():
    """After thousands of cancelled sends over few connections, the next thousand all work."""
    await cancel_at_random("fast", each=100, then=1_000)


# --- what is proven -----------------------------------------------------------------------------


async def refused_port() -> int:
    """Return a port without a server."""
    async with HandshakeServer("close") as server:
        return server.port


async def test_a_refused_port_is_not_sent_and_tried_again():
    """No connection was opened: that is proof, so it is tried again."""
    seen: list = []
    url = f"http://127.0.0.1:{await refused_port()}"
    policy = attrs.evolve(QUICK, unsent_attempts=4)
    error = await failure(url, retry=policy, on_attempt=seen.append)
    assert (type(error), error.reason) == (NotSentError, "connect")
    assert [attempt.outcome for attempt in seen] == [Outcome.NOT_SENT] * 4


async def test_a_name_that_does_not_resolve_is_not_sent():
    """The reason says that the name has no address."""
    error = await failure("https://no-such-host.invalid")
    assert (type(error), error.reason) == (NotSentError, "dns")


@pytest.mark.parametrize("how", HANDSHAKES)
async def test_a_handshake_that_fails_is_not_sent(how):
    """No byte of the request leaves before TLS; a silent handshake ends after a third of the deadline."""
    async with HandshakeServer(how) as server:
        error = await failure(server.url, verify=client_context(), deadline=0.6)
        assert isinstance(error, NotSentError)
        assert error.reason in {"tls", "connect"}


@pytest.mark.parametrize("kind", ["wrong_host", "expired", "unknown_authority"])
async def test_a_bad_certificate_is_not_sent_and_not_tried_again(kind):
    """It is invalid at the next attempt, too."""
    async with FaultServer(ssl_context=server_context(kind)) as server:
        error = await failure(server.url, verify=client_context(), retry=RetryPolicy())
        assert (type(error), error.reason, error.attempts) == (NotSentError, "certificate", 1)
        assert server.begun == 0


async def test_tls_and_its_settings_work(server):
    """A context, a missing bundle and no check do the same as with pooled connections over httpx."""
    async with FaultServer(ssl_context=server_context()) as behind_tls:
        for verify in (client_context(), False):
            async with session(behind_tls.url, verify=verify) as twake:
                assert (await twake.send_message("c1", "Hello")).id
        assert isinstance(await failure(behind_tls.url), NotSentError)
    with pytest.raises(ConfigurationError) as caught:
        session(server.url, verify="/nonexistent/bundle.pem")
    assert caught.value.field == "verify"


@pytest.mark.parametrize("tls", [True, False])
async def test_a_proxy_works(tls):
    """It tunnels TLS and forwards plain requests; it gets its own password, and not the key."""
    async with (
        FaultServer(ssl_context=server_context() if tls else None) as server,
        Proxy() as proxy,
    ):
        given = proxy.url.replace("http://", "http://me:secret@")
        async with session(server.url, proxy=given, verify=client_context()) as twake:
            await twake.send_message("c1", "Hello")
        assert (proxy.connects, proxy.plain) == (tls, not tls)
        assert b"proxy-authorization: basic bwu6c2vjcmv0" in proxy.heads[0].lower()
        assert (b"\r\nauthorization" in proxy.heads[0].lower()) == (not tls)


@pytest.mark.parametrize(
    ("how", "reason"), [("407", "proxy_refused"), ("502", "proxy"), ("close", None)]
)
async def test_a_proxy_that_opens_no_tunnel_is_not_sent(how, reason):
    """A CONNECT request holds nothing of the message."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy(how) as proxy:
        error = await failure(server.url, proxy=proxy.url, verify=client_context())
        assert isinstance(error, NotSentError)
        assert error.reason == (reason or error.reason)
        assert server.begun == 0


@pytest.mark.parametrize("how", ["close", "reset", "garbage", "forwards_then_502"])
async def test_a_proxy_that_breaks_after_a_plain_request_proves_nothing(how):
    """It had the request, and may have forwarded it."""
    async with FaultServer() as server, Proxy(how) as proxy:
        error = await failure(server.url, proxy=proxy.url)
        assert isinstance(error, OutcomeUnknownError)


# --- limits, life cycle -------------------------------------------------------------------------


async def test_a_send_that_waits_in_the_queue_until_its_deadline_is_not_sent(server):
    """Without a connection nothing was sent."""
    server.do_next("loses_silent")
    async with session(server.url, max_connections=1) as twake:
        first = asyncio.create_task(claim(twake.send_message("c1", "Hello", deadline=3.0)))
        while not server.received:
            await asyncio.sleep(0)
        with pytest.raises(NotSentError) as caught:
            await twake.send_message("c1", "Hello", deadline=0.1)
        assert caught.value.reason == "connections_busy"
        assert await first is Outcome.UNKNOWN


@pytest.mark.parametrize(("first", "second"), [(0.2, 0.5), (5.0, 0.3)])
async def test_each_request_of_a_connection_has_its_own_deadline(server, first, second):
    """One timer serves them all; it ends no request earlier or later than its deadline."""
    async with session(server.url) as twake:
        await twake.send_message("c1", "Hello", deadline=first)
        server.do_next("loses_silent")
        began = time.monotonic()
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.send_message("c1", "Hello", deadline=second)
        assert second - 0.01 < time.monotonic() - began < second + 0.15
    assert (caught.value.reason, server.accepted) == ("timeout", 1)


async def test_a_timer_that_ends_after_the_answer_ends_nothing(server):
    """The connection carries the next message."""
    async with session(server.url) as twake:
        await twake.send_message("c1", "Hello", deadline=1.5)
        await asyncio.sleep(1.6)
        await twake.send_message("c1", "Hello")
    assert server.accepted == 1


async def test_nothing_keeps_a_closed_connection_until_the_deadline(server):
    """The timer goes with the connection."""
    gc.collect()
    async with session(server.url, deadline=60.0) as twake:
        await twake.send_message("c1", "Hello")
        (pooled,) = twake._attempts.transport.pool._idle
        connection = weakref.ref(pooled.raw.connection)
        del pooled
    gc.collect()
    assert connection() is None


async def test_no_more_connections_than_the_limit(server):
    """A hundred sends share the connections."""
    async with session(server.url, max_connections=3) as twake:
        await asyncio.gather(*(twake.send_message("c1", "Hello") for _ in range(100)))
    assert server.accepted <= 3


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("loses_silent", Outcome.UNKNOWN), (None, Outcome.DELIVERED)],
)
async def test_closing_lets_sends_finish_and_then_ends_them(server, fault, outcome):
    """Running sends get their time; then they end as the evidence says, and no socket is left."""
    server.do_next(*([fault] if fault else ()))
    twake = session(server.url)
    sending = asyncio.create_task(claim(twake.send_message("c1", "Hello")))
    while not server.received:
        await asyncio.sleep(0)
    await twake.aclose(drain=0.1)
    assert await sending is outcome
    await server.quiet()
    assert server.open_connections == 0
    with pytest.raises(SessionClosedError):
        await twake.send_message("c1", "Hello")


async def test_closing_ends_a_connection_that_is_being_opened():
    """Nothing of the message was sent, and nothing is sent later."""
    async with HandshakeServer("silent") as server:
        twake = session(server.url, verify=client_context(), deadline=30.0)
        sending = asyncio.create_task(twake.send_message("c1", "Hello"))
        while not server.accepted:
            await asyncio.sleep(0)
        await twake.aclose(drain=0.0)
        with pytest.raises(SessionClosedError) as caught:
            await sending
    assert caught.value.outcome is Outcome.NOT_SENT


async def test_a_connection_that_opens_while_the_session_closes_is_not_used(server, monkeypatch):
    """It is closed, and nothing is sent over it."""
    real = DirectTransport._connect

    async def slow(transport, *given):
        opened = await real(transport, *given)
        for connection in transport.pool._in_use:
            connection.raw.closed = True
        return opened

    monkeypatch.setattr(DirectTransport, "_connect", slow)
    error = await failure(server.url)
    assert (type(error), error.outcome) == (SessionClosedError, Outcome.NOT_SENT)
    await server.quiet()
    assert (server.accepted, server.begun) == (1, 0)


async def test_a_connection_that_was_idle_for_long_is_replaced(server, monkeypatch):
    """The server may be about to close it, and the message would end as UNKNOWN."""
    async with session(server.url) as twake:
        for limit, accepted in ((60.0, 1), (60.0, 1), (0.0, 2)):
            monkeypatch.setattr(_fast, "IDLE_LIMIT", limit)
            await twake.send_message("c1", "Hello")
            assert server.accepted == accepted


@pytest.mark.parametrize("seen", [True, False])
async def test_a_connection_with_unsolicited_data_is_replaced(seen):
    """The data is not taken for the answer to the next message."""
    lines: list[asyncio.StreamWriter] = []

    async def serve(reader, writer):
        lines.append(writer)
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            message = json.loads(await reader.readexactly(length))["message"]
            body = json.dumps({"object": message | {"id": "m1"}}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening, session(url) as twake:
        await twake.send_message("c1", "Hello")
        lines[0].write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        if seen:
            for _ in range(5):
                await asyncio.sleep(0)
        assert (await twake.send_message("c1", "Hello again")).content == "Hello again"
        assert len(lines) == 2
    for line in lines:
        line.transport.abort()


async def test_a_cancelled_send_tells_the_observer_what_is_known(server):
    """After the request left, the outcome is UNKNOWN; the traceback holds no frame with the key."""
    seen: list = []
    server.do_next("loses_silent")
    async with session(server.url, on_attempt=seen.append) as twake:
        sending = asyncio.create_task(twake.send_message("c1", "Hello"))
        while not server.received:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert [(attempt.outcome, attempt.reason) for attempt in seen] == [
        (Outcome.UNKNOWN, "cancelled")
    ]


@pytest.mark.parametrize("tls", [True, False])
async def test_a_connection_whose_request_was_not_sent_completely_is_replaced(tls):
    """The next message would follow the rest of a request that was answered already."""
    lines: list[asyncio.StreamWriter] = []

    async def serve(reader, writer):
        lines.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    context = server_context() if tls else None
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"http{'s' * tls}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    verify = client_context() if tls else True
    async with listening, session(url, verify=verify, deadline=2.0) as twake:
        for content in ("x" * 20_000_000, "Hello"):
            with pytest.raises(RefusedError):
                await twake.send_message("c1", content)
        for line in lines:
            line.transport.abort()
    assert len(lines) == 2


async def test_an_event_loop_that_refuses_to_write_leaves_the_outcome_unknown(server, monkeypatch):
    """The exception that uvloop raises for an ended connection does not reach the caller."""

    def refuse(*_):
        raise RuntimeError("the handler is closed")

    monkeypatch.setattr(asyncio.selector_events._SelectorSocketTransport, "write", refuse)
    error = await failure(server.url)
    assert (type(error), error.reason) == (OutcomeUnknownError, "lost")


async def test_cookies_are_not_kept_and_headers_are_those_of_httpx(server):
    """Each request looks the same to the server, over either transport."""
    async with session(server.url) as fast:
        await fast.send_message("c1", "Hello")
        await fast.send_message("c1", "Hello")
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as pool:
        await pool.send_message("c1", "Hello")
    first, second, over_httpx = (sorted(head.lower().split(b"\r\n")) for head in server.heads)
    assert first == second == over_httpx


async def test_beginnings_of_requests_are_kept_up_to_a_limit():
    """An API may have ids in its paths."""
    async with TwakeSession("app", "k" * 40, transport="fast") as twake:
        transport = twake._attempts.transport
        for number in range(200):
            request = SimpleNamespace(method="GET", path=f"/messages/{number}")
            head = transport._head(request)
            assert head.startswith(b"GET /messages/%d HTTP/1.1\r\nHost: " % number)
        assert transport._heads["GET", "/messages/199"] is head
        assert len(transport._heads) <= 64


async def test_the_same_session_checks_and_removes(server):
    """Every call uses this transport."""
    async with session(server.url) as twake:
        await twake.remove_message(MessageRef("c1", "m1"))
        assert await twake.check()
    assert server.removed["m1"] == 1


# --- configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["httptools", "orjson"])
def test_without_the_extra_the_error_says_what_to_install(monkeypatch, name):
    """The error says how to install it."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r'pip install "twake-async\[fast\]"') as caught:
        session("https://api.twake.app")
    assert caught.value.field == "transport"


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("proxy", {"proxy": "ftp://127.0.0.1:9"}),
        ("transport", {"http_client": object()}),
    ],
)
def test_what_it_cannot_do_is_an_error_at_once(field, options):
    """An invalid proxy, or a client of the caller's own."""
    with pytest.raises(ConfigurationError) as caught:
        session("https://api.twake.app", **options)
    assert caught.value.field == field


def test_no_other_name_is_accepted():
    """A mistyped name is not a transport."""
    with pytest.raises(ConfigurationError) as caught:
        TwakeSession("app", "k" * 40, transport="quick")  # type: ignore[arg-type]
    assert caught.value.field == "transport"


@pytest.mark.parametrize("deadline", [0.2, 5.0])
async def test_a_refusal_whose_body_hangs_is_a_refusal(deadline):
    """It does not wait for the deadline, and does not become unknown."""
    async with RawServer(HANGING) as server:
        error = await failure(server.url, deadline=deadline)
    assert (type(error), error.status) == (RefusedError, 401)


# --- the failure table --------------------------------------------------------------------------

#: Rows that need another transport, as their names say.
_OTHER_TRANSPORTS = ("injected", "verify_and_transport", "both")


@pytest.mark.parametrize(
    ("row", "cause"),
    [each for each in EXECUTIONS if not any(word in each.id for word in _OTHER_TRANSPORTS)],
)
async def test_a_row_of_the_failure_table_has_the_same_outcome(row, cause):
    """The outcome, the number of copies, and the retries are those of pooled connections over httpx."""
    for operation, seen in (await executions(row, cause, transport="fast")).items():
        ended = seen.ended
        assert (operation, getattr(ended, "outcome", None)) == (
            operation,
            row.outcome if row.ends else None,
        )
        assert (operation, seen.tries > 1) == (operation, operation in row.again)
        if row.outcome in (Outcome.NOT_SENT, Outcome.REFUSED):
            assert (operation, seen.stored) == (operation, 0)

"""The TLS server and the proxy of the tests fail as their names say, and leave nothing behind."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest
from clock import skip
from faults import FaultServer
from faults.proxy import Proxy
from faults.tls import HANDSHAKES, HandshakeServer, client_context, server_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SAVE = "/api/v1/messages/save"
BODY = {"group_id": "g", "message": {"channel_id": "c", "content": "x", "front_id": "front-1"}}


@pytest.fixture(autouse=True)
async def nothing_remains() -> AsyncIterator[None]:
    yield
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def post(url: str, proxy: str | None = None, timeout: float = 10.0) -> httpx.Response:  # noqa: ASYNC109
    async with httpx.AsyncClient(
        verify=client_context(), proxy=proxy, timeout=timeout, trust_env=False
    ) as client:
        return await client.post(url + SAVE, json=BODY)


async def post_until(reached: Callable[[], object], url: str, proxy: str | None = None) -> None:
    """Post, and let the client's own timeout pass once a condition holds."""
    posting = asyncio.ensure_future(post(url, proxy, timeout=5.0))
    while not (reached() or posting.done()):
        await asyncio.sleep(0)
    skip(5.0)
    await posting


async def test_a_good_certificate_serves() -> None:
    """Over TLS, by address and by name, requests are answered and stored as without it."""
    async with FaultServer(ssl_context=server_context()) as server:
        assert (await post(server.url)).json()["object"]["front_id"] == "front-1"
        assert (await post(f"https://localhost:{server.port}")).status_code == 200
        assert server.stored == {"front-1": 2}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong_host", "IP address mismatch"),
        ("expired", "certificate has expired"),
        ("not_yet_valid", "not yet valid"),
        ("unknown_authority", "unable to get local issuer|self.signed"),
    ],
)
async def test_a_bad_certificate_is_refused_for_its_reason(kind: str, words: str) -> None:
    """A client that checks refuses the certificate for the reason named; no request begins."""
    async with FaultServer(ssl_context=server_context(kind)) as server:  # type: ignore[arg-type]
        with pytest.raises(httpx.ConnectError, match=words):
            await post(server.url)
        assert (server.begun, server.received) == (0, 0)


@pytest.mark.parametrize("name", ["stores_close", "loses_reset", "reset_mid_body", "stores_cut"])
async def test_faults_act_behind_tls(name: str) -> None:
    """The faults of the catalogue act behind TLS too."""
    async with FaultServer(ssl_context=server_context()) as server:
        server.do_next(name)
        with pytest.raises(httpx.TransportError):
            await post(server.url)
        assert sum(server.stored.values()) == name.startswith("stores")
        assert server.acted == {name: 1}


@pytest.mark.parametrize("how", [how for how in HANDSHAKES if how != "silent"])
async def test_a_handshake_fails(how: str) -> None:
    """Each broken handshake is a failed connect to httpx, after one TCP connection."""
    async with HandshakeServer(how) as server:  # type: ignore[arg-type]
        with pytest.raises(httpx.ConnectError):
            await post(server.url)
        assert server.accepted == 1
        assert server.hellos == (how != "close")


async def test_a_silent_handshake_times_out() -> None:
    """A silent handshake ends by the client's own timeout."""
    async with HandshakeServer("silent") as server:
        with pytest.raises(httpx.ConnectTimeout):
            await post_until(lambda: server.hellos, server.url)
        assert server.hellos == 1


# ------------------------------------------------------------------ the proxy


@pytest.mark.parametrize("tls", [True, False])
async def test_a_proxy_works(tls: bool) -> None:
    """It tunnels TLS and forwards plain requests; the request arrives once."""
    async with (
        FaultServer(ssl_context=server_context() if tls else None) as server,
        Proxy() as proxy,
    ):
        assert (await post(server.url, proxy.url)).json()["object"]["front_id"] == "front-1"
        assert server.stored == {"front-1": 1}
        assert (proxy.connects, proxy.tunnels - proxy.forwarded, proxy.plain) == (tls, tls, not tls)
        assert b"authorization" not in proxy.heads[0].lower()


@pytest.mark.parametrize("how", ["407", "502", "503"])
async def test_a_proxy_refuses(how: str) -> None:
    """A refusal of CONNECT is a ProxyError; of a plain request it is the answer. Nothing arrives."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy(how) as proxy:  # type: ignore[arg-type]
        with pytest.raises(httpx.ProxyError, match=how):
            await post(server.url, proxy.url)
        assert (await post("http://127.0.0.1:9", proxy.url)).status_code == int(how)
        assert (proxy.connects, proxy.plain, server.accepted) == (1, 1, 0)


@pytest.mark.parametrize("how", ["close", "reset", "garbage"])
async def test_a_proxy_breaks_at_connect(how: str) -> None:
    """It closes, resets or answers nonsense at CONNECT; the origin sees nothing."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy(how) as proxy:  # type: ignore[arg-type]
        with pytest.raises(httpx.TransportError):
            await post(server.url, proxy.url)
        assert (proxy.connects, proxy.tunnels, server.accepted) == (1, 0, 0)


async def test_a_proxy_is_silent_at_connect() -> None:
    """The client's own timeout ends it; the origin sees nothing."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy("silent") as proxy:
        with pytest.raises(httpx.ReadTimeout):
            await post_until(lambda: proxy.connects, server.url, proxy.url)
        assert (proxy.connects, proxy.tunnels, server.accepted) == (1, 0, 0)


async def test_a_proxy_that_cannot_reach_the_origin_answers_502() -> None:
    """A working proxy answers CONNECT to a refused port with 502."""
    async with HandshakeServer("close") as closed:
        port = closed.port
    async with Proxy() as proxy:
        with pytest.raises(httpx.ProxyError, match="502"):
            await post(f"https://127.0.0.1:{port}", proxy.url)


@pytest.mark.parametrize("cut", [{"cut_up": 700}, {"cut_down": 300}])
async def test_a_tunnel_is_cut(cut: dict[str, int]) -> None:
    """A tunnel closes after so many bytes in one direction; the CONNECT was counted."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy(**cut) as proxy:
        with pytest.raises(httpx.TransportError):
            await post(server.url, proxy.url)
        assert (proxy.connects, proxy.tunnels) == (1, 1)
        assert server.received == 0


async def test_a_plain_tunnel_passes_exactly_so_many_bytes() -> None:
    """Through a raw tunnel, the origin gets exactly `cut_up` bytes and then the end."""
    got = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read(-1))
        writer.close()
        await writer.wait_closed()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as origin,
        Proxy(cut_up=5) as proxy,
    ):
        target = b"127.0.0.1:%d" % origin.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"CONNECT %b HTTP/1.1\r\n\r\n" % target)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"0123456789")
        assert await got == b"01234"
        writer.close()
        await writer.wait_closed()


async def test_a_proxy_that_forwards_and_then_says_502() -> None:
    """So 502 and 503 are uncertain: the message is stored, and the client reads 502."""
    async with FaultServer() as server, Proxy("forwards_then_502") as proxy:
        assert (await post(server.url, proxy.url)).status_code == 502
        assert server.stored == {"front-1": 1}
        assert proxy.forwarded == 1


def test_the_client_context_checks() -> None:
    """The client's context verifies certificates and names, as the tests above need."""
    context = client_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

"""Proxies: which one is used, which hosts need none, and what errors say about it."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import pickle
import socket
import ssl
import subprocess
import sys
import urllib.request

import httpx
import pytest
from faults import FaultServer
from faults.proxy import Proxy
from faults.socks import Socks
from faults.tls import HandshakeServer, client_context, server_context

from twake_async import (
    ConfigurationError,
    MessageRef,
    NotSentError,
    OutcomeUnknownError,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)
from twake_async._transport.proxies import RedactedProxy, is_exempt, is_own, resolve_proxy

all_transports = pytest.mark.parametrize("transport", [None, "httpx2", "fast"])

USER, PASSWORD = "proxy-user", "pr0xyPasswordThatMustNeverBeSeen"
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CGI = {"REQUEST_METHOD": "POST"}
SOMEWHERE = "http://proxy.example:3128"


@pytest.fixture
def environment(monkeypatch):
    """Give an environment without proxies."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)
    return monkeypatch


def given(environment, **variables: str) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)


def chosen(url: str = "https://chat.example", proxy="env") -> str | None:
    """Return the proxy that a session would use."""
    via = resolve_proxy(url, proxy)
    return None if via is None else via.name


# --- NO_PROXY -----------------------------------------------------------------------------------

#: The forms of NO_PROXY, by who documents them:
URLLIB = "docs.python.org/3/library/urllib.request.html (ProxyHandler)"
REQUESTS = "requests.readthedocs.io (Advanced Usage, Proxies), and requests.utils of 2.34"
CURL = "curl.se/libcurl/c/CURLOPT_NOPROXY.html, and its unit test 1614"
HTTPX = "httpx 0.28, _utils.get_environment_proxies"
HERE = "what follows from the others"

EXEMPT = [
    (URLLIB, "chat.example", 443, "chat.example"),
    (URLLIB, "www.chat.example", 443, "chat.example"),
    (URLLIB, "www.chat.example", 443, "cern.ch,chat.example,some.host:8080"),
    (URLLIB, "chat.example", 8443, "chat.example:8443"),
    (URLLIB, "www.chat.example", 8443, "chat.example:8443"),
    (URLLIB, "chat.example", 443, "*"),
    (URLLIB, "chat.example", 443, "other.example, CHAT.Example"),
    (URLLIB, "chat.example", 443, ".chat.example"),
    (URLLIB, "chat.example", 443, "..chat.example"),
    (REQUESTS, "10.1.2.3", 443, "10.0.0.0/8"),
    (REQUESTS, "10.1.2.3", 443, "10.1.2.3"),
    (REQUESTS, "10.1.2.3", 443, "foo, 10.1.0.0/16 ,bar"),
    (REQUESTS, "chat.example", 443, "c hat.example, chat.example"),
    (CURL, "www.chat.example", 443, "localhost,.chat.example,.example.de"),
    (CURL, "www.chat.example.", 443, "localhost,.chat.example,.example.de"),
    (CURL, "chat.example.", 443, ".chat.example"),
    (CURL, "www.chat.example", 443, ".chat.example."),
    (CURL, "chat.example", 443, "chat.example."),
    (CURL, "10.1.2.3", 443, "10.1.2.3,localhost,"),
    (CURL, "10.1.2.3", 443, "10.1.2.3/31"),
    (CURL, "192.168.1.1", 443, "foo, bar, 192.168.0.0/16"),
    (CURL, "fd00::5", 443, "example.com,fd00::5,localhost"),
    (CURL, "fd00::5", 443, "fd00:0:0::5"),
    (CURL, "fd00::5", 443, "foo, bar, fd00::1/64"),
    (CURL, "bar", 443, "foo,,,,,              bar, ::1/64"),
    (CURL, "bar", 443, "foo bar"),
    (HTTPX, "chat.example", 443, "foo.example, *"),
    (HTTPX, "10.1.2.3", 443, "*,foo.example"),
    (HTTPX, "chat.example", 443, " * "),
    (HERE, "chat.example", 443, "chat.example:443"),
    (HERE, "chat.example", 443, "chat.example:"),
    (HERE, "10.1.2.3", 8443, "10.1.2.3:8443"),
    (HERE, "fd00::5", 8443, "[fd00::5]"),
    (HERE, "fd00::5", 8443, "[fd00::5]:8443"),
    (HERE, "fd00::5", 8443, "[fd00::]/16"),
    (HERE, "::ffff:10.1.2.3", 443, "10.0.0.0/8"),
    (HERE, "xn--mnchen-3ya.example", 443, "m\u00fcnchen.example"),
    (HERE, "xn--mnchen-3ya.example", 443, "xn--mnchen-3ya.example"),
    (HERE, "www.xn--mnchen-3ya.example", 443, ".M\u00dcNCHEN.example"),
    (HERE, "www.chat.example", 443, "*.chat.example"),
    (HERE, "chat.example", 443, "a.example\tchat.example\n"),
]
NOT_EXEMPT = [
    (URLLIB, "chat.example", 443, ""),
    (URLLIB, "chat.example", 8443, "chat.example:443"),
    (URLLIB, "evilchat.example", 443, "chat.example"),
    (URLLIB, "chat.example", 443, "www.chat.example"),
    (REQUESTS, "11.1.2.3", 443, "10.0.0.0/8"),
    (REQUESTS, "10.1.2.3", 443, "10.0.0.0/33"),
    (REQUESTS, "10.1.2.3", 443, "10.0.0.0/x"),
    (CURL, "chat.example.org", 443, "chat.example"),
    (CURL, "nonexample.com", 443, ".example.com, .example.net"),
    (CURL, "192.168.0.1", 443, "192.168.0.0"),
    (CURL, "192.168.1.1", 443, "foo, bar, 192.168.0.0/24"),
    (CURL, "10.1.2.3", 443, "0.1.2.3, 1.2.3, 2.3, .3"),
    (CURL, "fd00::5", 443, "foo, bar, 192.168.0.0/16"),
    (CURL, "fd00:1::5", 443, "fd00::/64"),
    (HERE, "chat.example", 443, " , ,.,..,*x,[,],:,[],:443"),
    (HERE, "fd00::5", 443, "[fd00::5]:8443"),
    (HERE, "10.1.2.3", 443, "[10.1.2.3"),
    (HERE, "chat.example", 443, "x" * 300 + ".example, xn--\u00fc\u00fc.example"),
]


@pytest.mark.parametrize(("source", "host", "port", "value"), EXEMPT)
def test_hosts_that_no_proxy_excepts(source, host, port, value):
    """Each in the form that its source documents."""
    assert is_exempt(host, port, value)


@pytest.mark.parametrize(("source", "host", "port", "value"), NOT_EXEMPT)
def test_hosts_that_it_does_not_except(source, host, port, value):
    """An entry that is no name, address or network excepts no host."""
    assert not is_exempt(host, port, value)


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    "url",
    [
        "https://CHAT.example:8443/sub/path",
        "https://chat.example.:8443",
        "https://10.1.2.3",
        "https://[FD00::5]:8443",
        "https://m\u00fcnchen.example",
    ],
)
def test_an_address_is_compared_by_its_host_and_port(environment, name, url):
    """In each spelling of the host in `base_url`."""
    assert chosen(url) is None
    given(environment, HTTPS_PROXY=SOMEWHERE)
    assert chosen(url) == SOMEWHERE
    exceptions = "chat.example:8443 10.0.0.0/8,[fd00::5],xn--mnchen-3ya.example"
    environment.setenv(name, exceptions)
    assert chosen(url) is None


# --- which proxy --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        ("https://chat.example", {"HTTPS_PROXY": "http://a"}, "http://a"),
        ("https://chat.example", {"HTTP_PROXY": "http://a"}, None),
        ("http://chat.example", {"HTTP_PROXY": "http://a"}, "http://a"),
        ("http://chat.example", {"HTTPS_PROXY": "http://a"}, None),
        ("https://chat.example", {"ALL_PROXY": "http://a"}, "http://a"),
        ("https://chat.example", {"ALL_PROXY": "http://a", "https_proxy": "http://b"}, "http://b"),
        (
            "https://chat.example",
            {"HTTPS_PROXY": "http://A", "https_proxy": "http://b"},
            "http://b",
        ),
        ("https://chat.example", {"HTTPS_PROXY": "http://a", "https_proxy": ""}, None),
        ("https://chat.example", {"HTTPS_PROXY": " a:3128 "}, "http://a:3128"),
        ("https://chat.example", {"HTTPS_PROXY": "https://u:p@a:3128/x?y"}, "https://a:3128"),
        ("http://chat.example", {"HTTP_PROXY": "http://a"} | CGI, None),
        ("http://chat.example", {"http_proxy": "http://a"} | CGI, "http://a"),
        ("https://chat.example", {"HTTPS_PROXY": "http://a"} | CGI, "http://a"),
        ("https://chat.example", {"NO_PROXY": "chat.example"}, None),
        (
            "https://chat.example",
            {"HTTPS_PROXY": "http://a", "NO_PROXY": "chat.example", "no_proxy": "b.example"},
            "http://a",
        ),
        (
            "https://chat.example",
            {"HTTPS_PROXY": "http://a", "NO_PROXY": "b.example", "no_proxy": "chat.example"},
            None,
        ),
    ],
)
def test_which_proxy_the_environment_means(environment, url, variables, proxy):
    """Lower case is preferred, an empty variable means none, and a CGI's HTTP_PROXY is the client's header."""
    given(environment, **variables)
    assert chosen(url) == proxy


@pytest.mark.parametrize("bypassed", [True, False])
def test_without_variables_the_settings_of_the_system_count(environment, bypassed):
    """As on macOS and Windows, with their own exceptions."""
    environment.setattr(urllib.request, "getproxies", lambda: {"https": SOMEWHERE})
    environment.setattr(urllib.request, "proxy_bypass", lambda host: bypassed)
    assert chosen() == (None if bypassed else SOMEWHERE)
    given(environment, HTTPS_PROXY="http://a")
    assert chosen() == "http://a"


@pytest.mark.parametrize("proxy", ["http://", "ftp://a", "http://a:port", "://", "http://[::1"])
def test_an_invalid_proxy_is_an_error_that_says_where_it_comes_from(environment, proxy):
    """The value is not shown, because it may hold a password."""
    with pytest.raises(ConfigurationError, match="proxy is not the URL of a proxy") as caught:
        chosen(proxy=proxy)
    assert caught.value.field == "proxy"
    given(environment, HTTPS_PROXY=proxy)
    with pytest.raises(ConfigurationError, match="the proxy of the environment is not the URL"):
        chosen()


# --- this machine -------------------------------------------------------------------------------

OWN = [
    "localhost",
    "localhost.",
    "LOCALHOST",
    "twake.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "127.0.0.1",
    "127.8.9.10",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", OWN)
def test_this_machine_is_reached_without_the_environments_proxy(environment, host, scheme):
    """With all variables, and in each spelling of its name or address."""
    given(environment, HTTP_PROXY=SOMEWHERE, HTTPS_PROXY=SOMEWHERE, ALL_PROXY=SOMEWHERE)
    assert chosen(f"{scheme}://{host}:8000") is None
    assert chosen(f"{scheme}://{host}:8000", SOMEWHERE) == SOMEWHERE


@pytest.mark.parametrize(
    "host",
    [
        "localhost.example",
        "notlocalhost",
        "10.255.255.1",
        "255.255.255.255",
        "chat.example",
        "2001:db8::1",
        "128.1",
    ],
)
def test_other_machines_are_not_taken_for_this_one(host):
    """Names that only look like its own are not this machine either."""
    assert not is_own(host)


def test_the_addresses_of_its_interfaces_are_this_machine_too():
    """The kernel knows them; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:  # pragma: no cover
            pytest.skip("this machine has no network")
        own = asking.getsockname()[0]
    assert is_own(own)


@all_transports
async def test_the_key_goes_to_no_proxy_on_its_way_to_this_machine(environment, server, transport):
    """A proxy of the environment sees nothing of it."""
    async with Proxy() as proxy:
        given(environment, HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url)
        options = {"group_id": "g", "base_url": server.url, "transport": transport}
        async with TwakeSession("app", "k", **options) as twake:
            await twake.send_message("c", "x")
        assert (proxy.accepted, server.received) == (0, 1)
        async with TwakeSession("app", "k", proxy=proxy.url, **options) as twake:
            await twake.send_message("c", "x")
        assert (proxy.plain, server.received) == (1, 2)


def test_plain_http_through_the_environments_proxy_is_plain_http(environment):
    """The network sees the key, with a proxy and without."""
    given(environment, HTTP_PROXY=SOMEWHERE)
    with pytest.raises(ConfigurationError, match="allow_plain_http=True"):
        TwakeSession("app", "k", base_url="http://chat.example")
    TwakeSession("app", "k", base_url="http://chat.example", allow_plain_http=True)


def test_the_demo_runs_where_proxies_are_set(environment):
    """All of it runs on this machine."""
    nowhere = "http://127.0.0.1:9"
    given(environment, HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere, ALL_PROXY=nowhere)
    command = [sys.executable, "-m", "twake_async", "demo"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


# --- through the environment's proxy ------------------------------------------------------------


def resolve_here(monkeypatch) -> None:
    """Let `chat.example` resolve to this machine, where a proxy in these tests can find it."""
    real = socket.getaddrinfo

    def resolve(host, *args, **options):
        return real(
            "127.0.0.1" if host in ("chat.example", b"chat.example") else host, *args, **options
        )

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def any_host() -> ssl.SSLContext:
    """Return a context that accepts the tests' certificate for any host."""
    context = client_context()
    context.check_hostname = False
    return context


@all_transports
@pytest.mark.parametrize("tls", [True, False])
async def test_the_environments_proxy_is_used_and_its_exceptions_are(environment, tls, transport):
    """HTTPS_PROXY, HTTP_PROXY and NO_PROXY mean what they mean elsewhere."""
    resolve_here(environment)
    context = server_context() if tls else None
    async with FaultServer(ssl_context=context) as server, Proxy() as proxy:
        name = "HTTPS_PROXY" if tls else "HTTP_PROXY"
        environment.setenv(name, proxy.url.replace("://", f"://{USER}:{PASSWORD}@"))
        options = {
            "group_id": "g",
            "base_url": f"http{'s' * tls}://chat.example:{server.port}",
            "verify": any_host(),
            "allow_plain_http": True,
            "transport": transport,
        }
        async with TwakeSession("app", "k", **options) as twake:
            await twake.send_message("c", "x")
        assert (proxy.tunnels, proxy.plain) == (1, not tls)
        assert f"proxy-authorization: basic {LOGIN}".lower() in proxy.heads[0].decode().lower()
        environment.setenv("NO_PROXY", f"chat.example:{server.port}")
        async with TwakeSession("app", "k", **options) as twake:
            await twake.send_message("c", "x")
        assert (proxy.tunnels, server.received) == (1, 2)


# --- errors -------------------------------------------------------------------------------------


def session(url: str, proxy: str, transport=None, *, login: bool = True, **options):
    options = {"retry": RetryPolicy.never(), "deadline": 5.0, "verify": any_host()} | options
    if login:
        proxy = proxy.replace("://", f"://{USER}:{PASSWORD}@")
    return TwakeSession(
        "app", "k", group_id="g", base_url=url, proxy=proxy, transport=transport, **options
    )


async def error_through(url: str, proxy: str, transport=None, **options) -> TwakeError:
    """Send a message through a proxy; return the error, which names the proxy and shows no secret."""
    async with session(url, proxy, transport, **options) as twake:
        with pytest.raises(TwakeError) as caught:
            await twake.send_message("c", "x")
        found = await twake.check()
    error = caught.value
    texts = [str(error), repr(error), str(pickle.loads(pickle.dumps(error)))]
    if not found.ok:  # a fault meets the message alone
        texts.append(found.advice)
    for text in texts:
        assert f"(through the proxy {proxy})" in text
        assert USER not in text
        assert PASSWORD not in text
    return error


@all_transports
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("407", "proxy_refused"),
        ("502", "proxy"),
        ("close", "proxy"),
        ("garbage", "proxy"),
        ("silent", "proxy"),
    ],
)
async def test_an_error_before_the_tunnel_names_the_proxy(how, reason, transport):
    """A proxy that refuses, breaks or is silent."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy(how) as proxy:
        error = await error_through(server.url, proxy.url, transport, deadline=1.0)
    assert error.reason == reason


@all_transports
@pytest.mark.parametrize(
    ("fault", "reason"), [("loses_close", "lost"), ("loses_silent", "timeout")]
)
async def test_an_error_in_the_tunnel_names_the_proxy(fault, reason, transport):
    """The proxy may have cut the tunnel, or delayed it."""
    async with FaultServer(ssl_context=server_context()) as server, Proxy() as proxy:
        server.do_next(fault)
        error = await error_through(server.url, proxy.url, transport, deadline=1.0)
    assert error.reason == reason


@all_transports
@pytest.mark.parametrize(
    ("how", "reason"),
    [("407", "status"), ("502", "gateway"), ("forwards_then_502", "gateway"), ("close", "lost")],
)
async def test_an_answer_to_plain_http_names_the_proxy_that_may_have_made_it(
    how, reason, transport
):
    """Without a tunnel the proxy answers for the server."""
    async with FaultServer() as server, Proxy(how) as proxy:
        error = await error_through(server.url, proxy.url, transport)
    assert error.reason == reason


@all_transports
async def test_an_error_while_connecting_to_the_proxy_names_it(transport):
    """It refuses connections, its name does not resolve, or it does not speak TLS."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert (await error_through("https://chat.example", gone, transport)).reason == "connect"
    lost = "http://proxy.invalid:3128"
    assert (await error_through("https://chat.example", lost, transport)).reason == "dns"
    async with HandshakeServer("plain_http") as plain:
        error = await error_through("https://chat.example", plain.url, transport)
    assert error.reason == "tls"
    assert "base_url, or the proxy's address, should begin with http://" in str(error)


async def test_an_error_that_no_proxy_can_have_caused_does_not_name_it(server):
    """An answer of the server, or a failure before any connection."""
    server.do_next("refuses_authentication")
    async with Proxy() as proxy, session(server.url, proxy.url) as twake:
        with pytest.raises(TwakeError) as refused:
            await twake.send_message("c", "x")
        assert (await twake.remove_message(MessageRef("c", "m1"))) is None
    async with FaultServer(ssl_context=server_context()) as behind_tls, Proxy() as proxy:
        behind_tls.do_next("loses_502")
        async with session(behind_tls.url, proxy.url) as twake:
            with pytest.raises(TwakeError) as answered:
                await twake.send_message("c", "x")
    assert [refused.value.reason, answered.value.reason] == ["authentication", "gateway"]
    assert "proxy" not in f"{refused.value}{answered.value}"


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_the_repr_of_a_proxy_shows_no_secret(scheme):
    """Neither its user nor its password."""
    given_ = f"{scheme}://{USER}:{PASSWORD}@proxy.example:1080"
    headers = {"Proxy-Authorization": f"Basic {LOGIN}"}
    for proxy in (given_, httpx.Proxy(given_), httpx.Proxy(given_, headers=headers)):
        via = resolve_proxy("https://chat.example", proxy)
        assert via is not None
        assert repr(via) == f"<RedactedProxy {scheme}://proxy.example:1080>"
        assert PASSWORD not in repr(via.proxy.raw_auth)
        assert via.proxy.raw_auth == (USER.encode(), PASSWORD.encode())
    assert PASSWORD not in repr(via.proxy.auth)
    assert via.proxy.headers["proxy-authorization"] == f"Basic {LOGIN}"
    plain = httpx.Proxy(SOMEWHERE)
    assert resolve_proxy("https://chat.example", plain) == RedactedProxy(plain)


async def test_no_log_shows_the_password_of_a_socks_proxy(caplog):
    """At the level DEBUG, httpcore logs what it sends to a SOCKS proxy."""
    caplog.set_level(logging.DEBUG)
    came: list[bytes] = []

    async def serve(reader, writer):
        came.append(await reader.read(100))
        writer.write(b"\x05\x02")
        came.append(await reader.read(100))
        writer.write(b"\x01\x01")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        proxy = f"socks5://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with session("https://chat.example", proxy) as twake:
            with pytest.raises(TwakeError, match=rf"\(through the proxy {proxy}\)") as caught:
                await twake.send_message("c", "x")
    assert caught.value.reason == "proxy"
    assert PASSWORD.encode() in came[1]
    assert "setup_socks5_connection" in caplog.text
    assert PASSWORD not in caplog.text
    assert USER not in caplog.text


# --- SOCKS --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [True, False])
async def test_a_socks_proxy_works(tls):
    """Connections through it are kept, and four are opened at once, as without it."""
    context = server_context() if tls else None
    async with FaultServer(ssl_context=context) as server, Socks() as proxy:
        async with session(server.url, proxy.url, login=False) as twake:
            await asyncio.gather(*(twake.send_message("c", "x") for _ in range(20)))
            await twake.send_message("c", "x")
        assert server.received == 21
        assert proxy.accepted == server.accepted <= 20


@pytest.mark.parametrize(("how", "reason"), [("refuses", "proxy"), ("silent", "proxy")])
async def test_what_a_socks_proxy_does_not_connect_is_not_sent(how, reason):
    """It was given nothing of the message."""
    async with FaultServer() as server, Socks(how) as proxy:
        async with session(server.url, proxy.url, login=False, deadline=2.0) as twake:
            with pytest.raises(NotSentError) as caught:
                await twake.send_message("c", "x")
        assert server.accepted == 0
    assert caught.value.reason == reason


async def test_a_failure_to_connect_to_a_socks_proxy_or_through_it_is_not_sent():
    """The proxy refuses connections, or the handshake with the server fails."""
    async with Socks() as proxy, HandshakeServer("reset") as server:
        async with session(server.url, proxy.url, login=False) as twake:
            with pytest.raises(NotSentError) as handshake:
                await twake.send_message("c", "x")
    async with session("https://chat.example", proxy.url, login=False) as twake:
        with pytest.raises(NotSentError) as nobody:
            await twake.send_message("c", "x")
    assert (handshake.value.reason, nobody.value.reason) == ("tls", "connect")


async def test_a_request_that_is_lost_behind_a_socks_proxy_is_unknown(server):
    """The request had left."""
    server.do_next("stores_close")
    async with Socks() as proxy, session(server.url, proxy.url, login=False) as twake:
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.send_message("c", "x")
    assert caught.value.reason == "lost"

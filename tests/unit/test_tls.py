"""TLS: which certificate authorities are trusted, what is refused at once, and TLS confused with plain http."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess

import certifi
import httpcore
import httpx
import pytest
from faults import FaultServer
from faults.tls import HandshakeServer, _authority, client_context, server_context

from twake_async import (
    ConfigurationError,
    NotSentError,
    OutcomeUnknownError,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)
from twake_async._transport.httpx.events import RequestEvents
from twake_async._transport.httpx.stream import Stream
from twake_async._transport.trace import Trace

BUNDLE = certifi.where()

all_transports = pytest.mark.parametrize("transport", [None, "httpx2", "fast"])


def session(verify, transport=None, **options):
    options = {"base_url": "https://127.0.0.1:9", "proxy": None, **options}
    return TwakeSession("app", "k", group_id="g", verify=verify, transport=transport, **options)


@all_transports
@pytest.mark.parametrize("verify", [1, 0, b"x", {}, None, ("a", "b")], ids=repr)
def test_a_verify_of_another_type_is_refused(verify, transport):
    """An integer is not a boolean here: a mistake must not turn off the check of certificates."""
    with pytest.raises(ConfigurationError, match="verify must be") as caught:
        session(verify, transport)
    assert caught.value.field == "verify"


@all_transports
@pytest.mark.parametrize("verify", ["", "nowhere.pem", pathlib.Path("nowhere.pem"), "\x00", "."])
def test_a_path_that_names_no_bundle_is_refused(verify, transport):
    """Also the empty path, for which OpenSSL loads the system's authorities."""
    with pytest.raises(ConfigurationError, match="cannot be loaded") as caught:
        session(verify, transport)
    assert caught.value.field == "verify"


@all_transports
@pytest.mark.parametrize(
    "verify",
    [BUNDLE, pathlib.Path(BUNDLE), True, False, ssl.create_default_context()],
    ids=["str", "path", "true", "false", "context"],
)
async def test_each_form_of_verify_is_accepted(verify, transport):
    """A path as a string or an object, a boolean, a context. There is no server, so the send ends as NOT_SENT."""
    async with session(verify, transport, retry=RetryPolicy.never()) as twake:
        with pytest.raises(NotSentError) as caught:
            await twake.send_message("c", "x")
    assert caught.value.reason == "connect"


@all_transports
async def test_capitals_in_the_scheme_make_no_difference(transport):
    """`HTTPS://` is https: its context holds the authorities."""
    async with session(verify=True, transport=transport, base_url="HTTPS://127.0.0.1:9") as twake:
        opened, fast = twake._attempts.transport, transport == "fast"
        context = opened.context() if fast else opened.pool.make()._pool._ssl_context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509_ca"] > 10


@pytest.mark.parametrize("exc", [AttributeError("no alpn"), RuntimeError(), OSError(), None])
async def test_after_any_exception_of_a_handshake_nothing_was_sent(exc):
    """The connection was open and unused. That is the proof, not the class of the exception."""
    trace = Trace()
    await RequestEvents(trace)(
        "connection.connect_tcp.complete", {"return_value": Stream(httpcore)}
    )
    failure = trace.failure(exc, timed_out=exc is None)
    assert (failure.sent, failure.reason) == (False, "tls")
    trace.stream.unused = False
    assert trace.failure(exc, timed_out=exc is None).sent


# --- what the environment names -----------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch):
    """Give an environment that names no authorities."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


@all_transports
@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("SSL_CERT_FILE", "left-by-another-environment.pem"),
        ("SSL_CERT_FILE", __file__),
        ("SSL_CERT_DIR", "nowhere"),
        ("SSL_CERT_DIR", __file__),
        ("SSL_CERT_DIR", os.pathsep.join(["nowhere", "neither"])),
    ],
)
def test_missing_authorities_of_the_environment_are_an_error(
    environment, variable, path, transport
):
    """The error comes at once, with the variable and the path; no handshake fails."""
    environment.setenv(variable, path)
    with pytest.raises(ConfigurationError, match=f"{variable} names .*") as caught:
        session(verify=True, transport=transport)
    assert caught.value.field == variable
    assert path in str(caught.value)


@all_transports
async def test_missing_authorities_are_no_error_if_none_are_needed(environment, transport, server):
    """With plain http, with authorities of the caller's own, and without a check."""
    environment.setenv("SSL_CERT_FILE", "nowhere")
    async with session(verify=True, transport=transport, base_url=server.url) as twake:
        assert (await twake.send_message("c", "x")).id
    for verify in (False, BUNDLE, client_context()):
        session(verify, transport)
    session(verify=True, proxy="env", transport=httpx.MockTransport(lambda _: None))


@all_transports
async def test_the_authorities_of_the_environment_are_used(environment, transport, tmp_path):
    """A file, a directory, or several; the file is preferred, and empty variables name nothing."""
    certificate = _authority("known").cert_pem
    certificate.write_to_path(tmp_path / "ca.pem")
    folder = tmp_path / "hashed"
    folder.mkdir()
    certificate.write_to_path(folder / f"{hash_of(tmp_path / 'ca.pem')}.0")
    named = [
        {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "SSL_CERT_DIR": "nowhere"},
        {"SSL_CERT_FILE": "", "SSL_CERT_DIR": str(folder)},
        {"SSL_CERT_FILE": "", "SSL_CERT_DIR": os.pathsep.join(["nowhere", str(folder)])},
    ]
    async with FaultServer(ssl_context=server_context()) as server:
        for variables in named:
            for variable, value in variables.items():
                environment.setenv(variable, value)
            async with session(verify=True, transport=transport, base_url=server.url) as twake:
                assert (await twake.send_message("c", "x")).id


def hash_of(certificate: pathlib.Path) -> str:
    """Return the name by which OpenSSL finds a certificate in a directory."""
    if shutil.which("openssl") is None:  # pragma: no cover
        pytest.skip("only the openssl command knows the name")
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@all_transports
async def test_the_authorities_of_the_library_may_be_missing_too(environment, transport):
    """A frozen program may lack them: the error of the first send says so."""
    environment.setattr(certifi, "where", lambda: "nowhere.pem")
    whose = "certifi's"
    if transport == "httpx2":
        whose = "the system's"
        paths = ssl.get_default_verify_paths()._replace(openssl_cafile=__file__)
        environment.setattr(ssl, "get_default_verify_paths", lambda: paths)
    async with session(verify=True, transport=transport, retry=RetryPolicy.never()) as twake:
        with pytest.raises(NotSentError, match=f"{whose} certificate authorities") as caught:
            await twake.send_message("c", "x")
    assert caught.value.reason == "tls"


# --- TLS and plain http, mixed up ---------------------------------------------------------------


async def failure(url: str, transport, **options) -> TwakeError:
    options = {"base_url": url, "retry": RetryPolicy.never(), "allow_plain_http": True} | options
    async with session(options.pop("verify", True), transport, **options) as twake:
        with pytest.raises(TwakeError) as caught:
            await twake.send_message("c", "x", deadline=5)
    return caught.value


@all_transports
@pytest.mark.parametrize("how", ["plain_http", "garbage"])
async def test_tls_to_a_port_of_plain_http_is_explained(transport, how):
    """Nothing was sent; the message says what to check."""
    async with HandshakeServer(how) as server:
        error = await failure(server.url, transport)
    assert (type(error), error.reason) == (NotSentError, "tls")
    assert "does not speak TLS on this port" in str(error)
    assert "plain http, base_url should begin with http://" in str(error)


@all_transports
@pytest.mark.parametrize("how", ["close", "reset", "alert", "close_after_hello"])
async def test_another_failure_of_a_handshake_is_not_explained_so(transport, how):
    """Only an answer that is not TLS is taken for plain http."""
    async with HandshakeServer(how) as server:
        error = await failure(server.url, transport)
    assert error.reason == "tls"
    assert "base_url" not in str(error)


@all_transports
@pytest.mark.parametrize(
    "words",
    [
        "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>",
        "Reason: You're speaking plain HTTP to an SSL-enabled\n server port.<br />",
        "Client sent an HTTP request to an HTTPS server.\n",
        "Bad Request\r\nThis combination of host and port requires TLS.\r\n",
    ],
)
async def test_an_answer_that_says_it_expects_tls_is_explained(transport, words):
    """nginx, Apache, Tomcat and servers in Go answer plain http with 400 and these words."""
    answer = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(words)}\r\n\r\n{words}".encode()
    async with saying(answer) as url:
        error = await failure(url, transport)
        async with session(verify=True, transport=transport, base_url=url) as twake:
            found = await twake.check()
    assert (type(error), error.reason) == (OutcomeUnknownError, "gateway_answer")
    assert "speaks TLS on this port: base_url should begin with https://" in str(error)
    assert (found.problem, "base_url should begin with https://" in found.advice) == (
        "address",
        True,
    )


@all_transports
async def test_an_alert_of_tls_is_explained(transport):
    """It is not HTTP; inside an answer it means nothing."""
    alert = b"\x15\x03\x01\x00\x02\x02\x46"
    async with saying(alert) as url:
        error = await failure(url, transport)
    assert (type(error), error.reason) == (OutcomeUnknownError, "lost")
    assert "speaks TLS on this port: base_url should begin with https://" in str(error)
    async with saying(b"HTTP/1.1 200 OK\r\n\r\n", alert) as url:
        error = await failure(url, transport)
    assert error.reason == "unreadable"


@all_transports
async def test_a_silent_close_by_a_usual_port_of_tls_may_be_tls(transport, monkeypatch):
    """OpenSSL closes like this. On any other port it suggests nothing."""
    port = next(one for one in range(20_444, 60_000, 1_000) if is_free(one))
    async with saying(port=port) as url:
        assert "TLS" not in str(await failure(url, transport))
    near = next(one for one in range(20_443, 60_000, 1_000) if is_free(one))
    async with saying(port=near) as url:
        error = await failure(url, transport)
    assert error.reason == "lost"
    assert "perhaps the server speaks TLS on this port" in str(error)


def is_free(port: int) -> bool:
    """Say whether no server listens on a port."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) != 0


@contextlib.asynccontextmanager
async def saying(*pieces: bytes, port: int = 0):
    """Serve one answer, in pieces, to each request, and close."""
    serving: list[asyncio.Task] = []

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"GET "):
                await reader.read(65_536)
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.01)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", port)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        await asyncio.gather(*serving)

"""`verify=`: what is taken, and what is refused before anything is opened."""

from __future__ import annotations

import pathlib
import ssl

import certifi
import httpcore
import pytest

from twake_async import ConfigurationError, NotSentError, RetryPolicy, TwakeSession
from twake_async._network import Stream
from twake_async._witness import Witness

BUNDLE = certifi.where()

all_transports = pytest.mark.parametrize("transport", [None, "httpx2", "fast"])


def session(verify, transport=None, **options):
    options = {"base_url": "https://127.0.0.1:9", "proxy": None, **options}
    return TwakeSession("app", "k", group_id="g", verify=verify, transport=transport, **options)


@all_transports
@pytest.mark.parametrize("verify", [1, 0, b"x", {}, None, ("a", "b")], ids=repr)
def test_a_verify_of_another_type_is_refused(verify, transport):
    """An integer is no boolean here: a mistake must not turn the check of certificates off."""
    with pytest.raises(ConfigurationError, match="verify must be") as caught:
        session(verify, transport)
    assert caught.value.field == "verify"


@all_transports
@pytest.mark.parametrize("verify", ["", "nowhere.pem", pathlib.Path("nowhere.pem"), "\x00", "."])
def test_a_path_that_names_no_bundle_is_refused(verify, transport):
    """Also the empty path, for which OpenSSL would load the system's authorities."""
    with pytest.raises(ConfigurationError, match="cannot be loaded") as caught:
        session(verify, transport)
    assert caught.value.field == "verify"


@all_transports
@pytest.mark.parametrize(
    "verify",
    [BUNDLE, pathlib.Path(BUNDLE), True, False, ssl.create_default_context()],
    ids=["string", "path", "true", "false", "context"],
)
async def test_what_is_taken(verify, transport):
    """A path as a string or an object, a boolean, a context: nobody listens, so NOT_SENT."""
    async with session(verify, transport, retry=RetryPolicy.never()) as twake:
        with pytest.raises(NotSentError) as caught:
            await twake.send_message("c", "x")
    assert caught.value.reason == "connect"


@all_transports
async def test_capitals_in_the_scheme_check_certificates_all_the_same(transport):
    """`HTTPS://` is https: its context holds the authorities."""
    async with session(verify=True, transport=transport, base_url="HTTPS://127.0.0.1:9") as twake:
        carrier = twake._attempts.carrier
        fast = transport == "fast"
        context = carrier.context() if fast else carrier.lanes.make()._pool._ssl_context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509_ca"] > 10


@pytest.mark.parametrize("exc", [AttributeError("no alpn"), RuntimeError(), OSError(), None])
async def test_whatever_a_handshake_raises_no_byte_left(exc):
    """The connection is there and nothing was written: that proves it, not the exception's class."""
    witness = Witness(ours=True)
    await witness("connection.connect_tcp.complete", {"return_value": Stream(httpcore)})
    failure = witness.failure(exc, timed_out=exc is None)
    assert (failure.sent, failure.reason) == (False, "tls")
    witness.socket.untouched = False
    assert witness.failure(exc, timed_out=exc is None).sent

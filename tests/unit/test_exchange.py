"""_facts.py: what the trace of an attempt proves, and that silence proves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async._protocol.exchange import CONNECT, Answer, unsent_reason

TCP, TLS, PROXY_TLS = "connection.connect_tcp", "connection.start_tls", "proxy.start_tls"
UNIX, SOCKS, SOCKS_TLS = (
    "connection.connect_unix_socket",
    "socks.setup_socks5_connection",
    "socks.start_tls",
)
HEADERS = "http11.send_request_headers"


def came_about(stage):
    return [f"{stage}.started", f"{stage}.complete"]


def failed(stage):
    return [f"{stage}.started", f"{stage}.failed"]


def through(stage):
    """Return the event of a proxy's CONNECT that succeeded."""
    return [CONNECT + event for event in came_about(stage)]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (failed(TCP), "connect"),
        (failed(UNIX), "connect"),
        (came_about(TCP) + failed(TLS), "tls"),
        (failed(TCP) + failed(TCP), "connect"),
        (failed(PROXY_TLS), "tls"),
        (came_about(TCP) + failed(SOCKS), "proxy"),
        (came_about(TCP) + came_about(SOCKS) + failed(SOCKS_TLS), "tls"),
        (came_about(TCP) + [CONNECT + event for event in failed(HEADERS)], "proxy"),
        (came_about(TCP) + through(HEADERS) + failed(PROXY_TLS), "tls"),
    ],
)
def test_a_connection_that_failed_is_proof(events, reason):
    """A failed stage before any byte of the request gives its word."""
    assert unsent_reason(events) == reason


@pytest.mark.parametrize(
    "events",
    [
        [],
        [f"{TCP}.started"],
        came_about(TCP),
        came_about(TCP) + came_about(TLS),
        came_about(TCP) + through(HEADERS) + came_about(PROXY_TLS),
    ],
)
def test_without_a_failure_there_is_no_proof(events):
    """Silence proves nothing, nor does a connection that came about."""
    assert unsent_reason(events) is None


@pytest.mark.parametrize(
    "event",
    [
        f"{HEADERS}.started",
        f"{HEADERS}.failed",
        "http11.send_request_body.complete",
        "http11.receive_response_headers.failed",
        "http2.send_connection_init.started",
        "connection.connect_quic.failed",
        f"{TCP}.aborted",
        f"{TCP}.",
        TCP,
        "failed",
        "",
        f"connect {TCP}.failed",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_event_of_the_request_or_of_no_known_name_ends_all_proof(event, place):
    """Httpcore promises no names: with one that is not understood, the fate is unknown."""
    events = failed(TCP)
    events.insert(place, event)
    assert unsent_reason(events) is None


STAGES = st.sampled_from([TCP, TLS, PROXY_TLS, UNIX, SOCKS, SOCKS_TLS])
KNOWN = st.builds("{}.{}".format, STAGES, st.sampled_from(["started", "complete", "failed"]))
REQUEST = st.builds(
    "http11.{}.{}".format,
    st.sampled_from(["send_request_headers", "send_request_body", "receive_response_headers"]),
    st.sampled_from(["started", "complete", "failed"]),
)
INSIDE = st.builds((CONNECT + "{}").format, KNOWN | REQUEST)


@given(st.lists(KNOWN | INSIDE), REQUEST, st.lists(KNOWN | INSIDE | REQUEST))
def test_once_the_request_began_nothing_is_proof(before, request_event, after):
    """Whatever stands around it, an event of the message's own request rules out `NOT_SENT`."""
    assert unsent_reason([*before, request_event, *after]) is None


@given(st.lists(KNOWN | INSIDE | st.text()))
def test_proof_takes_a_failure(events):
    """A word comes only of a failed stage, for any list of events."""
    reason = unsent_reason(iter(events))
    if reason is not None:
        assert reason in ("connect", "tls", "proxy")
        assert any(event.endswith(".failed") for event in events)


def test_headers_are_found_whatever_their_case():
    """The first header of the name counts, stripped; an absent one is empty."""
    answer = Answer(200, [(b"Retry-AFTER", b" 7 "), (b"retry-after", b"8"), (b"X", b"\xff")], b"")
    assert answer.header(b"retry-after") == "7"
    assert answer.header(b"x") == "\xff"
    assert answer.header(b"location") == ""

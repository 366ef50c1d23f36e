"""What the events of a request prove, and that without them nothing is proven."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async._transport.http_library import TUNNEL, unsent_reason

TCP, TLS, PROXY_TLS = "connection.connect_tcp", "connection.start_tls", "proxy.start_tls"
UNIX, SOCKS, SOCKS_TLS = (
    "connection.connect_unix_socket",
    "socks.setup_socks5_connection",
    "socks.start_tls",
)
HEADERS = "http11.send_request_headers"


def opened(stage):
    return [f"{stage}.started", f"{stage}.complete"]


def failed(stage):
    return [f"{stage}.started", f"{stage}.failed"]


def through(stage):
    """Return the events of a CONNECT request that succeeded."""
    return [TUNNEL + event for event in opened(stage)]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (failed(TCP), "connect"),
        (failed(UNIX), "connect"),
        (opened(TCP) + failed(TLS), "tls"),
        (failed(TCP) + failed(TCP), "connect"),
        (failed(PROXY_TLS), "tls"),
        (opened(TCP) + failed(SOCKS), "proxy"),
        (opened(TCP) + opened(SOCKS) + failed(SOCKS_TLS), "tls"),
        (opened(TCP) + [TUNNEL + event for event in failed(HEADERS)], "proxy"),
        (opened(TCP) + through(HEADERS) + failed(PROXY_TLS), "tls"),
    ],
)
def test_a_failure_to_connect_is_proof(events, reason):
    """A stage that failed before the request gives the reason."""
    assert unsent_reason(events) == reason


@pytest.mark.parametrize(
    "events",
    [
        [],
        [f"{TCP}.started"],
        opened(TCP),
        opened(TCP) + opened(TLS),
        opened(TCP) + through(HEADERS) + opened(PROXY_TLS),
    ],
)
def test_without_a_failure_there_is_no_proof(events):
    """Neither silence nor an open connection proves anything."""
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
def test_one_event_of_the_request_or_with_an_unknown_name_ends_all_proof(event, place):
    """The library promises no names: with one unknown event, the outcome is `UNKNOWN`."""
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
INSIDE = st.builds((TUNNEL + "{}").format, KNOWN | REQUEST)


@given(st.lists(KNOWN | INSIDE), REQUEST, st.lists(KNOWN | INSIDE | REQUEST))
def test_once_the_request_began_nothing_is_proof(before, request_event, after):
    """With any other events, one event of the request itself rules out `NOT_SENT`."""
    assert unsent_reason([*before, request_event, *after]) is None


@given(st.lists(KNOWN | INSIDE | st.text()))
def test_a_reason_needs_a_failure(events):
    """In any list of events, a reason comes only from a failed stage."""
    reason = unsent_reason(iter(events))
    if reason is not None:
        assert reason in ("connect", "tls", "proxy")
        assert any(event.endswith(".failed") for event in events)

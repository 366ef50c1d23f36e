"""Answers put together from bytes: however they are cut, and whatever is wrong with them."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async._protocol.exchange import ASIDE_BYTES, Answer, Failure
from twake_async._protocol.http_answer import Incoming

BODY = b'{"object":{"id":"m1"}}'
WHOLE = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;why=not\r\n%b\r\n11\r\n%b\r\n0\r\nRetry-After: 9\r\n\r\n" % (BODY[:5], BODY[5:])
)
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + BODY
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"
EARLY = b"HTTP/1.1 100 Continue\r\nLink: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: z\r\n\r\n"


def awaiting(limit: int = 1_000) -> Incoming:
    """Return what awaits an answer of so many bytes."""
    incoming = Incoming()
    incoming.begin(limit)
    return incoming


def feed(incoming: Incoming, data: bytes, *cuts: int) -> Answer | Failure | None:
    """Feed data in pieces, and return the first fact; nothing is fed after it."""
    for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
        if start < stop and (fact := incoming.feed(data[start:stop])) is not None:
            assert stop == len(data)
            return fact
    return None


@given(
    st.sampled_from([WHOLE, CHUNKED, REFUSED, EARLY + WHOLE]),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_however_an_answer_is_cut_it_is_the_same(data, cuts):
    """Its status, headers and body do not depend on the network's pieces, nor on what hints came."""
    fact = feed(awaiting(), data, *sorted(min(cut, len(data)) for cut in cuts))
    assert isinstance(fact, Answer)
    assert fact == feed(awaiting(), data.removeprefix(EARLY))
    assert fact.body == (b"{}" if data is REFUSED else BODY)
    assert not fact.header(b"link")
    assert not fact.header(b"retry-after")


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise(noise, clean):
    """Whatever a server says, it becomes a fact."""
    incoming = awaiting()
    fact = incoming.feed(noise) or incoming.end(clean=clean)
    assert isinstance(fact, Answer | Failure)
    assert not isinstance(fact, Failure) or fact.sent


@given(st.integers(1, len(WHOLE) - 1), st.booleans())
def test_an_answer_that_ends_early_is_lost(length, clean):
    """Cut anywhere, a 200 that told its length proves nothing."""
    incoming = awaiting()
    assert incoming.feed(WHOLE[:length]) is None
    fact = incoming.end(clean=clean)
    assert isinstance(fact, Failure)
    assert fact.reason == "lost"
    assert not incoming.reusable


def test_one_answer_after_another_on_a_connection():
    """Nothing of the first is in the second, nor kept after it was handed out."""
    incoming = awaiting()
    first = feed(incoming, WHOLE)
    assert incoming.reusable
    incoming.begin(1_000)
    assert not incoming.reusable
    second = feed(incoming, REFUSED)
    assert (first.status, first.body, second.status, second.body) == (200, BODY, 403, b"{}")
    assert first.headers == [(b"Server", b"x"), (b"Content-Length", b"22")]


@pytest.mark.parametrize(
    "data",
    [
        WHOLE.replace(b"Server: x", b"Upgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive"),
        WHOLE.replace(b" OK", b""),
        WHOLE.replace(b"Server: x", b"X-Empty:\r\nX-Latin: caf\xe9"),
        CHUNKED,
    ],
)
def test_what_servers_do_is_understood(data):
    """Apache offers HTTP/2 with each answer; some leave out the words of a status."""
    incoming = awaiting()
    fact = incoming.feed(data)
    assert isinstance(fact, Answer)
    assert (fact.status, fact.body, incoming.reusable) == (200, BODY, True)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE.replace(b"Server: x", b"Connection: close"),
        WHOLE.replace(b"1.1", b"1.0"),
        WHOLE + b"HTTP/1.1 ",
        WHOLE + WHOLE,
        WHOLE + b"?",
    ],
)
def test_what_was_not_asked_for_ends_the_use_of_a_connection(data):
    """The answer counts; the bytes behind it belong to nobody."""
    incoming = awaiting()
    fact = incoming.feed(data)
    assert isinstance(fact, Answer)
    assert fact.body == BODY
    assert not incoming.reusable


@pytest.mark.parametrize(("clean", "kind"), [(True, Answer), (False, Failure)])
def test_an_answer_without_a_length_ends_with_its_connection(clean, kind):
    """But only where the server ended it, not where it broke."""
    incoming = awaiting()
    assert incoming.feed(UNTIL_THE_END) is None
    fact = incoming.end(clean=clean)
    assert isinstance(fact, kind)
    assert getattr(fact, "body", BODY) == BODY
    assert not incoming.reusable


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "lost"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "lost"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "lost"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1_001, "unreadable"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1_002,
            "unreadable",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"
            + b"y" * 200_000
            + b"\r\nx\r\n",
            "unreadable",
        ),
    ],
)
def test_what_is_no_answer_or_too_much_proves_nothing(data, reason):
    """A head, a body and what wraps its chunks are bounded, each."""
    incoming = awaiting()
    fact = incoming.feed(data)
    assert isinstance(fact, Failure)
    assert (fact.sent, fact.reason, incoming.reusable) == (True, reason, False)


FOLDED = WHOLE.replace(b"Server: x", b"Server: x\r\n y")
"""What httptools does not take, and h11 reads again."""


def test_what_is_read_again_is_the_same_however_it_is_cut():
    """Its connection is not used again; the next answer is read as ever."""
    for cut in range(1, len(FOLDED)):
        incoming = awaiting()
        assert incoming.feed(FOLDED[:cut]) is None
        fact = incoming.feed(FOLDED[cut:])
        assert isinstance(fact, Answer)
        assert (fact.status, fact.header(b"server"), fact.body) == (200, "x y", BODY)
        assert not incoming.reusable
        incoming = awaiting()
        assert incoming.feed(FOLDED[:cut]) is None
        assert incoming.end(clean=True).reason == "lost"


@pytest.mark.parametrize(
    ("data", "clean", "expected"),
    [
        (FOLDED.replace(b"Content-Length: 22\r\n", b""), True, (200, BODY)),
        (FOLDED.replace(b"Content-Length: 22\r\n", b""), False, "lost"),
        (FOLDED[:-1].replace(b"200 OK", b"403 No"), True, (403, b"")),
        (FOLDED[:-1].replace(b"200 OK", b"403 No"), False, (403, b"")),
        (EARLY.replace(b": y", b": y\r\n z") + WHOLE, True, (200, BODY)),
        (b"HTTP/1.1 101 Up\r\nX: y\r\n z\r\n\r\n", True, "lost"),
        (FOLDED.replace(b": 22", b": 2000") + b"x" * 2_000, True, "unreadable"),
        (FOLDED.replace(b": 22", b": x"), True, "lost"),
        (FOLDED + b"?", True, (200, BODY)),
    ],
)
def test_what_is_read_again_may_be_cut_or_wrong_too(data, clean, expected):
    """The rules are those of any answer."""
    incoming = awaiting()
    fact = incoming.feed(data) or incoming.end(clean=clean)
    found = (fact.status, fact.body) if isinstance(fact, Answer) else fact.reason
    assert found == expected
    assert not incoming.reusable


def test_a_body_in_chunks_of_one_byte_is_no_abuse():
    """The wrapping of the smallest chunks stays below the bound."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000
    assert awaiting(50_000).feed(data + b"0\r\n\r\n").body == b"x" * 50_000


@pytest.mark.parametrize("how", ["late", "end", "garbage", "too much"])
def test_a_status_that_refuses_tells_enough(how):
    """Its body may be cut, late, broken or huge."""
    incoming = awaiting(10 * ASIDE_BYTES)
    assert not incoming.aside
    fact = incoming.feed(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    assert fact is None
    assert incoming.aside
    if how == "late":
        fact = incoming.late()
    elif how == "end":
        fact = incoming.end(clean=False)
    elif how == "garbage":
        fact = incoming.feed(b"?\r\n")
    else:
        fact = incoming.feed(b"%x\r\n%b\r\n" % (ASIDE_BYTES, b"x" * ASIDE_BYTES))
    assert isinstance(fact, Answer)
    assert (fact.status, fact.body, incoming.reusable) == (403, b"", False)


def test_being_late_proves_nothing_before_the_status():
    """Nor does a 200 that is not whole."""
    for come in (b"", WHOLE[:-1]):
        incoming = awaiting()
        incoming.feed(come)
        fact = incoming.late()
        assert isinstance(fact, Failure)
        assert (fact.sent, fact.reason) == (True, "timeout")


def test_a_closed_one_is_let_go_without_the_collector():
    """The parser and its owner hold each other; closing parts them."""
    incoming = awaiting()
    incoming.feed(WHOLE)
    incoming.close()
    gone = weakref.ref(incoming)
    gc.disable()
    try:
        del incoming
        assert gone() is None
    finally:
        gc.enable()

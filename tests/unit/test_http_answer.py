"""Reading answers from bytes: cut at any place, and with any error in them."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async._protocol.exchange import ERROR_BODY_BYTES, TLS_SPOKEN, Answer, Failure
from twake_async._protocol.http_answer import _HEAD_BYTES, AnswerReader

BODY = b'{"object":{"id":"m1"}}'
WHOLE = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;why=not\r\n%b\r\n11\r\n%b\r\n0\r\nRetry-After: 9\r\n\r\n" % (BODY[:5], BODY[5:])
)
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + BODY
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"
EARLY = b"HTTP/1.1 100 Continue\r\nLink: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: z\r\n\r\n"


def awaiting(limit: int = 1_000) -> AnswerReader:
    """Return a reader that expects an answer of so many bytes."""
    reader = AnswerReader()
    reader.begin(limit)
    return reader


def feed(reader: AnswerReader, data: bytes, *cuts: int) -> Answer | Failure | None:
    """Feed data in pieces, and return the first result; nothing is fed after it."""
    for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
        if start < stop and (result := reader.feed(data[start:stop])) is not None:
            assert stop == len(data)
            return result
    return None


@given(
    st.sampled_from([WHOLE, CHUNKED, REFUSED, EARLY + WHOLE]),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_however_an_answer_is_cut_it_is_the_same(data, cuts):
    """Its status, headers and body do not depend on the pieces, nor on earlier hints."""
    result = feed(awaiting(), data, *sorted(min(cut, len(data)) for cut in cuts))
    assert isinstance(result, Answer)
    assert result == feed(awaiting(), data.removeprefix(EARLY))
    assert result.body == (b"{}" if data is REFUSED else BODY)
    assert not result.header(b"link")
    assert not result.header(b"retry-after")


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise(noise, clean):
    """Any bytes of a server become a result."""
    reader = awaiting()
    result = reader.feed(noise) or reader.end(clean=clean)
    assert isinstance(result, Answer | Failure)
    assert not isinstance(result, Failure) or result.sent


@given(st.integers(1, len(WHOLE) - 1), st.booleans())
def test_an_answer_that_ends_early_is_lost(length, clean):
    """Wherever it is cut, a 200 with a length proves nothing."""
    reader = awaiting()
    assert reader.feed(WHOLE[:length]) is None
    result = reader.end(clean=clean)
    assert isinstance(result, Failure)
    assert result.reason == "lost"
    assert not reader.reusable


def test_one_answer_after_another_on_a_connection():
    """The second has nothing of the first, and the reader keeps nothing that it handed out."""
    reader = awaiting()
    first = feed(reader, WHOLE)
    assert reader.reusable
    reader.begin(1_000)
    assert not reader.reusable
    second = feed(reader, REFUSED)
    assert (first.status, first.body, second.status, second.body) == (200, BODY, 403, b"{}")
    assert first.headers == [(b"Server", b"x"), (b"Content-Length", b"22")]


@pytest.mark.parametrize(
    "data",
    [
        WHOLE.replace(b"Server: x", b"Upgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive"),
        WHOLE.replace(b" OK", b""),
        WHOLE.replace(b"Server: x", b"X-Empty:\r\nX-Latin: caf\xe9"),
        CHUNKED,
        EARLY + WHOLE,
    ],
)
def test_what_servers_do_is_understood(data):
    """Apache offers HTTP/2 with each answer; some servers omit the reason phrase, or send hints."""
    reader = awaiting()
    result = reader.feed(data)
    assert isinstance(result, Answer)
    assert (result.status, result.body, reader.reusable) == (200, BODY, True)


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
    """The answer counts; the bytes after it belong to no request."""
    reader = awaiting()
    result = reader.feed(data)
    assert isinstance(result, Answer)
    assert result.body == BODY
    assert not reader.reusable


@pytest.mark.parametrize(("clean", "kind"), [(True, Answer), (False, Failure)])
def test_an_answer_without_a_length_ends_with_its_connection(clean, kind):
    """It holds only where the server ended it, not where it broke."""
    reader = awaiting()
    assert reader.feed(UNTIL_THE_END[:-9]) is None
    assert reader.feed(UNTIL_THE_END[-9:]) is None
    result = reader.end(clean=clean)
    assert isinstance(result, kind)
    if clean:
        assert result == Answer(200, [(b"Server", b"x")], BODY)
    assert not reader.reusable


@pytest.mark.parametrize("data", [CHUNKED, WHOLE])
def test_an_answer_that_says_how_it_ends_does_not_end_with_its_connection(data):
    """An answer that the server has not finished is lost, however the connection ends."""
    reader = awaiting()
    assert reader.feed(data[:-1]) is None
    assert reader.end(clean=True).reason == "lost"


def test_an_alert_of_tls_is_told_from_other_garbage():
    """The port speaks TLS; another protocol is only not HTTP."""
    assert awaiting().feed(b"\x15\x03\x03\x00\x02\x02\x50") is TLS_SPOKEN
    other = awaiting().feed(b"SSH-2.0-OpenSSH_9.2\r\n")
    assert (other.reason, other.detail) == (
        "lost",
        "the server sent something that is not an HTTP answer",
    )


@pytest.mark.parametrize("cut", [1, 60_000, _HEAD_BYTES])
def test_the_bound_of_a_head_is_exact_however_it_is_cut(cut):
    """The head may have exactly that many bytes before it is whole."""
    start = b"HTTP/1.1 200 OK\r\nX: "
    head = start + b"y" * (_HEAD_BYTES - len(start))
    reader = awaiting()
    assert feed(reader, head, cut) is None
    assert isinstance(reader.feed(b"y"), Failure)


@pytest.mark.parametrize("data", [WHOLE, WHOLE.replace(b"Server: x", b"Server: x\r\n y")])
def test_the_limit_of_a_body_is_exact(data):
    """It holds also for an answer that is read again."""
    assert awaiting(len(BODY)).feed(data).body == BODY
    assert awaiting(len(BODY) - 1).feed(data).reason == "unreadable"


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
    """A head, a body and the framing of its chunks each have a bound."""
    reader = awaiting()
    result = reader.feed(data)
    assert isinstance(result, Failure)
    assert (result.sent, result.reason, reader.reusable) == (True, reason, False)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE.replace(b" OK", b" O\x0bK"),
        CHUNKED.replace(b": chunked", b": gzip, chunked"),
    ],
)
def test_what_only_one_of_two_readers_takes_is_lost(data):
    """h11 refuses control characters in the reason phrase, and codings other than chunked."""
    reader = awaiting()
    result = reader.feed(data) or reader.end(clean=False)
    assert isinstance(result, Failure)
    assert (result.reason, reader.reusable) == ("lost", False)


FOLDED = WHOLE.replace(b"Server: x", b"Server: x\r\n y")
"""An answer that httptools refuses, and h11 reads again."""


def test_what_is_read_again_is_the_same_however_it_is_cut():
    """Its connection is not used again; the next answer is read as usual."""
    for cut in range(1, len(FOLDED)):
        reader = awaiting()
        assert reader.feed(FOLDED[:cut]) is None
        result = reader.feed(FOLDED[cut:])
        assert isinstance(result, Answer)
        assert (result.status, result.header(b"server"), result.body) == (200, "x y", BODY)
        assert not reader.reusable
        reader = awaiting()
        assert reader.feed(FOLDED[:cut]) is None
        assert reader.end(clean=True).reason == "lost"


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
    """The rules are those of any other answer."""
    reader = awaiting()
    result = reader.feed(data) or reader.end(clean=clean)
    found = (result.status, result.body) if isinstance(result, Answer) else result.reason
    assert found == expected
    assert not reader.reusable


def test_a_body_in_chunks_of_one_byte_is_no_abuse():
    """The framing of the smallest chunks stays below the bound."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000
    reader = awaiting(50_000)
    assert reader.feed(data) is None
    assert reader.feed(b"0\r\n\r\n").body == b"x" * 50_000


def test_what_is_read_again_may_have_as_long_a_head():
    """The bound of h11 itself is lower."""
    head = FOLDED.replace(b"Server: x", b"X: " + b"z" * 50_000 + b"\r\nServer: x")
    reader = awaiting()
    assert feed(reader, head, 40_000, len(head) - 30).header(b"server") == "x y"


def test_what_turns_out_to_be_broken_when_it_is_read_again_is_lost_at_once():
    """The reader does not wait for the rest."""
    broken = CHUNKED.replace(b"Transfer", b"X: y\r\n z\r\nTransfer").replace(b"11\r\n", b"zz\r\n")
    assert awaiting().feed(broken).reason == "lost"


def test_the_headers_of_a_status_that_refuses_are_kept():
    """They say how long to wait, also when the body is cut."""
    reader = awaiting()
    assert reader.feed(b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\n") is None
    assert reader.end(clean=False).header(b"retry-after") == "7"


@pytest.mark.parametrize("how", ["late", "end", "garbage", "too much"])
def test_a_status_that_refuses_tells_enough(how):
    """Its body may be cut, late, broken or huge."""
    reader = awaiting(10 * ERROR_BODY_BYTES)
    assert not reader.status_decides
    result = reader.feed(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    assert result is None
    assert reader.status_decides
    if how == "late":
        result = reader.late()
    elif how == "end":
        result = reader.end(clean=False)
    elif how == "garbage":
        result = reader.feed(b"?\r\n")
    else:
        result = reader.feed(b"%x\r\n%b\r\n" % (ERROR_BODY_BYTES, b"x" * ERROR_BODY_BYTES))
    assert isinstance(result, Answer)
    assert (result.status, result.body, reader.reusable) == (403, b"", False)


def test_being_late_proves_nothing_before_the_status():
    """The same is true of a 200 that is not complete."""
    for come in (b"", WHOLE[:-1]):
        reader = awaiting()
        reader.feed(come)
        result = reader.late()
        assert isinstance(result, Failure)
        assert (result.sent, result.reason) == (True, "timeout")


def test_a_closed_one_is_freed_without_the_collector():
    """The parser and its owner refer to each other; closing removes the references."""
    reader = awaiting()
    reader.feed(WHOLE)
    reader.close()
    gone = weakref.ref(reader)
    gc.disable()
    try:
        del reader
        assert gone() is None
    finally:
        gc.enable()

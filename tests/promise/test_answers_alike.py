"""Odd answers are judged alike by all transports: folded headers, control characters, and more."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from twake_async import RetryPolicy, TwakeError, TwakeSession

BODY = b'{"object":{"id":"m1","front_id":"mine"}}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
IN_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def with_header(header: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return a good answer with another header."""
    return status + b"\r\n" + header + LENGTH + b"\r\n" + BODY


def in_chunks(header: bytes = CHUNKED, body: bytes = IN_CHUNKS) -> bytes:
    """Return a good answer in chunks."""
    return b"HTTP/1.1 200 OK\r\n" + header + b"\r\n" + body


DELIVERED, LOST = "DELIVERED", "UNKNOWN lost"

FOLDED = {
    "folded by a space": with_header(b"X: one\r\n two\r\n"),
    "folded by a tab": with_header(b"X: one\r\n\ttwo\r\n"),
    "folded after the colon": with_header(b"X:\r\n one\r\n"),
    "folded length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n %d\r\n\r\n" % len(BODY) + BODY,
    "folded coding": in_chunks(b"Transfer-Encoding:\r\n chunked\r\n"),
    "folded trailer": in_chunks(body=IN_CHUNKS[:-2] + b"X: a\r\n b\r\n\r\n"),
    "folded hint": b"HTTP/1.1 103 Hints\r\nLink: a\r\n b\r\n\r\n" + with_header(b""),
}
CONTROLS = {
    f"control {code:02x}": with_header(b"X: a%cb\r\n" % code)
    for code in (*range(1, 9), *range(14, 32), 127)
}
REFUSED_CONTROLS = {
    **{f"control {code:02x}": with_header(b"X: a%cb\r\n" % code) for code in (0, 11, 12)},
    "control in a name": with_header(b"X\x01: a\r\n"),
    "control in the coding": in_chunks(b"Transfer-Encoding: \x01chunked\r\n"),
    **{
        f"control {code:02x} behind the status": with_header(b"", b"HTTP/1.1 200 O%cK" % code)
        for code in (0, 11, 12)
    },
}
OTHERS = {
    "bare line feeds": with_header(b"").replace(b"\r\n", b"\n"),
    "the same length twice": with_header(LENGTH),
    "a length and chunks": in_chunks(b"Content-Length: 3\r\n" + CHUNKED),
    "spaces behind a chunk's size": in_chunks(body=IN_CHUNKS.replace(b"\r\n", b"  \r\n", 1)),
}
REFUSED_OTHERS = {
    "folded before any header": with_header(b" X: one\r\n"),
    "no colon": with_header(b"X one\r\n"),
    "a space before the colon": with_header(b"X : one\r\n"),
    "two lengths": with_header(b"Content-Length: 3\r\n"),
    "two codings": in_chunks(b"Transfer-Encoding: gzip, chunked\r\n"),
    "chunks twice": in_chunks(CHUNKED + CHUNKED),
    "an empty line first": b"\r\n" + with_header(b""),
    "a status of two digits": with_header(b"", b"HTTP/1.1 020 OK"),
    "HTTP/2": with_header(b"", b"HTTP/2 200"),
}


async def outcome(answer: bytes, transport, *, closes: bool) -> str:
    """Send a message to a server that gives this answer, and return the outcome."""

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"}}")
            writer.write(answer)
            if closes:
                writer.close()
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    options = {"transport": transport, "retry": RetryPolicy.never(), "proxy": None}
    async with listening, TwakeSession("a", "k", group_id="g", base_url=url, **options) as twake:
        try:
            await twake.send_message("c1", "Hello", front_id="mine", deadline=60)
        except TwakeError as error:
            return f"{error.outcome.name} {error.reason}"
        return DELIVERED


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("transport", [None, "httpx2", "fast"])
@pytest.mark.parametrize(
    ("answer", "becomes"),
    [
        pytest.param(answer, becomes, id=name)
        for answers, becomes in (
            (FOLDED, DELIVERED),
            (CONTROLS, DELIVERED),
            (OTHERS, DELIVERED),
            (REFUSED_CONTROLS, LOST),
            (REFUSED_OTHERS, LOST),
        )
        for name, answer in answers.items()
    ],
)
async def test_an_odd_answer_means_the_same_to_all(answer, becomes, transport, closes):
    """All of them agree on what an answer is."""
    assert await outcome(answer, transport, closes=closes) == becomes


@pytest.mark.parametrize("transport", [None, "httpx2", "fast"])
@pytest.mark.parametrize("odd", [b"X: a\r\n b\r\n", b"X: a\x01\r\n"])
@pytest.mark.parametrize(
    ("status", "becomes"), [(401, "REFUSED status"), (403, "UNKNOWN gateway_answer")]
)
async def test_an_odd_header_hides_no_status(status, becomes, odd, transport):
    """A refusal stays one, with its words or without."""
    answer = with_header(odd, b"HTTP/1.1 %d No" % status)
    for whole in (answer, answer[:-5]):
        assert await outcome(whole, transport, closes=True) == becomes

"""The acts of the server on a request: tables of acts with their weights.

A plain act stores the request or not, and gives one whole answer, after which the connection goes
on. A rough act breaks off, or hangs. An odd act sends unsolicited answers, or sends them twice or
late: it takes a plain act for the request's own answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from faults.answers import GARBAGE, TRACE, WARNING, brotli, chunked, zipped

from . import says
from .says import HTML, good_body, whole
from .stream import Asked, Said

if TYPE_CHECKING:
    from .connection import Connection

SLOTS = 4096
_ANOTHER = "ffffffff-e67f-11f1-bdbe-aa7dee5775f4"


@attrs.frozen
class Plain:
    """Store the request or not, and give one whole answer."""

    name: str
    say: Callable[[Asked], Said]
    stores: bool = attrs.field(kw_only=True)


@attrs.frozen
class Rough:
    """Store the request or not, and give no whole answer, or end the connection with it."""

    name: str
    do: Callable[[Connection, Asked], None]
    stores: bool = attrs.field(kw_only=True)


@attrs.frozen
class Odd:
    """Give a plain act's answer, and others; `draw` is a number to choose by."""

    name: str
    do: Callable[[Connection, Asked, Plain, int], None]


Act = Plain | Rough | Odd

# --- plain acts --------------------------------------------------------------------------------

_GZIP = b"Content-Encoding: gzip\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


def _formed(name: str, form: Callable[[bytes], bytes]) -> Plain:
    def say(asked: Asked) -> Said:
        return says.good(asked, form(good_body(asked)), name=name)

    return Plain(f"good, {name}", say, stores=True)


def _either_plain(name: str, say: Callable[[Asked], Said]) -> list[Plain]:
    """Return two acts that look the same to the client."""
    return [
        Plain(f"stores, {name}", say, stores=True),
        Plain(f"loses, {name}", say, stores=False),
    ]


def _odd_body(name: str, form: Callable[[bytes], bytes]) -> list[Plain]:
    def say(asked: Asked) -> Said:
        return Said(name, form(good_body(asked)), "other", asked)

    return _either_plain(name, say)


def _corrupt(body: bytes) -> bytes:
    packed = bytearray(zipped(body))
    packed[-8] ^= 0xFF  # the checksum
    return bytes(packed)


def _changed(name: str, **changed: object) -> list[Plain]:
    """Return acts whose answer is about no message, or about another."""

    def say(asked: Asked) -> Said:
        return attrs.evolve(says.good(asked, name=name, **changed), says="other")

    return _either_plain(name, say)


def _other_content(asked: Asked) -> Said:
    return says.good(asked, content="what it was before")


GOOD = Plain("good", says.good, stores=True)
GOOD_FORMS = [
    _formed("chunked", lambda body: whole(chunked(body), length=-1, more=_CHUNKED)),
    _formed("gzip", lambda body: whole(zipped(body), more=_GZIP)),
    _formed("after 100", lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + whole(body)),
    _formed("after 103", lambda body: _EARLY + whole(body)),
    _formed("after warnings", lambda body: whole(WARNING * 2 + body, kind=HTML)),
    _formed("after a trace", lambda body: whole(TRACE + body, kind=HTML)),
    _formed("a line break behind", lambda body: whole(body) + b"\r\n"),
    _formed("100 behind", lambda body: whole(body) + b"HTTP/1.1 100 Continue\r\n\r\n"),
    Plain("good, of other content", _other_content, stores=True),
]
UNREADABLE = [
    *_odd_body("cut JSON", lambda body: whole(body[: len(body) // 2])),
    *_odd_body("cut gzip", lambda body: whole(zipped(body)[:60], more=_GZIP)),
    *_odd_body("corrupt gzip", lambda body: whole(_corrupt(body), more=_GZIP)),
    *_odd_body("no gzip", lambda body: whole(b"this is not gzip", more=_GZIP)),
    *_odd_body(
        "brotli", lambda body: whole(brotli(body[:65_536]), more=b"Content-Encoding: br\r\n")
    ),
    *_odd_body("500 with good JSON", lambda body: whole(body, 500)),
    *_odd_body("201 with good JSON", lambda body: whole(body, 201)),
    *_odd_body("404 with good JSON", lambda body: whole(body, 404)),
    *_changed("no id", id=None),
    *_changed("the id 0", id=0),
    *_changed("an empty id", id=""),
    *_changed("another message", id=_ANOTHER, front_id="another"),
]
REFUSING = [
    Plain(f"refuses, {name}", functools.partial(says.refusal, name), stores=False)
    for name in says.REFUSALS
]
LATER = [
    Plain(f"later, {name}", functools.partial(says.later, name), stores=False)
    for name in says.LATERS
]
UNPROVEN = [
    act for name in says.OTHERS for act in _either_plain(name, functools.partial(says.other, name))
]


# --- rough acts --------------------------------------------------------------------------------


def _close(connection: Connection, asked: Asked) -> None:
    connection.close()


def _reset(connection: Connection, asked: Asked) -> None:
    connection.reset()


def _silent(connection: Connection, asked: Asked) -> None:
    connection.stick()


def _silent_then_stores(connection: Connection, asked: Asked) -> None:
    connection.stick()
    connection.stores_late = asked


def _send_then(data: Callable[[bytes], bytes], end: str) -> Callable[[Connection, Asked], None]:
    """Send the beginning of an answer; then close, reset or fall silent."""

    def do(connection: Connection, asked: Asked) -> None:
        connection.spoil(data(good_body(asked)))
        getattr(connection, end)()

    return do


def _short(body: bytes) -> bytes:
    return whole(body[: len(body) // 2], length=len(body))


def _head(body: bytes) -> bytes:
    return whole(b"", length=len(body))


def _cut_chunks(body: bytes) -> bytes:
    return whole(chunked(body[:100], end=False), length=-1, more=_CHUNKED)


def _drips(connection: Connection, asked: Asked) -> None:
    """Send a good answer byte by byte, behind so much white space that it never arrives whole."""
    body = b" " * 1_000_000 + good_body(asked)
    connection.spoil(whole(b"", length=len(body)))
    connection.drip(body)


def _endless(piece: bytes, start: bytes) -> Callable[[Connection, Asked], None]:
    def do(connection: Connection, asked: Asked) -> None:
        connection.spoil(start)
        connection.pour(piece)

    return do


def _good_closing(form: Callable[[bytes], bytes], end: str, *, after: float = 0.0) -> Callable:
    """Give the good answer and end the connection, or break it with the next bytes on it."""

    def do(connection: Connection, asked: Asked) -> None:
        connection.say(says.good(asked, form(good_body(asked))))
        if after:
            connection.later(after, getattr(connection, end))
        else:
            getattr(connection, end)()

    return do


_CLOSING = b"Connection: close\r\n"
_GOOD_ENDS = {
    "Connection: close": _good_closing(lambda body: whole(body, more=_CLOSING), "close"),
    "HTTP/1.0": _good_closing(lambda body: whole(body, version=b"1.0"), "close"),
    "until close": _good_closing(lambda body: whole(body, length=-1), "close"),
    "then close": _good_closing(whole, "close"),
    "then soon close": _good_closing(whole, "close", after=0.001),
    "then reset": _good_closing(whole, "reset", after=0.001),
    "then close on reuse": _good_closing(whole, "close_on_reuse"),
}
ROUGH_GOOD = [Rough(f"good, {name}", do, stores=True) for name, do in _GOOD_ENDS.items()]


def _late(connection: Connection, asked: Asked) -> None:
    connection.later(0.003, connection.say, says.good(asked))


def _in_pieces(connection: Connection, asked: Asked) -> None:
    connection.say_slowly(says.good(asked))


SLOW_GOOD = [
    Rough("good, late", _late, stores=True),
    Rough("good, in pieces", _in_pieces, stores=True),
]


def _either(name: str, do: Callable[[Connection, Asked], None]) -> list[Rough]:
    return [
        Rough(f"stores, {name}", do, stores=True),
        Rough(f"loses, {name}", do, stores=False),
    ]


BREAKS = [
    *_either("close", _close),
    *_either("reset", _reset),
    *_either("short body, close", _send_then(_short, "close")),
    *_either("short body, reset", _send_then(_short, "reset")),
    *_either("head, close", _send_then(_head, "close")),
    *_either("cut chunks, close", _send_then(_cut_chunks, "close")),
    *_either("bad chunk, close", _send_then(lambda b: _cut_chunks(b) + b"zz\r\n", "close")),
    *_either("garbage", _send_then(lambda _: GARBAGE, "close")),
    *_either("502, cut", _send_then(lambda _: whole(b"502", 502, length=99), "close")),
    *_either("403, cut", _send_then(lambda _: whole(b"403", 403, HTML, length=99), "close")),
    *_either("redirect, cut", _send_then(lambda _: whole(b"", 302, HTML, length=99), "reset")),
    *_either("101", _send_then(lambda _: b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n", "close")),
]
#: Only the deadline ends these.
HANGS = [
    *_either("silent", _silent),
    Rough("stores late, silent", _silent_then_stores, stores=False),
    *_either("short body, silent", _send_then(_short, "stick")),
    *_either("head, silent", _send_then(_head, "stick")),
    *_either("403, silent", _send_then(lambda _: whole(b"", 403, HTML, length=99), "stick")),
    *_either("drips", _drips),
]
_MEGABYTES = 200_000_000
_CHUNK = b"%x\r\n%b\r\n" % (65_536, b" " * 65_536)
_HEADERS = b"X-Filler: " + b"a" * 4096 + b"\r\n"
HUGE = [
    *_either("huge, declared", _endless(b" " * 262_144, whole(b"", length=_MEGABYTES))),
    *_either("huge, chunked", _endless(_CHUNK, whole(b"", length=-1, more=_CHUNKED))),
    *_either("endless headers", _endless(_HEADERS, b"HTTP/1.1 200 OK\r\n")),
    *_either("endless 502", _endless(b" " * 65_536, whole(b"", 502, HTML, length=_MEGABYTES))),
]

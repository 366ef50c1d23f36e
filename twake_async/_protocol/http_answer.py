"""The answers that come in on one connection, byte by byte as the network cuts them; no I/O.

httptools, an extra, reads HTTP; what is decided here is when an answer is whole, and what it
proves where it never is. What httptools does not take, such as folded headers, h11 reads again: it
reads all answers of the default transport, so that both judge alike.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
import h11

from .exchange import ASIDE_BYTES, LATE, LOST, TLS_ALERT, TLS_SPOKEN, TOO_LARGE, Answer, Failure

__all__ = ["Incoming"]

#: Bytes that may come beside a body: heads, trailers, and what chunks are wrapped in.
_BESIDE = 102_400
#: A chunk of one byte is wrapped in five.
_WRAPPED = 6

_START = b"HTTP/"
#: What h11 refuses in the words behind a status, and httptools does not.
_ODD = re.compile(rb"[\x00\x0b\x0c]")
_CODING = b"transfer-encoding"

_GARBLED = Failure(sent=True, reason="lost", detail="what came is no HTTP answer")


@attrs.define(eq=False)
class Incoming:
    """One connection's answers, one after another, each after a `begin`."""

    reusable: bool = attrs.field(default=False, init=False)
    """Whether the answer was whole, and another request may follow it on this connection."""
    _kept_alive: bool = attrs.field(default=False, init=False)
    _parser: Any = attrs.field(init=False)
    _limit: int = attrs.field(default=0, init=False)
    _status: int = attrs.field(default=0, init=False)
    _headers: list[tuple[bytes, bytes]] = attrs.field(factory=list, init=False)
    _chunks: list[bytes] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)
    _came: int = attrs.field(default=0, init=False)
    _fact: Answer | Failure | None = attrs.field(default=LOST, init=False)
    _raw: list[bytes] = attrs.field(factory=list, init=False)
    """What came of the answer, until h11 reads it."""
    _again: Any = attrs.field(default=None, init=False)
    """h11, once it reads the answer again."""

    def __attrs_post_init__(self) -> None:
        import httptools  # noqa: PLC0415 - an extra, imported when it is used

        self._parser = httptools.HttpResponseParser(self)

    @property
    def aside(self) -> bool:
        """Whether the status is known, and tells all that the answer has to tell."""
        return self._status not in (0, 200)

    def begin(self, limit: int) -> None:
        """Expect an answer whose body has at most so many bytes."""
        self._limit, self._size, self._came = limit, 0, 0
        self._fact, self.reusable = None, False
        self._raw, self._again = [], None
        self._start()

    def _start(self) -> None:
        self._status, self._headers, self._chunks = 0, [], []

    def feed(self, data: bytes) -> Answer | Failure | None:
        """Take what came, and return the answer once it is certain."""
        self._came += len(data)
        if self._again is not None:
            return self._read_again(data)
        self._raw.append(data)
        try:
            self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - httptools has two kinds, and no base of both
            self.reusable = False
            return self._fact or self._begin_again()
        return self._seen()

    def _seen(self) -> Answer | Failure | None:
        fact = self._fact
        if fact is not None:
            # What was handed out is not kept until the next answer comes, much later perhaps.
            self._fact, self._chunks, self._raw = LOST, [], []
        elif self._came > _BESIDE + _WRAPPED * self._size:
            fact = self._without(TOO_LARGE if self._size else _GARBLED)
        return fact

    def _begin_again(self) -> Answer | Failure | None:
        """Let h11 read the answer from its start."""
        if not self._begins():
            alert = self._raw[0].startswith(TLS_ALERT)
            return self._without(TLS_SPOKEN if alert else _GARBLED)
        self._start()
        self._size = 0
        self._again = h11.Connection(h11.CLIENT, max_incomplete_event_size=_BESIDE)
        # It expects an answer only after a request.
        self._again.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
        self._again.send(h11.EndOfMessage())
        came, self._raw = b"".join(self._raw), []
        return self._read_again(came)

    def _begins(self) -> bool:
        first = self._raw[0]
        return first.startswith(_START[: len(first)])

    def _read_again(self, data: bytes) -> Answer | Failure | None:
        try:
            self._again.receive_data(data)
            while self._fact is None and self._take(self._again.next_event()):
                pass
        except h11.RemoteProtocolError:
            return self._without(_GARBLED)
        return self._seen()

    def _take(self, event: Any) -> bool:
        """Note one of h11's events; say whether there may be more."""
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return False
        if isinstance(event, h11.Response):
            self._status, self._headers = event.status_code, event.headers.raw_items()
        elif isinstance(event, h11.Data):
            self.on_body(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            self._fact = Answer(self._status, self._headers, b"".join(self._chunks))
        return True

    def end(self, *, clean: bool) -> Answer | Failure:
        """Return the fact where the connection ended; clean is an end that the server announced."""
        if clean and self._again is not None:
            return self._read_again(b"") or self._without(LOST)
        names = {name.lower() for name, _ in self._headers}
        # An answer that says nothing of its length has no other end.
        if clean and self._status and not names & {b"content-length", b"transfer-encoding"}:
            return Answer(self._status, self._headers, b"".join(self._chunks))
        return self._without(LOST)

    def late(self) -> Answer | Failure:
        """Return the fact where time is over."""
        return self._without(LATE)

    def close(self) -> None:
        """Let go of the parser, which holds this object in a circle."""
        self._parser = None

    def _without(self, failure: Failure) -> Answer | Failure:
        """Return what an answer that is not whole proves: a status other than 200 proves enough."""
        return Answer(self._status, self._headers, b"") if self.aside else failure

    # --- what httptools calls ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Note the first byte of an answer: after the one asked for there is to be none."""
        if self._fact is not None:
            self.reusable = False
        elif not self._begins():
            raise ValueError("it begins with something else")

    def on_status(self, words: bytes) -> None:
        """Look at the words behind the status."""
        if _ODD.search(words):
            raise ValueError("control characters in the status line")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes behind a body is none."""
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note the status; one below 200 only announces another."""
        if self._fact is None:
            codings = [value for name, value in self._headers if name.lower() == _CODING]
            status = self._parser.get_status_code()
            if status < 100 or (codings and [value.lower() for value in codings] != [b"chunked"]):
                raise ValueError("no status, or transfer codings beyond chunked")
            self._status = status
            self._kept_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, up to the limit."""
        self._size += len(body)
        if self._size <= (ASIDE_BYTES if self.aside else self._limit):
            self._chunks.append(body)
        elif self._fact is None:
            self._fact = self._without(TOO_LARGE)

    def on_message_complete(self) -> None:
        """Note that the answer is whole."""
        if self._fact is not None:
            return
        if self._status < 200:
            self._start()
        else:
            self.reusable = self._kept_alive
            self._fact = Answer(self._status, self._headers, b"".join(self._chunks))

"""HTTP answers, read from the bytes of one connection as they arrive. No I/O.

httptools, an extra, reads HTTP. This module decides when an answer is whole, and what an incomplete
answer proves. If httptools refuses an answer, for example because of folded headers, h11 reads it
again: h11 reads all answers of the default transport, so both transports judge alike.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
import h11

from .exchange import (
    ERROR_BODY_BYTES,
    LATE,
    LOST,
    TLS_ALERT,
    TLS_SPOKEN,
    TOO_LARGE,
    Answer,
    Failure,
)

__all__ = ["AnswerReader"]

#: The most bytes of heads and trailers.
_HEAD_BYTES = 102_400
#: A chunk of one byte takes six: its size, two line ends, and the byte.
_CHUNKED = 6

_START = b"HTTP/"
#: Characters of the reason phrase that h11 refuses, and httptools does not.
_CONTROLS = re.compile(rb"[\x00\x0b\x0c]")

_GARBLED = Failure(
    sent=True, reason="lost", detail="the server sent something that is not an HTTP answer"
)


@attrs.define(eq=False)
class AnswerReader:
    """Reads the answers of one connection, one after another, each after a `begin`."""

    reusable: bool = attrs.field(default=False, init=False)
    """Whether the answer was whole, and the connection may carry another request."""
    _kept_alive: bool = attrs.field(default=False, init=False)
    _parser: Any = attrs.field(init=False)
    _limit: int = attrs.field(default=0, init=False)
    _status: int = attrs.field(default=0, init=False)
    _headers: list[tuple[bytes, bytes]] = attrs.field(factory=list, init=False)
    _codings: list[bytes] = attrs.field(factory=list, init=False)
    """The transfer codings, in lower case."""
    _chunks: list[bytes] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)
    _received: int = attrs.field(default=0, init=False)
    _result: Answer | Failure | None = attrs.field(default=LOST, init=False)
    _raw: list[bytes] = attrs.field(factory=list, init=False)
    """The bytes of the answer so far, for h11."""
    _h11: Any = attrs.field(default=None, init=False)
    """h11's connection, once it reads the answer again."""

    def __attrs_post_init__(self) -> None:
        import httptools  # noqa: PLC0415 - an extra, imported when it is used

        self._parser = httptools.HttpResponseParser(self)

    @property
    def status_decides(self) -> bool:
        """Whether the status is known, and proves all that the answer can prove."""
        return self._status not in (0, 200)

    def begin(self, limit: int) -> None:
        """Expect an answer.

        Args:
            limit: The most bytes that its body may have.

        """
        self._limit, self._size, self._received = limit, 0, 0
        self._result, self.reusable = None, False
        self._raw, self._h11 = [], None
        self._start()

    def _start(self) -> None:
        self._status, self._headers, self._codings, self._chunks = 0, [], [], []

    def feed(self, data: bytes) -> Answer | Failure | None:
        """Read bytes that were received; return the answer once it is certain, else None."""
        self._received += len(data)
        if self._h11 is not None:
            return self._read_with_h11(data)
        self._raw.append(data)
        try:
            self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - httptools raises two unrelated kinds
            self.reusable = False
            return self._result or self._start_h11()
        return self._take_result()

    def _take_result(self) -> Answer | Failure | None:
        result = self._result
        if result is not None:
            # Nothing of it is kept until the next answer, which may come much later.
            self._result, self._chunks, self._raw = LOST, [], []
        elif self._received > _HEAD_BYTES + _CHUNKED * self._size:
            result = self._cut_short(TOO_LARGE if self._size else _GARBLED)
        return result

    def _start_h11(self) -> Answer | Failure | None:
        """Let h11 read the answer from its start."""
        if not self._starts_like_http():
            alert = self._raw[0].startswith(TLS_ALERT)
            return self._cut_short(TLS_SPOKEN if alert else _GARBLED)
        self._start()
        self._size = 0
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        # h11 expects an answer only after a request.
        self._h11.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
        self._h11.send(h11.EndOfMessage())
        received, self._raw = b"".join(self._raw), []
        return self._read_with_h11(received)

    def _starts_like_http(self) -> bool:
        first = self._raw[0]
        return first.startswith(_START[: len(first)])

    def _read_with_h11(self, data: bytes) -> Answer | Failure | None:
        try:
            self._h11.receive_data(data)
            while self._result is None and self._handle(self._h11.next_event()):
                pass
        except h11.RemoteProtocolError:
            return self._cut_short(_GARBLED)
        return self._take_result()

    def _handle(self, event: Any) -> bool:
        """Handle an event of h11's; return whether there may be another."""
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return False
        if isinstance(event, h11.Response):
            self._status, self._headers = event.status_code, event.headers.raw_items()
        elif isinstance(event, h11.Data):
            self.on_body(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            self._result = Answer(self._status, self._headers, b"".join(self._chunks))
        return True

    def end(self, *, clean: bool) -> Answer | Failure:
        """Return what an answer is when its connection ends.

        Args:
            clean: Whether the server closed it cleanly.

        """
        if clean and self._h11 is not None:
            return self._read_with_h11(b"") or self._cut_short(LOST)
        names = {name.lower() for name, _ in self._headers}
        # The end of the connection is the end of an answer that does not say its length.
        if clean and self._status and not names & {b"content-length", b"transfer-encoding"}:
            return Answer(self._status, self._headers, b"".join(self._chunks))
        return self._cut_short(LOST)

    def late(self) -> Answer | Failure:
        """Return what an answer is when its time is over."""
        return self._cut_short(LATE)

    def close(self) -> None:
        """Drop the parser, which refers back to this object."""
        self._parser = None

    def _cut_short(self, failure: Failure) -> Answer | Failure:
        """Return what an incomplete answer proves: a status other than 200 is enough."""
        return Answer(self._status, self._headers, b"") if self.status_decides else failure

    # --- callbacks of httptools ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Note the first byte of an answer; a second answer must not follow the first."""
        if self._result is not None:
            self.reusable = False
        elif not self._starts_like_http():
            raise ValueError("it does not begin like HTTP")

    def on_status(self, phrase: bytes) -> None:
        """Check the reason phrase."""
        if _CONTROLS.search(phrase):
            raise ValueError("control characters in the status line")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what follows a body is a trailer."""
        if not self._status:
            self._headers.append((name, value))
            if name.lower() == b"transfer-encoding":
                self._codings.append(value.lower())

    def on_headers_complete(self) -> None:
        """Note the status; an answer below 200 only announces another."""
        if self._result is None:
            status = self._parser.get_status_code()
            if status < 100 or (self._codings and self._codings != [b"chunked"]):
                raise ValueError("no status, or transfer codings beyond chunked")
            self._status = status
            self._kept_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, up to the limit."""
        self._size += len(body)
        if self._size <= (ERROR_BODY_BYTES if self.status_decides else self._limit):
            self._chunks.append(body)
        elif self._result is None:
            self._result = self._cut_short(TOO_LARGE)

    def on_message_complete(self) -> None:
        """Note that the answer is whole."""
        if self._result is not None:
            return
        if self._status < 200:
            self._start()
        else:
            self.reusable = self._kept_alive
            self._result = Answer(self._status, self._headers, b"".join(self._chunks))

"""One connection of the storm's server: bytes in, parsed by hand; answers out, each recorded."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import zlib
from typing import TYPE_CHECKING, Any, cast

from .acts import Odd, Plain, Rough
from .asking import read_request
from .odd import choose, stray
from .says import REFUSALS
from .stream import Asked, Said, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Server

_LINGER_ZERO = struct.pack("ii", 1, 0)
_LENGTH = b"\r\ncontent-length:"
_EARLY_413 = REFUSALS["413"].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
#: Seconds after which a request is stored whose client has left.
LATE = 0.02
#: Bytes that leave in one segment.
_SEGMENT = 32_768
#: The fate of a request before it was read: where, in the head or beyond it, and which act.
_EARLY = (
    (1, "close"),
    (40, "close"),
    (40, "reset"),
    (-10, "close"),
    (-10, "reset"),
    (-10, "stick"),
    (-10, "refuse"),
    (-10, "refuse_and_close"),
    (1, "stray_early"),
    (-10, "stray_early"),
)


class Connection(asyncio.BufferedProtocol):
    """Buffered, so that no more bytes are taken from the kernel than an early fault allows."""

    def __init__(self, server: Server, number: int) -> None:
        self.server = server
        self.stream = Stream(number)
        self.loop = asyncio.get_running_loop()
        self.data = bytearray()
        self.alive, self.stuck, self.closes_on_reuse, self.lags = True, False, False, False
        self.cut = False
        """Whether a request may have been lost on its way in."""
        self.last: Said | None = None
        self.lagging: list[Said] = []
        self.held: list[Said] = []
        self.stores_late: Asked | None = None
        self.early: tuple[int, str] | None = None
        self.piece = b""
        self.full = False

    # Methods that asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.connections.add(self)
        draw = self._draw("accepted")
        if draw % 64 == 0:
            self._at_accept(draw >> 6)

    def get_buffer(self, sizehint: int) -> memoryview:
        if not self.data:
            self._choose_early()
        if self.early is None or self.stuck:
            return self.server.buffer
        return self.server.buffer[: max(1, self._early_at() - len(self.data))]

    def buffer_updated(self, nbytes: int) -> None:
        if self.stuck:
            self.cut = True
            return
        if self.closes_on_reuse:
            self.close()
            return
        self.data += self.server.buffer[:nbytes]
        if self.early is not None and len(self.data) >= self._early_at():
            what, self.early = self.early[1], None
            self.server.note(f"early {what}")
            getattr(self, what)()
        while self.data and not self.stuck and self._advance():
            pass

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive, self.stuck, self.cut = False, True, self.cut or bool(self.data)
        if self.stores_late is not None:
            self.later(LATE, self.server.store, self.stores_late)
        self.server.forget(self)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        # Not in here: asyncio ends a connection twice where a write fails in this call.
        self.loop.call_soon(self.pour, self.piece)

    # Reading.

    def _draw(self, what: str) -> int:
        return zlib.crc32(f"{self.server.seed}/{self.stream.number}/{what}".encode())

    def _at_accept(self, draw: int) -> None:
        acts: tuple[Callable[[], object], ...] = (
            self.close,
            self.reset,
            self._close_unread,
            lambda: self.say(stray(draw >> 3)),
            lambda: self.say(stray(draw >> 3)),
        )
        self.server.note(f"at accept {draw % len(acts)}")
        acts[draw % len(acts)]()

    def _close_unread(self) -> None:
        """Close when bytes may wait in the kernel, without reading one of them."""
        self.loop.call_soon(self.transport.pause_reading)
        self.later(0.002, self.close)

    def _choose_early(self) -> None:
        draw = self._draw(f"request {self.stream.requests}")
        self.early = _EARLY[(draw >> 8) % len(_EARLY)] if draw % 100 == 0 else None

    def _early_at(self) -> int:
        at = cast("tuple[int, str]", self.early)[0]
        return at if at > 0 else self.server.head_size - at

    def _advance(self) -> bool:
        """Take one whole request, if it is there, and act upon it."""
        end = self.data.find(b"\r\n\r\n") + 4
        if end < 4:
            return False
        head = bytes(self.data[:end]).lower()
        at = head.find(_LENGTH) + len(_LENGTH)
        size = end + int(head[at : head.find(b"\r\n", at)])
        if len(self.data) < size:
            return False
        self.server.head_size = end
        body = bytes(self.data[end:size])
        del self.data[:size]
        self._act(self.server.take(read_request(head, json.loads(body), self.server)))
        return True

    def _act(self, asked: Asked) -> None:
        attempt = len(self.server.sends[asked.token])
        act, own, draw = choose(self.server.seed, asked.token, attempt)
        if self.lags:
            act = own
        asked.history = (
            f"{act.name} (connection {self.stream.number}, request {self.stream.requests + 1})"
        )
        if isinstance(act, Odd):
            asked.history = f"{own.name}; {asked.history}"
        self.server.note(act.name)
        self.stream.ask(asked)
        held, self.held = self.held, []
        self.say(*held)
        self._do(act, asked, own, draw)

    def _do(self, act: Plain | Rough | Odd, asked: Asked, own: Plain, draw: int) -> None:
        if isinstance(act, Odd):
            act.do(self, asked, own, draw)
        elif isinstance(act, Plain):
            said = self.answer_of(asked, act)
            if self.lags:
                self.lagging.append(said)
                said = self.lagging.pop(0)
            self.say(said)
        else:
            if act.stores:
                self.server.store(asked)
            act.do(self, asked)

    # Methods that acts call.

    def answer_of(self, asked: Asked, act: Plain) -> Said:
        """Store the request if the act does, and return its answer, not yet sent."""
        if act.stores:
            self.server.store(asked)
        said = act.say(asked)
        self.server.remember(said)
        return said

    def say(self, *answers: Said) -> None:
        """Send answers in one segment; the client certainly sees all but the first with it."""
        if not self.alive or not answers:
            return
        data = b"".join(said.data for said in answers)
        for number, said in enumerate(answers):
            self.stream.say(said, seen=number > 0 and len(data) < _SEGMENT)
            self.last = said if said.says == "good" else self.last
        self.transport.write(data)

    def say_half(self, said: Said, extra: Said) -> None:
        """Send an answer and half of another in one segment, and soon the rest."""
        if self.alive:
            half = len(extra.data) // 2
            self.stream.say(said)
            self.stream.say(extra, seen=len(said.data) < _SEGMENT // 2)
            self.transport.write(said.data + extra.data[:half])
            self.later(0.001, self._write, extra.data[half:])

    def say_seen(self, said: Said) -> None:
        """Send an answer while the client sends nothing, so that it certainly sees it."""
        self.stream.say(said, seen=True)
        self.transport.write(said.data)

    def say_at(self, place: str, said: Said, draw: int) -> None:
        """Send an answer at once, soon, or when the next request was read."""
        if place == "held":
            self.held.append(said)
        elif place == "soon":
            self.later(0.0005 * (1 + draw % 8), self.say, said)
        else:
            self.say(said)

    def say_slowly(self, said: Said) -> None:
        """Send an answer in three pieces."""
        third = len(said.data) // 3
        self.stream.say(said)
        self.transport.write(said.data[:third])
        for number in (1, 2):
            piece = said.data[third * number : third * 2 if number == 1 else None]
            self.later(0.0007 * number, self._write, piece)

    def _write(self, data: bytes) -> None:
        if self.alive:
            self.transport.write(data)

    def spoil(self, data: bytes) -> None:
        """Send bytes that are no whole answer."""
        self.stream.spoil()
        self._write(data)

    def stick(self) -> None:
        """Ignore further bytes of the client."""
        self.stuck = True

    def close(self) -> None:
        """Send what is written, then FIN (RST, where the kernel holds unread bytes)."""
        self.stick()
        self.cut = True
        self.transport.close()

    def reset(self) -> None:
        """Send RST at once."""
        self.stick()
        self.cut = True
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    def close_on_reuse(self) -> None:
        """Close when the next request begins to come."""
        self.closes_on_reuse = True

    def refuse(self) -> None:
        """Refuse before all of the request was read; read the rest, and drop it."""
        self.stick()
        self._write(_EARLY_413)
        self.later(0.05, self.close)

    def stray_early(self) -> None:
        """Send an unsolicited answer while a request comes in; read on."""
        self.say(stray(self._draw(f"stray {self.stream.requests}")))

    def refuse_and_close(self) -> None:
        """Refuse before all of the request was read, and leave the rest unread."""
        self._write(_EARLY_413)
        self.close()

    def drip(self, data: bytes, at: int = 0) -> None:
        """Send one byte each 5 ms, for as long as the client stays."""
        self.stick()
        if at < len(data):
            self._write(data[at : at + 1])
            self.later(0.005, self.drip, data, at + 1)

    def pour(self, piece: bytes) -> None:
        """Send the same piece for ever, as fast as the client reads."""
        self.stick()
        self.piece = piece
        while piece and self.alive and not self.full and not self.transport.is_closing():
            self.transport.write(piece)

    def later(self, seconds: float, call: Callable[..., object], *args: Any) -> None:
        """Call back after so many seconds, whether or not the connection still stands."""
        self.loop.call_later(seconds, call, *args)

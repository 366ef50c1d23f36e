"""One connection of the fault server: reads exact bytes, parses by hand, acts."""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
import socket
import struct
from typing import TYPE_CHECKING, cast

from .answers import whole
from .bodies import body_of, request_of
from .node import UNAUTHORIZED, is_refused
from .request import answer_to_question, is_question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .fault import Fault
    from .request import Request
    from .server import FaultServer

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection(asyncio.BufferedProtocol):
    """Buffered, so that the server never takes more bytes from the kernel than a fault allows."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.data = bytearray()
        self.head_size = self.need = 0
        self.fault: Fault | None = None
        self.then: Fault | None = None
        self.chosen = self.borrowed = self.stuck = self.paused = self.lost = False
        self.pieces: Iterator[bytes] | None = None
        self.timer: asyncio.TimerHandle | None = None

    # Methods that asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.accepted += 1
        self.server.connections.add(self)
        fault = self.server.choose_for_connection()
        if fault is not None:
            self.server.note(fault, None)
            fault.act(self, None, fault)

    def get_buffer(self, sizehint: int) -> memoryview:
        if not (self.chosen or self.stuck):
            self._choose()
        limit = self._limit()
        return self.server.buffer[:limit] if limit else self.server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.stuck:
            self.server.dropped += nbytes
            return
        if not self.data:
            self.server.begun += 1
        self.data += self.server.buffer[:nbytes]
        try:
            self._advance()
        except Exception as error:  # noqa: BLE001 (kept, and raised when the server is left)
            self.server.failures.append(error)
            self.reset()

    def eof_received(self) -> None:
        self._give_back()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.stuck = True
        self.pieces = None
        if self.timer is not None:
            self.timer.cancel()
        self._give_back()
        self.server.forget(self)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._pump()

    # Reading.

    def _choose(self) -> None:
        self.chosen = True
        self.borrowed = self.then is None
        self.fault, self.then = self.then or self.server.choose_for_request(), None

    def _give_back(self) -> None:
        """Return a fault that was chosen for a request that never came."""
        if self.chosen and not self.data and self.borrowed:
            self.server.give_back(self.fault)
        self.chosen, self.fault = False, None

    def _limit(self) -> int:
        """Return how many bytes may be read now; 0 is no limit."""
        fault = self.fault
        if fault is None or fault.stage != "request" or self.stuck:
            return 0
        if fault.where == "head":
            return fault.at - len(self.data)
        return self.head_size + fault.at - len(self.data) if self.head_size else 1

    def _advance(self) -> None:
        while self.data and not self.stuck:
            complete = self._complete()
            fault = self.fault
            if fault is not None and fault.stage == "request" and (complete or self._reached()):
                self.server.received += complete
                self.server.note(fault, None)
                fault.act(self, None, fault)
                return
            if not complete:
                return
            head, body = bytes(self.data[: self.head_size]), bytes(self.data[self.head_size :])
            extra, body = body[self.need - self.head_size :], body[: self.need - self.head_size]
            self.data[:] = extra
            self.head_size = self.need = 0
            self.chosen, self.fault = False, None
            request = request_of(head, body, self.server)
            if is_question(request):
                self._answer_question(request, fault)
            else:
                self._act(request, fault)
            if self.data and not self.stuck:
                self.server.begun += 1
                self._choose()

    def _complete(self) -> bool:
        if not self.head_size:
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return False
            self.head_size = end + 4
            length = _LENGTH.search(self.data, 0, self.head_size)
            self.need = self.head_size + (int(length[1]) if length else 0)
        return len(self.data) >= self.need

    def _reached(self) -> bool:
        fault = cast("Fault", self.fault)
        if fault.where == "body" and not self.head_size:
            return False
        return len(self.data) >= fault.at + (self.head_size if fault.where == "body" else 0)

    def _answer_question(self, request: Request, fault: Fault | None) -> None:
        """Answer as the real server does; the fault is kept for the next message."""
        self.server.questions += 1
        self.server.begun -= 1
        if self.borrowed:
            self.server.give_back(fault)
        else:
            self.then = fault
        self.transport.write(whole(answer_to_question(request)))

    def _act(self, request: Request, fault: Fault | None) -> None:
        if request.kind in self.server.spared:
            fault = None
        if is_refused(request, self.server):
            self.server.receive(request)
            self.transport.write(whole(UNAUTHORIZED, 401))
            return
        self.server.receive(request)
        self.server.note(fault, request)
        if fault is None:
            self.server.store(request)
            self.transport.write(whole(body_of(request)))
            return
        if fault.stores:
            self.server.store(request)
        self.then = fault.then
        fault.act(self, request, fault)

    # Methods that faults call.

    def send(self, data: bytes) -> None:
        """Write these bytes."""
        self.transport.write(data)

    def stick(self) -> None:
        """Ignore further bytes of the client, and wait for it to leave."""
        self.stuck = True

    def close(self) -> None:
        """Send what is written, then FIN (RST follows where the kernel holds unread bytes)."""
        self.stick()
        self._fin()
        self.transport.close()

    def reset(self) -> None:
        """Send RST at once."""
        self.stick()
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    def close_unread(self) -> None:
        """Close once bytes wait in the kernel, without reading one of them."""
        self.stick()
        # Until Python 3.11.4 asyncio begins to read after connection_made in any case.
        self.loop.call_soon(self._pause)

    def _pause(self) -> None:
        if not self.lost:
            self.transport.pause_reading()
            self._watch(self.transport.get_extra_info("socket").fileno())

    def _watch(self, fileno: int) -> None:
        if self.lost:
            return
        if select.select([fileno], [], [], 0)[0]:
            self.close()
        else:
            self.timer = self.loop.call_later(0.001, self._watch, fileno)

    def linger(self) -> None:
        """Send FIN, then read and drop further bytes until the client leaves: a lingering close."""
        self.stick()
        self._fin()
        self.later(1.0, self.close)

    def _fin(self) -> None:
        if self.transport.can_write_eof() and not self.transport.is_closing():
            with contextlib.suppress(OSError):  # the client has left, and has sent RST
                self.transport.write_eof()

    def later(self, seconds: float, call: object, *args: object) -> None:
        """Call back after so many seconds, unless the connection is gone by then."""
        self.timer = self.loop.call_later(seconds, call, *args)  # type: ignore[arg-type]

    def stream(self, pieces: Iterator[bytes]) -> None:
        """Write piece by piece, as fast as the client reads; stop when it leaves."""
        self.pieces = pieces
        self._pump()

    def _pump(self) -> None:
        while self.pieces and not (self.paused or self.transport.is_closing()):
            piece = next(self.pieces, None)
            if piece is None:
                self.pieces = None
                return
            self.transport.write(piece)

    def drip(self, data: bytes, interval: float, at: int = 0) -> None:
        """Write one byte each interval, for as long as the client stays."""
        self.stick()
        if self.transport.is_closing() or at >= len(data):
            return
        self.transport.write(data[at : at + 1])
        self.later(interval, self.drip, data, interval, at + 1)

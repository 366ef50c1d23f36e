"""TCP connections over plain asyncio: all addresses of a name in turn, the last good one first.

The turns follow Happy Eyeballs (RFC 8305), as aiohappyeyeballs implements it. asyncio implements
it, too, but until Python 3.12 asyncio leaks a connected socket when it is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from typing import TYPE_CHECKING, Any, TypeVar

import aiohappyeyeballs
import attrs

from .resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from .resolve import Addresses

__all__ = ["TcpConnector", "has_unread", "read_leftover", "unread_check"]

#: Seconds until the next address of a name is tried while the earlier ones still connect: at most,
#: and at least (RFC 8305, section 8).
_LONGEST_DELAY, _SHORTEST_DELAY = 0.25, 0.01

#: Bytes that are read from a broken connection: enough for a status and its headers.
_LEFTOVER = 65_536

P = TypeVar("P", bound=asyncio.Protocol)


@attrs.define(eq=False)
class TcpConnector:
    """Opens TCP connections to one server, and remembers which of its addresses answered."""

    _resolver: Resolver = attrs.field(factory=Resolver, init=False)
    _last_good: str | None = attrs.field(default=None, init=False)

    async def connect(
        self,
        make: Callable[[], P],
        host: str,
        port: int,
        *,
        seconds: float | None = None,
        local: str | None = None,
    ) -> P:
        """Return the connected protocol.

        Args:
            make: Makes the protocol of the connection.
            host: A name or an address.
            port: The port.
            seconds: How long the caller waits, so that each address gets its turn; None for
                no limit. The caller enforces it.
            local: The address to connect from, or None for any.

        Raises:
            OSError: The host has no address, or none of them took the connection.

        """
        found = await self._resolver.resolve(host, port)
        addresses = sorted(found, key=lambda info: info[4][0] != self._last_good)
        sock = await _connect(addresses, _delay(seconds, len(addresses)), local)
        try:
            with contextlib.suppress(OSError):  # the connection may have ended already
                self._last_good = sock.getpeername()[0]
            _, protocol = await asyncio.get_running_loop().create_connection(make, sock=sock)
        except BaseException:
            sock.close()
            raise
        return protocol


def _delay(seconds: float | None, addresses: int) -> float:
    """Return the seconds between two addresses, so that each gets a turn in time."""
    if seconds is None:
        return _LONGEST_DELAY
    return max(_SHORTEST_DELAY, min(_LONGEST_DELAY, seconds / (addresses + 1)))


async def _connect(addresses: Addresses, delay: float, local: str | None) -> socket.socket:
    bound = None
    if local is not None:
        numeric = socket.AI_NUMERICHOST
        bound = socket.getaddrinfo(local, 0, type=socket.SOCK_STREAM, flags=numeric)
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of asyncio runs in a task
    before = task.cancelling()
    sock = await aiohappyeyeballs.start_connection(
        addresses, local_addr_infos=bound, happy_eyeballs_delay=delay
    )
    if task.cancelling() > before:
        # The library swallows a cancellation of this task that comes while it cancels its own
        # slower attempts.
        sock.close()
        raise asyncio.CancelledError
    return sock


def has_unread(transport: Any) -> bool:
    """Say whether the kernel holds something the loop has not read: data or end of stream."""
    return unread_check(transport)()


def unread_check(transport: Any) -> Callable[[], bool]:
    """Return `has_unread` for one transport; call it only while the socket is open."""
    sock = transport.get_extra_info("socket")
    if not hasattr(select, "poll"):
        return lambda: bool(select.select([sock.fileno()], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return lambda: bool(poll.poll(0))


def read_leftover(transport: Any) -> bytes:
    """Return the bytes that the kernel still holds of a broken connection; none over TLS.

    A server that refuses a large request answers, and closes the connection while the request is
    still being written. The loop drops a connection as soon as a write fails, and does not read
    the answer.
    """
    sock = transport.get_extra_info("socket")
    if transport.get_extra_info("ssl_object") is not None:
        return b""
    with contextlib.suppress(OSError), socket.fromfd(sock.fileno(), sock.family, sock.type) as own:
        own.setblocking(False)  # noqa: FBT003 - its only form
        return own.recv(_LEFTOVER)
    return b""

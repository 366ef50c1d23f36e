"""Connecting over plain asyncio: to all addresses of a name in turn, first the one that answered.

The turns are Happy Eyeballs (RFC 8305), by aiohappyeyeballs. asyncio's own race between addresses
forgets a connected socket when it is cancelled, until Python 3.12.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from typing import TYPE_CHECKING, Any, TypeVar

import aiohappyeyeballs
import attrs

from .resolve import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from .resolve import Addresses

__all__ = ["TcpConnector", "has_news", "last_words"]

#: Seconds after which the next address of a name is tried beside those before it, at the most and
#: at the least (RFC 8305, section 8).
_NEXT_ADDRESS, _SOONEST = 0.25, 0.01

#: Bytes that are read of a connection that broke: a status and its headers are fewer.
_LAST_WORDS = 65_536

P = TypeVar("P", bound=asyncio.Protocol)


@attrs.define(eq=False)
class TcpConnector:
    """Opens connections to one server."""

    _names: Names = attrs.field(factory=Names, init=False)
    _good: str | None = attrs.field(default=None, init=False)

    async def __call__(
        self,
        make: Callable[[], P],
        host: str,
        port: int,
        *,
        seconds: float | None = None,
        local: str | None = None,
    ) -> P:
        """Return what `make` made, connected.

        Args:
            make: Makes the protocol of the connection.
            host: A name or an address.
            port: The port.
            seconds: How long the caller will wait, so that each address gets its turn; None for
                ever. The caller ends it.
            local: The address to connect from, or None for any.

        Raises:
            OSError: No address of the host took the connection, or it has none.

        """
        found = await self._names.find(host, port)
        addresses = sorted(found, key=lambda info: info[4][0] != self._good)
        sock = await _connect(addresses, _delay(seconds, len(addresses)), local)
        try:
            with contextlib.suppress(OSError):  # the connection may have ended already
                self._good = sock.getpeername()[0]
            _, protocol = await asyncio.get_running_loop().create_connection(make, sock=sock)
        except BaseException:
            sock.close()
            raise
        return protocol


def _delay(seconds: float | None, addresses: int) -> float:
    """Return the seconds between two addresses; all of them get a turn within the time."""
    if seconds is None:
        return _NEXT_ADDRESS
    return max(_SOONEST, min(_NEXT_ADDRESS, seconds / (addresses + 1)))


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
        # While it ends the attempts that lost, it takes a cancellation of this task for theirs.
        sock.close()
        raise asyncio.CancelledError
    return sock


def has_news(transport: Any) -> bool:
    """Say whether something waits in the kernel that the loop has not seen: the end, perhaps."""
    sock = transport.get_extra_info("socket")
    if not hasattr(select, "poll"):
        return bool(select.select([sock.fileno()], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def last_words(transport: Any) -> bytes:
    """Return what came on a connection that broke, and that the loop has not read; not over TLS.

    A server that refuses a large request answers, and closes while we still write. The loop drops
    a connection as soon as a write fails, and with it the answer that waits in the kernel.
    """
    sock = transport.get_extra_info("socket")
    if transport.get_extra_info("ssl_object") is not None:
        return b""
    with contextlib.suppress(OSError), socket.fromfd(sock.fileno(), sock.family, sock.type) as own:
        own.setblocking(False)  # noqa: FBT003 - its only form
        return own.recv(_LAST_WORDS)
    return b""

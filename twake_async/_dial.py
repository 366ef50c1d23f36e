"""Connecting over plain asyncio: address by address, first the one that answered last."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Dial", "has_news"]

#: Seconds after which the next address of a name is tried.
_NEXT_ADDRESS = 2.0

P = TypeVar("P", bound=asyncio.Protocol)


@attrs.define(eq=False)
class Dial:
    """Opens connections to one server."""

    _good: str | None = attrs.field(default=None, init=False)

    async def __call__(
        self, make: Callable[[], P], host: str, port: int, local: tuple[str, int] | None = None
    ) -> P:
        """Return what `make` made, connected.

        Raises:
            OSError: No address of the host took the connection, or it has none.

        """
        # One address after the other: asyncio's own race between them forgets a connected socket
        # when it is cancelled, until Python 3.12.
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        addresses.sort(key=lambda address: address != self._good)
        for address in addresses[:-1]:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(_NEXT_ADDRESS):
                    return await self._open(make, address, port, local)
        return await self._open(make, addresses[-1], port, local)

    async def _open(
        self, make: Callable[[], P], address: str, port: int, local: tuple[str, int] | None
    ) -> P:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(make, address, port, local_addr=local)
        self._good = address
        return protocol


def has_news(transport: Any) -> bool:
    """Say whether something waits in the kernel that the loop has not seen: the end, perhaps."""
    sock = transport.get_extra_info("socket")
    if not hasattr(select, "poll"):
        return bool(select.select([sock.fileno()], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))

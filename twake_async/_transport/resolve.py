"""Looking up the addresses of a name, in threads that do not keep a program from ending.

asyncio looks names up in threads of its own, and `asyncio.run` waits for them before it returns. A
resolver that does not answer would hold up a program long after its last send.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from typing import Any

import attrs

__all__ = ["Addresses", "Names"]

#: What `socket.getaddrinfo` returns.
Addresses = list[tuple[Any, Any, int, str, Any]]

#: Seconds after which nobody joins a look-up: a new one may find a resolver that answers.
_STALE = 5.0
#: How many look-ups may run in a process. Those that nobody waits for any more count, too.
_LIMIT = 16
_THREAD = "twake-async look-up"


@attrs.define(eq=False)
class LookUp:
    """A look-up that runs, and what it found."""

    began: float
    found: asyncio.Future[Addresses | OSError]


@attrs.define(eq=False)
class Names:
    """Looks names up. All who ask for the same name at the same time share one look-up."""

    _running: dict[tuple[str, int], LookUp] = attrs.field(factory=dict, init=False)

    async def find(self, host: str, port: int) -> Addresses:
        """Return the addresses of a host, of which there is at least one.

        Raises:
            OSError: The name has none, or too many look-ups are without an answer.

        """
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        # Shielded: a send that is cancelled leaves the look-up to the others.
        found = await asyncio.shield(self._look_up(host, port).found)
        if isinstance(found, OSError):
            raise type(found)(*found.args)  # each its own: a traceback belongs to one task
        return found

    def _look_up(self, host: str, port: int) -> LookUp:
        loop, key = asyncio.get_running_loop(), (host, port)
        running = self._running.get(key)
        if running is not None and loop.time() - running.began < _STALE:
            return running
        if sum(thread.name == _THREAD for thread in threading.enumerate()) >= _LIMIT:
            if running is not None:
                return running
            raise socket.gaierror(socket.EAI_AGAIN, "too many look-ups of names are unanswered")
        begun = LookUp(loop.time(), loop.create_future())

        def settle(found: Addresses | OSError) -> None:
            begun.found.set_result(found)
            if self._running.get(key) is begun:
                del self._running[key]

        def run() -> None:
            found = _resolve(host, port)
            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=run, name=_THREAD, daemon=True).start()
        self._running[key] = begun
        return begun


def _resolve(host: str, port: int) -> Addresses | OSError:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return exc.with_traceback(None)
    except ValueError as exc:  # a name that cannot be one: a label that is empty or too long
        return socket.gaierror(socket.EAI_NONAME, str(exc))

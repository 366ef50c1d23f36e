"""Name resolution: in threads of its own, shared by all callers, and limited.

asyncio resolves names in threads for which `asyncio.run` waits before it returns. A resolver that
does not answer would keep a program from ending long after its last send. The threads here are
daemons: a program does not wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from typing import Any

import attrs

__all__ = ["Addresses", "Resolver"]

#: What `socket.getaddrinfo` returns.
Addresses = list[tuple[Any, Any, int, str, Any]]

#: Seconds after which no caller joins a lookup: a new one may reach a resolver that answers.
_STALE = 5.0
#: How many lookups may run in a process at once. Abandoned ones count until they end.
_LIMIT = 16
_THREAD = "twake-async lookup"


@attrs.define(eq=False)
class _Lookup:
    """A running lookup."""

    began: float
    result: asyncio.Future[Addresses | OSError]


@attrs.define(eq=False)
class Resolver:
    """Resolves names. All callers that need one name at the same time share one lookup."""

    _running: dict[tuple[str, int], _Lookup] = attrs.field(factory=dict, init=False)

    async def resolve(self, host: str, port: int) -> Addresses:
        """Return the addresses of a host, at least one.

        Raises:
            OSError: The name has no address, or too many lookups are unanswered.

        """
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        # Shielded: a cancelled send leaves the lookup to the others.
        result = await asyncio.shield(self._start(host, port).result)
        if isinstance(result, OSError):
            raise type(result)(*result.args)  # a new one for each task: its traceback differs
        return result

    def _start(self, host: str, port: int) -> _Lookup:
        """Return the running lookup of a name, or start one in a thread."""
        loop, key = asyncio.get_running_loop(), (host, port)
        running = self._running.get(key)
        if running is not None and loop.time() - running.began < _STALE:
            return running
        if sum(thread.name == _THREAD for thread in threading.enumerate()) >= _LIMIT:
            if running is not None:
                return running
            raise socket.gaierror(socket.EAI_AGAIN, "too many name lookups are unanswered")
        lookup = _Lookup(loop.time(), loop.create_future())

        def finish(result: Addresses | OSError) -> None:
            lookup.result.set_result(result)
            if self._running.get(key) is lookup:
                del self._running[key]

        def run() -> None:
            result = _resolve(host, port)
            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(finish, result)

        threading.Thread(target=run, name=_THREAD, daemon=True).start()
        self._running[key] = lookup
        return lookup


def _resolve(host: str, port: int) -> Addresses | OSError:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return exc.with_traceback(None)
    except ValueError as exc:  # no valid name: a label is empty or too long
        return socket.gaierror(socket.EAI_NONAME, str(exc))

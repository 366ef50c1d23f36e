"""Serves an ASGI application with uvicorn; its lines for requests do not hold the secret."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING, Any

import attrs
import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["AccessLines", "Server", "listening"]


@attrs.frozen(eq=False)
class AccessLines:
    """An application around another that prints a line for each request.

    Args:
        app: The other.
        tell: Prints a line.

    """

    app: Any
    tell: Callable[[str], None]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve, and print the line when the answer begins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        line = f"{scope['method']} {without_secret(scope['path'])}"

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.tell(f"{line} {message['status']}")
            await send(message)

        await self.app(scope, receive, noting)


def without_secret(path: str) -> str:
    """Return a path without its last part, which is the secret of a bot."""
    start, _, last = path.rpartition("/")
    return f"{start}/{last if last in ('', 'health') else '***'}"


class Server(uvicorn.Server):
    """A server that leaves the signals to the command, and trusts no header about its client."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # it would hold the secret
                proxy_headers=False,
                server_header=False,
                ws="none",
                lifespan="on",
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave all signals as they are."""
        yield


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: An address or a name of this machine.
        port: The port; 0 for a free one.

    Raises:
        OSError: It cannot.

    """
    family, kind, number, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, number)
    try:
        if sys.platform != "win32":  # there, it would share the port with another program
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(2048)
    except OSError:
        made.close()
        raise
    return made

"""A port that refuses connections, and that no other test can get meanwhile."""

from __future__ import annotations

import socket


def hold_port(port: int = 0) -> socket.socket:
    """Take a port without listening on it; closing the socket gives it back.

    A port that is only closed may be given to another test: to its server, which then answers, or
    to one of its connections, and then nobody can listen there. A server can listen on a port that
    is held, and the holder keeps it while the server stops and starts.

    Args:
        port: The port, on which nothing listens; 0 for any.

    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held

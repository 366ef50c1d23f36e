"""What a session knows of its server, and of what stands in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Server"]


@attrs.frozen
class Server:
    """The server of a session, its gateway and the proxy on the way to it."""

    base_url: str = ""
    """The server's address, checked."""

    trusted_statuses: Collection[int] = frozenset()
    """Statuses that the gateway sends only before it forwards, as the caller states."""

    proxy: str = ""
    """The proxy that requests go through, without its user and password; empty for none."""

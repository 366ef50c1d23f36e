"""An event that is ready to be posted."""

from __future__ import annotations

import hmac

from attrs import define, field

__all__ = ["Outgoing", "node_event", "v1_event"]

_V1_WAIT = 3.0
"""Seconds for which a v1 server waits for an application (source: ApplicationApi.php)."""
_NODE_WAIT = 10.0
"""Seconds for which the sandbox waits. No limit of the Node server was seen within 5 s."""


@define(frozen=True, slots=True)
class Outgoing:
    """An event for one application: its body, its headers, and how long the server waits."""

    application_id: str
    body: bytes = field(repr=False)
    wait: float
    signature: str | None = field(default=None, repr=False)
    """The signature of the body; None for a v1 server, which signs nothing."""

    def headers(self, host: str) -> list[tuple[str, str]]:
        """Return the headers in the order in which the server sends them.

        Args:
            host: The Host of the address.

        """
        length = ("Content-Length", str(len(self.body)))
        if self.signature is None:
            kind = ("Content-Type", "application/json")
            return [("Host", host), ("Accept", "*/*"), kind, length]
        return [
            ("Accept", "application/json, text/plain, */*"),
            ("Content-Type", "application/json"),
            ("X-Twake-Signature", self.signature),
            ("User-Agent", "axios/0.21.4"),
            length,
            ("Host", host),
            ("Connection", "keep-alive"),
        ]


def v1_event(application_id: str, body: bytes) -> Outgoing:
    """Return an event of a v1 server."""
    return Outgoing(application_id, body, _V1_WAIT)


def node_event(application_id: str, key: str, body: bytes) -> Outgoing:
    """Return an event of a Node server, signed with the application's key."""
    signature = hmac.digest(key.encode(), body, "sha256").hex()
    return Outgoing(application_id, body, _NODE_WAIT, signature)

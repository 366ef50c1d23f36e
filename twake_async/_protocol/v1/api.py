"""What all requests of a session to this API share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async._protocol.json_codec import PLAIN, Codec
from twake_async._protocol.server import Server

if TYPE_CHECKING:
    from twake_async._arguments import Credentials

__all__ = ["NOBODYS_API", "REMOVE", "SAVE", "Api"]

SAVE = "/api/v1/messages/save"
REMOVE = "/api/v1/messages/remove"


@attrs.frozen
class Api:
    """A server's API, and who asks it."""

    server: Server = attrs.field(factory=Server)
    credentials: Credentials | None = attrs.field(default=None, repr=False)
    """Who asks; None for requests that are encoded and never sent."""
    codec: Codec = PLAIN
    """What writes and reads JSON."""

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who asks: built for each request, kept nowhere."""
        if self.credentials is None:
            return ()
        return ((b"Authorization", self.credentials.header()),)


#: For requests that are encoded and never sent.
NOBODYS_API = Api()

"""What all requests of a session to this API share."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import attrs

from twake_async._protocol.json_codec import PLAIN, Codec
from twake_async._protocol.server import Server

if TYPE_CHECKING:
    from twake_async._arguments import Credentials

__all__ = ["DEFAULT_API", "REMOVE", "ROOT", "SAVE", "Api"]

ROOT = "/api/v1/"
SAVE = ROOT + "messages/save"
REMOVE = ROOT + "messages/remove"


@attrs.frozen
class Api:
    """The API of a server, and the application that asks it."""

    server: Server = attrs.field(factory=Server)
    credentials: Credentials | None = attrs.field(default=None, repr=False)
    """The application that asks; None for requests that are encoded and not sent."""
    codec: Codec = PLAIN
    """What writes and reads JSON."""

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that name the application, built for each request and not kept."""
        if self.credentials is None:
            return ()
        pair = f"{self.credentials.public_id}:{self.credentials.reveal()}"
        return ((b"Authorization", b"Basic " + base64.b64encode(pair.encode())),)


#: For requests that are encoded and not sent.
DEFAULT_API = Api()

"""The Twake that all workers send to: it remembers each stored message, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults import FaultServer

if TYPE_CHECKING:
    from faults.request import Request


class Store(FaultServer):
    """A fault server that keeps what it stored.

    `sequence` has the channel and the text of each message, in the order in which it was stored.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.sequence: list[tuple[str, str]] = []

    def store(self, request: Request) -> None:
        super().store(request)
        if request.kind == "create":
            message = request.message
            self.sequence.append((message["channel_id"], message["content"]["fallback_string"]))

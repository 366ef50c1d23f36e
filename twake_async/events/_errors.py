"""The error for a request that is no event."""

from __future__ import annotations

from typing import Any

__all__ = ["EventError"]


class EventError(ValueError):
    """A request to the event address is not an event of the server.

    It is not a `TwakeError`, because it does not end a send. It quotes nothing of the request.

    Args:
        message: One sentence for a person.
        status: The HTTP status to answer.

    Attributes:
        status: The HTTP status to answer: 400 for a body that is not an event of this API, 401 for
            a signature that is missing or wrong, 413 for a body over 1 MiB, 415 for another
            content type than JSON.

    """

    status: int
    """The HTTP status to answer: 400 for a body that is not an event of this API, 401 for a
    signature that is missing or wrong, 413 for a body over 1 MiB, 415 for another content type than
    JSON."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__

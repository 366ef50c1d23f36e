"""The errors of the Node server, and their bodies."""

from __future__ import annotations

from typing import Any

from attrs import define

__all__ = [
    "BAD_CREDENTIALS",
    "CANNOT_POST",
    "FOREIGN_ADDRESS",
    "NOT_FOUND",
    "NOT_OF_COMPANY",
    "TOO_LARGE",
    "WRONG_SECRET",
    "CrashError",
    "NodeError",
    "crashed",
]

NOT_FOUND = {"error": "Not found"}
"""The body of a 404 for a path without a route."""

_WORDS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
}


@define(slots=True, eq=False)
class NodeError(Exception):
    """A request that is answered with an error. An exception, so it is not frozen."""

    status: int
    message: str
    code: str | None = None
    """The code of Fastify, for an error of the framework itself."""

    def body(self) -> dict[str, Any]:
        """Return the body of the answer."""
        code = {} if self.code is None else {"code": self.code}
        return {
            "statusCode": self.status,
            **code,
            "error": _WORDS[self.status],
            "message": self.message,
        }


BAD_CREDENTIALS = NodeError(401, "Bad credentials").body()
CANNOT_POST = NodeError(404, "You can't post in this thread").body()
FOREIGN_ADDRESS = NodeError(
    403, "This application is not allowed to access from this IP (127.0.0.1)"
).body()
NOT_OF_COMPANY = NodeError(403, "User does not belong to this company").body()
WRONG_SECRET = NodeError(403, "Secret key is not valid").body()
TOO_LARGE = NodeError(413, "Request body is too large", "FST_ERR_CTP_BODY_TOO_LARGE").body()


class CrashError(Exception):
    """An exception that no code of the server expected, such as a TypeError: a 500."""


def crashed(request_number: int) -> dict[str, Any]:
    """Return the body of a 500."""
    return {
        "statusCode": 500,
        "error": "Internal Server Error",
        "message": "Something went wrong",
        "requestId": f"req-{_base36(request_number)}",
    }


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"

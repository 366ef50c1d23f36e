"""What is turned away before the server sees it: a foreign Host, a body too large or too slow.

A web page may give its own name the address 127.0.0.1 ("DNS rebinding") and then ask the sandbox
for whatever it likes. Such a request has that name in its Host header, so only names of this
machine are let in. A browser says with each POST which page it comes from (Origin), and no page
can leave that out. So a request of this SDK without an Origin comes from a program, which may use
another name for the sandbox, as a test that patches the resolver does.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from attrs import define

from twake_async.sandbox._server import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FOREIGN_HOST", "PATIENCE", "TOO_LARGE", "TOO_SLOW", "Door", "checked_names"]

PATIENCE = 10.0
"""Seconds within which the head of a request must have come, and then again its body."""

_TEXT: Mapping[str, str] = {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
}
FOREIGN_HOST = Response(
    421,
    _TEXT,
    b"This sandbox answers to names of its own machine only, such as localhost and 127.0.0.1.\n"
    b"Start it with --allow-host NAME, or Sandbox(allow_hosts=[NAME]), to let it answer to others."
    b"\n",
)
TOO_LARGE = Response(413, _TEXT, b"This sandbox does not take a body of that size.\n")
"""Before authentication, as a web server in front of Twake answers it."""
TOO_SLOW = Response(408, _TEXT, b"The rest of the request did not come.\n")

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:\[\]@/\\?#,]+)(?::[0-9]*)?", re.IGNORECASE)


@define(frozen=True, slots=True)
class Door:
    """Who may come in, with how much, and how slowly.

    `max_body` is in bytes. `names` are the foreign names that are let in, and `patience` is in
    seconds. Both are None within a process, where there is no Host and nothing to wait for.
    """

    max_body: int
    names: frozenset[str] | None = None
    patience: float | None = None

    def refusal(self, headers: Mapping[str, str]) -> Response | None:
        """The answer to a request whose head already tells that it is turned away."""
        if self.names is not None and not self._lets_in(headers):
            return FOREIGN_HOST
        length = headers.get("content-length", "")
        # More digits than any length needs are not turned into a number.
        declared = int(length[:20]) if length.isascii() and length.isdecimal() else 0
        return TOO_LARGE if declared > self.max_body else None

    def _lets_in(self, headers: Mapping[str, str]) -> bool:
        name = _name(headers.get("host", ""))
        if not name:
            return False
        return _is_loopback(name) or name in (self.names or ()) or _is_of_the_sdk(headers)


def checked_names(names: Iterable[str]) -> frozenset[str]:
    """Names to let in, as they are compared; a ValueError for what is no name of a host."""
    if isinstance(names, str):
        raise TypeError(f"allow_hosts is a list of names, not the string {names!r}")
    found = {name: _name(name) for name in names}
    for given, name in found.items():
        if not name or "*" in name or name != given.lower().rstrip("."):
            raise ValueError(f"{given!r} is no name of a host: give it without scheme and port")
    return frozenset(found.values())


def _name(host: str) -> str:
    """The name in a Host header, in lower case and without the port; "" for what is none."""
    match = _HOST.fullmatch(host)
    return match[1].lower().rstrip(".") if match else ""


def _is_of_the_sdk(headers: Mapping[str, str]) -> bool:
    return headers.get("user-agent") == "twake-async" and "origin" not in headers


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"

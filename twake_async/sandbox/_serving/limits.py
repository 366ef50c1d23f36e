"""Refuses requests before they are carried out: a foreign Host, a body too large or too slow.

A web page may give its own name the address 127.0.0.1 ("DNS rebinding"), and then send requests to
the sandbox. Such a request has that name in its Host header, so only names of this machine are
allowed. A browser says with each POST which page it comes from (Origin), and no page can leave
that out. So a request of this SDK without an Origin comes from a program. It may use another name
for the sandbox, as in a test that patches the resolver.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from attrs import define

from twake_async.sandbox._http import Response
from twake_async.sandbox._releases.node.errors import TOO_LARGE as TOO_LARGE_FOR_NODE
from twake_async.sandbox._releases.node.server import json_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "FOREIGN_HOST",
    "IDLE",
    "NODE_TOO_LARGE",
    "PATIENCE",
    "TOO_LARGE",
    "TOO_SLOW",
    "Limits",
    "checked_names",
]

PATIENCE = 10.0
"""Seconds for the head of a request to arrive, and again for its body."""

IDLE = 5
"""Seconds after which an idle connection is closed, as Node does (recorded)."""

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
"""Sent before authentication, as from a web server in front of Twake."""
NODE_TOO_LARGE = json_response(413, TOO_LARGE_FOR_NODE)
"""The same response from a Node server, which reads at most 1 MiB."""
TOO_SLOW = Response(408, _TEXT, b"The rest of the request did not come.\n")

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:\[\]@/\\?#,]+)(?::[0-9]*)?", re.IGNORECASE)


@define(frozen=True, slots=True)
class Limits:
    """The allowed hosts, the largest body, and the time for it."""

    max_body: int
    """The largest body, in bytes."""
    names: frozenset[str] | None = None
    """The foreign names that are allowed; None allows every Host, as in-process."""
    patience: float | None = None
    """Seconds for a head or a body to arrive; None in-process, where nothing can be late."""
    too_large: Response = TOO_LARGE
    """The response to a body that is too large."""

    def refusal(self, headers: Mapping[str, str]) -> Response | None:
        """Return the response if the head of a request is reason to refuse it; None if not."""
        if self.names is not None and not self._allows(headers):
            return FOREIGN_HOST
        length = headers.get("content-length", "")
        # Only as many digits as a length can need are turned into a number.
        declared = int(length[:20]) if length.isascii() and length.isdecimal() else 0
        return self.too_large if declared > self.max_body else None

    def _allows(self, headers: Mapping[str, str]) -> bool:
        name = _name(headers.get("host", ""))
        return self.knows_host(headers) or (bool(name) and _is_of_the_sdk(headers))

    def knows_host(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request asks for a name of this machine, or one that is allowed."""
        name = _name(headers.get("host", ""))
        return bool(name) and (_is_loopback(name) or name in (self.names or ()))


def checked_names(names: Iterable[str]) -> frozenset[str]:
    """Return the names to allow, in the form for comparison.

    Raises:
        ValueError: A name is not that of a host.
        TypeError: A single string is given.

    """
    if isinstance(names, str):
        raise TypeError(f"allow_hosts is a list of names, not the string {names!r}")
    found = {name: _name(name) for name in names}
    for given, name in found.items():
        if not name or "*" in name or name != given.lower().rstrip("."):
            raise ValueError(f"{given!r} is no name of a host: give it without scheme and port")
    return frozenset(found.values())


def _name(host: str) -> str:
    """Return the name in a Host header, in lower case and without the port; "" if it has none."""
    match = _HOST.fullmatch(host)
    return match[1].lower().rstrip(".") if match else ""


def _is_of_the_sdk(headers: Mapping[str, str]) -> bool:
    return headers.get("user-agent") == "twake-async" and "origin" not in headers


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"

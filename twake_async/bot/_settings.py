"""The arguments of a bot, checked."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import attrs

from twake_async._arguments import Hidden, check_count
from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    from twake_async.session import TwakeSession

__all__ = ["Settings", "check_seconds", "check_secret"]

#: Text that no program escapes in the path of an address.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")


@attrs.frozen
class Settings:
    """The limits of a bot."""

    in_flight: int
    queue_size: int
    queue_timeout: float
    drain: float

    def __attrs_post_init__(self) -> None:
        check_count("in_flight", self.in_flight)
        check_count("queue_size", self.queue_size)
        check_seconds("queue_timeout", self.queue_timeout)
        check_seconds("drain", self.drain)


def check_seconds(field: str, value: object, *, positive: bool = False) -> float:
    """Return a number of seconds; raise `ConfigurationError` for anything else."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ConfigurationError(f"{field} must be a number of seconds", field=field)
    if positive and value == 0:
        raise ConfigurationError(f"{field} must be more than 0 seconds", field=field)
    return float(value)


def check_secret(secret: Hidden[object], twake: TwakeSession) -> Hidden[bytes] | None:
    """Return the secret of the address; None if there is none.

    Raises:
        ConfigurationError: It cannot be part of an address, or is missing over v1.

    """
    given = secret.value
    if given is False or (given is None and twake.api == "node"):
        return None
    if given is None:
        raise ConfigurationError(
            "events of a v1 server are not signed, so the event address must hold a secret: give "
            "secret=, the last part of the address, or secret=False to believe anybody",
            field="secret",
        )
    if not isinstance(given, str) or not _PLAIN.fullmatch(given) or given == "health":
        raise ConfigurationError(
            "secret must be a string of letters, digits and - . _ ~, as from "
            "secrets.token_urlsafe(): it is the last part of the event address",
            field="secret",
        )
    return Hidden(given.encode())

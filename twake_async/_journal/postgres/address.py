"""Where the database is: a connection string without a password, checked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "Address"]

#: The environment variable whose connection string may hold a password.
VARIABLE = "TWAKE_JOURNAL"

_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

#: Settings of libpq that keep a connection from hanging: together they allow under 5 seconds.
_TIMEOUTS = {
    "connect_timeout": "4",
    "keepalives": "1",
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "4000",
}


@attrs.frozen
class Address:
    """A connection string of PostgreSQL.

    Args:
        text: The connection string, without a password; None for that of `TWAKE_JOURNAL`, which is
            read when a connection is opened and never kept.
        allow_unverified_host: Whether another host needs no `sslmode=verify-full`.

    """

    text: str | None = attrs.field(repr=False)
    allow_unverified_host: bool

    def parameters(self) -> dict[str, Any] | ConfigurationError:
        """Return the parameters of a connection, which may hold a secret, or what is wrong.

        The error is returned, since tracebacks may show the locals of this frame.
        """
        text = self.text
        if text is None and (text := os.environ.get(VARIABLE)) is None:
            return ConfigurationError(
                f"there is no connection string: give conninfo, or set {VARIABLE}",
                field="conninfo",
            )
        found = _parse(text)
        if isinstance(found, ConfigurationError):
            return found
        if self.text is not None and any(found.get(name) for name in _SECRETS):
            return ConfigurationError(
                f"conninfo holds a password: put it into the file of PGPASSFILE, into a service of "
                f"PGSERVICE, or give the whole connection string in {VARIABLE}",
                field="conninfo",
            )
        tls = self._tls(found)
        return tls if isinstance(tls, ConfigurationError) else {**found, **tls, **_TIMEOUTS}

    def secrets(self) -> tuple[str, ...]:
        """Return the secrets, which no error may show."""
        found = _parse(os.environ.get(VARIABLE, "") if self.text is None else self.text)
        given = [] if isinstance(found, ConfigurationError) else [found.get(n) for n in _SECRETS]
        return tuple(str(one) for one in (*given, os.environ.get("PGPASSWORD")) if one)

    def _tls(self, found: Mapping[str, Any]) -> dict[str, str] | ConfigurationError:
        """Return the `sslmode` that another host needs, or what is wrong with the given one."""
        if self.allow_unverified_host or _is_this_machine(found):
            return {}
        mode = found.get("sslmode") or os.environ.get("PGSSLMODE") or "verify-full"
        if mode != "verify-full":
            return ConfigurationError(
                f"sslmode={mode} does not check which host it is: give sslmode=verify-full, or "
                "allow_unverified_host=True if nobody else can reach that network",
                field="conninfo",
            )
        return {"sslmode": mode}


def _parse(text: str) -> dict[str, Any] | ConfigurationError:
    """Return the parts of a connection string; the error shows nothing of it."""
    import psycopg  # noqa: PLC0415 - an extra
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - an extra

    try:
        return dict(conninfo_to_dict(text))
    except psycopg.Error:
        pass
    return ConfigurationError(
        "it is no connection string of PostgreSQL, such as "
        '"host=db.example.org dbname=twake user=sender"',
        field="conninfo",
    )


def _is_this_machine(found: Mapping[str, Any]) -> bool:
    named = found.get("host") or found.get("hostaddr")
    if not named and not (found.get("service") or os.environ.get("PGSERVICE")):
        named = os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR") or "/"
    hosts = str(named or "?").split(",") + str(found.get("hostaddr") or "/").split(",")
    return all(host in _THIS_MACHINE or host[:1] in ("", "/", "@") for host in hosts)

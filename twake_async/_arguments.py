"""What a session is configured with, checked before anything is opened."""

from __future__ import annotations

import contextlib
import functools
import inspect
import ipaddress
import math
import os
import re
from typing import Any, Generic, NoReturn, TypeVar

import attrs

from .errors import ConfigurationError

__all__ = [
    "Credentials",
    "Hidden",
    "check_base_url",
    "check_callback",
    "check_choice",
    "check_count",
    "check_credentials",
    "check_deadline",
    "check_group",
    "check_kind",
    "check_statuses",
    "check_workspace",
    "from_environment",
    "taken_out",
]

T = TypeVar("T")


@attrs.frozen(repr=False)
class Credentials:
    """The id and the key of an application; the key shows in no repr, str or pickle."""

    public_id: str
    # Tools that print attrs classes by their fields read this, not __repr__.
    _private_api_key: str = attrs.field(repr=False)

    def __repr__(self) -> str:
        return f"Credentials(public_id={self.public_id!r}, private_api_key='***')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials cannot be pickled: make the session again where it is used")

    def reveal(self) -> str:
        """Return the key: for the request that needs it, while it is sent."""
        return self._private_api_key


@attrs.frozen(repr=False)
class Hidden(Generic[T]):
    """A value that may hold a password: no repr and no traceback shows it."""

    # Tools that print attrs classes by their fields read this, not __repr__.
    value: T = attrs.field(repr=False)

    def __repr__(self) -> str:
        return "<hidden>"


def _check_secret(name: str, value: object) -> ConfigurationError | None:
    if not isinstance(value, str) or not value.strip():
        return ConfigurationError(f"{name} must be a non-empty string", field=name)
    if ":" in value:
        return ConfigurationError(
            f"{name} contains a colon, which the server never accepts: check that the id and the "
            f"key were not pasted together",
            field=name,
        )
    if not value.isprintable():
        return ConfigurationError(
            f"{name} contains a control character or a lone surrogate, perhaps a line break at "
            f"its end: remove it",
            field=name,
        )
    return None


def check_credentials(
    public_id: object, private_api_key: object
) -> Credentials | ConfigurationError:
    """Return the credentials, or the error to raise.

    The error is returned, so that no frame of its traceback has the key in a local variable.
    """
    error = _check_secret("public_id", public_id) or _check_secret(
        "private_api_key", private_api_key
    )
    return error or Credentials(public_id, private_api_key)  # type: ignore[arg-type]


_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<path>[^?#]*)(?P<rest>.*)", re.IGNORECASE
)
#: A host and a port, in the only form that all parsers of addresses read alike.
_AUTHORITY = re.compile(
    r"(?:\[(?P<ip6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::(?P<port>[0-9]{0,5}))?"
)
_LONGEST_LABEL, _LONGEST_NAME = 63, 253


def _host(authority: str) -> str | None:
    """Return the host of an address, without brackets and in lower case; None for no host."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None or not 0 < int(found["port"] or 80) <= 65535:
        return None
    if found["ip6"]:
        return found["ip6"].lower() if _is_ip6(found["ip6"]) else None
    name = found["name"].removesuffix(".")
    fits = all(0 < len(label) <= _LONGEST_LABEL for label in name.split("."))
    return found["name"].lower() if fits and len(name) <= _LONGEST_NAME else None


def _is_ip6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_url(why: str) -> NoReturn:
    raise ConfigurationError(f"base_url {why}", field="base_url")


def check_base_url(base_url: object, *, allow_plain_http: bool) -> str:
    """Return the address without slashes at its end.

    Raises:
        ConfigurationError: It is no address of a server, or plain http to another machine.

    """
    try:
        return _checked_url(base_url, allow_plain_http=allow_plain_http)
    except ConfigurationError as exc:
        error = exc.with_traceback(None)
    del base_url  # it may hold a password, and tracebacks may show locals
    raise error


def _checked_url(base_url: object, *, allow_plain_http: bool) -> str:
    if not isinstance(base_url, str) or not base_url.isprintable() or set(base_url) & {" ", "\\"}:
        _refuse_url("must be a URL such as https://twake.example.org")
    found = _ADDRESS.fullmatch(base_url)
    if found is None:
        _refuse_url("must begin with https:// and name a host")
    scheme, authority = found["scheme"].lower(), found["authority"]
    if "@" in authority:
        _refuse_url("holds a user or a password: give public_id and private_api_key instead")
    if found["rest"]:
        _refuse_url("holds a query or a fragment: end it with the host or the path")
    host = _host(authority)
    if host is None:
        _refuse_url("is not a URL: check its host and port")
    if scheme == "http" and not (allow_plain_http or _is_loopback(host)):
        _refuse_url(
            "is plain http to a host that is not this machine, which would show the key to the "
            "network: use https, or give allow_plain_http=True"
        )
    # "HTTPS:" in capitals is the same scheme; later checks know the lower case only.
    return f"{scheme}://{authority}{found['path'].rstrip('/')}"


def check_statuses(field: str, value: object) -> frozenset[int]:
    """Return a set of HTTP statuses; raise `ConfigurationError` for anything else."""
    # The server itself sends 500, and may send it after it stored the message.
    if isinstance(value, set | frozenset | list | tuple) and all(
        type(one) is int and 300 <= one <= 599 and one != 500 for one in value
    ):
        return frozenset(value)
    raise ConfigurationError(
        f"{field} must be a set of HTTP statuses from 300 to 599, without 500", field=field
    )


def check_group(group_id: object) -> str:
    """Return a group's id; raise `ConfigurationError` for anything else."""
    if not isinstance(group_id, str) or not group_id or not group_id.isprintable():
        raise ConfigurationError(
            "group_id is missing or is not an id: give it to the session, to the call, or set "
            "TWAKE_GROUP_ID",
            field="group_id",
        )
    return group_id


def check_workspace(workspace_id: object) -> str:
    """Return a workspace's id; raise `ConfigurationError` for anything else."""
    good = isinstance(workspace_id, str) and workspace_id.strip() and workspace_id.isprintable()
    if not good or not isinstance(workspace_id, str):
        raise ConfigurationError(
            'workspace_id is missing or is not an id: over api="node" the server would store a '
            "message that nobody sees. Give it to the session, to the draft, or set "
            'TWAKE_WORKSPACE_ID; it is "direct" for a direct channel',
            field="workspace_id",
        )
    return workspace_id


def check_deadline(deadline: object, *, positive: bool = False) -> float:
    """Return a number of seconds; raise `ConfigurationError` for anything else."""
    seconds = math.nan
    if isinstance(deadline, int | float) and not isinstance(deadline, bool):
        with contextlib.suppress(OverflowError):
            seconds = float(deadline)
    if math.isnan(seconds):
        raise ConfigurationError("deadline must be a number of seconds", field="deadline")
    if positive and seconds <= 0:
        raise ConfigurationError("deadline must be more than 0 seconds", field="deadline")
    return seconds


def check_kind(field: str, value: T, kind: type) -> T:
    """Return the value; raise `ConfigurationError` where it is of another class."""
    if not isinstance(value, kind):
        raise ConfigurationError(f"{field} must be a {kind.__name__}", field=field)
    return value


def check_callback(field: str, value: object) -> None:
    """Raise `ConfigurationError` for what is not callable, or is an async function."""
    if value is None:
        return
    if not callable(value):
        raise ConfigurationError(f"{field} must be a function", field=field)
    inner = value.func if isinstance(value, functools.partial) else value
    for one in (inner, getattr(inner, "__call__", None)):  # noqa: B004 - of an object's class
        if inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one):
            raise ConfigurationError(
                f"{field} must be a plain function, not an async one, because nothing awaits its "
                f"result",
                field=field,
            )


def check_choice(field: str, value: T, choices: tuple[str, ...]) -> T:
    """Return the value; raise `ConfigurationError` where it is not one of the choices."""
    if value not in choices:
        raise ConfigurationError(f"{field} must be one of {', '.join(choices)}", field=field)
    return value


def check_count(field: str, value: object) -> None:
    """Raise `ConfigurationError` for anything but a whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{field} must be a whole number of at least 1", field=field)


def from_environment(overrides: dict[str, Any]) -> None:
    """Fill in the arguments of a session that the environment has and the caller did not give.

    Raises:
        ConfigurationError: The id or the key is in neither; the error names the variable.

    """
    for name in ("public_id", "private_api_key"):
        variable = f"TWAKE_{name.upper()}"
        if name not in overrides and not os.environ.get(variable):
            overrides.clear()  # it may hold the key, and tracebacks may show locals
            raise ConfigurationError(
                f"the environment variable {variable} is not set", field=variable
            )
    for name in ("public_id", "private_api_key", "group_id", "base_url", "api", "workspace_id"):
        value = os.environ.get(f"TWAKE_{name.upper()}")
        if value and not overrides.get(name):
            overrides[name] = value


def taken_out(overrides: dict[str, Any]) -> dict[str, Any]:
    """Empty a mapping that may hold passwords, and return a copy of what it held."""
    taken = dict(overrides)
    overrides.clear()
    return taken

"""Where the credentials come from: the environment, or a file that only its owner may read."""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import ConfigurationError
from twake_async.session import TwakeSession

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Options", "open_session", "read_file"]

_PAIR = ("public_id", "private_api_key")
_NAMES = (*_PAIR, "group_id", "base_url", "text_form")
_VARIABLES = {name: f"TWAKE_{name.upper()}" for name in _NAMES if name != "text_form"}
_DEFAULT_FILE = "~/.config/twake-async.toml"


@attrs.frozen
class Options:
    """What the command line itself says about the session; there is no place for a key in it."""

    config: str | None = None
    group_id: str | None = None
    base_url: str | None = None
    text_form: str | None = None


def open_session(options: Options, environ: Mapping[str, str], **more: Any) -> TwakeSession:
    """Return the session that the command line, the environment and the file describe.

    Args:
        options: The command line's.
        environ: The environment.
        **more: Further arguments of the session.

    Raises:
        ConfigurationError: Something is missing, cannot work, or lies open to others.

    """
    settings: dict[str, Any] = {**_settings(options, environ)}
    public_id, key = (settings.pop(name) for name in _PAIR)
    return TwakeSession(public_id, key, **settings, **more)


def _settings(options: Options, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the session's arguments; who names one first, decides."""
    asked = {name: getattr(options, name, None) for name in _NAMES}
    environment = {name: environ.get(variable) for name, variable in _VARIABLES.items()}
    # A file that was named on the command line goes before the environment.
    layers: list[Mapping[str, str | None]] = [asked, environment]
    if options.config is not None:
        layers.insert(1, read_file(Path(options.config)))
    elif environ.get("TWAKE_CONFIG"):
        layers.append(read_file(Path(environ["TWAKE_CONFIG"])))
    elif (default := Path(_DEFAULT_FILE).expanduser()).exists():
        layers.append(read_file(default))
    _check_pair(layers)
    found: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.items():
            if value:
                found.setdefault(name, value)
    return found


def _check_pair(layers: list[Mapping[str, str | None]]) -> None:
    """Raise unless id and key come from the same place: one of each would open nothing."""
    for layer in layers:
        given = [name for name in _PAIR if layer.get(name)]
        if len(given) == len(_PAIR):
            return
        if given:
            (lacking,) = set(_PAIR) - set(given)
            raise ConfigurationError(
                f"{given[0]} ({_VARIABLES[given[0]]}) is given without {lacking} "
                f"({_VARIABLES[lacking]}): give both in the same place",
                field=lacking,
            )
    raise ConfigurationError(
        "there are no credentials: set TWAKE_PUBLIC_ID and TWAKE_PRIVATE_API_KEY, or write "
        f"public_id and private_api_key into {_DEFAULT_FILE}",
        field="public_id",
    )


def read_file(path: Path) -> dict[str, str | None]:
    """Return what a configuration file says.

    Raises:
        ConfigurationError: It cannot be read, others may read it, or it says what is not known.

    """
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            read = tomllib.load(file)
    except OSError as wrong:
        raise ConfigurationError(f"{path} cannot be read: {wrong.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The parser's own words could quote what stands there.
        raise ConfigurationError(
            f'{path} is not valid TOML: write lines such as public_id = "..."'
        ) from None
    for name, value in read.items():
        if name not in _NAMES:
            raise ConfigurationError(f"{path} says {name!r}: it may say {', '.join(_NAMES)}")
        if not isinstance(value, str):
            raise ConfigurationError(f"{name} in {path} must be a string, in quotes", field=name)
    return dict(read)


def _check_private(path: Path, status: os.stat_result) -> None:
    if os.name != "posix":  # elsewhere the bits say nothing
        return
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            f"{path} holds a private key and is open to others: run chmod 600 "
            f"{shlex.quote(str(path))}, and change the key if others use this machine"
        )

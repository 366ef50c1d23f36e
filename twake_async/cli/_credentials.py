"""Reads the credentials from the environment, or from a file that only its owner may read."""

from __future__ import annotations

import codecs
import os
import shlex
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async._arguments import check_group
from twake_async.errors import ConfigurationError
from twake_async.session import TwakeSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

__all__ = ["Options", "Settings", "default_files", "open_session", "read_file"]

_PAIR = ("public_id", "private_api_key")
_NAMES = (*_PAIR, "group_id", "base_url", "api", "workspace_id", "text_form")
_VARIABLES = {name: f"TWAKE_{name.upper()}" for name in _NAMES if name != "text_form"}
#: Another setting of a file: the path of a CA bundle, or whether to check certificates.
_VERIFY = "verify"
#: The earlier path of the file on every platform; the file is still looked for there.
_FIRST_FILE = "~/.config/twake-async.toml"
#: The most bytes of a configuration file; reading a device may never end.
_LONGEST = 1_048_576


@attrs.frozen
class Options:
    """The options of a session on the command line, which takes no key."""

    config: str | None = None
    group_id: str | None = None
    base_url: str | None = None
    api: str | None = None
    workspace_id: str | None = None
    text_form: str | None = None


@attrs.frozen
class Settings:
    """The settings of the command line, the environment and the file."""

    _layers: Sequence[Mapping[str, Any]] = attrs.field(repr=False)
    """The settings of each place; the first place that has a setting decides."""

    @classmethod
    def read(cls, options: Options, environ: Mapping[str, str]) -> Self:
        """Return the settings.

        Args:
            options: The options of the command line.
            environ: The environment.

        Raises:
            ConfigurationError: The file cannot be read, or others may read it.

        """
        asked = {name: getattr(options, name, None) for name in _NAMES}
        environment = {name: environ.get(variable) for name, variable in _VARIABLES.items()}
        # A file that was named on the command line takes precedence over the environment.
        layers: list[Mapping[str, Any]] = [asked, environment]
        if options.config is not None:
            layers.insert(1, read_file(Path(options.config)))
        elif environ.get("TWAKE_CONFIG"):
            layers.append(read_file(Path(environ["TWAKE_CONFIG"])))
        elif (default := _existing()) is not None:
            layers.append(read_file(default))
        return cls(layers)

    def get(self, name: str) -> str | None:
        """Return a setting; None if no place has it."""
        return next((layer[name] for layer in self._layers if layer.get(name)), None)

    @property
    def verify(self) -> str | bool:
        """How to check certificates, as the file says; True if it does not say it.

        `false` is valid only for the address in the same file. So no option and no variable can
        send the key to another server whose certificate is not checked.
        """
        for layer in self._layers:
            if _VERIFY not in layer:
                continue
            verify: str | bool = layer[_VERIFY]
            is_its_own = bool(layer.get("base_url")) and layer["base_url"] == self.get("base_url")
            return verify if verify or is_its_own else True
        return True

    @property
    def api(self) -> str:
        """The name of the API; the default of a session if no place has one."""
        return self.get("api") or "v1"

    def open_session(self, **more: Any) -> TwakeSession:
        """Return a session with these settings.

        Args:
            **more: Further arguments of the session.

        Raises:
            ConfigurationError: A setting is missing or cannot work.

        """
        _check_pair(self._layers)
        check_group(self.get("group_id"))  # every command needs one
        given = {name: value for name in _NAMES if (value := self.get(name))}
        public_id, key = (given.pop(name) for name in _PAIR)
        # A wrong name is refused by the session itself.
        arguments: dict[str, Any] = {**given}
        return TwakeSession(public_id, key, verify=self.verify, **arguments, **more)


def open_session(options: Options, environ: Mapping[str, str], **more: Any) -> TwakeSession:
    """Return a session with the settings of the command line, the environment and the file.

    Args:
        options: The options of the command line.
        environ: The environment.
        **more: Further arguments of the session.

    Raises:
        ConfigurationError: A setting is missing or cannot work, or others may read the file.

    """
    return Settings.read(options, environ).open_session(**more)


def _check_pair(layers: Sequence[Mapping[str, Any]]) -> None:
    """Check that id and key come from the same place: the server would refuse another pair."""
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
        f"public_id and private_api_key into {default_files()[0]}",
        field="public_id",
    )


def default_files() -> list[Path]:
    """Return where the file is looked for if none is named: first in the platform's own folder.

    That is `$XDG_CONFIG_HOME` or `~/.config`, `~/Library/Application Support` on macOS, and
    `%APPDATA%` on Windows.
    """
    first = os.path.expanduser(_FIRST_FILE)  # noqa: PTH111 - Path's raises where there is no home
    names = dict.fromkeys((f"{click.get_app_dir('twake-async')}.toml", first))
    # A path that is not absolute would be looked for in the working folder, which may be another
    # user's: XDG_CONFIG_HOME may be empty, and there may be no home.
    return [path for path in map(Path, names) if path.is_absolute()] or [Path(_FIRST_FILE)]


def _existing() -> Path | None:
    """Return the first file that exists, or None; a folder that cannot be entered has none."""
    found = (path for path in default_files() if os.path.exists(path))  # noqa: PTH110 - as above
    return next(found, None)


def read_file(path: Path) -> dict[str, Any]:
    """Return the settings of a configuration file.

    Raises:
        ConfigurationError: It cannot be read, others may read it, or it has an unknown setting.

    """
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            text = file.read(_LONGEST)
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc.strerror}") from None
    if len(text) == _LONGEST:
        raise ConfigurationError(
            f"{path} is not a configuration file: it is longer than {_LONGEST:,} bytes"
        )
    read = _parsed(path, text)
    for name, value in read.items():
        if name not in (*_NAMES, _VERIFY):
            known = ", ".join((*_NAMES, _VERIFY))
            raise ConfigurationError(f"{path} has {name!r}: it may have {known}")
        if name == _VERIFY:
            read[name] = _checked_verify(path, value)
        elif not isinstance(value, str):
            raise ConfigurationError(f"{name} in {path} must be a string, in quotes", field=name)
    return dict(read)


def _checked_verify(path: Path, value: object) -> str | bool:
    """Return the certificate setting of a file; a path is relative to the folder of the file."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigurationError(
            f"{_VERIFY} in {path} must be the path of a CA bundle, in quotes, or true or false",
            field=_VERIFY,
        )
    return os.path.join(path.parent, os.path.expanduser(value))  # noqa: PTH111, PTH118 - no home raises


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    # The parser's own message could quote the key.
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigurationError(f"{path} is UTF-16: save it as UTF-8") from None
    try:
        return tomllib.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(
            f'{path} is not valid TOML: write lines such as public_id = "..."'
        ) from None


def _check_private(path: Path, status: os.stat_result) -> None:
    if os.name != "posix":  # on other systems the bits mean nothing
        return
    if is_open(status.st_mode, owned=status.st_uid == os.geteuid()):
        raise ConfigurationError(
            f"{path} contains a private key, and other users can read it: run chmod 600 "
            f"{shlex.quote(str(path))}, and change the key if others use this machine"
        )


def is_open(mode: int, *, owned: bool) -> bool:
    """Say whether a file with a key is open to users that its owner did not choose.

    A file that its group can read is accepted in two cases. Either nobody may write it: this
    is how secrets are mounted into containers and services (0440). Or another user owns it, so that
    this process can read it only through the group (0640, of root and a service's group).

    Args:
        mode: The bits of its permissions.
        owned: Whether this process's user owns it.

    """
    shared = mode & (stat.S_IRWXG | stat.S_IRWXO)
    if shared == stat.S_IRGRP:
        return owned and bool(mode & stat.S_IWUSR)
    return shared != 0

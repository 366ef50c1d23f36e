"""The options that every command has which talks to a server."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from ._credentials import Options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["session_options"]

_OPTIONS = (
    click.option("--group", metavar="ID", help="The group (company); else TWAKE_GROUP_ID."),
    click.option("--base-url", metavar="URL", help="The server; else TWAKE_BASE_URL."),
    click.option(
        "--config",
        metavar="FILE",
        help="A TOML file with credentials, which only you may read; else TWAKE_CONFIG, else "
        "~/.config/twake-async.toml.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts."),
)


def session_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that describe a session, as one argument `options`."""

    @functools.wraps(command)
    def with_options(
        *args: Any,
        group: str | None,
        base_url: str | None,
        config: str | None,
        text_form: str | None = None,
        **named: Any,
    ) -> int:
        options = Options(config, group, base_url, text_form)
        return command(*args, options=options, **named)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options

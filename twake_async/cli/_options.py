"""The options of every command that talks to a server."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import click

from twake_async._sending.generations import APIS
from twake_async.retry import RetryPolicy

from ._credentials import Options
from ._signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FiniteNumber", "attempts_option", "policy_for", "process_signals", "session_options"]


class FiniteNumber(click.FloatRange):
    """A number of more than 0, neither infinite nor `nan`."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def process_signals() -> Signals:
    """Return the signals that `run` handles; outside of it, signals for this command alone."""
    context = click.get_current_context()
    found = context.find_object(Signals)
    return context.with_resource(Signals()) if found is None else found


attempts_option = click.option(
    "--attempts",
    metavar="N",
    type=click.IntRange(min=1),
    help="The limit of attempts for each message, with the first one. The default is 4, and no "
    "limit for attempts that never left.",
)


def policy_for(attempts: int | None) -> RetryPolicy:
    """Return the retry policy for `--attempts`; None means the default policy.

    Args:
        attempts: The most attempts of one message, also of those whose request never left.

    """
    return RetryPolicy(attempts=attempts, unsent_attempts=attempts) if attempts else RetryPolicy()


_OPTIONS = (
    click.option("--group", metavar="ID", help="The group (company); by default TWAKE_GROUP_ID."),
    click.option(
        "--base-url", metavar="URL", help="The address of the server; by default TWAKE_BASE_URL."
    ),
    click.option(
        "--api",
        type=click.Choice(APIS),
        help="The API of the server: v1 (2020 to 2022) or node (2022 on); by default TWAKE_API, "
        "or v1.",
    ),
    click.option(
        "--workspace",
        metavar="ID",
        help="With --api node: the workspace of the channels, or direct for direct channels; by "
        "default TWAKE_WORKSPACE_ID.",
    ),
    click.option(
        "--config",
        metavar="FILE",
        help="A TOML file with credentials that only you can read; by default TWAKE_CONFIG, or "
        "twake-async.toml in the folder for settings.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts."),
)


def session_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of a session to a command, which gets them as one argument `options`."""

    @functools.wraps(command)
    def with_options(
        *args: Any,
        group: str | None,
        base_url: str | None,
        api: str | None,
        workspace: str | None,
        config: str | None,
        text_form: str | None = None,
        **named: Any,
    ) -> int:
        options = Options(config, group, base_url, api, workspace, text_form)
        return command(*args, options=options, **named)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options

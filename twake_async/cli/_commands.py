"""The group of commands, and the exit statuses that they share."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import os
from typing import TYPE_CHECKING

import click

from ._completion import VARIABLE
from ._signals import Signals
from ._statuses import FAILED, INTERRUPTED, USAGE, complain, stop_output, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run", "twake_async"]


def _version() -> str:
    try:
        return importlib.metadata.version("twake-async")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return "(not installed)"


#: The module and the function of each command, in the order in which a newcomer needs them.
_COMMANDS = {
    "demo": ("_demo", "demo"),
    "sandbox": ("_sandbox", "sandbox"),
    "run": ("_run_bot", "run"),
    "check": ("_check", "check"),
    "send": ("_send", "send"),
    "send-many": ("_send_many", "send_many"),
    "edit": ("_change", "edit"),
    "remove": ("_change", "remove"),
    "channels": ("_find", "channels"),
    "users": ("_find", "users"),
    "files": ("_files", "files"),
    "application": ("_declare", "application"),
    "preview": ("_preview", "preview"),
    "journal": ("_journal", "journal"),
    "completion": ("_completion", "completion"),
}


class _Commands(click.Group):
    """The commands. Only the one that runs is imported, so that it starts sooner."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, function = _COMMANDS[cmd_name]
        command: click.Command = getattr(
            importlib.import_module(f".{module}", __package__), function
        )
        return command


@click.group(
    cls=_Commands,
    name="twake-async",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 90},
    epilog="""\b
Begin with:
  twake-async demo                shows what this package does, in two seconds
  twake-async sandbox             starts a Twake on this machine to send to
  twake-async run my_bot:bot      serves a bot; with --sandbox, it needs no server
  twake-async check               checks whether a server would accept your messages

\b
Exit statuses, the same for send, send-many and check:
  0   delivered (check: all settings are correct)
  1   the command itself failed
  2   refused: the server answered, and stored nothing
  3   not sent: no server can have acted on it
  4   unknown: it may or may not be in the channel
  64  the command line was wrong
""",
)
@click.version_option(_version())
def twake_async() -> None:
    """Send messages to Twake, and know the outcome of each one."""


def run(arguments: Sequence[str], signals: Signals | None = None) -> int:
    """Run one command line and return the exit status of the process.

    Args:
        arguments: The command line, without the program's name.
        signals: The signals of the process; None to handle them only while this runs.

    """
    if signals is None:
        with Signals() as own:
            return run(arguments, own)
    try:
        return _run(arguments, signals)
    except click.ClickException as exc:
        shown = io.StringIO()
        exc.show(shown)
        tell(shown.getvalue().removesuffix("\n"))
        return USAGE if isinstance(exc, click.UsageError) else exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as exc:  # of standard output: all others are caught where they occur
        stop_output()
        complain(f"the command cannot continue: {exc.strerror or exc}")
        return FAILED


def _run(arguments: Sequence[str], signals: Signals) -> int:
    if VARIABLE in os.environ:  # a shell asks for completions
        twake_async.main(list(arguments), "twake-async", complete_var=VARIABLE)
    if not arguments:  # click 8.1 would end with 0
        with twake_async.make_context("twake-async", [], resilient_parsing=True) as context:
            tell(context.get_help())
        return USAGE
    # This does not call `main`, which fails if nobody reads the output any more.
    try:
        with twake_async.make_context("twake-async", list(arguments), obj=signals) as context:
            status = twake_async.invoke(context)
    except click.exceptions.Exit as ended:  # help, or the version, was asked for
        return ended.exit_code
    except BrokenPipeError:  # the reader has stopped reading
        stop_output()
        return 0
    return status if isinstance(status, int) else 0

"""Exit statuses, and printing on standard output and standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from twake_async._printable import printable
from twake_async.errors import Outcome

from ._signals import INTERRUPTED
from ._streams import redirect_to_null

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "STATUSES",
    "USAGE",
    "complain",
    "printable",
    "say",
    "stop_output",
    "tell",
]

#: The exit status of each outcome.
STATUSES: Mapping[Outcome, int] = {
    Outcome.DELIVERED: 0,
    Outcome.REFUSED: 2,
    Outcome.NOT_SENT: 3,
    Outcome.UNKNOWN: 4,
}
#: The command itself could not run.
FAILED = 1
#: EX_USAGE of sysexits.h: click's own 2 would mean "refused".
USAGE = 64


def say(line: str) -> None:
    """Print a line on standard output. A failure does not change the exit status.

    The exit status is that of the message, even if nobody reads the output.
    """
    try:
        _echo(line, err=False)
    except BrokenPipeError:  # the reader has stopped reading
        stop_output()
    except OSError as exc:
        stop_output()
        complain(f"warning: standard output cannot be written ({exc.strerror}): {line}")


def stop_output() -> None:
    """Print no more on standard output."""
    redirect_to_null(sys.stdout)


def complain(sentence: str) -> None:
    """Print one sentence on standard error; a failure is ignored."""
    tell(f"twake-async: {printable(sentence)}")


def tell(text: str) -> None:
    """Print text on standard error as it is; a failure is ignored."""
    try:
        _echo(text, err=True)
    except OSError:
        redirect_to_null(sys.stderr)


def _echo(text: str, *, err: bool) -> None:
    try:
        click.echo(text, err=err)
    except UnicodeEncodeError:  # the terminal does not know all its characters
        click.echo(text.encode("ascii", "backslashreplace").decode(), err=err)

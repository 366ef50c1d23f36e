"""Exit statuses, and what is said on the two standard outputs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from twake_async._printable import printable
from twake_async.errors import Outcome

from ._signals import INTERRUPTED
from ._streams import lead_nowhere

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "STATUSES",
    "USAGE",
    "complain",
    "give_up_output",
    "printable",
    "say",
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
#: EX_USAGE of sysexits.h: click's own 2 would be taken for "refused".
USAGE = 64


def say(line: str) -> None:
    """Print a line on standard output; where that is closed or full, what became of it stands.

    The exit status tells of the message, so a reader that has gone away must not change it.
    """
    try:
        _echo(line, err=False)
    except BrokenPipeError:  # the reader has seen enough
        give_up_output()
    except OSError as exc:
        give_up_output()
        complain(f"warning: standard output cannot be written ({exc.strerror}): {line}")


def give_up_output() -> None:
    """Print no more on standard output."""
    lead_nowhere(sys.stdout)


def complain(sentence: str) -> None:
    """Print one sentence on standard error, if there is anybody to read it."""
    tell(f"twake-async: {printable(sentence)}")


def tell(text: str) -> None:
    """Print text on standard error as it is, if there is anybody to read it."""
    try:
        _echo(text, err=True)
    except OSError:
        lead_nowhere(sys.stderr)


def _echo(text: str, *, err: bool) -> None:
    try:
        click.echo(text, err=err)
    except UnicodeEncodeError:  # a terminal that knows fewer characters than the text has
        click.echo(text.encode("ascii", "backslashreplace").decode(), err=err)

"""Exit statuses, and the one sentence on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click

from twake_async.errors import Outcome

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
#: What a shell gives a process that was ended by Ctrl-C.
INTERRUPTED = 130


def printable(text: str) -> str:
    """Return the text without control characters: a server's words must not steer a terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def say(line: str) -> None:
    """Print a line on standard output; where that is closed or full, what became of it stands.

    The exit status tells of the message, so a reader that has gone away must not change it.
    """
    try:
        click.echo(line)
    except OSError as wrong:
        give_up_output()
        complain(f"warning: standard output cannot be written ({wrong.strerror}): {line}")


def give_up_output() -> None:
    """Let standard output lead nowhere: what it still buffers must not raise at the very end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def complain(sentence: str) -> None:
    """Print one sentence on standard error, if there is anybody to read it."""
    with contextlib.suppress(OSError):
        click.echo(f"twake-async: {printable(sentence)}", err=True)

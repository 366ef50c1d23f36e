"""Exit statuses, and the one sentence on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from twake_async.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAILED", "INTERRUPTED", "STATUSES", "USAGE", "complain", "printable"]

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


def complain(sentence: str) -> None:
    """Print one sentence on standard error."""
    click.echo(f"twake-async: {printable(sentence)}", err=True)

"""The group of commands, and the exit statuses that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._demo import demo

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run", "twake_async"]

#: EX_USAGE of sysexits.h: click's own 2 would be taken for "refused".
USAGE = 64
#: What a shell gives a process that was ended by Ctrl-C.
INTERRUPTED = 130


@click.group(
    name="twake-async",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 90},
    epilog="""\b
Begin with:
  twake-async demo                what this is, in two seconds, on this machine
  twake-async sandbox             a Twake of your own to send to
  twake-async check               whether a server would take your messages

\b
Exit statuses, the same for send and check:
  0   delivered (check: all is well)
  1   the command itself could not run
  2   refused: the server answered, and stored nothing
  3   not sent: no server can have acted on it
  4   unknown: it may or may not be in the channel
  64  the command line was wrong
""",
)
@click.version_option(package_name="twake-async")
def twake_async() -> None:
    """Send messages to Twake, and know for certain what became of each one."""


twake_async.add_command(demo)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit status of the process."""
    try:
        status = twake_async.main(list(arguments), "twake-async", standalone_mode=False)
    except click.UsageError as wrong:
        wrong.show()
        return USAGE
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return status if isinstance(status, int) else 0

"""`twake-async check`: says whether a server would take messages, and if not, what to fix."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import attrs
import click

from twake_async.errors import Outcome, TwakeError

from ._credentials import open_session
from ._options import FiniteNumber, session_options
from ._statuses import STATUSES, complain, printable, say
from ._words import of_error, of_text

if TYPE_CHECKING:
    from twake_async import Check
    from twake_async.session import TwakeSession

    from ._credentials import Options

__all__ = ["check"]

#: What is checked, in order, with the problems that end the check.
_STEPS = {
    "address": ("unreachable", "address", "api", "later", "unclear"),
    "credentials": ("authentication",),
    "group": ("group",),
    "capability messages_save": ("capability",),
}
#: The outcome that a send would have.
_OUTCOMES = {"": Outcome.DELIVERED, "unreachable": Outcome.NOT_SENT, "unclear": Outcome.UNKNOWN}


@click.command(
    short_help="Say whether a server would take messages, storing none.",
    epilog="""\b
Examples:
  twake-async check
  twake-async check --group 2738494b-0f0b-11eb-9a0b-0242ac1b0006 --json

\b
Exit status:
  0   all is well
  2   the server refuses: address, credentials, group or capability
  3   the server is out of reach, or something is missing here
  4   the server's answers prove nothing
  64  the command line was wrong
""",
)
@click.option(
    "--deadline",
    metavar="SECONDS",
    type=FiniteNumber(),
    default=10.0,
    show_default=True,
    help="Time for all of it.",
)
@session_options
def check(deadline: float, *, as_json: bool, options: Options) -> int:
    """Verify address, credentials, group and capability, without storing anything.

    Makes two requests that servers of both known releases answer without storing a message, and
    says in words what to fix. It cannot tell whether a channel exists.
    """
    try:
        session = open_session(options, os.environ, deadline=deadline)
        found = asyncio.run(_ask(session))
    except TwakeError as exc:
        advice = of_error(exc)
        complain(advice)
        if as_json:
            say(json.dumps({"ok": False, "problem": exc.reason, "advice": advice}))
        return STATUSES[exc.outcome]
    found = attrs.evolve(found, advice=of_text(found.advice))
    if as_json:
        facts = {"ok": found.ok, "problem": found.problem, "advice": found.advice}
        say(json.dumps({**facts, "release": found.release}))
    else:
        _show(found)
    if not found.ok:
        complain(found.advice)
    return STATUSES[_OUTCOMES.get(found.problem, Outcome.REFUSED)]


async def _ask(session: TwakeSession) -> Check:
    async with session as twake:
        return await twake.check()


def _show(found: Check) -> None:
    for step, problems in _STEPS.items():
        if found.problem in problems:
            say(f"wrong  {step}")
            return
        say(f"ok     {step}")
    say(printable(found.advice))

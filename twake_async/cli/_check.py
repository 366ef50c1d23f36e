"""`twake-async check`: says whether a server would take messages, and if not, what to fix."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import attrs
import click

from twake_async.errors import Outcome, TwakeError

from ._credentials import Settings
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
    "address": ("unreachable", "address", "later", "unclear"),
    "api {api}": ("api",),
    "credentials": ("authentication",),
    "group": ("group",),
    "capability messages_save": ("capability",),
}
#: The word before the step that ends a check, if it is not "wrong".
_MARKS = {"unreachable": "failed", "later": "later", "unclear": "unclear"}
#: The steps that can be checked over each API.
_ASKED = {"v1": tuple(_STEPS), "node": ("address", "api {api}", "credentials")}
#: The outcome that a send would have.
_OUTCOMES = {"": Outcome.DELIVERED, "unreachable": Outcome.NOT_SENT, "unclear": Outcome.UNKNOWN}


@click.command(
    short_help="Check whether a server would accept messages; store none.",
    epilog="""\b
Examples:
  twake-async check
  twake-async check --group 2738494b-0f0b-11eb-9a0b-0242ac1b0006 --json
  twake-async check --api node

\b
Exit status:
  0   all settings are correct
  2   the server refuses: address, API, credentials, group or capability
  3   the server cannot be reached, or a setting is missing
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
    help="The time limit for all requests.",
)
@session_options
def check(deadline: float, *, as_json: bool, options: Options) -> int:
    """Verify the address, the API and the credentials, and print the APIs that the server serves.

    With --api v1 it also verifies the group and the capability. It says what to fix. It makes at
    most five requests, for which no known release stores anything. It cannot find out whether a
    channel exists.
    """
    try:
        settings = Settings.read(options, os.environ)
        found = asyncio.run(_ask(settings.open_session(deadline=deadline)))
    except TwakeError as exc:
        advice = of_error(exc)
        complain(advice)
        if as_json:
            say(json.dumps({"ok": False, "problem": exc.reason, "advice": advice}))
        return STATUSES[exc.outcome]
    found = attrs.evolve(found, advice=of_text(found.advice))
    if as_json:
        say(json.dumps({"ok": found.ok, **attrs.asdict(found)}))
    else:
        _show(found, settings.api)
    if not found.ok:
        complain(found.advice)
    return STATUSES[_OUTCOMES.get(found.problem, Outcome.REFUSED)]


async def _ask(session: TwakeSession) -> Check:
    async with session as twake:
        return await twake.check()


def _show(found: Check, api: str) -> None:
    for step in _ASKED[api]:
        is_wrong = found.problem in _STEPS[step]
        mark = _MARKS.get(found.problem, "wrong") if is_wrong else "ok"
        say(f"{mark:<6} {step.format(api=api)}")
        if is_wrong:
            break
    else:
        say(printable(found.advice))
    known = found.version or found.release
    server = [f"its release is {known}"] if known else []
    if found.apis:
        server.append(f"it serves {' and '.join(found.apis)}")
    if server:
        say("; ".join(server))

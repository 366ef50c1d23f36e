"""`twake-async journal`: shows the state of a run, during it or after it."""

from __future__ import annotations

import json

import attrs
import click

from twake_async.errors import JournalError, Outcome
from twake_async.journal import Journal

from ._statuses import FAILED, complain, say
from ._words import of_error

__all__ = ["journal"]

_IN_FLIGHT = "in flight"


@click.command(
    short_help="Show the state of a run from its journal.",
    epilog="""\b
Examples:
  twake-async journal run.sqlite
  twake-async journal run.sqlite --list unknown
""",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--list",
    "listed",
    type=click.Choice([*(outcome.value for outcome in Outcome), _IN_FLIGHT]),
    help="Print each message with this outcome, one JSON object on each line.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def journal(file: str, listed: str | None, *, as_json: bool) -> int:
    """Count the messages in the journal FILE by their outcomes.

    A message "in flight" is being sent now, or was when the run was killed. The next run reports
    it as unknown.
    """
    try:
        if listed is not None:
            _list(Journal(file), listed)
        else:
            _count(Journal(file), as_json=as_json)
    except JournalError as exc:
        complain(of_error(exc))
        return FAILED
    return 0


def _name(outcome: Outcome | None) -> str:
    return _IN_FLIGHT if outcome is None else outcome.value


def _count(found: Journal, *, as_json: bool) -> None:
    counts = {_name(outcome): count for outcome, count in found.counts().items()}
    in_order = {name: counts.get(name, 0) for name in map(_name, (*Outcome, None))}
    if as_json:
        say(json.dumps(in_order))
        return
    for name, count in in_order.items():
        say(f"{count:9,}  {name}")


def _list(found: Journal, listed: str) -> None:
    for entry in found.entries():
        if _name(entry.outcome) == listed:
            say(json.dumps(attrs.asdict(entry) | {"outcome": listed}))

"""`twake-async journal`: shows the state of a run, during it or after it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import attrs
import click

from twake_async.errors import JournalError, Outcome
from twake_async.journal import Journal

from ._shared_options import BATCH, UNVERIFIED, is_shared, shared_journal
from ._statuses import FAILED, complain, say
from ._words import of_error

if TYPE_CHECKING:
    from twake_async.postgres import PostgresJournal

__all__ = ["journal"]

_IN_FLIGHT = "in flight"


@click.command(
    short_help="Show the state of a run from its journal.",
    epilog="""\b
Examples:
  twake-async journal run.sqlite
  twake-async journal run.sqlite --list unknown
  twake-async journal postgresql:service=twake --batch november
""",
)
@click.argument("file", required=False)
@BATCH
@UNVERIFIED
@click.option(
    "--list",
    "listed",
    type=click.Choice([*(outcome.value for outcome in Outcome), _IN_FLIGHT]),
    help="Print each message with this outcome, one JSON object on each line.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def journal(
    file: str | None,
    batch: str | None,
    listed: str | None,
    *,
    unverified_host: bool,
    as_json: bool,
) -> int:
    """Count the messages in the journal FILE, or of a batch on PostgreSQL, by their outcomes.

    A message "in flight" is being sent now, or was when the run was killed. The next run reports
    it as unknown.
    """
    found = _opened(file, batch, unverified=unverified_host)
    try:
        if listed is not None:
            _list(found, listed)
        else:
            _count(found, as_json=as_json)
    except JournalError as exc:
        complain(of_error(exc))
        return FAILED
    return 0


def _opened(file: str | None, batch: str | None, *, unverified: bool) -> Journal | PostgresJournal:
    """Return the journal that is asked for.

    Raises:
        click.UsageError: There is none.

    """
    if batch is not None:
        return shared_journal(file, batch, unverified=unverified)
    if file is None:
        raise click.UsageError("name the journal's FILE; for one on PostgreSQL, give --batch.")
    if is_shared(file):
        raise click.UsageError("a journal on PostgreSQL has many batches: give --batch.")
    if not os.path.isfile(file):  # noqa: PTH113 - a path that no file can have is none
        raise click.UsageError(f"there is no file {file}.")
    return Journal(file)


def _name(outcome: Outcome | None) -> str:
    return _IN_FLIGHT if outcome is None else outcome.value


def _count(found: Journal | PostgresJournal, *, as_json: bool) -> None:
    counts = {_name(outcome): count for outcome, count in found.counts().items()}
    in_order = {name: counts.get(name, 0) for name in map(_name, (*Outcome, None))}
    if as_json:
        say(json.dumps(in_order))
        return
    for name, count in in_order.items():
        say(f"{count:9,}  {name}")


def _list(found: Journal | PostgresJournal, listed: str) -> None:
    for entry in found.entries():
        if _name(entry.outcome) == listed:
            say(json.dumps(attrs.asdict(entry) | {"outcome": listed}))

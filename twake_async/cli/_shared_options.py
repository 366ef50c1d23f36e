"""The options for a journal on PostgreSQL, which many machines share."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.errors import ConfigurationError

from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.postgres import PostgresJournal

    from ._lines import Reading
    from ._lists import Lists

__all__ = ["BATCH", "UNVERIFIED", "SharedJournal", "is_shared", "shared_journal", "shared_options"]

#: The beginning of the address of a journal on PostgreSQL; libpq takes both for a URI.
_SCHEMES = ("postgresql:", "postgres:")
#: The variable that holds the address of the journal, which may have a password.
_VARIABLE = "TWAKE_JOURNAL"
#: The number of partitions of a batch, if the command line gives none.
_PARTS = 64

BATCH = click.option(
    "--batch",
    metavar="NAME",
    help="The batch in a journal on PostgreSQL. Without --journal, TWAKE_JOURNAL says where it is.",
)
UNVERIFIED = click.option(
    "--unverified-host",
    is_flag=True,
    help="With --batch: a database on another machine needs no sslmode=verify-full.",
)
_OPTIONS = (
    BATCH,
    UNVERIFIED,
    click.option(
        "--parts",
        metavar="N",
        type=click.IntRange(min=1),
        help="With --batch: into how many partitions the first machine divides it; 64 without it.",
    ),
    click.option(
        "--concurrency",
        metavar="N",
        type=click.IntRange(min=1),
        default=4,
        show_default=True,
        help="With --batch: how many partitions this machine sends at once.",
    ),
    click.option(
        "--again",
        is_flag=True,
        help="With --batch: send again what was refused or not sent, when all partitions are done.",
    ),
)


@attrs.frozen
class SharedJournal:
    """A journal on PostgreSQL, and how this machine takes part in its batch."""

    address: str | None
    """The value of `--journal`; None for that of the environment."""
    batch: str
    parts: int
    unverified: bool
    concurrency: int
    again: bool

    def journal(self, fingerprint: str = "") -> PostgresJournal:
        """Return the journal; it is not opened.

        Args:
            fingerprint: What names the input.

        Raises:
            click.UsageError: It cannot be used, or a password is among the arguments.

        """
        return _made(
            self.address,
            self.unverified,
            batch=self.batch,
            parts=self.parts,
            fingerprint=fingerprint,
        )

    def check(self, reading: Reading, lists: Lists) -> None:
        """Check that the other options can be used with it.

        Raises:
            click.UsageError: They cannot.

        """
        if reading.key is None:
            raise click.UsageError("--batch needs --key: a field that names each message.")
        if lists.outputs:
            raise click.UsageError(
                "a list holds what one machine sent: with --batch, ask twake-async journal --list."
            )


def is_shared(journal: str | None) -> bool:
    """Say whether the value of `--journal` names a database."""
    return journal is not None and journal.startswith(_SCHEMES)


def shared_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of a shared journal to a command.

    It gets them as one argument `shared`, which is None without `--batch`.
    """

    @functools.wraps(command)
    def with_options(
        *args: Any,
        journal: str | None,
        batch: str | None,
        parts: int | None,
        unverified_host: bool,
        concurrency: int,
        again: bool,
        **named: Any,
    ) -> int:
        if batch is None:
            _refuse_without_batch(
                journal, parts=parts, unverified_host=unverified_host, again=again
            )
            return command(*args, journal=journal, shared=None, **named)
        shared = SharedJournal(journal, batch, parts or _PARTS, unverified_host, concurrency, again)
        shared.journal()  # what is wrong with it is said before the input is read
        return command(*args, journal=None, shared=shared, **named)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options


def _refuse_without_batch(journal: str | None, **options: Any) -> None:
    if is_shared(journal):
        raise click.UsageError("--journal names a database: give --batch, too.")
    for name, given in options.items():
        if given:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} means nothing without --batch.")


def shared_journal(address: str | None, batch: str, *, unverified: bool) -> PostgresJournal:
    """Return the journal of a batch, to be read.

    Args:
        address: Where it is; None for `TWAKE_JOURNAL`.
        batch: The name of the batch.
        unverified: Whether another host needs no `sslmode=verify-full`.

    Raises:
        click.UsageError: There is none, it cannot be used, or a password is among the arguments.

    """
    return _made(address, unverified, batch=batch)


def _made(journal: str | None, unverified: bool, **named: Any) -> PostgresJournal:
    if journal is None and not os.environ.get(_VARIABLE):
        raise click.UsageError(f"--batch needs a journal: give --journal, or set {_VARIABLE}.")
    if journal is not None and not is_shared(journal):
        raise click.UsageError("--batch needs a journal on PostgreSQL, such as postgresql:...")
    from twake_async.postgres import PostgresJournal  # noqa: PLC0415 - an extra

    conninfo = None if journal is None else _conninfo(journal)
    try:
        return PostgresJournal(conninfo, allow_unverified_host=unverified, **named)
    except ConfigurationError as exc:
        source = _VARIABLE if journal is None else "--journal"
        raise click.UsageError(f"{source}: {of_error(exc)}.") from None


def _conninfo(given: str) -> str:
    """Return the text for libpq: a URI unchanged, or the text after `postgresql:`."""
    rest = given.partition(":")[2]
    return given if rest.startswith("//") else rest

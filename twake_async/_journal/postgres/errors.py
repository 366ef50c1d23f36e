"""The errors of a journal in PostgreSQL."""

from __future__ import annotations

import attrs

from twake_async.errors import ConfigurationError, JournalError

__all__ = ["LostError", "StatementError", "as_journal_error", "locked", "taken_over"]

_FULL, _READ_ONLY, _NO_SCHEMA = "53100", "25006", frozenset({"3F000", "42P01"})


@attrs.define
class StatementError(Exception):
    """The server refused a statement."""

    sqlstate: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} ({self.sqlstate})"


@attrs.define
class LostError(Exception):
    """A statement has no answer, and may have run: the connection was lost, or the time is over."""

    message: str

    def __str__(self) -> str:
        return self.message


def as_journal_error(name: str, exc: Exception) -> JournalError:
    """Return the error for what was caught while a journal was used.

    Args:
        name: Which journal.
        exc: The exception that was caught.

    """
    if isinstance(exc, JournalError):
        return exc
    state = exc.sqlstate if isinstance(exc, StatementError) else ""
    again = "run again with the same input and journal"
    if state == _FULL:
        return JournalError(
            f"the disk of the database of {name} is full ({exc}): nothing more was sent. Make room "
            f"and {again}",
            reason="full",
        )
    if state == _READ_ONLY:
        return JournalError(
            f"the database of {name} is read-only ({exc}), such as a standby: nothing more was "
            f"sent. Name the primary in conninfo, and {again}",
            reason="broken",
        )
    if state in _NO_SCHEMA:
        return JournalError(f"there is no {name}: no run has made it", reason="foreign")
    if isinstance(exc, ConfigurationError):
        return JournalError(f"{name} cannot be used: {exc}", reason="broken")
    return JournalError(
        f"{name} cannot be opened, read or written ({exc}): nothing more was sent. Fix that and "
        f"{again}",
        reason="broken",
    )


def locked(name: str) -> JournalError:
    """Return the error for a partition that another process holds."""
    return JournalError(
        f"{name} is held by another process: wait until that has ended, or take another partition",
        reason="locked",
    )


def taken_over(name: str) -> JournalError:
    """Return the error for a partition that another process has taken over."""
    return JournalError(
        f"{name} was taken over by another process, which goes on with its messages: this run says "
        "nothing more of them. The journal has their outcomes",
        reason="taken_over",
    )

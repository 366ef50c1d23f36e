"""The errors of a journal: one function for each thing that can be wrong with its file."""

from __future__ import annotations

import os
import sqlite3

from twake_async.errors import JournalError

__all__ = ["as_journal_error", "damaged", "foreign", "linked", "locked", "moved", "unreadable"]


def as_journal_error(path: str, exc: Exception) -> JournalError:
    """Return the error for what SQLite or the system said in a run, with what to do about it."""
    if isinstance(exc, JournalError):
        return exc
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return JournalError(
            f"the disk of the journal {path!r} is full: nothing more was sent. Make room and run "
            "again with the same input and journal",
            reason="full",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return foreign(path, "it is no SQLite file")
    if code == sqlite3.SQLITE_CORRUPT or _is_no_text(exc):
        return damaged(path, str(exc))
    return JournalError(
        f"the journal {path!r} cannot be opened, read or written ({exc}): nothing more was "
        "sent. Mend that, or go back to a copy, and run again with the same input",
        reason="broken",
    )


def _is_no_text(exc: Exception) -> bool:
    # It is Python that finds a text, or an error of SQLite's about one, to be no UTF-8.
    return isinstance(exc, UnicodeDecodeError) or "Could not decode to UTF-8" in str(exc)


def unreadable(path: str, exc: Exception) -> JournalError:
    """Return the error for what SQLite said to somebody who only wants to see the journal."""
    error = as_journal_error(path, exc)
    if error.reason != "broken":
        return error
    return JournalError(
        f"the journal {path!r} cannot be read ({exc}). If a file {path + '-wal'!r} stands beside "
        "it, copy both into a folder that you may write to, and look at the copy",
        reason="broken",
    )


def foreign(path: str, why: str) -> JournalError:
    """Return the error for a file that is no journal."""
    return JournalError(
        f"{path!r} is no journal: {why}. If it was one, it is damaged: go back to a copy. Else "
        "give the journal another name",
        reason="foreign",
    )


def damaged(path: str, what: str) -> JournalError:
    """Return the error for a journal whose content is not what was written."""
    return JournalError(
        f"the journal {path!r} is damaged ({what}): it is not believed, and no batch sends by it. "
        "Go back to a copy, and look in the channels for what was delivered since the copy was "
        "made: a run with the copy sends that again",
        reason="damaged",
    )


def locked(path: str) -> JournalError:
    """Return the error for a journal that another batch uses."""
    return JournalError(
        f"the journal {path!r} is used by another batch: wait for its end, or give each "
        "batch a journal of its own",
        reason="locked",
    )


def linked(path: str, names: int) -> JournalError:
    """Return the error for a journal that has several names."""
    return JournalError(
        f"the journal {path!r} has {names} names (hard links), and its last rows may stand in a "
        "-wal file beside another one: nothing was sent. Use the name of the earlier runs, and "
        "remove the others",
        reason="linked",
    )


def moved(path: str, name: str) -> JournalError:
    """Return the error for a journal whose file is no longer the one that its name leads to."""
    what = f"the journal {path!r}"
    if name != os.path.realpath(path):
        what = f"{name!r}, which belongs to {what},"
    return JournalError(
        f"{what} was deleted, moved or replaced while a batch used it: nothing more was sent. What "
        "this run reported is certain, and the journal's own file has it. A run with another file, "
        "or with none, would send it again: put the file back first",
        reason="moved",
    )

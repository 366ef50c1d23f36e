"""The errors of a journal: one function for each fault that its file can have."""

from __future__ import annotations

import os
import sqlite3

from twake_async.errors import JournalError

__all__ = ["as_journal_error", "damaged", "foreign", "linked", "locked", "moved", "unreadable"]


def as_journal_error(path: str, exc: Exception) -> JournalError:
    """Return the error for a failure of SQLite or of the system during a run.

    Args:
        path: The journal.
        exc: The exception that was caught.

    """
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
        return foreign(path, "it is not an SQLite file")
    if code == sqlite3.SQLITE_CORRUPT or _is_no_text(exc):
        return damaged(path, str(exc))
    return JournalError(
        f"the journal {path!r} cannot be opened, read or written ({exc}): nothing more was "
        "sent. Fix that, or go back to a copy, and run again with the same input",
        reason="broken",
    )


def _is_no_text(exc: Exception) -> bool:
    # Python finds that a text, or SQLite's error about a text, is not UTF-8.
    return isinstance(exc, UnicodeDecodeError) or "Could not decode to UTF-8" in str(exc)


def unreadable(path: str, exc: Exception) -> JournalError:
    """Return the error for a failure of SQLite when a journal is only read.

    Args:
        path: The journal.
        exc: The exception that was caught.

    """
    error = as_journal_error(path, exc)
    if error.reason != "broken":
        return error
    return JournalError(
        f"the journal {path!r} cannot be read ({exc}). If a file {path + '-wal'!r} is beside it, "
        f"copy both into a folder in which you can write, and read the copy",
        reason="broken",
    )


def foreign(path: str, why: str) -> JournalError:
    """Return the error for a file that is no journal.

    Args:
        path: The file.
        why: What shows that, in a clause.

    """
    return JournalError(
        f"{path!r} is not a journal: {why}. If it was a journal, it is damaged: go back to a copy. "
        "If not, give the journal another name",
        reason="foreign",
    )


def damaged(path: str, what: str) -> JournalError:
    """Return the error for a journal whose content is not what was written.

    Args:
        path: The journal.
        what: Where the damage is.

    """
    return JournalError(
        f"the journal {path!r} is damaged ({what}), so no batch can use it. Go back to a copy. A "
        f"run "
        "with the copy sends again what was delivered after the copy was made: look for that in "
        "the channels first",
        reason="damaged",
    )


def locked(path: str) -> JournalError:
    """Return the error for a journal that another batch uses."""
    return JournalError(
        f"the journal {path!r} is used by another batch: wait until that has ended, or give each "
        "batch a journal of its own",
        reason="locked",
    )


def linked(path: str, names: int) -> JournalError:
    """Return the error for a journal that has several names.

    Args:
        path: The journal.
        names: How many.

    """
    return JournalError(
        f"the journal {path!r} has {names} names (hard links), and its last rows may be in a -wal "
        "file beside another name: nothing was sent. Use the name of the earlier runs, and remove "
        "the others",
        reason="linked",
    )


def moved(path: str, name: str) -> JournalError:
    """Return the error for a journal whose name leads to another file than before, or to none.

    Args:
        path: The journal.
        name: The name, which may be that of a file beside it.

    """
    what = f"the journal {path!r}"
    if name != os.path.realpath(path):
        what = f"{name!r}, which belongs to {what},"
    return JournalError(
        f"{what} was deleted, moved or replaced while a batch used it: nothing more was sent. The "
        "outcomes that this run reported are certain, and they are in the journal's own file. A "
        "run with another file, or with none, would send those messages again: put the file back "
        "first",
        reason="moved",
    )

"""Looks up in the journal the lines that a batch did not reach.

They must not simply be listed as undelivered: an earlier run may have delivered them, and a run
with that list would send them twice.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from twake_async.errors import JournalError, Outcome, TwakeError
from twake_async.journal import Journal

from ._offline import Offline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from twake_async.messages import MessageDraft

    from ._lines import Line

__all__ = ["Known"]

_TABLE = "CREATE TABLE known (key TEXT PRIMARY KEY, fingerprint TEXT, outcome TEXT) WITHOUT ROWID"
_BY_KEY = "SELECT fingerprint, outcome FROM known WHERE key = ?"
_BY_FINGERPRINT = (
    "SELECT 1 FROM known WHERE fingerprint = ? AND outcome IN ('delivered', 'unknown')"
)


@attrs.define(eq=False)
class Known:
    """The journal's rows in a temporary database, which bounds the memory."""

    _changed: bool
    _offline: Offline
    _rows: sqlite3.Connection | None = None
    _is_readable: bool = True

    @classmethod
    @contextlib.contextmanager
    def of(
        cls,
        path: str | None,
        offline: Offline = Offline(),  # noqa: B008 - frozen
        *,
        changed: bool = False,
        moved: bool = False,
    ) -> Iterator[Self]:
        """Read the journal of a run that has begun.

        Args:
            path: The journal; None without one.
            offline: Hashes drafts as the run does.
            changed: Whether the run found that its input is not the one of the journal.
            moved: Whether the run found another file under the journal's name.

        """
        if path is None:
            yield cls(changed, offline)
            return
        with contextlib.closing(sqlite3.connect("")) as rows:
            is_readable = not moved and Path(path).exists() and _read(path, rows)
            yield cls(changed, offline, rows, is_readable)

    def outcome(self, line: Line, position: int) -> Outcome:
        """Return what is certain about a line that this run did not send.

        Args:
            line: The line.
            position: How many lines come before it: its key, if it has no key of its own.

        """
        if self._rows is None or line.draft is None:
            return Outcome.NOT_SENT
        if not self._is_readable:
            return Outcome.UNKNOWN
        wanted = self._fingerprint(line.draft)
        found = self._rows.execute(_BY_KEY, (line.key or f"{position:09d}",)).fetchone()
        if found is not None and found[0] == wanted:
            return Outcome(found[1])
        # The same message may have been sent from another position of an input that was changed.
        if self._changed and self._rows.execute(_BY_FINGERPRINT, (wanted,)).fetchone() is not None:
            return Outcome.UNKNOWN
        return Outcome.NOT_SENT

    def _fingerprint(self, draft: MessageDraft) -> str:
        try:
            return self._offline.fingerprint(draft)
        except TwakeError:  # it was never sent
            return ""


def _read(path: str, rows: sqlite3.Connection) -> bool:
    entries = (
        (entry.key, entry.fingerprint, (entry.outcome or Outcome.UNKNOWN).value)
        for entry in Journal(path).entries()
    )
    try:
        rows.execute(_TABLE)
        with rows:
            rows.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", entries)
        rows.execute("CREATE INDEX by_fingerprint ON known (fingerprint)")
    except (JournalError, sqlite3.Error):
        return False
    return True

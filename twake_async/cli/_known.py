"""What a journal knows of lines that a batch ended too early to take.

They must not be listed as undelivered because this run did not reach them: an earlier one may have
delivered them, and whoever feeds the list back in would send them twice.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from twake_async._protocol.v1.encode import encode_draft
from twake_async.errors import InvalidDraftError, JournalError, Outcome
from twake_async.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from twake_async.messages import MessageDraft

    from ._lines import Line

__all__ = ["Known"]

_TABLE = "CREATE TABLE known (key TEXT PRIMARY KEY, mark TEXT, outcome TEXT) WITHOUT ROWID"
_BY_KEY = "SELECT mark, outcome FROM known WHERE key = ?"
_BY_MARK = "SELECT 1 FROM known WHERE mark = ? AND outcome IN ('delivered', 'unknown')"


@attrs.define(eq=False)
class Known:
    """The journal's rows in a file of their own without a name, which bounds the memory."""

    _changed: bool
    _rows: sqlite3.Connection | None = None
    _is_readable: bool = True

    @classmethod
    @contextlib.contextmanager
    def of(cls, path: str | None, *, changed: bool = False, moved: bool = False) -> Iterator[Self]:
        """Read the journal of a run that has begun.

        Args:
            path: The journal; without one, no earlier run is known.
            changed: Whether the run found that its input is not the one that the journal knows.
            moved: Whether it found that another file is there than the journal that it began with.

        """
        if path is None:
            yield cls(changed)
            return
        with contextlib.closing(sqlite3.connect("")) as rows:
            yield cls(changed, rows, not moved and Path(path).exists() and _read(path, rows))

    def outcome(self, line: Line, position: int) -> Outcome:
        """Return what is certain about a line that this run did not send.

        Args:
            line: The line.
            position: How many lines stand before it, by which the journal knows it if it has no
                key of its own.

        """
        if self._rows is None or line.draft is None:
            return Outcome.NOT_SENT
        if not self._is_readable:
            return Outcome.UNKNOWN
        mark = _mark(line.draft)
        found = self._rows.execute(_BY_KEY, (line.key or f"{position:09d}",)).fetchone()
        if found is not None and found[0] == mark:
            return Outcome(found[1])
        # The same message may have been sent from another place of an input that was changed.
        if self._changed and self._rows.execute(_BY_MARK, (mark,)).fetchone() is not None:
            return Outcome.UNKNOWN
        return Outcome.NOT_SENT


def _read(path: str, rows: sqlite3.Connection) -> bool:
    entries = (
        (entry.key, entry.fingerprint, (entry.outcome or Outcome.UNKNOWN).value)
        for entry in Journal(path).entries()
    )
    try:
        rows.execute(_TABLE)
        with rows:
            rows.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", entries)
        rows.execute("CREATE INDEX by_mark ON known (mark)")
    except (JournalError, sqlite3.Error):
        return False
    return True


def _mark(draft: MessageDraft) -> str:
    try:
        return encode_draft(draft, group_id="-").fingerprint()
    except InvalidDraftError:  # it was never sent
        return ""

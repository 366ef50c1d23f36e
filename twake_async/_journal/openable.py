"""What `send_many` takes as its journal: something that makes a journal writer."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .writer import JournalWriter

__all__ = ["Openable", "needs_key", "writer_of"]


class Openable(abc.ABC):
    """A journal, or a partition of one; it can be opened more than once."""

    _needs_key: ClassVar[bool] = False

    @abc.abstractmethod
    def _make_writer(self) -> JournalWriter:
        """Return the journal writer of one batch, not yet open."""


def writer_of(journal: Openable) -> JournalWriter:
    """Return the journal writer of one batch, not yet open."""
    return journal._make_writer()  # noqa: SLF001 - the class is for this function


def needs_key(journal: Openable) -> bool:
    """Say whether the caller has to make the keys."""
    return journal._needs_key  # noqa: SLF001 - as above

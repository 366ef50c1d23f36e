"""The lock on a journal's file: one batch uses it at a time, and notices when the file is moved.

There are two locks. One is a file of its own beside the journal, found by name; it works on every
system. The other is on the journal's file itself, so that a second name of the file is locked, too.
Nothing else may open and close the journal's file while SQLite has it open: closing it would drop
SQLite's own locks in this process.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import struct
import sys
import threading
from typing import TYPE_CHECKING, Self

import attrs

from .errors import as_journal_error, foreign, linked, locked, moved

if TYPE_CHECKING:
    Inode = tuple[int, int]

__all__ = ["JournalLock"]

#: The byte to lock. SQLite locks the 512 bytes from 1 GiB on, and keeps no content in that page.
_BYTE = 0x40000000 + 600

#: The journals that this process has open: the descriptors of their locks, by device and inode.
_open: dict[Inode, int] = {}
_guard = threading.Lock()


def _close_in_child() -> None:
    # Otherwise a child would keep the lock after its parent has ended.
    for fd in _open.values():
        os.close(fd)
    _open.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows knows no fork
    os.register_at_fork(after_in_child=_close_in_child)


@attrs.define(eq=False)
class JournalLock:
    """The lock on one journal, from `take` to `release`."""

    path: str
    """The journal's name as the caller gave it."""
    file: str
    """The file's name without links; SQLite's own files are beside it."""
    _fd: int
    _inode: Inode
    _named: sqlite3.Connection
    _watched: dict[str, Inode] = attrs.field(factory=dict, init=False)

    @classmethod
    def take(cls, path: str) -> Self:
        """Lock a journal; make its file, for its owner alone, if there is none.

        Raises:
            JournalError: Another batch has it, it is no regular file, or has several names.
            OSError: The file cannot be opened or made.

        """
        file = os.path.realpath(path)
        named = _lock_by_name(path, file)
        try:
            fd, inode = _open_and_lock(path, file)
        except BaseException:
            named.close()
            raise
        lock = cls(path, file, fd, inode, named)
        # The name as it was given may contain links, which may be changed, too.
        lock._watched = dict.fromkeys((os.path.abspath(path), file), inode)  # noqa: PTH100
        return lock

    def watch_wal(self) -> None:
        """Watch SQLite's -wal file, too; it exists from the first transaction on."""
        found = _inode_of(self.file + "-wal")
        if found is not None:
            self._watched[self.file + "-wal"] = found

    def check(self) -> None:
        """Check that each watched name leads to the same file as before.

        Raises:
            JournalError: One does not (reason `moved`).

        """
        for name, inode in self._watched.items():
            if _inode_of(name) != inode:
                raise moved(self.path, name)

    def is_moved(self) -> bool:
        """Say whether the journal's own name leads to another file, or to none."""
        return _inode_of(self.file) != self._inode

    def release(self) -> None:
        """Release both locks. SQLite must have closed the journal before."""
        with _guard:
            if _open.pop(self._inode, None) is not None:  # else a fork closed it
                os.close(self._fd)
        self._named.close()


def _inode_of(name: str) -> Inode | None:
    try:
        found = os.stat(name)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _new_file(name: str) -> int | None:
    """Make a file that only its owner may read, and return its descriptor; None if it exists."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        return os.open(name, flags, 0o600)
    except FileExistsError:
        return None


def _lock_by_name(path: str, file: str) -> sqlite3.Connection:
    # SQLite's locks work on every system and within one process, and end with the process.
    name = f"{file}-lock"
    fd = _new_file(name)
    if fd is not None:
        os.close(fd)
    lock = sqlite3.connect(name, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("PRAGMA journal_mode = MEMORY")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as exc:
        lock.close()
        if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise as_journal_error(name, exc) from exc
        raise locked(path) from None
    return lock


def _open_and_lock(path: str, file: str) -> tuple[int, Inode]:
    """Return the descriptor that holds the lock on the file itself, and the file's inode."""
    with _guard:
        fd = _new_file(file)
        if fd is None:
            fd = _open_known(path, file)
        found = os.fstat(fd)
        inode = found.st_dev, found.st_ino
        error = None
        if not _lock_byte(fd):
            error = locked(path)
        elif found.st_nlink > 1:
            error = linked(path, found.st_nlink)
        if error is not None:
            os.close(fd)
            raise error
        _open[inode] = fd
    return fd, inode


def _open_known(path: str, file: str) -> int:
    found = os.stat(file)  # noqa: PTH116
    if (found.st_dev, found.st_ino) in _open:
        raise locked(path)
    if not stat.S_ISREG(found.st_mode):
        raise foreign(path, "it is not a regular file")
    return os.open(file, os.O_RDWR | getattr(os, "O_BINARY", 0))


# --- the lock on the file itself: what each system has --------------------------------------------

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock_byte(fd: int) -> bool:
        os.lseek(fd, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock_byte(fd: int) -> bool:
        """Lock a byte of an open file; False if another holds the lock.

        The lock belongs to the open file, not to the process, so it stays when the process closes
        the file elsewhere. A system without such locks has only the lock by name.
        """
        command = getattr(fcntl, "F_OFD_SETLK", None)
        if sys.platform != "linux" or command is None:
            return True
        wanted = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, _BYTE, 1, 0)
        try:
            fcntl.fcntl(fd, command, wanted)
        except OSError as exc:
            return exc.errno not in (errno.EAGAIN, errno.EACCES)
        return True

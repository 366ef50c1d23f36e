"""The files of a batch's lists: checked, opened late, complete up to the last line.

A list is written under the name that was given, through links, into pipes and devices; it is never
renamed. A file that exists keeps its content until the batch has begun.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

__all__ = ["Output", "check_outputs"]

#: Names of standard output, which must not be opened again: that would write at its beginning.
_STANDARD = ("-", "/dev/stdout", "/dev/fd/1")


@attrs.define(eq=False)
class Output:
    """One list, written line by line."""

    option: str
    """The option that names it."""

    path: str
    """Its name as it was given."""

    failure: OSError | None = attrs.field(default=None, init=False)
    """Why it could not be written. After a failure nothing more is written."""

    _file: int = attrs.field(default=-1, init=False)
    _is_regular: bool = attrs.field(default=False, init=False)

    @property
    def is_standard(self) -> bool:
        """Whether it goes to standard output."""
        return self.path in _STANDARD

    def open(self) -> None:
        """Open the file if it exists; otherwise check whether it can be made.

        Its content stays. A new file is made by `make`, so a file that exists is the list of a run
        that has begun.

        Raises:
            UsageError: It cannot be written.

        """
        with self._as_usage_error():
            if self.is_standard:
                self._file = os.dup(sys.stdout.fileno())
            elif Path(self.path).exists():
                self._open(0)
            else:
                _check_folder(Path(os.path.realpath(self.path)).parent)

    def make(self) -> None:
        """Make the file if it does not exist.

        Raises:
            UsageError: It cannot be made.

        """
        if self._file < 0:
            with self._as_usage_error():
                self._open(os.O_CREAT)

    def begin(self) -> None:
        """Empty the file: from here on it is the list of this run."""
        if self._is_regular:
            os.ftruncate(self._file, 0)

    def _open(self, more: int) -> None:
        flags = os.O_WRONLY | more | getattr(os, "O_BINARY", 0)
        self._file = os.open(self.path, flags, 0o600)
        self._is_regular = stat.S_ISREG(os.fstat(self._file).st_mode)

    @contextlib.contextmanager
    def _as_usage_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            why = f"{self.option} {self.path} cannot be written: {exc.strerror}."
            raise click.UsageError(why) from None

    def write(self, line: str) -> bool:
        """Write one complete line or nothing; say whether it was written."""
        if self.failure is not None:
            return False
        data = _encoded(line) + b"\n"
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as exc:
            self.failure = exc
            if written and self._is_regular:  # half a line could not be sent again
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, os.fstat(self._file).st_size - written)
        return self.failure is None

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _encoded(line: str) -> bytes:
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return line.encode("utf-8", "backslashreplace")


def check_outputs(outputs: Mapping[str, str], others: Mapping[str, str]) -> None:
    """Check that each output is a file of its own.

    Args:
        outputs: The names of the files to be written, by what each one is.
        others: The names of the files that they must not be, by what each one is.

    Raises:
        UsageError: An output is a directory, another output, or one of the others.

    """
    seen: dict[object, str] = {}
    if not any(path in _STANDARD for path in outputs.values()) and _is_file(sys.stdout):
        seen[_identity("-")] = "standard output"
    for what, path in (*others.items(), *outputs.items()):
        if what in outputs and Path(path).is_dir():
            raise click.UsageError(f"{what} {path} is a directory.")
        identity = _identity(path)
        if identity is None:
            continue
        if what in outputs and identity in seen:
            raise click.UsageError(f"{what} {path} is the same file as {seen[identity]}.")
        seen.setdefault(identity, what)


def _is_file(stream: TextIO) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    return False


def _identity(path: str) -> object:
    """Return what identifies a file under any name; None for a file that may be shared."""
    try:
        status = os.fstat(sys.stdout.fileno()) if path in _STANDARD else Path(path).stat()
    except (OSError, ValueError):  # it does not exist: it would be made in its folder
        made = Path(os.path.realpath(path))
        with contextlib.suppress(OSError):
            folder = made.parent.stat()
            return folder.st_dev, folder.st_ino, made.name
        return None
    # Terminals and the null device keep no content.
    return None if stat.S_ISCHR(status.st_mode) else (status.st_dev, status.st_ino)

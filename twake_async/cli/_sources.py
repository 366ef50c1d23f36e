"""Opens, reads and copies files and pipes."""

from __future__ import annotations

import contextlib
import io
import os
import selectors
import stat
import sys
import tempfile
from typing import IO, TYPE_CHECKING, TextIO

import click

from twake_async.errors import InvalidDraftError, TwakeError

from ._formats import ENOUGH
from ._text_lines import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CHUNK",
    "InputError",
    "copied",
    "first_line",
    "is_file",
    "opened",
    "read_chunks",
    "standard_input",
    "standard_text",
]

#: How many bytes are read at once.
CHUNK = 65_536


class InputError(TwakeError):
    """The input cannot be read, or is not what was checked (outcome `NOT_SENT`)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="input")


def standard_input() -> int:
    """Return the file descriptor of standard input.

    Raises:
        click.UsageError: It is closed.

    """
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, io.UnsupportedOperation):  # None, or closed
        raise click.UsageError("Standard input is closed.") from None


def standard_text() -> str:
    """Return all of standard input, as UTF-8 without a byte order mark.

    Raises:
        click.UsageError: It is closed.
        InvalidDraftError: It is not UTF-8, cannot be read, or is too long for a message.

    """
    given = bytearray()
    try:
        for chunk in _standard_chunks():
            given += chunk
            if len(given) > LONGEST:
                raise InvalidDraftError(
                    f"standard input is longer than {LONGEST:,} bytes", field="content"
                )
        return given.decode("utf-8-sig")
    except OSError as exc:
        why = f"standard input cannot be read: {exc.strerror}"
        raise InvalidDraftError(why, field="content") from None
    except UnicodeDecodeError:
        raise InvalidDraftError("standard input is not UTF-8 text", field="content") from None


def _standard_chunks() -> Iterator[bytes]:
    stdin: TextIO | None = sys.stdin
    try:
        return read_chunks(standard_input())
    except click.UsageError:
        if stdin is None or stdin.closed:
            raise
        return iter([stdin.buffer.read()])  # an object of the program, without a descriptor


def opened(name: str) -> int:
    """Return the file descriptor of a file.

    Raises:
        click.UsageError: It cannot be opened.

    """
    try:
        return os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as exc:
        raise click.UsageError(f"{name} cannot be read: {exc.strerror}.") from None


def is_file(source: int) -> bool:
    """Say whether a file descriptor is a regular file, which can be read twice."""
    return stat.S_ISREG(os.fstat(source).st_mode)


def read_chunks(source: int) -> Iterator[bytes]:
    """Yield the bytes of a file descriptor, also of one that does not block."""
    # A thread would hold the lock of a file object at the exit, and a file object takes a pipe
    # without data at the moment for one that has ended.
    while True:
        try:
            chunk = os.read(source, CHUNK)
        except BlockingIOError:
            with selectors.DefaultSelector() as selector:
                selector.register(source, selectors.EVENT_READ)
                selector.select()
            continue
        if not chunk:
            return
        yield chunk


def first_line(source: int) -> bytes:
    """Return the first bytes: up to the end of a line, or enough of them to know the format."""
    head = b""
    try:
        for chunk in read_chunks(source):
            head += chunk
            if b"\n" in head or len(head) >= ENOUGH:
                break
    except OSError as exc:
        raise InputError(f"the input cannot be read: {exc.strerror}") from exc
    return head


def copied(source: int, head: bytes = b"") -> IO[bytes]:
    """Return a temporary copy of a pipe; the caller closes it."""
    try:
        with contextlib.ExitStack() as stack:
            copy = stack.enter_context(tempfile.TemporaryFile())
            copy.write(head)
            for chunk in read_chunks(source):
                copy.write(chunk)
            copy.flush()
            stack.pop_all()
            return copy
    except OSError as exc:
        raise InputError(f"the input cannot be copied: {exc.strerror}") from exc

"""Bytes from files and pipes: opened, read and copied; what cannot be read is told."""

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

#: Bytes that are read at once.
CHUNK = 65_536


class InputError(TwakeError):
    """The input cannot be read, or is not what was checked (outcome `NOT_SENT`)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="input")


def standard_input() -> int:
    """Return the file descriptor of standard input; it is a wrong command line if there is none."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, io.UnsupportedOperation):  # None, or closed
        raise click.UsageError("Standard input is closed.") from None


def standard_text() -> str:
    """Return all of standard input, which is UTF-8, without a byte order mark.

    Raises:
        click.UsageError: It is closed.
        InvalidDraftError: It is no such text, cannot be read, or is too long for a message.

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
        return iter([stdin.buffer.read()])  # one that a program put there, without a descriptor


def opened(name: str) -> int:
    """Return the file descriptor of a file; it is a wrong command line if it cannot be opened."""
    try:
        return os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as exc:
        raise click.UsageError(f"{name} cannot be read: {exc.strerror}.") from None


def is_file(source: int) -> bool:
    """Say whether it can be read from its beginning again."""
    return stat.S_ISREG(os.fstat(source).st_mode)


def read_chunks(source: int) -> Iterator[bytes]:
    """Yield what comes from a file descriptor, also from one that does not block."""
    # Not through a file object, whose lock a thread would hold while the process ends, and which
    # takes a pipe that has nothing for the moment for one that has ended.
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
    """Return what comes until a line has ended, or until it is enough to tell what it is."""
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
    """Return a copy, without a name, of all that comes from a pipe; the caller closes it."""
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

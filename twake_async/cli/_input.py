"""The input of a batch: a file, which is read twice, or a pipe, which is read as it comes."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import queue
import threading
import time
import zlib
from typing import IO, TYPE_CHECKING

import attrs
import click

from twake_async.errors import ConfigurationError, InvalidDraftError

from ._csv_lines import read_csv
from ._formats import is_csv, no_text
from ._lines import JsonLines, Line, Reading, read_jsonl
from ._offline import Offline
from ._sources import (
    CHUNK,
    InputError,
    copied,
    first_line,
    is_file,
    opened,
    read_chunks,
    standard_input,
)
from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import ExitStack

__all__ = ["FileInput", "StreamInput", "open_input"]

#: How many chunks are read ahead of the batch.
_AHEAD = 8
#: Seconds that `StreamInput.rest` waits for one chunk, and for all of them.
_PAUSE, _PATIENCE = 1.0, 30.0


@attrs.define(eq=False)
class FileInput:
    """A file that can be read from its beginning again."""

    file: IO[bytes]
    is_csv: bool
    reading: Reading = attrs.field(factory=Reading)
    #: A checksum of each line that was checked; None before.
    _checked: array.array[int] | None = attrs.field(default=None, init=False)
    _state: tuple[int, int] | None = attrs.field(default=None, init=False)

    @property
    def is_changed(self) -> bool:
        """Whether the file was written to after its check began."""
        return self._state is not None and self._state != self._stat()

    def check(self, offline: Offline = Offline()) -> Iterator[Line]:  # noqa: B008 - frozen
        """Yield its lines from the first, each checked, and remember their checksums.

        Args:
            offline: Checks drafts as the run does.

        """
        self._state = self._stat()
        self._checked = array.array("I")
        keys: dict[str, int] = {}
        for line in self._read():
            self._checked.append(_checksum(line))
            yield _with_new_key(_with_checked_draft(line, offline), keys)

    def lines(self) -> Iterator[Line]:
        """Yield its lines again, and compare them with those that were checked.

        Raises:
            InputError: A line is not the one that was checked, or the file cannot be read.

        """
        count = 0
        for line in self._read():
            self._compare(count, line)
            count += 1
            yield line
        if self._checked is not None and count < len(self._checked):
            raise InputError("the file has become shorter since it was checked")

    def rest(self, after: int) -> Iterator[Line]:
        """Yield the lines after a number, as the file has them now."""
        return (line for line in self._read() if line.number > after)

    def _compare(self, count: int, line: Line) -> None:
        if self._checked is None:
            return
        if count >= len(self._checked):
            raise InputError(
                f"the file has grown since it was checked: line {line.number} and the lines "
                f"after it were not sent"
            )
        if self._checked[count] != _checksum(line):
            raise InputError(
                f"the file was changed since it was checked: line {line.number} and the lines "
                f"after it were not sent"
            )

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = os.fstat(self.file.fileno())
        except OSError:  # it was closed, or has no descriptor
            return None
        return found.st_size, found.st_mtime_ns

    def _read(self) -> Iterator[Line]:
        read = read_csv if self.is_csv else read_jsonl
        return read(self._chunks(), self.reading)

    def _chunks(self) -> Iterator[bytes]:
        at = 0  # a position of its own: another pass may move that of the file
        while True:
            try:
                self.file.seek(at)
                chunk = self.file.read(CHUNK)
            except OSError as exc:
                raise InputError(f"the input cannot be read: {exc.strerror}") from exc
            if not chunk:
                return
            at += len(chunk)
            yield chunk


def _checksum(line: Line) -> int:
    return zlib.crc32(line.source.encode("utf-8", "surrogateescape"), line.number & 0xFFFFFFFF)


def _with_checked_draft(line: Line, offline: Offline) -> Line:
    if line.draft is None:
        return line
    try:
        offline.check(line.draft)
    except (InvalidDraftError, ConfigurationError) as exc:
        return attrs.evolve(line, draft=None, problem=of_error(exc))
    return line


def _with_new_key(line: Line, keys: dict[str, int]) -> Line:
    if line.key is None:
        return line
    first = keys.setdefault(line.key, line.number)
    if first == line.number:
        return line
    problem = f"its key {line.key!r} is that of line {first} too"
    return attrs.evolve(line, draft=None, problem=problem)


class StreamInput:
    """A pipe, read by a thread, so that neither the event loop nor the exit waits for it.

    Args:
        source: The file descriptor. It stays open: the thread may wait for it until the exit.
        reading: How its lines are to be read; it is JSON Lines.
        head: The bytes that were read already.

    """

    def __init__(self, source: int, reading: Reading, head: bytes = b"") -> None:
        self._source = source
        self._lines = JsonLines(reading)
        self._ready = self._lines.feed(head)
        self._chunks: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._came: asyncio.Event | None = None
        self._started = self._stopped = self._ended = False

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        return self._ended

    def stop(self) -> None:
        """Yield no more lines; `rest` yields what was read."""
        self._stopped = True
        if self._came is not None:
            self._came.set()

    async def lines(self) -> AsyncIterator[Line]:
        """Yield lines of JSON as they come.

        Raises:
            InputError: The pipe cannot be read.

        """
        self._came = came = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._start(lambda: loop.call_soon_threadsafe(came.set))
        while not self._stopped:
            for line in self._ready:
                yield line
                if self._stopped:
                    return
            if self._ended:
                return
            came.clear()
            try:
                self._take(self._chunks.get_nowait())
            except queue.Empty:
                await came.wait()

    def rest(self, after: int) -> Iterator[Line]:  # noqa: ARG002 - as FileInput has it
        """Yield the lines that were read and not yielded, and those that still come soon."""
        until = time.monotonic() + _PATIENCE
        self._start(lambda: None)
        yield from self._ready
        while not self._ended and time.monotonic() < until:
            try:
                self._take(self._chunks.get(timeout=_PAUSE))
            except (queue.Empty, InputError):
                break
            yield from self._ready
        yield from self._lines.finish()

    def _start(self, wake: Callable[[], object]) -> None:
        if not self._started:
            self._started = True
            threading.Thread(target=self._read, args=(wake,), daemon=True).start()

    def _take(self, chunk: bytes | OSError) -> None:
        self._room.release()
        if isinstance(chunk, OSError):
            self._ended = True
            raise InputError(f"the input cannot be read: {chunk.strerror}") from chunk
        self._ended = not chunk
        self._ready = self._lines.feed(chunk) if chunk else self._lines.finish()

    def _read(self, wake: Callable[[], object]) -> None:
        chunks = read_chunks(self._source)
        ended = False
        while not ended:
            self._room.acquire()
            try:
                chunk: bytes | OSError = next(chunks, b"")
            except OSError as exc:
                chunk = exc
            ended = not chunk or isinstance(chunk, OSError)
            self._chunks.put(chunk)
            with contextlib.suppress(RuntimeError):  # the loop is closed; `rest` needs none
                wake()


def open_input(
    name: str, asked: str | None, reading: Reading, stack: ExitStack, *, whole: bool
) -> FileInput | StreamInput:
    """Return the input of a batch.

    A file is read twice. A pipe can be read only once: JSON Lines are sent as they come. CSV, whose
    rows may span lines, is copied to a file first.

    Args:
        name: The name of the file; "-" for standard input.
        asked: The format that was asked for, "csv" or "jsonl"; None to find it out.
        reading: How its lines are to be read.
        stack: Closes it.
        whole: Whether all of it is to be read before anything is sent.

    Raises:
        click.UsageError: It cannot be opened, or is no text.
        InputError: It cannot be read.

    """
    if name == "-":
        asked = asked or ("csv" if reading.delimiter else "jsonl")
        return _pipe(standard_input(), asked == "csv", reading, stack, whole=whole)
    source = opened(name)
    if is_file(source):
        file = stack.enter_context(os.fdopen(source, "rb"))
        head = first_line(source)
        return FileInput(file, _is_csv(asked, name, head, reading), reading)
    head = first_line(source)
    return _pipe(source, _is_csv(asked, name, head, reading), reading, stack, head, whole=whole)


def _is_csv(asked: str | None, name: str, head: bytes, reading: Reading) -> bool:
    if what := no_text(head):
        raise click.UsageError(f"{name} is {what}.")
    return is_csv(asked, name, head, reading)


def _pipe(
    source: int,
    csv: bool,
    reading: Reading,
    stack: ExitStack,
    head: bytes = b"",
    *,
    whole: bool,
) -> FileInput | StreamInput:
    if csv or whole:
        return FileInput(stack.enter_context(copied(source, head)), csv, reading)
    return StreamInput(source, reading, head)

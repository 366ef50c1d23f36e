"""Where the lines of a batch come from: a file, read twice, or standard input, as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import IO, TYPE_CHECKING

import attrs

from ._lines import Line, read_csv, read_jsonl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["FileInput", "StreamInput"]

#: Chunks that are read ahead of the batch.
_CHUNKS = 8


@attrs.frozen
class FileInput:
    """A file that can be read from its beginning again."""

    file: IO[bytes]
    is_csv: bool

    def lines(self) -> Iterator[Line]:
        """Yield its lines, from the first."""
        self.file.seek(0)
        if not self.is_csv:
            yield from read_jsonl(self.file)
            return
        # A decoder that marks what it cannot read, so that one bad row is one bad row.
        yield from read_csv(raw.decode("utf-8-sig", "surrogateescape") for raw in self.file)


class StreamInput:
    """Standard input, read by a thread that never holds up the event loop or the process's end."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = threading.Semaphore(_CHUNKS)

    def stop(self) -> None:
        """Yield no more lines."""
        self._chunks.put_nowait(b"")

    async def lines(self) -> AsyncIterator[Line]:
        """Yield lines of JSON as they come."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        number, rest = 0, b""
        while chunk := await self._chunks.get():
            self._room.release()
            *whole, rest = (rest + chunk).split(b"\n")
            for number, raw in enumerate(whole, number + 1):  # noqa: B020 - goes on
                for line in read_jsonl([raw]):
                    yield attrs.evolve(line, number=number)
        for line in read_jsonl([rest]):
            yield attrs.evolve(line, number=number + 1)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not through sys.stdin, whose lock this thread would hold while the process ends.
        source = sys.stdin.fileno()
        with contextlib.suppress(RuntimeError, OSError):  # the loop, or the input, is gone
            while self._room.acquire():
                chunk = os.read(source, 65_536)
                loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
                if not chunk:
                    return

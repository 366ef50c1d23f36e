"""What is uploaded: a file on the disk, bytes, an open file or an async iterable."""

from __future__ import annotations

import asyncio
import inspect
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import InvalidDraftError

from ._files_threads import InThread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Source", "SourceError", "open_source"]

#: The bytes that are read at once.
CHUNK = 262_144


class SourceError(Exception):
    """A source gave other data than it promised."""


@attrs.frozen(eq=False)
class Source:
    """What is uploaded."""

    read: Callable[[], AsyncGenerator[bytes, None]]
    """Yields its bytes from the beginning."""
    size: int | None = None
    """The number of its bytes; None if that is not known."""
    name: str | None = None
    """The name that it has, if it has one."""
    can_repeat: bool = True
    """Whether it can be read more than once."""


async def open_source(source: Any, size: int | None) -> Source:
    """Return a `Source` for what the caller gave.

    Args:
        source: A path, bytes, a file that is open in binary mode, or an async iterable of bytes.
        size: The bytes that the caller says it has; None to find out.

    Raises:
        InvalidDraftError: It is none of these, or the file cannot be read.

    """
    if size is not None and (type(size) is not int or size < 0):
        raise InvalidDraftError("size must be a number of bytes", field="size")
    if isinstance(source, str | os.PathLike):
        return await asyncio.to_thread(_of_path, source)
    if isinstance(source, bytes | bytearray | memoryview):
        return _of_bytes(bytes(source))
    if hasattr(source, "read"):
        return await _of_file(source, size)
    if isinstance(source, AsyncIterable):
        return Source(lambda: _checked(source, size), size, can_repeat=False)
    raise InvalidDraftError(
        "source must be a path, bytes, a file open in binary mode, or an async iterable of bytes, "
        f"not {type(source).__name__}",
        field="source",
    )


def _of_path(path: str | os.PathLike[str]) -> Source:
    try:
        found = os.stat(path)  # noqa: PTH116 - takes what `os.fspath` takes
        # Opening a pipe would wait for a writer.
        if stat.S_ISREG(found.st_mode):
            with open(path, "rb") as file:  # noqa: PTH123 - as above
                found = os.fstat(file.fileno())
    except (OSError, ValueError) as exc:
        raise InvalidDraftError(
            f"the file to upload cannot be read: {exc}", field="source"
        ) from exc
    if not stat.S_ISREG(found.st_mode):
        raise InvalidDraftError("source is not a regular file", field="source")

    async def read() -> AsyncGenerator[bytes, None]:
        file = await asyncio.to_thread(open, path, "rb")
        thread = InThread()
        try:
            async for chunk in _pieces(file, found.st_size, thread):
                yield chunk
        finally:
            try:
                await thread.settle()
            finally:
                thread.finally_run(file.close)

    return Source(read, found.st_size, os.path.basename(os.fspath(path)))  # noqa: PTH119 - as above


def _of_bytes(content: bytes) -> Source:
    async def read() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]

    return Source(read, len(content))


async def _of_file(file: Any, size: int | None) -> Source:
    name = getattr(file, "name", None)
    name = os.path.basename(name) if isinstance(name, str) else None  # noqa: PTH119
    start, found = await asyncio.to_thread(_extent, file)
    if start is None:
        return Source(lambda: _pieces(file, size), size, name, can_repeat=False)
    length = found if size is None else size

    async def read() -> AsyncGenerator[bytes, None]:
        await asyncio.to_thread(file.seek, start)
        async for chunk in _pieces(file, length):
            yield chunk

    return Source(read, length, name)


def _extent(file: Any) -> tuple[int | None, int]:
    """Return the position of a file, and how many bytes follow; None and 0 if not known."""
    try:
        if inspect.iscoroutinefunction(file.read) or not file.seekable():
            return None, 0
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
    except (AttributeError, OSError, ValueError):
        return None, 0
    return start, max(0, end - start)


async def _pieces(
    file: Any, size: int | None, thread: InThread | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield a file from its position: to its end, or exactly `size` bytes."""
    left, thread = size, thread or InThread()
    while left is None or left > 0:
        wanted = CHUNK if left is None else min(CHUNK, left)
        if inspect.iscoroutinefunction(file.read):
            chunk = await file.read(wanted)
        else:
            chunk = await thread.run(file.read, wanted)
        if not isinstance(chunk, bytes):
            raise SourceError("the file gives no bytes: open it in binary mode")
        if not chunk:
            break
        left = None if left is None else left - len(chunk)
        yield chunk
    if left:
        raise SourceError(f"the file ended {left} bytes before its size")


async def _checked(source: AsyncIterable[bytes], size: int | None) -> AsyncGenerator[bytes, None]:
    """Yield what an iterable gives; raise if it is not bytes of the promised size."""
    given = 0
    async for chunk in source:
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise SourceError(f"the iterable gave {type(chunk).__name__} in place of bytes")
        data = bytes(chunk)
        given += len(data)
        if size is not None and given > size:
            raise SourceError(f"the iterable gave more than the {size} bytes of its size")
        if data:
            yield data
    if size is not None and given < size:
        raise SourceError(f"the iterable gave {given} of the {size} bytes of its size")

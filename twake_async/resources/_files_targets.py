"""Where a download goes: a new file on the disk, or what the caller writes to."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from twake_async.errors import InvalidDraftError

from ._files_names import server_name
from ._files_threads import InThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._protocol.exchange import Answer

__all__ = ["FileTarget", "Target", "WriterTarget"]

#: The bytes that are collected before they are written to the disk.
_AT_ONCE = 1_048_576


class Target(Protocol):
    """Where a download goes."""

    @property
    def can_repeat(self) -> bool:
        """Whether the target can discard what was written."""
        ...

    async def begin(self, head: Answer) -> None:
        """Begin a file, or begin it again."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Take a part of it."""
        ...


@attrs.define(eq=False)
class WriterTarget:
    """Writes to what the caller gave: `write` may be async or not."""

    write_to: Callable[[bytes], Any]

    can_repeat = False

    async def begin(self, head: Answer) -> None:
        """Do nothing: what was written stays."""

    async def write(self, chunk: bytes) -> None:
        """Write a part."""
        if inspect.iscoroutinefunction(self.write_to):
            await self.write_to(chunk)
            return
        found: int | Awaitable[Any] | None = await asyncio.to_thread(self.write_to, chunk)
        if isinstance(found, int) and not isinstance(found, bool) and found < len(chunk):
            raise OSError(f"only {found} of {len(chunk)} bytes were written")
        if inspect.isawaitable(found):
            await found


@attrs.define(eq=False)
class FileTarget:
    """Writes a temporary file in the folder of the new file, and renames it.

    Only its owner can read the temporary file, and the new file.

    Args:
        path: The path of the new file; a folder if the server names the file.
        overwrite: Whether a file that is there is replaced.
        named_by_server: Whether the server names the file.

    """

    path: Path
    overwrite: bool
    named_by_server: bool
    _file: Any = attrs.field(default=None, init=False)
    _temporary: str = attrs.field(default="", init=False)
    _waiting: bytearray = attrs.field(factory=bytearray, init=False)
    _thread: InThread = attrs.field(factory=InThread, init=False)

    can_repeat = True

    def check(self) -> None:
        """Raise if the file could not be put at its path.

        Raises:
            FileExistsError: There is a file, which must not be replaced.
            InvalidDraftError: The path is a folder, and the server does not name the file.

        """
        if self.named_by_server:
            return
        if self.path.is_dir():
            raise InvalidDraftError(
                "to is a folder: name the file, or give use_server_name=True", field="to"
            )
        if self.path.exists() and not self.path.is_file():
            raise InvalidDraftError("to is not a regular file, and is not replaced", field="to")
        self._check_free()

    def _check_free(self) -> None:
        if not self.overwrite and os.path.lexists(self.path):
            raise FileExistsError(f"{str(self.path)!r} exists: give overwrite=True to replace it")

    async def begin(self, head: Answer) -> None:
        """Begin a file, which is empty."""
        if self.named_by_server:
            name = server_name(head.header(b"content-disposition"))
            self.path, self.named_by_server = self.path / name, False
            await self._thread.run(self._check_free)
        self._waiting.clear()
        await self._thread.run(self._begin)

    def _begin(self) -> None:
        import tempfile  # noqa: PLC0415 - who only sends need not wait for its import

        if self._file is None:
            handle, self._temporary = tempfile.mkstemp(
                prefix=f".{self.path.name[:16]}.", suffix=".part", dir=self.path.parent
            )
            self._file = os.fdopen(handle, "wb", buffering=0)
        self._file.seek(0)
        self._file.truncate()

    async def write(self, chunk: bytes) -> None:
        """Take a part of it."""
        self._waiting += chunk
        if len(self._waiting) >= _AT_ONCE:
            await self._flush()

    async def _flush(self) -> None:
        data, self._waiting = self._waiting, bytearray()
        await self._thread.run(_write_all, self._file, data)

    async def finish(self) -> Path:
        """Put the file at its path, and return the path.

        Raises:
            FileExistsError: Another file has appeared there, which must not be replaced.

        """
        await self._flush()
        await self._thread.run(self._rename)
        return self.path

    def _rename(self) -> None:
        self._file.close()
        if self.overwrite or os.name == "nt":  # Windows renames nothing over another file
            (os.replace if self.overwrite else os.rename)(self._temporary, self.path)
        else:
            try:
                # Unlike a rename, a link never replaces a file.
                os.link(self._temporary, self.path)
            except FileExistsError:
                raise
            except OSError:  # a file system without links
                self._check_free()
                Path(self._temporary).rename(self.path)
            else:
                Path(self._temporary).unlink()
        self._temporary = ""

    async def discard(self) -> None:
        """Remove the temporary file, if it is still there."""
        try:
            await self._thread.settle()
        finally:
            self._thread.finally_run(self._remove)

    def _remove(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._temporary:
            with contextlib.suppress(OSError):
                Path(self._temporary).unlink()


def _write_all(file: Any, data: bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]

"""The contents of files, in a temporary folder that is removed with the world."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

from attrs import define, field

__all__ = ["Contents"]


@define(slots=True, eq=False)
class Contents:
    """Contents by key, up to a total size; the first content creates the folder."""

    max_bytes: int = 268_435_456
    _sizes: dict[str, int] = field(factory=dict, init=False)
    _folder: Path | None = field(default=None, init=False)

    def put(self, key: str, content: bytes) -> None:
        """Keep a content; past the total size, drop the oldest, but never the newest."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="twake-async-sandbox-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        (self._folder / key).write_bytes(content)
        self._sizes[key] = len(content)
        while sum(self._sizes.values()) > self.max_bytes and len(self._sizes) > 1:
            self.drop(next(iter(self._sizes)))

    def get(self, key: str) -> bytes:
        """Return the bytes of a key; empty if they are not kept."""
        if key not in self._sizes or self._folder is None:
            return b""
        return (self._folder / key).read_bytes()

    def drop(self, key: str) -> None:
        """Drop the bytes of a key."""
        if self._sizes.pop(key, None) is not None and self._folder is not None:
            (self._folder / key).unlink()

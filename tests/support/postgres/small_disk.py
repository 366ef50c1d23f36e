"""A disk of a few megabytes, for a database that is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .server import PostgresServer

#: A new database has 8 MB; the rest is for the test.
SIZE = "16m"
#: The bytes that are written at once.
_PART = 4096


class DiskMissingError(Exception):
    """A small disk cannot be made on this machine."""


@contextlib.contextmanager
def small_database(server: PostgresServer) -> Iterator[str]:
    """Give the name of a new database on a small disk.

    Raises:
        DiskMissingError: only root on Linux can mount a file system of a given size.

    """
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        raise DiskMissingError("a disk of a given size needs root on Linux")
    disk = _disk(server)
    disk.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise DiskMissingError(
            f"a disk of a given size cannot be mounted here: {mounted.stderr.strip()}"
        )
    try:
        server.programs.give(disk)
        server.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
        try:
            with server.database("TABLESPACE small") as name:
                yield name
        finally:
            server.run("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(server: PostgresServer, room: int = 0) -> None:
    """Fill the disk with a file of our own, which needs no connection to the database.

    A new connection may have to write a file, too: PostgreSQL's "init file".

    Args:
        server: The server.
        room: How many bytes to leave, roughly.

    """
    with contextlib.suppress(OSError), _ballast(server).open("wb", buffering=0) as file:
        while shutil.disk_usage(_disk(server)).free > room:
            file.write(bytes(_PART))


def empty(server: PostgresServer) -> None:
    """Make room again."""
    _ballast(server).unlink()


def _disk(server: PostgresServer) -> Path:
    return server.folder / "disk"


def _ballast(server: PostgresServer) -> Path:
    return _disk(server) / "ballast"
